"""One run, open in its directory: what it goes on from, and when what of it is written."""

import contextlib
import json
import logging
import pathlib
import shlex
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from gan_jax import checkpoint, gaps, parallel, provenance, reproduce, workdir
from gan_jax.config import Config, as_dict, as_saved, digest
from gan_jax.data import identity
from gan_jax.data.folder import Folder
from gan_jax.data.sources import Source, announce
from gan_jax.errors import Diverged, Gone, Pruned, Stopped, Unwritable, UsageError
from gan_jax.evaluate import rows
from gan_jax.evaluate.record import Record
from gan_jax.journal import Journal, MetricsOfSteps
from gan_jax.program import Program
from gan_jax.report import overview
from gan_jax.report.page import NAME as PAGE
from gan_jax.report.page import Page
from gan_jax.report.progress import Progress
from gan_jax.state import GANState

_LOGGER = logging.getLogger(__name__)
# Between two writings of a page where several runs train in one process, and have one writer.
_SECONDS_OF_MANY = 300.0


class Session:
    """A run that is trained now, its record kept by this process; made by `open_session`.

    Args:
      program: serves the config.
      config: the run's.
      directory: where it is.
      state: what it goes on from, in host memory.
      start: steps behind it.
      begin: makes the directory the run's own, and returns what writes its record.
      together: whether other runs make steps in turn with it.

    Attributes:
      config: the run's.
      directory: where it is.
      start: steps behind it when it was opened.
    """

    def __init__(
        self,
        program: Program,
        config: Config,
        directory: pathlib.Path,
        state: GANState,
        start: int,
        begin: Callable[[], Journal],
        together: bool,
    ):
        self.config, self.directory, self.start = config, directory, start
        self._program, self._begin, self._together = program, begin, together
        self._state: GANState | None = state
        self._initial: GANState | None = None
        self._journal: Journal | None = None
        self._saved = start
        names = ("log_every", "sample_every", "checkpoint_every", "eval_every")
        self._intervals = [every for name in names if (every := getattr(config, name))]

    @property
    def journal(self) -> Journal:
        """Writes the record; the directory is the run's own from when this is first asked for."""
        if self._journal is None:
            self._journal = self._begin()
            if self._initial is not None:
                self._journal.draw(0, self._initial)
            self._initial = None
        return self._journal

    def take_state(self) -> GANState:
        """The state that the run goes on from, drawn if it is the first; to be taken once."""
        state = parallel.replicate(self._state)
        self._state = None
        if self.start == 0:
            self._initial = checkpoint.copy(state)
        return state

    def next_due(self, step: int) -> int:
        """The first step after this one at which something is written."""
        return min([self.config.steps, *((step // every + 1) * every for every in self._intervals)])

    def add(self, step: int, metrics: MetricsOfSteps, timed: bool = True) -> None:
        """Takes the metrics of the steps up to this one.

        A config that cannot be compiled leaves the directory as it is: it is claimed for the run
        once the first step is made.

        Args:
          step: the last of them.
          metrics: theirs.
          timed: as for `Journal.add`.

        Raises:
          Diverged: if something that was handed over earlier is not finite; so does `keep`.
        """
        if self._journal is None:
            jax.block_until_ready(metrics)
        self.journal.add(step, metrics, timed)

    def keep(self, step: int, state: GANState) -> None:
        """Writes what is due after a step whose metrics were added.

        Args:
          step: the one behind the state.
          state: on the devices; what is kept of it is copied.
        """
        config, journal = self.config, self.journal
        last = step == config.steps
        draws = last or _due(step, config.sample_every)
        scores = bool(config.eval_every) and (last or _due(step, config.eval_every))
        saves = last or _due(step, config.checkpoint_every)
        pauses = not self._together and (draws or scores or saves)
        if pauses:
            journal.wait(step)
        if last or _due(step, config.log_every):
            journal.log(state)
        if draws:
            journal.draw(step, state)
        if scores:
            journal.evaluate(step, state)
        if saves:
            self._save(step, state)
        if pauses:
            journal.go_on(step)

    def unscored(self) -> list[tuple[int, pathlib.Path]]:
        """Finds the checkpoints that `eval_every` calls for the scores of, and that have none.

        Returns:
          The step and the folder of each that is kept, in order, where the run has all its steps:
          it makes none at which they would be scored.
        """
        config = self.config
        if not config.eval_every or self.start < config.steps:
            return []
        kept = checkpoint.all_steps(self.directory).items()
        due = [(s, f) for s, f in kept if s == config.steps or _due(s, config.eval_every)]
        return [(step, folder) for step, folder in due if not self._is_scored(step)]

    def score(self, step: int, folder: pathlib.Path) -> None:
        """Scores a checkpoint that is kept; one that is damaged is passed over with a warning."""
        try:
            state = checkpoint.read(folder, step, self._program.template())
        except UsageError as error:
            _LOGGER.warning("checkpoint %d is not scored: %s", step, error)
            return
        self.journal.evaluate(step, parallel.replicate(state))
        self.journal.settle()

    def finish(self) -> None:
        """Waits until all is written that the last step calls for."""
        self.journal.finish()

    def stop(self, step: int, state: GANState, signal: str) -> Stopped:
        """Saves the state before the last step; returns what to raise."""
        self._save(step, state)
        if self._journal is not None:
            self._journal.secure()
        return _stopped(step, signal)

    def _save(self, step: int, state: GANState) -> None:
        if step != self._saved:
            self.journal.save(step, state)
        self._saved = step

    def _is_scored(self, step: int) -> bool:
        """Returns whether a checkpoint has a row by the protocol that it would be scored by now."""
        written = [row for row in rows.read(self.directory) if row.get("checkpoint") == str(step)]
        if not written:
            return False
        samples = self._program.samples(self._program.template(), self.config.seed)
        protocol = self._program.evaluator.protocol(samples)
        return any(row.get("protocol") == protocol for row in written)


class Follower:
    """A run that is trained now, its record kept by process 0: this one computes its share.

    Attributes:
      start: steps behind it when it was opened.
    """

    def __init__(self, state: GANState):
        self.start = int(state.step)
        self._state: GANState | None = state
        self._backlog = parallel.Backlog()

    def take_state(self) -> GANState:
        """The state that the run goes on from; to be taken once."""
        state = parallel.replicate(self._state)
        self._state = None
        return state

    def add(self, step: int, metrics: MetricsOfSteps, timed: bool = True) -> None:
        """Waits until few calls are under way."""
        self._backlog.add(metrics)

    def keep(self, step: int, state: GANState) -> None:
        """Nothing."""

    def unscored(self) -> list[tuple[int, pathlib.Path]]:
        """Nothing."""
        return []

    def finish(self) -> None:
        """Nothing."""

    def stop(self, step: int, state: GANState, signal: str) -> Stopped:
        """What to raise."""
        return _stopped(step, signal)


@contextlib.contextmanager
def open_session(
    program: Program,
    config: Config,
    path: str,
    progress: Progress,
    writer: ThreadPoolExecutor | None = None,
    command: str = "",
    began: float | None = None,
) -> Iterator[Session | Follower]:
    """Opens the directory of a run to train there, and closes it with how that ended.

    Of several processes only process 0 opens it; the others are sent the state that it holds.
    Nothing is written of a run before its first step is made.

    Args:
      program: one that serves the config.
      config: the run's.
      path: the run's directory; made if need be.
      progress: tells the person at the terminal; closed with the session.
      writer: one thread, which several runs may share; None: one of its own.
      command: what trains the run; empty: what has started this process.
      began: when the run's start began, by `time.perf_counter`; None: now.

    Raises:
      UsageError: if config, data or directory are not usable. What the directory holds is left as
        it is, unless an image proves damaged when a streamed run comes to it.
      Unwritable: if the directory cannot be written any more; it says what is saved there.
    """
    opened = time.perf_counter()
    _check_same(config, program.source)
    if not parallel.is_primary():
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), program.template())
        _ = program.feed
        yield Follower(parallel.broadcast(zeros))
        return
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(workdir.claim(path, config))
        stack.enter_context(_telling_what_is_saved(directory))
        program.check(config)
        _check_apart(program.source, directory)
        _ = program.feed  # a data set that cannot be read is refused before anything is written

        def open_checkpoints(name: str, keep: int) -> checkpoint.Checkpoints:
            return stack.enter_context(checkpoint.Checkpoints(directory, keep, name))

        checkpoints, state = None, None
        before = provenance.read(directory)
        if (directory / "checkpoints").is_dir():
            # Other data may have other shapes, and then every checkpoint would look damaged.
            if checkpoint.saved_steps(directory / "checkpoints"):
                identity.check(program.source, before.get("data", {}), directory)
            checkpoints = open_checkpoints("checkpoints", config.checkpoint_keep)
            state = checkpoints.restore(program.template(), _digests(directory))
        start = 0 if state is None else int(state.step)
        _check_continues(config, directory, start)
        if config.eval_every:
            program.evaluator.open()
        if start:
            for gap in gaps.find(directory, start):
                _LOGGER.warning("%s", gap)
        state = program.start(config) if state is None else state
        if parallel.several_processes():
            state = parallel.broadcast(state)

        def begin() -> Journal:
            page = Page(directory, start, *([] if writer is None else [_SECONDS_OF_MANY]))
            stack.enter_context(_showing_the_end(directory, page, progress))
            manifest = stack.enter_context(
                _manifest(config, program.source, directory, start, before, command, opened)
            )
            for draft in directory.glob(f"{PAGE}.*.draft"):  # of a writing that a kill cut short
                draft.unlink(missing_ok=True)
            keeps = checkpoints or open_checkpoints("checkpoints", config.checkpoint_keep)
            best = open_checkpoints("best", 1) if config.eval_every else None
            record = best and _record(program, config, directory, start, best)
            thread = writer or stack.enter_context(ThreadPoolExecutor(1, "journal"))
            stack.callback(progress.close)
            journal = Journal(
                config, directory, keeps, program.painter, record, start, manifest, page,
                progress, thread, opened, began,
            )  # fmt: skip
            stack.enter_context(workdir.closing(journal.close))
            thread.submit(overview.refresh, directory)
            journal.draw_real(program.source)
            return journal

        if writer is None:
            announce(program.source, config.dataset.name)
        progress.say(_greeting(config, directory, start))
        yield Session(program, config, directory, state, start, begin, writer is not None)


def _check_same(config: Config, source: Source) -> None:
    """All processes must train the same, on the same data, by the same code.

    Raises:
      UsageError: in all of them, if they do not.
    """
    if not parallel.several_processes():
        return
    settings = as_dict(config)
    del settings["dataset"]["data_dir"]  # each machine may have the data where it likes
    if isinstance(source, Folder):
        del settings["dataset"]["name"]
    alike = {
        "--config": json.dumps(settings),
        "the data": f"{source.fingerprint()} {source.shape}",
        "the versions of Python's packages": json.dumps(reproduce.packages()),
    }
    for name, text in alike.items():
        if not parallel.same_everywhere(text):
            raise UsageError(f"{name}: not the same in all processes; give all of them the same")


def _record(
    program: Program,
    config: Config,
    directory: pathlib.Path,
    start: int,
    best: checkpoint.Checkpoints,
) -> Record:
    """How the run is scored."""

    def score(state: GANState) -> dict[str, Any]:
        return program.evaluator.score(program.samples(state, config.seed))

    return Record(directory, start, config.eval.best, best, score)


@contextlib.contextmanager
def _telling_what_is_saved(directory: pathlib.Path) -> Iterator[None]:
    """Within it, that the directory cannot be written is told with the last step that is saved."""
    try:
        yield
    except Gone as error:
        raise Gone(f"{error}; what was saved is with it") from error
    except Unwritable as error:
        if isinstance(error.__cause__, Unwritable):
            raise  # another run's of this sweep, told by that
        raise Unwritable(f"{error}; {_saved(directory)}") from error


def _saved(directory: pathlib.Path) -> str:
    try:
        steps = checkpoint.saved_steps(directory / "checkpoints")
    except OSError:  # the disk that cannot be written may not be readable either
        return "what is saved there is not known"
    return f"the run is saved up to step {steps[-1]}" if steps else "no step is saved yet"


def _digests(directory: pathlib.Path) -> dict[int, str]:
    """Step -> sha256 of what the run has written there."""
    rows = workdir.read_lines(directory / "digests.jsonl")
    return {row["step"]: row["sha256"] for row in rows if isinstance(row.get("sha256"), str)}


def _stopped(step: int, signal: str) -> Stopped:
    return Stopped(f"stopped by {signal} at step {step}, saved; run the same command to continue")


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _check_apart(source: Source, directory: pathlib.Path) -> None:
    """A run inside its own folder of images would train on its own pictures."""
    if isinstance(source, Folder) and directory.resolve().is_relative_to(source.path.resolve()):
        raise UsageError(
            f"--workdir={directory}: lies in the folder of images that it trains on, {source.path};"
            " name a directory outside it"
        )


def _check_continues(config: Config, directory: pathlib.Path, start: int) -> None:
    """Refuse a run that has more steps behind it than the config has.

    Raises:
      UsageError: if so.
    """
    if start > config.steps:
        raise UsageError(
            f"config.steps={config.steps}: the run in {directory} has {start} steps behind it; "
            f"give at least as many"
        )


@contextlib.contextmanager
def _manifest(
    config: Config,
    source: Source,
    directory: pathlib.Path,
    start: int,
    before: dict[str, Any],
    command: str,
    opened: float,
) -> Iterator[dict[str, Any]]:
    """manifest.json: how the run is made, how it ended, and the same of its earlier sessions.

    A command, where there is one, stands in place of that of this process.
    """
    path = directory / "manifest.json"
    saved = as_saved(config)
    identity.write_files(source, directory)
    earlier = before.get("earlier", [])
    before = {name: value for name, value in before.items() if name != "earlier"}
    earlier = [*(earlier if isinstance(earlier, list) else []), *([before] if before else [])]
    values = {"status": "running", "start": start, "step": start, **reproduce.manifest(config.seed)}
    sample = {
        "shape": source.shape, "num_classes": source.num_classes, "classes": source.classes
    }  # fmt: skip
    values |= {"schedule": gaps.schedule(config), "data": identity.record(source)}
    values |= {"sample": sample, "earlier": earlier, "config_sha256": digest(saved)}
    values["command"] = command or values["command"]
    workdir.write_json(path, values)
    # After a kill in between, what config.json holds is of an earlier session, which `earlier` has.
    workdir.write_json(directory / "config.json", saved)
    endings = {Stopped: "stopped", Diverged: "diverged", Pruned: "pruned"}
    ending, place = {"status": "done"}, workdir.Place(directory)

    def close() -> None:
        ending["wall_seconds"] = round(time.perf_counter() - opened, 3)
        place.check()
        workdir.write_json(path, values | ending)

    with workdir.closing(close):
        try:
            yield values
        except BaseException as error:
            ending["status"] = endings.get(type(error), "failed")
            raise


@contextlib.contextmanager
def _showing_the_end(directory: pathlib.Path, page: Page, progress: Progress) -> Iterator[None]:
    """Writes the page, and the overview, when manifest.json says how the run ended.

    Says where all of it lies, where the run ended well or was stopped.
    """
    place = workdir.Place(directory)

    def close() -> None:
        place.check()
        page.finish()
        overview.refresh(directory)

    try:
        with workdir.closing(close):
            yield
    except (Stopped, Diverged):
        progress.say(_where_to_look(directory))
        raise
    progress.say(_where_to_look(directory))


def _where_to_look(directory: pathlib.Path) -> str:
    flag = shlex.quote(f"--workdir={directory}")
    return (
        f"look at {directory / PAGE}; samples: {directory / 'samples'}; "
        f"draw more: python launch.py --mode=sample {flag}"
    )


def _greeting(config: Config, directory: pathlib.Path, start: int) -> str:
    goes = "starts"
    if start:
        goes = f"continues at step {start}" if start < config.steps else f"has its steps: {start}"
    return (
        f"{config.dataset.name}: {config.loss}, batch {config.batch_size}, k {config.d_steps}, "
        f"{jax.device_count()} x {jax.devices()[0].device_kind}; {goes} of {config.steps}; "
        f"{directory}"
    )
