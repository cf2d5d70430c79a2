"""Keeps a run's record on disk, in an order that a kill at any moment does no harm to.

The loop hands over what is still being computed and goes on; one thread takes these things in turn,
waits for each, and writes it. What belongs to a step is so written before that step's checkpoint; a
run that restores a checkpoint drops what is later than it, and writes the same again.
"""

import concurrent.futures
import math
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from gan_jax import checkpoint, diagnose, parallel, preview, prng, reproduce, workdir
from gan_jax.config import Config
from gan_jax.data.sources import Source
from gan_jax.decorations import Decorations
from gan_jax.errors import Diverged
from gan_jax.evaluate.record import Record
from gan_jax.pace import BESIDE, Pace
from gan_jax.preview import Painter
from gan_jax.report import pictures
from gan_jax.report.charts import drawable
from gan_jax.report.diagnosis import Diagnosis
from gan_jax.report.metrics import Metrics
from gan_jax.report.page import Page
from gan_jax.report.progress import Progress
from gan_jax.state import GANState

# Calls whose metrics stay on the devices where little is logged; divergence is noticed within them.
_MOST_PENDING = 500

_SHOWN = ("fid", "precision", "recall", "coverage", "reverse_kl")

MetricsOfSteps = dict[str, Float[Array | np.ndarray, "steps"]]


