"""--mode=verify: makes a run again and compares it, step by step, with what its directory records.

Nothing is written there: it may be read-only, or another process may train in it; then what it has
recorded so far is compared. Bit for bit, that is each digest, each number of each row of metrics
and each checkpoint that is kept; within a tolerance, digests say nothing and the rest is compared
as `gan_jax.compare` says. It ends at the first step that differs, or at the first checkpoint from
there on, which tells by how much.
"""

import contextlib
import json
import pathlib
import textwrap
import time
from collections import Counter
from typing import NamedTuple

import jax

from gan_jax import (
    checkpoint,
    compare,
    diagnose,
    gaps,
    parallel,
    prng,
    provenance,
    reproduce,
    workdir,
)
from gan_jax.compare import Row
from gan_jax.config import Config
from gan_jax.data import identity
from gan_jax.data.sources import announce
from gan_jax.errors import Differs, Removed, Stopped, UsageError, first_line, printable
from gan_jax.journal import MetricsOfSteps
from gan_jax.program import Program
from gan_jax.report.progress import Progress, Silence
from gan_jax.state import GANState
from gan_jax.stopping import StopSignals

# Of a row of metrics, what no two runs share.
_OF_THE_CLOCK = {"step", "images_per_second", "seconds"}
_KINDS = {"digest": "digests", "row of metrics": "rows of metrics", "checkpoint": "checkpoints"}


class Record(NamedTuple):
    """What a run has recorded of the steps that are made again, by these steps.

    Attributes:
      digests: rows of digests.jsonl; none where they are not compared.
      metrics: rows of metrics.jsonl.
      checkpoints: the directories that keep one of the step.
    """

    digests: dict[int, list[Row]]
    metrics: dict[int, list[Row]]
    checkpoints: dict[int, list[pathlib.Path]]

    def steps(self) -> set[int]:
        """All that something is recorded of."""
        return {*self.digests, *self.metrics, *self.checkpoints}


def verify(config: Config, directory: pathlib.Path, start: int, tolerance: float) -> None:
    """Makes a run again and says how far it is identical, or equal within the tolerance.

    Args:
      config: the run's own.
      directory: the run's; it is left as it is.
      start: the step of the checkpoint to begin with; 0: the seed.
      tolerance: relative; 0: bit for bit.

    Raises:
      UsageError: if there is nothing to compare with, the data are others, a checkpoint proves
        damaged, or the record lacks rows; the last two are raised after all else was compared.
      Differs: if the run is another than the one recorded.
      Stopped: after SIGTERM, SIGINT or SIGHUP.
    """
    if not 0 <= tolerance < 1:
        raise UsageError(f"--tolerance={tolerance}: takes a number from 0 to below 1")
    speaks = parallel.is_primary()  # of several processes, which all compare
    with (
        StopSignals() as signals,
        contextlib.closing(Progress() if speaks else Silence()) as progress,
    ):
        kept, missing = _checkpoints(directory), _gaps(directory, start)
        digests = _rows(directory / "digests.jsonl", "sha256")
        metrics = _rows(directory / "metrics.jsonl")
        if start and start not in kept:
            listed = ", ".join(map(str, sorted(kept))) or "none"
            raise UsageError(f"--from={start}: takes 0, or a step that is saved: {listed}")
        record = Record({} if tolerance else digests, metrics, kept)
        record = Record(*({step: r[step] for step in r if step > start} for r in record))
        _check_record(config, directory, record, start, tolerance)
        if not parallel.same_everywhere(json.dumps([start, tolerance, sorted(record.steps())])):
            raise UsageError(
                f"--workdir={directory}: its record, or --from or --tolerance, is not the same in "
                "all processes; give all of them the same, when nobody trains there"
            )
        program = Program(config)
        for line in _how_it_was_made(directory, program, start, max(record.steps())):
            if speaks:
                print(printable(line), flush=True)
        state = _first(program, kept, digests, start)
        if speaks:
            announce(program.source, config.dataset.name)
        comparison = Comparison(record, program.template(), start, tolerance, progress)
        _make_again(program, state, comparison, progress, signals)
        said = comparison.passed(missing)
    if speaks:
        print(printable(said))


