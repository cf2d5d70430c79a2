"""The loop: build, restore, then step, log, draw and save until the last step."""

import contextlib
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Key

from gan_jax import checkpoint, checks, diagnose, parallel, prng, reproduce, workdir
from gan_jax.config import Config, as_dict, validate
from gan_jax.data.feed import Feed, open_feed
from gan_jax.data.folder import Folder
from gan_jax.data.sources import Source, open_source
from gan_jax.errors import Diverged, Stopped, UsageError
from gan_jax.evaluate.evaluator import Evaluator
from gan_jax.evaluate.record import Record
from gan_jax.evaluate.subjects import make_samples
from gan_jax.journal import Journal
from gan_jax.preview import make_painter
from gan_jax.state import GANState, Models, build_models, init_state
from gan_jax.step import make_call, make_train_step
from gan_jax.stopping import StopSignals


class Run(NamedTuple):
    """Everything that a config stands for, but for the data themselves.

    Attributes:
      config: the config.
      source: where the real data come from.
      models: the two networks.
      initial: root key -> the state before the first step.
      step: (state, root key, batch) -> (state, metrics), for one device.
    """

    config: Config
    source: Source
    models: Models
    initial: Callable[[Key[Array, ""]], GANState]
    step: Callable[..., tuple[GANState, dict[str, Array]]]


def train(config: Config, path: str) -> None:
    """Trains, or continues, the run that a directory holds.

    Args:
      config: the experiment.
      path: the run's directory; made if need be.

    Raises:
      UsageError: if config, data or directory are not usable. What the directory holds is left as
        it is, unless an image proves damaged when a streamed run comes to it.
      Diverged: if a loss, a gradient or the state is no longer finite.
      Stopped: after SIGTERM or SIGINT, with the state saved.
    """
    run = build(config)
    key = prng.root(config.seed)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(workdir.claim(path, config))
        _check_apart(run.source, directory)
        feed = open_feed(config, run.source)
        signals = stack.enter_context(StopSignals())
        checkpoints = stack.enter_context(checkpoint.Checkpoints(directory, config.checkpoint_keep))
        state = checkpoints.restore(jax.eval_shape(run.initial, key))
        start = 0 if state is None else int(state.step)
        manifest = stack.enter_context(_manifest(run, directory, start))
        state = parallel.replicate(run.initial(key) if state is None else state)
        painter = make_painter(config, run.models, run.source.num_classes)
        record = _record(run, directory, start, stack)
        journal = Journal(config, directory, checkpoints, painter, record, start, manifest)
        stack.callback(journal.close)
        journal.say(_greeting(config, directory, start))
        _loop(run, feed, state, start, journal, signals)


def build(config: Config) -> Run:
    """Checks a config and builds what it stands for; nothing is compiled, decoded or written.

    Raises:
      UsageError: names the field that is off.
    """
    validate(config)
    parallel.check_batch_size(config.batch_size)
    source = open_source(config.dataset)
    models = build_models(config, source.shape, parallel.AXIS, source.num_classes)
    initial = jax.jit(lambda key: init_state(config, models, source.shape, key))
    state = jax.eval_shape(initial, prng.root(config.seed))  # networks may refuse the shape
    checks.check(config, source.shape, source.num_classes, state)
    step = make_train_step(config, models, parallel.AXIS)
    return Run(config, source, models, initial, step)


def _loop(
    run: Run, feed: Feed, state: GANState, start: int, journal: Journal, signals: StopSignals
) -> None:
    config = run.config
    key = parallel.replicate(prng.root(config.seed))
    call_on_all_devices = parallel.parallelize(make_call(run.step, feed.assemble))
    diagnose.spectral_norms(state)  # compiles, which shall not count as time of a step
    if start == 0:
        journal.draw(0, state)
    ends = range(start + config.steps_per_call, config.steps + 1, config.steps_per_call)
    with contextlib.closing(feed.items(start)) as items:
        for step in ends:
            state, metrics = call_on_all_devices(state, key, feed.constant, next(items))
            journal.add(step, metrics)
            last, stop = step == config.steps, signals.received
            if last or _due(step, config.log_every):
                journal.log(state)
            if last or _due(step, config.sample_every):
                journal.draw(step, state)
            if config.eval_every and (last or _due(step, config.eval_every)):
                journal.evaluate(step, state)
            if last or stop or _due(step, config.checkpoint_every):
                journal.save(step, state)
            if stop and not last:
                journal.settle()
                raise Stopped(
                    f"stopped by {stop} at step {step}, saved; run the same command to continue"
                )
    journal.finish()


def _record(
    run: Run, directory: pathlib.Path, start: int, stack: contextlib.ExitStack
) -> Record | None:
    """How the run is scored; what that takes is opened here, so that it is refused here."""
    config = run.config
    if not config.eval_every:
        return None
    evaluator = Evaluator(config, run.source)
    evaluator.open()
    samples = make_samples(config, run.models, run.source.num_classes)
    best = stack.enter_context(checkpoint.Checkpoints(directory, 1, "best"))
    return Record(
        directory, start, config.eval.best, best, lambda state: evaluator.score(samples(state))
    )


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _check_apart(source: Source, directory: pathlib.Path) -> None:
    """A run inside its own folder of images would train on its own pictures."""
    if isinstance(source, Folder) and directory.resolve().is_relative_to(source.path.resolve()):
        raise UsageError(
            f"--workdir={directory}: lies in the folder of images that it trains on, {source.path};"
            " name a directory outside it"
        )


@contextlib.contextmanager
def _manifest(run: Run, directory: pathlib.Path, start: int) -> Iterator[dict[str, Any]]:
    """manifest.json: how the run is made, how it ended, and the same of its earlier sessions.

    Raises:
      UsageError: if the run cannot be continued, by what the last session's manifest says.
    """
    path = directory / "manifest.json"
    before = workdir.read_json(path)
    data = {"examples": len(run.source), "sha256": run.source.fingerprint()}
    if start > run.config.steps:
        raise UsageError(
            f"config.steps={run.config.steps}: the run in {directory} has {start} steps behind it; "
            f"give at least as many"
        )
    if start and before.get("data", data) != data:
        raise UsageError(
            f"config.dataset.name: the data are not those that the run in {directory} began with "
            f"({before['data']['examples']} examples then, {data['examples']} now, or others); "
            "bring them back, or name another directory"
        )
    workdir.write_json(directory / "config.json", as_dict(run.config))
    began = time.perf_counter()
    earlier = [*before.pop("earlier", []), before] if before else []
    values = {"status": "running", "step": start, **reproduce.manifest(run.config.seed)}
    values |= {"data": data, "earlier": earlier}
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


def _greeting(config: Config, directory: pathlib.Path, start: int) -> str:
    goes = "starts"
    if start:
        goes = f"continues at step {start}" if start < config.steps else f"has its steps: {start}"
    return (
        f"{config.dataset.name}: {config.loss}, batch {config.batch_size}, k {config.d_steps}, "
        f"{jax.device_count()} x {jax.devices()[0].device_kind}; {goes} of {config.steps}; "
        f"{directory}"
    )