class Journal:
    """The record of one run, to be closed at its end.

    Args:
      config: the run's.
      directory: the run's, claimed.
      checkpoints: where `save` saves to.
      painter: how a state is drawn.
      record: how it is scored; None where it is not.
      start: the step that the run goes on from.
      manifest: what manifest.json says; its `step` and times are kept up to date, and `warnings`:
        the step and the text of each, those of the rows behind the start among them.
      page: shows what is written, now and then.
      progress: tells the person at the terminal.
      writer: the one thread; others may hand things to it as well.
      opened: when the run's directory was opened, by `time.perf_counter`; None: now.
      began: when the run's start began; None: when it was opened.
    """

    def __init__(
        self,
        config: Config,
        directory: pathlib.Path,
        checkpoints: checkpoint.Checkpoints,
        painter: Painter,
        record: Record | None,
        start: int,
        manifest: dict[str, Any],
        page: Page,
        progress: Progress,
        writer: concurrent.futures.ThreadPoolExecutor,
        opened: float | None = None,
        began: float | None = None,
    ):
        self._config = config
        self._checkpoints, self._painter, self._manifest = checkpoints, painter, manifest
        self._record, self._key = record, parallel.replicate(prng.root(config.seed))
        self._directory = directory
        self._digests = directory / "digests.jsonl"
        self._samples = directory / "samples"
        self._place = workdir.Place(directory)
        self._decorations = Decorations(self._place)
        with self._decorations.guard("making the pictures' directory"):
            self._samples.mkdir(exist_ok=True)
        workdir.keep_lines(self._digests, start)
        self._metrics = Metrics(directory, start)
        self._diagnosis = Diagnosis(config.loss != "wasserstein", config.steps)
        self._warnings: list[dict[str, Any]] = manifest.setdefault("warnings", [])
        for row in workdir.read_lines(directory / "metrics.jsonl"):
            step = row.pop("step")
            self._diagnose(step, {name: float(row[name]) for name in row if drawable(row[name])})
        self._page, self._progress, self._writer = page, progress, writer
        with self._decorations.guard("showing the progress"):
            progress.begin(start, config.steps)
        self._pending: list[tuple[int, MetricsOfSteps]] = []
        self._backlog = parallel.Backlog()
        self._opened = time.perf_counter() if opened is None else opened
        self._began = self._opened if began is None else began
        self._pace, self._is_first = Pace(self._images, start), True
        self._large: list[concurrent.futures.Future] = []
        self._step_of_large = start
        self._error: BaseException | None = None
        self._submit(page.refresh, start)

    def close(self) -> None:
        """Writes what was handed over."""
        with workdir.closing(self._close_events):
            self._submit(lambda: None).result()

    def say(self, line: str) -> None:
        """Tells the person at the terminal."""
        with self._decorations.guard("showing the progress"):
            self._progress.say(line)

    def add(self, step: int, metrics: MetricsOfSteps, timed: bool = True) -> None:
        """Takes the metrics of the steps up to this one, as they are on the devices.

        Args:
          step: the last of them.
          metrics: theirs.
          timed: whether the time from call to call tells the speed; else `took` does.

        Raises:
          Diverged: if what was handed over earlier proves not to be finite; so do all below.
        """
        self._raise_error()
        self._pending.append((step, metrics))
        if self._is_first:  # it compiles: that says nothing of the speed
            jax.block_until_ready(metrics)
            seconds = time.perf_counter() - self._began
            self._manifest["seconds_to_first_step"] = round(seconds, 3)
            self._is_first = False
            self.go_on(step)
        self._backlog.add(metrics)
        if timed:
            self._pace.note(step)
        if len(self._pending) > _MOST_PENDING:
            self._check()

    def took(self, step: int, seconds: float, calm: bool) -> None:
        """Takes how long the steps up to this one took; see `Pace.took`."""
        self._pace.took(step, seconds, calm)

    def wait(self, step: int) -> None:
        """Waits for the metrics of the step last added, so that the time until then is its own."""
        if self._pending:
            jax.block_until_ready(self._pending[-1][1])
            self._pace.note(step)

    def go_on(self, step: int) -> None:
        """Begins to take the time again, after what was done between two steps."""
        self._pace.restart(step)

    def log(self, state: GANState) -> None:
        """Writes and shows the metrics of the step last added, and what the state after it shows.

        Warns, at the terminal and in manifest.json, of what these and the rows before them say.
        """
        self._check()
        step, metrics = self._pending[-1]
        norms = {}
        with self._decorations.guard("taking the spectral norms"):
            norms = diagnose.spectral_norms(state)
        seconds = time.perf_counter() - self._opened
        self._submit(self._log, step, metrics, norms, self._pace.speed(), seconds)

    def draw(self, step: int, state: GANState) -> None:
        """Writes the picture of a state."""
        self._check()
        self._submit_large(self._draw, step, self._look, state)

    def draw_real(self, source: Source) -> None:
        """Draws a sheet of real examples."""
        self._submit(self._draw_real, source)

    def evaluate(self, step: int, state: GANState) -> None:
        """Scores a state, and keeps it if it is the best."""
        self._check()
        self._submit_large(self._evaluate, step, checkpoint.copy, state)

    def save(self, step: int, state: GANState) -> None:
        """Writes the digest of a state and saves it, if it is finite all through."""
        self._check()
        self._submit_large(self._save, step, checkpoint.copy, state)

    def settle(self) -> None:
        """Waits until all that was handed over is written, but for checkpoints under way."""
        self._submit(lambda: None).result()
        self._raise_error()

    def secure(self) -> None:
        """Waits until all that was handed over is on disk."""
        self._submit(self._checkpoints.wait)
        self.settle()

    def finish(self) -> None:
        """Makes the time-lapse of all pictures, and says which checkpoint is best."""
        self.secure()
        with self._decorations.guard("telling the best checkpoint"):
            if self._record is not None and (best := self._record.best()):
                metric = self._config.eval.best
                self.say(f"best {metric}: {best[metric]:.4g} at step {best['step']}")
        with self._decorations.guard("making the time-lapse"):
            pictures.time_lapse(self._samples, self._samples / "timelapse.gif")

    def _close_events(self) -> None:
        with self._decorations.guard("writing TensorBoard's events"):
            self._metrics.close()

    def _submit(self, task: Callable[..., None], *arguments: Any) -> concurrent.futures.Future:
        return self._writer.submit(self._write, task, *arguments)

    def _submit_large(
        self, task: Callable[..., None], step: int, take: Callable[[GANState], Any], state: GANState
    ) -> None:
        """A task on what is taken of a state, which holds memory: those of one step at a time."""
        if step != self._step_of_large:
            concurrent.futures.wait(self._large)
            self._step_of_large, self._large = step, []
        self._raise_error()
        taken = take(state)
        BESIDE.begin()
        future = self._submit(task, step, taken)
        future.add_done_callback(lambda _: BESIDE.end())
        self._large.append(future)

    def _write(self, task: Callable[..., None], *arguments: Any) -> None:
        """Runs a task in the writer's thread; after one that failed, none counts."""
        if self._error is None:
            try:
                self._place.check()
                task(*arguments)
            except BaseException as error:
                self._error = error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _check(self) -> None:
        """Hands over the metrics that were added, to see whether they are finite."""
        self._submit(_check_finite, self._pending)
        self._pending = self._pending[-1:]

    def _log(
        self,
        step: int,
        metrics: MetricsOfSteps,
        norms: dict[str, Array],
        speed: float,
        seconds: float,
    ) -> None:
        """Speed and time are those of the moment of logging: what waits here has a later clock."""
        row = {name: float(values[-1]) for name, values in jax.device_get(metrics).items()}
        with self._decorations.guard("taking the spectral norms"):
            row |= {name: float(value) for name, value in jax.device_get(norms).items()}
        for name, value in row.items():
            if not math.isfinite(value):
                raise _diverged(step, name)
        row |= {"images_per_second": speed, "seconds": seconds}
        self._checkpoints.check()
        self._metrics.write(step, row)
        with self._decorations.guard("writing TensorBoard's events"):
            self._metrics.write_scalars(step, row)
        with self._decorations.guard("showing the progress"):
            self._progress.show(step, row)
        found = self._diagnose(step, row)
        for warning in found:
            self.say(f"warning: step {step}: {warning}")
        if found:
            workdir.write_json(self._directory / "manifest.json", self._manifest)
        self._page.refresh(step)

    def _diagnose(self, step: int, row: dict[str, Any]) -> list[str]:
        """The warnings that the next row calls for, which are kept."""
        found: list[str] = []
        with self._decorations.guard("the diagnosis"):
            found = self._diagnosis.see(step, row)
        self._warnings += [{"step": step, "text": text} for text in found]
        return found

    def _images(self, step: int) -> int:
        """Real images behind so many steps."""
        config = self._config
        return config.batch_size * config.d_boost.before(step, config.d_steps)

    def _look(self, state: GANState) -> dict[str, Array] | None:
        with self._decorations.guard("drawing the samples"):
            return self._painter.look(state, self._key)
        return None

    def _draw(self, step: int, seen: dict[str, Array] | None) -> None:
        if seen is None:
            return
        with self._decorations.guard("drawing the samples"):
            pixels = self._painter.draw(jax.device_get(seen), step)
            self._samples.mkdir(exist_ok=True)
            pictures.save(pixels, self._samples / f"step_{step:08d}.png")
            with self._decorations.guard("writing TensorBoard's events"):
                self._metrics.write_picture(step, pixels)
        self._page.refresh(step)

    def _draw_real(self, source: Source) -> None:
        with self._decorations.guard("drawing real examples"):
            preview.write_real(self._config, source, self._directory)

    def _evaluate(self, step: int, state: GANState) -> None:
        row = self._record.take(step, checkpoint.to_host(state))
        scores = {name: value for name, value in row.items() if isinstance(value, float)}
        with self._decorations.guard("writing TensorBoard's events"):
            self._metrics.write_scalars(step, scores, "eval/")
        shown = "  ".join(f"{name} {scores[name]:.4g}" for name in _SHOWN if name in scores)
        self.say(f"step {step}: {shown}  ({scores['seconds']:.0f} s)")
        self._page.refresh(step)

    def _save(self, step: int, state: GANState) -> None:
        host = checkpoint.to_host(state)
        for path, leaf in jax.tree_util.tree_leaves_with_path(host):
            if not np.isfinite(leaf).all():
                raise _diverged(step, "state" + jax.tree_util.keystr(path))
        digest = reproduce.digest(host)
        workdir.append_line(self._digests, digest)
        self._checkpoints.save(host, digest)
        self._place.check()  # the save may have waited for the one before it
        self._manifest["step"] = step
        workdir.write_json(self._directory / "manifest.json", self._manifest)


def _check_finite(pending: list[tuple[int, MetricsOfSteps]]) -> None:
    steps, metrics = zip(*pending, strict=True) if pending else ((), ())
    for last, rows in zip(steps, jax.device_get(metrics), strict=True):
        for name, values in rows.items():
            bad = np.flatnonzero(~np.isfinite(values))
            if len(bad):
                raise _diverged(last - len(values) + 1 + int(bad[0]), name)


def _diverged(step: int, name: str) -> Diverged:
    return Diverged(
        f"diverged: {name} is not finite at step {step}; the checkpoints before it are kept; try a "
        "lower learning rate"
    )