class Comparison:
    """What was compared so far, and what it showed.

    Args:
      record: with what.
      template: of a state.
      start: the step that the run is made from.
      tolerance: as for `verify`.
      progress: tells the person at the terminal.
    """

    def __init__(
        self, record: Record, template: GANState, start: int, tolerance: float, progress: Progress
    ):
        self.record, self.start = record, start
        self._template, self._tolerance, self._progress = template, tolerance, progress
        self._counts, self._reached = Counter(), {}
        self._uncommon: set[str] = set()
        self._damaged: list[tuple[pathlib.Path, int, UsageError]] = []
        self._alike = start
        self._found = ""

    def take(self, step: int, state: GANState, row: Row) -> None:
        """Compares a step with all that is recorded of it.

        Args:
          step: the one behind the state.
          state: on the devices.
          row: its metrics, the spectral norms among them.

        Raises:
          Differs: once it is known by how much, or that this cannot be known.
        """
        kept = self.record.checkpoints
        host = checkpoint.to_host(state) if step in {*self.record.digests, *kept} else None
        if not self._found:
            self._look_at_rows(step, host, row)
        borne_out = self._look_at_checkpoints(step, host)
        if borne_out:
            raise Differs(self._found + borne_out)
        if not self._found and step in self._reached.values():
            self._alike = step
        if self._found and not any(later > step for later in kept):
            raise Differs(
                f"{self._found}; by how much is not known, for no checkpoint of that step or a "
                "later one is kept whole"
            )

    def stopped(self, step: int, signal: str) -> Stopped:
        """What to raise after a signal."""
        so_far = f"{self._word()} through step {self._alike}" if self._counts else "none compared"
        known = self._found or so_far
        return Stopped(
            f"stopped by {signal} at step {step}; {known}; a check saves nothing: the same command "
            "begins it again"
        )

    def passed(self, missing: list[str]) -> str:
        """What to say at the end.

        Args:
          missing: what the record lacks.

        Raises:
          UsageError: if it lacks anything, a checkpoint that was to be compared is damaged, or none
            is left.
        """
        if not self._counts:
            raise UsageError("nothing that is recorded could be read, so nothing was compared")
        counts = ", ".join(
            f"{number} {_KINDS[kind] if number > 1 else kind} (to step {self._reached[kind]})"
            for kind, number in self._counts.items()
        )
        begun = f"the checkpoint of step {self.start}" if self.start else "the seed"
        said = f"{self._word()} through step {self._alike}: {counts}, from {begun}"
        if self._uncommon:
            said += (
                f"; not compared, as one of the two lacks it: {', '.join(sorted(self._uncommon))}"
            )
        for folder, step, error in self._damaged:
            if step in checkpoint.saved_steps(folder):
                raise UsageError(f"{error}; all else is {said}")
        if missing:
            raise UsageError(f"the record has gaps: {'; '.join(missing)}; all else is {said}")
        return said

    def _word(self) -> str:
        return f"equal within {self._tolerance:g}" if self._tolerance else "identical"

    def _look_at_rows(self, step: int, host: GANState | None, row: Row) -> None:
        found = []
        for recorded in self.record.metrics.get(step, []):
            if not (recorded.keys() & row.keys()) - _OF_THE_CLOCK:
                continue
            names = compare.metrics(recorded, row, self._tolerance)
            more = f" (so do {len(names) - 1} more metrics)" if names[1:] else ""
            found += [f"{name} {recorded[name]} then, {row[name]} now{more}" for name in names[:1]]
            self._uncommon |= (recorded.keys() ^ row.keys()) - _OF_THE_CLOCK
            self._note("row of metrics", step)
        for recorded in self.record.digests.get(step, []):
            found += compare.digests(recorded, reproduce.digest(host))
            self._note("digest", step)
        if found:
            self._differ(step, found)

    def _differ(self, step: int, what: list[str]) -> None:
        before = f"{self._word()} through step {self._alike}, " if self._alike > self.start else ""
        than = f" by more than {self._tolerance:g}" if self._tolerance else ""
        self._found = f"{before}differs{than} at step {step}: {', '.join(what)}"
        later = min((kept for kept in self.record.checkpoints if kept >= step), default=step)
        if later > step:
            self._progress.say(f"{self._found}; the checkpoint of step {later} will tell how much")

    def _look_at_checkpoints(self, step: int, host: GANState | None) -> str:
        """What the checkpoints of a step add to a difference; "" where that is nothing."""
        added = ""
        for folder in self.record.checkpoints.get(step, []):
            saved = self._saved(folder, step)
            if saved is None or added:
                continue
            self._note("checkpoint", step)
            apart = compare.states(saved, host, self._tolerance)
            if apart and not self._found:
                self._differ(step, [f"{folder.name}/{step:08d}"])
            if self._found:
                where = f"the checkpoint of step {step}"
                added = f"; in {where}, first {apart}" if apart else f"; {where} does not"
        return added

    def _saved(self, folder: pathlib.Path, step: int) -> GANState | None:
        """A checkpoint; None where it is damaged, or removed as another process trains on."""
        try:
            return _read(folder, step, self._template, check=False)  # it is compared itself
        except Removed:
            return None
        except UsageError as error:
            self._progress.say(f"warning: {error}; it is not compared")
            self._damaged.append((folder, step, error))
            return None

    def _note(self, kind: str, step: int) -> None:
        self._counts[kind] += 1
        self._reached[kind] = step


