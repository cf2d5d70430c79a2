"""The loop: build, restore, then step, log, draw and save until the last step."""

import contextlib
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Key

from gan_jax import checkpoint, parallel, prng, reproduce, workdir
from gan_jax.config import Config, validate
from gan_jax.data.feed import Feed, open_feed
from gan_jax.data.sources import open_source
from gan_jax.errors import Diverged, Stopped
from gan_jax.journal import Journal
from gan_jax.models import build_discriminator, build_generator
from gan_jax.preview import Painter, make_painter
from gan_jax.state import GANState, Models, init_state
from gan_jax.step import make_train_step
from gan_jax.stopping import StopSignals


class Run(NamedTuple):
    """Everything that a config stands for, built.

    Attributes:
      config: the config.
      key: the root key, on the devices.
      feed: its real data.
      initial: root key -> the state before the first step.
      step: (state, key, constant, item) -> (state, metrics), over all devices; see `data.feed`.
      paint: state -> picture.
    """

    config: Config
    key: Key[Array, ""]
    feed: Feed
    initial: Callable[[Key[Array, ""]], GANState]
    step: Callable[..., tuple[GANState, dict[str, Array]]]
    paint: Painter


def train(config: Config, path: str) -> None:
    """Trains, or continues, the run that a directory holds.

    Args:
      config: the experiment.
      path: the run's directory; made if need be.

    Raises:
      UsageError: if config, data or directory are not usable; nothing was changed then.
      Diverged: if a loss, a gradient or the state is no longer finite.
      Stopped: after SIGTERM or SIGINT, with the state saved.
    """
    with contextlib.ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        run = build(config)
        directory = stack.enter_context(workdir.claim(path, config))
        manifest = stack.enter_context(_manifest(config, directory))
        checkpoints = stack.enter_context(checkpoint.Checkpoints(directory, config.checkpoint_keep))
        state = checkpoints.restore(jax.eval_shape(run.initial, run.key))
        start = 0 if state is None else int(state.step)
        state = parallel.replicate(run.initial(run.key) if state is None else state)
        journal = Journal(config, directory, checkpoints, run.paint, start, manifest)
        stack.callback(journal.close)
        journal.say(_greeting(run, directory, start))
        _loop(run, state, start, journal, signals)


def build(config: Config) -> Run:
    """Checks a config and builds what it stands for, before anything is compiled or written.

    Raises:
      UsageError: names the field that is off.
    """
    validate(config)
    parallel.check_batch_size(config.batch_size)
    source = open_source(config.dataset)
    models = Models(
        build_generator(config.generator, source.shape, config.precision, parallel.AXIS),
        build_discriminator(config.discriminator, config.precision, parallel.AXIS),
    )
    key = prng.root(config.seed)
    initial = jax.jit(lambda key: init_state(config, models, source.shape, key))
    jax.eval_shape(initial, key)  # a model that cannot make these images says so here
    step = make_train_step(config, models, parallel.AXIS)
    feed = open_feed(config.dataset, source, config.seed, config.batch_size, config.d_steps)
    mapped = parallel.parallelize(
        lambda state, key, constant, item: step(state, key, feed.assemble(constant, item))
    )
    paint = make_painter(config, models)
    return Run(config, parallel.replicate(key), feed, initial, mapped, paint)


def _loop(run: Run, state: GANState, start: int, journal: Journal, signals: StopSignals) -> None:
    config = run.config
    if start == 0:
        journal.draw(state)
    with contextlib.closing(run.feed.items(start)) as items:
        for step in range(start + 1, config.steps + 1):
            state, metrics = run.step(state, run.key, run.feed.constant, next(items))
            journal.add(step, metrics)
            last = step == config.steps
            if last or _due(step, config.log_every):
                journal.log()
            if last or _due(step, config.sample_every):
                journal.draw(state)
            if last or signals.received or _due(step, config.checkpoint_every):
                journal.save(state)
            if signals.received and not last:
                raise Stopped(
                    f"stopped by {signals.received} at step {step}, saved; run the same command to "
                    "continue"
                )
    journal.finish()


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


@contextlib.contextmanager
def _manifest(config: Config, directory: pathlib.Path) -> Iterator[dict[str, Any]]:
    """manifest.json: how the run is made, and how it ended once it has."""
    path = directory / "manifest.json"
    began = time.perf_counter()
    values = {"status": "running", "step": 0, **reproduce.manifest(config.seed)}
    workdir.write_json(path, values)
    endings = {Stopped: "stopped", Diverged: "diverged"}
    status = "done"
    try:
        yield values
    except BaseException as error:
        status = endings.get(type(error), "failed")
        raise
    finally:
        values |= {"status": status, "wall_seconds": round(time.perf_counter() - began, 3)}
        workdir.write_json(path, values)


def _greeting(run: Run, directory: pathlib.Path, start: int) -> str:
    config = run.config
    goes = "starts"
    if start:
        goes = f"continues at step {start}" if start < config.steps else f"has its steps: {start}"
    return (
        f"{config.dataset.name}: {config.loss}, batch {config.batch_size}, k {config.d_steps}, "
        f"{jax.device_count()} x {jax.devices()[0].device_kind}; {goes} of {config.steps}; "
        f"{directory}"
    )
