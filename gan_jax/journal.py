"""Keeps a run's record on disk, in an order that a kill at any moment does no harm to.

What belongs to a step is written before that step's checkpoint; a run that restores a checkpoint
drops what is later than it, and writes the same again. Metrics are left on the devices until they
are logged or a checkpoint has to be vouched for.
"""

import math
import pathlib
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from gan_jax import checkpoint, reproduce, workdir
from gan_jax.config import Config
from gan_jax.errors import Diverged
from gan_jax.preview import Painter
from gan_jax.report import pictures
from gan_jax.report.metrics import Metrics
from gan_jax.report.progress import Progress
from gan_jax.state import GANState

# Steps sent to the devices before their results are there: enough to keep them busy, few enough to
# stop soon.
_STEPS_AHEAD = 2
# Steps whose metrics stay on the devices where little is logged; divergence is noticed within them.
_MOST_PENDING = 500


class Journal:
    """The record of one run, to be closed at its end.

    Args:
      config: the run's.
      directory: the run's.
      checkpoints: where `save` saves to.
      paint: state -> picture.
      start: the step that the run goes on from.
      manifest: what manifest.json says; its `step` and times are kept up to date.
    """

    def __init__(
        self,
        config: Config,
        directory: pathlib.Path,
        checkpoints: checkpoint.Checkpoints,
        paint: Painter,
        start: int,
        manifest: dict[str, Any],
    ):
        self._config = config
        self._checkpoints, self._paint, self._manifest = checkpoints, paint, manifest
        self._directory = directory
        self._digests = directory / "digests.jsonl"
        self._samples = directory / "samples"
        self._samples.mkdir(exist_ok=True)
        workdir.keep_lines(self._digests, start)
        self._metrics = Metrics(directory, start)
        self._progress = Progress(start, config.steps)
        self._pending: list[tuple[int, dict[str, Float[Array, ""]]]] = []
        self._began = time.perf_counter()
        self._last: tuple[int, float] | None = None

    def close(self) -> None:
        """Ends the bar and flushes what is written."""
        self._progress.close()
        self._metrics.close()

    def say(self, line: str) -> None:
        """Tells the person at the terminal."""
        self._progress.say(line)

    def add(self, step: int, metrics: dict[str, Float[Array, ""]]) -> None:
        """Takes a step's metrics, as they are on the devices."""
        self._pending.append((step, metrics))
        if self._last is None:  # the first step compiles: it says nothing of the speed
            jax.block_until_ready(metrics)
            self._last = (step, time.perf_counter())
            self._manifest["seconds_to_first_step"] = round(self._last[1] - self._began, 3)
        elif len(self._pending) > _STEPS_AHEAD:
            jax.block_until_ready(self._pending[-1 - _STEPS_AHEAD][1])
        if len(self._pending) > _MOST_PENDING:
            self._fetch()

    def log(self) -> None:
        """Writes and shows the metrics of the step last added."""
        step, row = self._fetch()
        before, then = self._last
        now = time.perf_counter()
        images = self._images(step) - self._images(before)
        speed = images / (now - then) if step > before else 0.0
        row |= {"images_per_second": speed, "seconds": now - self._began}
        self._last = (step, now)
        self._metrics.write(step, row)
        self._progress.show(step, row)

    def _images(self, step: int) -> int:
        """Real images behind so many steps."""
        config = self._config
        return config.batch_size * config.d_boost.before(step, config.d_steps)

    def draw(self, state: GANState) -> None:
        """Writes the picture of a state."""
        self._fetch()
        step, pixels = int(state.step), self._paint(state)
        pictures.save(pixels, self._samples / f"step_{step:08d}.png")
        self._metrics.write_picture(step, pixels)

    def save(self, state: GANState) -> None:
        """Writes the digest of a state and starts to save it, if it is finite all through."""
        self._fetch()
        host = checkpoint.to_host(state)
        step = int(host.step)
        for path, leaf in jax.tree_util.tree_leaves_with_path(host):
            if not np.isfinite(leaf).all():
                raise _diverged(step, "state" + jax.tree_util.keystr(path))
        digest = reproduce.digest(host)
        workdir.append_line(self._digests, digest)
        self._checkpoints.save(host, digest)
        self._manifest["step"] = step
        workdir.write_json(self._directory / "manifest.json", self._manifest)

    def finish(self) -> None:
        """Makes the time-lapse of all pictures."""
        pictures.time_lapse(self._samples, self._samples / "timelapse.gif")

    def _fetch(self) -> tuple[int, dict[str, float]]:
        """The metrics last added, once all that were added are known to be finite."""
        if not self._pending:
            return 0, {}
        steps, metrics = zip(*self._pending, strict=True)
        rows = jax.device_get(metrics)
        for step, row in zip(steps, rows, strict=True):
            for name, value in row.items():
                if not math.isfinite(value):
                    raise _diverged(step, name)
        self._pending = self._pending[-1:]
        return steps[-1], {name: float(value) for name, value in rows[-1].items()}


def _diverged(step: int, name: str) -> Diverged:
    return Diverged(
        f"diverged: {name} is not finite at step {step}; the checkpoints before it are kept; try a "
        "lower learning rate"
    )