class _Pace:
    """How fast steps are made.

    Args:
      config: the run's.
      step: behind us now; what came before it was compiling.
    """

    def __init__(self, config: Config, step: int):
        self._config, self._step, self._then = config, step, time.perf_counter()

    def images_per_second(self, step: int) -> float:
        """Since this was last asked."""
        config, now = self._config, time.perf_counter()
        updates = [config.d_boost.before(end, config.d_steps) for end in (self._step, step)]
        speed = config.batch_size * (updates[1] - updates[0]) / (now - self._then)
        self._step, self._then = step, now
        return speed


def _make_again(
    program: Program,
    state: GANState,
    comparison: Comparison,
    progress: Progress,
    signals: StopSignals,
) -> None:
    """The steps as `gan_jax.train` makes them, to the last that anything is recorded of."""
    config, start, recorded = program.config, comparison.start, comparison.record.steps()
    last, every = max(recorded), config.steps_per_call
    progress.begin(start, last)
    progress.say(f"makes steps {start + 1} to {last} again")
    key, state = parallel.replicate(prng.root(config.seed)), parallel.replicate(state)
    diagnose.spectral_norms(state)  # compiles, which shall not count as time of a step
    pace, before, consensus = None, {}, parallel.Consensus()
    with contextlib.closing(program.feed.items(config.seed, start)) as items:
        for step in range(start + every, last + 1, every):
            state, metrics = program.call(state, key, program.feed.constant, next(items))
            jax.block_until_ready(before)  # one call is sent ahead; with more it would stop late
            pace, before = pace or _Pace(config, step), metrics
            if step in recorded:
                row = _row(state, metrics)
                comparison.take(step, state, row)
                progress.show(step, row | {"images_per_second": pace.images_per_second(step)})
            if consensus.reached(bool(signals.received)) and step < last:
                raise comparison.stopped(step, signals.received or "another process's signal")


def _row(state: GANState, metrics: MetricsOfSteps) -> Row:
    """The numbers that the journal logs of a step."""
    numbers = {name: values[-1] for name, values in jax.device_get(metrics).items()}
    numbers |= jax.device_get(diagnose.spectral_norms(state))
    return {name: float(number) for name, number in numbers.items()}


def _first(
    program: Program,
    kept: dict[int, list[pathlib.Path]],
    digests: dict[int, list[Row]],
    start: int,
) -> GANState:
    """The state to begin with.

    Raises:
      UsageError: if its checkpoint is damaged.
      Differs: if that is whole, but not the state that was recorded.
    """
    if not start:
        return program.start(program.config)
    folder = kept[start][0]
    rows = digests.get(start, [])
    state = _read(folder, start, program.template(), check=not rows)
    for row in rows:
        if parts := compare.digests(row, reproduce.digest(state)):
            raise Differs(
                f"differs at step {start}: {', '.join(parts)}; {folder.name}/{start:08d} is not "
                "the state that digests.jsonl records"
            )
    return state


def _read(folder: pathlib.Path, step: int, template: GANState, *, check: bool) -> GANState:
    try:
        return checkpoint.read(folder, step, template, check=check)
    except Removed:
        raise
    except UsageError as error:
        why = textwrap.shorten(first_line(error.__cause__), 120)  # Orbax says it at great length
        raise UsageError(
            f"{folder / f'{step:08d}'}: damaged, or of another config ({why})"
        ) from error


def _checkpoints(directory: pathlib.Path) -> dict[int, list[pathlib.Path]]:
    """The directories that keep a checkpoint of each step."""
    kept: dict[int, list[pathlib.Path]] = {}
    for folder in (directory / "checkpoints", directory / "best"):
        for step in checkpoint.saved_steps(folder):
            kept.setdefault(step, []).append(folder)
    return kept


def _gaps(directory: pathlib.Path, start: int) -> list[str]:
    """What the record lacks of the steps behind the run, after the start.

    The manifest is read before the rows: a run that trains on writes it after them.
    """
    step = workdir.read_json(directory / "manifest.json").get("step")
    last = max([step if type(step) is int else 0, *_checkpoints(directory)])
    return gaps.find(directory, last, start)


def _rows(path: pathlib.Path, needed: str = "step") -> dict[int, list[Row]]:
    """The rows of a file by their steps; says how many lines are none, and passes them over.

    Raises:
      UsageError: if it cannot be read.
    """
    try:
        lines = path.read_bytes().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    rows: dict[int, list[Row]] = {}
    parsed = [row for row in map(workdir.parse_row, lines) if row is not None and needed in row]
    for row in parsed:
        rows.setdefault(row["step"], []).append(row)
    missing = len(lines) - len(parsed)
    if missing and parallel.is_primary():
        print(f"{path.name}: lines that are half-written or damaged, and passed over: {missing}")
    return rows


def _check_record(
    config: Config, directory: pathlib.Path, record: Record, start: int, tolerance: float
) -> None:
    """Refuses one that proves nothing, or that no run of the config can have made."""
    if not (record.steps() if tolerance else record.digests):
        where = "the run" if tolerance else "digests.jsonl"
        raise UsageError(
            f"--workdir={directory}: {where} records nothing after step {start} to compare with"
        )
    strange = [n for n in record.steps() if n > config.steps or n % config.steps_per_call]
    if strange:
        raise UsageError(
            f"--workdir={directory}: records step {min(strange)}, which a run of its config does "
            "not come to; its record or its config.json was changed"
        )


def _how_it_was_made(directory: pathlib.Path, program: Program, start: int, last: int) -> list[str]:
    """What differs between the sessions that made the steps, and between them and this.

    Raises:
      UsageError: if the data are others.
    """
    manifest = provenance.read(directory)
    if not manifest:
        return ["manifest.json: missing or damaged; how the run was made is not known"]
    identity.check(program.source, manifest.get("data", {}), directory)
    now = reproduce.manifest(program.config.seed)
    return provenance.compare(manifest, now, start, last)
