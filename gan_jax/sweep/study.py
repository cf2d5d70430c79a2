"""What is tried next and what became of it, shared by all workers of a sweep through Optuna.

A sweep is a list of numbered trials: of the whole space first, then of the part that holds the
best, then the winner again. Every worker knows from the study alone which of these are still to be
made, so whichever comes first queues them. Two that do so at once queue some twice; an attempt at a
trial that has an earlier live one is dropped when it is taken. So no trial is lost or made twice,
whoever is killed when:

  WAITING -> RUNNING   one worker wins it (Optuna's storages see to that)
  RUNNING -> FAIL      its worker is dead or gives it back: it is queued again, with its point
  RUNNING -> COMPLETE  done
  RUNNING -> PRUNED    pruned, diverged or failed; the attribute "status" says which

A worker of this machine is dead if the lock on its file in the sweep's directory is free; another,
or one whose file is not to be seen, if it was not heard of for a minute of this machine's clock.
"""

import contextlib
import fcntl
import os
import pathlib
import socket
import statistics
import threading
import time
import uuid
import warnings
from typing import Any, NamedTuple

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from gan_jax import prng
from gan_jax.config import Config
from gan_jax.errors import UsageError, first_line
from gan_jax.storage_url import is_sqlite, reason, shown
from gan_jax.sweep.outcome import (
    DONE,
    ENDED,
    PRUNED,
    RUNNING,
    WAITING,
    Outcome,
    rank,
    trials_that_tell,
)
from gan_jax.sweep.space import Choice, Dimension, Integer, Sweep, read

_BEAT_SECONDS, _SILENT_SECONDS = 10.0, 60.0
_OPENINGS = 10
_MOST_INTERESTING = 0.25  # of the trials that are done: where the narrow phase looks


def check_storage(url: str) -> None:
    """Refuse a storage that is of no use, without a look at it.

    Raises:
      UsageError: if it is SQLite, which has no locks on rows.
    """
    if is_sqlite(url):
        raise UsageError(
            f"--storage={shown(url)}: SQLite gives one trial to two workers; name a database "
            "server, or leave it out for a file in the sweep's directory"
        )


class Trial(NamedTuple):
    """A trial that this worker has taken.

    Attributes:
      number: of the trial; its runs are in trials/NNNN.
      point: what it tries.
      seeds: of its runs.
      handle: Optuna's.
    """

    number: int
    point: dict[str, Any]
    seeds: tuple[int, ...]
    handle: optuna.Trial


class Study:
    """One worker's view of a sweep's study; a context manager.

    Args:
      storage: a URL of Optuna's; empty: a journal file in the directory.
      name: of the study, in the storage.
      sweep: the search.
      config: what it varies.
      directory: the sweep's, for the journal and the workers' locks.

    Raises:
      UsageError: if the storage cannot be opened, or lets two workers take one trial.
    """

    def __init__(
        self, storage: str, name: str, sweep: Sweep, config: Config, directory: pathlib.Path
    ):
        check_storage(storage)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sweep, self._config = sweep, config
        self._grid = sweep.grid() if sweep.sampler == "grid" else []
        self._wide = len(self._grid) or sweep.trials
        self._workers = directory / "workers"
        self._workers.mkdir(exist_ok=True)
        self._me = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._heard: dict[str, tuple[Any, float]] = {}
        self._distributions = {n: _distribution(d) for n, d in sweep.space.items()}
        try:
            self._study = optuna.create_study(
                storage=_open_storage(storage, directory / "study.journal"),
                study_name=name,
                direction="maximize" if sweep.maximize else "minimize",
                sampler=_OwnSeeds(sweep.sampler_seed),
                pruner=optuna.pruners.NopPruner(),  # Optuna's would judge each attempt
                load_if_exists=True,
            )
        except Exception as error:  # a driver may raise anything
            cause, journal = _root(error), directory / "study.journal"
            why = f"{type(cause).__name__}: {first_line(cause)}"
            where, why = (shown(storage), reason(storage, cause)) if storage else (journal, why)
            raise UsageError(f"--storage={where}: cannot be opened ({why})") from error
        wanted = StudyDirection.MAXIMIZE if sweep.maximize else StudyDirection.MINIMIZE
        if self._study.direction != wanted:
            raise UsageError(
                f"--study: {name} is one that tries to {self._study.direction.name.lower()}, and "
                f"Sweep.metric={sweep.metric!r} is to {wanted.name.lower()}; name another, or "
                "another --workdir"
            )

    def __enter__(self) -> "Study":
        self._lock = (self._workers / self._me).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        self._stop.set()
        self._heart.join()
        self._lock.close()
        if kind is None:  # else it stays, so that others see at once that trials left are free
            (self._workers / self._me).unlink(missing_ok=True)

    def held(self, name: str) -> str | None:
        """Return what the study holds under a name; None where nobody has said anything yet."""
        return self._study.user_attrs.get(name)

    def agree(self, name: str, value: str) -> str:
        """What the study holds under a name: this value, if nobody has said another before."""
        if self.held(name) is None:
            self._study.set_user_attr(name, value)
        return self._study.user_attrs[name]

    def take(self) -> Trial | None:
        """The next trial to be made, now this worker's; None where none is waiting."""
        self._queue()
        while self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            with contextlib.suppress(UpdateFinishedTrialError):  # held up, and given up by others
                handle = self._study.ask(self._distributions)
                number = handle.user_attrs.get("number")
                if number is None or self._is_second(handle, number):
                    # Another worker took the last one between the lines above, or queued it too.
                    self._tell(handle, state=TrialState.FAIL)
                    continue
                handle.set_user_attr("worker", self._me)
                return Trial(number, self._values(handle.params), self._seeds(number), handle)
        return None

    def report(self, trial: Trial, step: int, value: float) -> bool:
        """Tells the objective at a step; whether the trial shall be pruned there.

        The winner's repetitions are not: what they end with is what is asked. A trial that another
        worker took in the meantime shall end here.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a step told before, by a run that goes on
                trial.handle.report(value, step)
        except UpdateFinishedTrialError:
            return True
        judged = step in self._sweep.rungs(self._config.steps)
        return judged and self._phase(trial.number) != "repeat" and self._falls_behind(trial, step)

    def end(
        self,
        trial: Trial,
        status: str,
        *,
        values: list[float],
        step: int,
        metrics: dict[str, float],
        message: str = "",
    ) -> None:
        """Tells how a trial ended; nothing where another worker took it in the meantime.

        Args:
          trial: of this worker.
          status: done | pruned | diverged | failed.
          values: the objective of each of its seeds; of one that is done, all of them.
          step: steps behind it.
          metrics: its last ones.
          message: why.
        """
        about = {
            "status": status, "values": values, "step": step, "metrics": metrics, "message": message
        }  # fmt: skip
        with contextlib.suppress(UpdateFinishedTrialError):
            for name, value in about.items():
                trial.handle.set_user_attr(name, value)
            if status == DONE:
                self._tell(trial.handle, statistics.mean(values))
            else:
                self._tell(trial.handle, state=TrialState.PRUNED)

    def give_back(self, trial: Trial) -> None:
        """Lets another worker have a trial, or this one later."""
        self._tell(trial.handle, state=TrialState.FAIL)

    def outcomes(self) -> list[Outcome]:
        """Of all trials that are known, in order."""
        attempts = self._attempts()
        return [self._outcome(number, attempts.get(number, [])) for number in self._numbers()]

    def best(self) -> Outcome | None:
        """The best trial that is done, repetitions left aside; None while there is none."""
        found = [outcome for outcome in self.outcomes() if outcome.phase != "repeat"]
        return next(iter(rank(found, self._sweep.maximize)), None)

    def ended(self) -> bool:
        """Whether every trial has ended."""
        return all(outcome.status in ENDED for outcome in self.outcomes())

    def importances(self) -> dict[str, float]:
        """Each dimension's share in what moves the objective; empty where too little is known."""
        points = [outcome for outcome in self.outcomes() if outcome.phase != "repeat"]
        done = rank(points, self._sweep.maximize)
        if len(done) < trials_that_tell(self._sweep) or done[0].value == done[-1].value:
            return {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # By name: Optuna 5's usual one looks at the best tenth, which is a trial or two.
                evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
                return optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        except (ValueError, RuntimeError):  # points that are all alike
            return {}

    def _numbers(self) -> range:
        """Of the trials that are known now: a later phase's when the one before it has ended."""
        sweep, wide = self._sweep, self._wide
        for total, more in ((wide, sweep.narrow), (wide + sweep.narrow, sweep.repeat)):
            if more and not self._done(range(total)):
                return range(total)
        return range(wide + sweep.narrow + sweep.repeat)

    def _phase(self, number: int) -> str:
        if number < self._wide:
            return "wide"
        return "narrow" if number < self._wide + self._sweep.narrow else "repeat"

    def _done(self, numbers: range) -> list[Outcome]:
        """Those of some trials that are done, best first; none while one of them has not ended."""
        attempts = self._attempts()
        found = [self._outcome(number, attempts.get(number, [])) for number in numbers]
        if any(outcome.status not in ENDED for outcome in found):
            return []
        return rank(found, self._sweep.maximize)

    def _seeds(self, number: int) -> tuple[int, ...]:
        first, sweep = self._config.seed, self._sweep
        if self._phase(number) != "repeat":
            return tuple(range(first, first + sweep.seeds))
        return (first + sweep.seeds + number - self._wide - sweep.narrow,)

    def _point(self, number: int) -> dict[str, Any]:
        """The point of a trial as far as it does not depend on results; TPE's is drawn later."""
        sweep, wide = self._sweep, self._wide
        phase = self._phase(number)
        if phase == "repeat":
            return self._done(range(wide + sweep.narrow))[0].point
        if phase == "narrow":
            done = self._done(range(wide))
            best = done[: max(round(len(done) * _MOST_INTERESTING), min(len(done), 3))]
            return _sobol(sweep.narrowed([outcome.point for outcome in best]), number - wide)
        if self._grid:
            return self._grid[number]
        if number == 0 and (own := read(self._config, sweep.space)):
            return own
        return {"random": _random, "quasi_random": _sobol, "tpe": lambda *_: {}}[sweep.sampler](
            sweep, number
        )

    def _attempts(self) -> dict[int, list[FrozenTrial]]:
        """Trial number -> the attempts at it, in order."""
        found: dict[int, list[FrozenTrial]] = {}
        for frozen in self._study.get_trials(deepcopy=False):
            if (number := frozen.user_attrs.get("number")) is not None:
                found.setdefault(number, []).append(frozen)
        return found

    def _is_second(self, handle: optuna.Trial, number: int) -> bool:
        """Whether an earlier attempt at a trial is waiting, running or has ended it."""
        return any(
            other.number < handle.number and other.state != TrialState.FAIL
            for other in self._attempts()[number]
        )

    def _queue(self) -> None:
        """Gives the dead workers' trials back, then queues every trial that nobody is at."""
        attempts = self._attempts()
        for frozen in (attempt for several in attempts.values() for attempt in several):
            if frozen.state == TrialState.RUNNING and self._is_dead(frozen):
                self._tell(frozen.number, state=TrialState.FAIL)
        attempts = self._attempts()
        for number in self._numbers():
            tried = attempts.get(number, [])
            if all(attempt.state == TrialState.FAIL for attempt in tried):
                point = next(filter(self._is_whole, (attempt.params for attempt in tried)), None)
                if point is None:
                    point = self._labels(self._point(number))
                self._study.enqueue_trial(point, user_attrs={"number": number})

    def _is_whole(self, params: dict[str, Any]) -> bool:
        """Whether each dimension was drawn: a worker may be killed between two of them."""
        return params.keys() == self._distributions.keys()

    def _falls_behind(self, trial: Trial, step: int) -> bool:
        """Whether a trial is none of the best, one in `factor` of all that have come to a rung.

        The first attempt that came there stands for its trial, and has been judged: a run that goes
        on after a kill tells its scores again.
        """
        values = []
        for number, tried in self._attempts().items():
            came = next((attempt for attempt in tried if step in attempt.intermediate_values), None)
            if came is None:
                continue
            values.append(came.intermediate_values[step])
            if number == trial.number:
                own = values[-1]
                if came.number != trial.handle.number:
                    return False
        values.sort(reverse=self._sweep.maximize)
        last = values[max(len(values) // self._sweep.pruning.factor, 1) - 1]
        return own < last if self._sweep.maximize else own > last

    def _tell(
        self,
        attempt: optuna.Trial | int,
        value: float | None = None,
        state: TrialState | None = None,
    ) -> None:
        """Ends an attempt, or leaves it as another worker has just ended it."""
        with contextlib.suppress(UpdateFinishedTrialError):
            self._study.tell(attempt, value, state=state, skip_if_finished=True)

    def _is_dead(self, frozen: FrozenTrial) -> bool:
        """Whether the worker of a running attempt will not come back to it."""
        worker = frozen.user_attrs.get("worker")
        if worker == self._me:
            return False
        if worker is None:  # taken, and its worker's name not written yet, or never
            return self._is_silent(f"trial {frozen.number}", None)
        path, here = self._workers / worker, worker.startswith(f"{socket.gethostname()}-")
        if here and path.exists():  # not every network file system passes on another's lock
            return _is_free(path)
        return self._is_silent(worker, self._study.user_attrs.get(f"worker {worker}"))

    def _is_silent(self, who: str, sign: Any) -> bool:
        """Whether a sign of life has not changed for long, by the clock of this machine."""
        now = time.monotonic()
        if who not in self._heard or self._heard[who][0] != sign:
            self._heard[who] = (sign, now)
        return now - self._heard[who][1] > _SILENT_SECONDS

    def _beat(self) -> None:
        count = 0
        while not self._stop.wait(_BEAT_SECONDS):
            count += 1
            with contextlib.suppress(Exception):  # of a driver, while the storage is out of reach
                self._study.set_user_attr(f"worker {self._me}", count)

    def _outcome(self, number: int, attempts: list[FrozenTrial]) -> Outcome:
        """By the first attempt that has not been given up."""
        live = [attempt for attempt in attempts if attempt.state != TrialState.FAIL]
        frozen = live[0] if live else None
        about = frozen.user_attrs if frozen else {}
        status = WAITING
        if frozen and frozen.state != TrialState.WAITING:
            status = about.get("status", PRUNED) if frozen.state.is_finished() else RUNNING
        values = about.get("values", [])
        curve = sorted(frozen.intermediate_values.items()) if frozen else []
        return Outcome(
            number=number,
            phase=self._phase(number),
            status=status,
            point=self._values(frozen.params) if frozen else {},
            seeds=self._seeds(number),
            curve=tuple(curve),
            value=statistics.mean(values) if values else None,
            spread=statistics.stdev(values) if len(values) > 1 else None,
            step=about.get("step", curve[-1][0] if curve else 0),
            metrics=about.get("metrics", {}),
            message=about.get("message", ""),
        )

    def _values(self, params: dict[str, Any]) -> dict[str, Any]:
        """The values of Optuna's parameters."""
        space = {n: d for n, d in self._sweep.space.items() if n in params}
        return {
            name: dimension.values[params[name]] if isinstance(dimension, Choice) else params[name]
            for name, dimension in space.items()
        }

    def _labels(self, point: dict[str, Any]) -> dict[str, Any]:
        """The reverse: a choice is known to Optuna by its place."""
        space = self._sweep.space
        return {
            name: space[name].values.index(value) if isinstance(space[name], Choice) else value
            for name, value in point.items()
        }


class _OwnSeeds(optuna.samplers.BaseSampler):
    """TPE with a generator for each trial, so that no two workers draw the same numbers."""

    def __init__(self, seed: int):
        self._seed = seed
        self._number: int | None = None

    def infer_relative_search_space(self, study, trial):
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def _of(self, trial: FrozenTrial) -> optuna.samplers.BaseSampler:
        if trial.number != self._number:  # one generator for all of its dimensions
            (word,) = prng.host_bits(self._seed, "sweep sampler", trial.number, 1)
            self._sampler = optuna.samplers.TPESampler(seed=int(word) % 2**32)
            self._number = trial.number
        return self._sampler


class _KernelLock:
    """A lock on the journal that the kernel frees when its holder is killed, as Optuna calls it.

    A holder that was killed, or met a full disk, within a line would spoil the next one's: what it
    has left is cut off.
    """

    def __init__(self, journal: pathlib.Path):
        self._journal = journal

    def acquire(self) -> bool:
        self._file = self._journal.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._cut()
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        self._file.close()

    def _cut(self) -> None:
        with self._journal.open("rb+") as journal:
            journal.seek(max(journal.seek(0, os.SEEK_END) - 1, 0))
            if journal.read() not in (b"", b"\n"):
                journal.seek(0)
                journal.truncate(journal.read().rfind(b"\n") + 1)


def _open_storage(url: str, journal: pathlib.Path) -> BaseStorage:
    if not url:
        return JournalStorage(JournalFileBackend(str(journal), lock_obj=_KernelLock(journal)))
    for _ in range(_OPENINGS - 1):
        try:
            return RDBStorage(url)
        except (IntegrityError, ProgrammingError, OperationalError) as error:
            if isinstance(error, OperationalError) and "already exists" not in str(error):
                raise
            time.sleep(0.2)  # another worker that begins at this instant makes the tables
    return RDBStorage(url)


def _root(error: BaseException) -> BaseException:
    """What an exception was caused by in the first place."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _is_free(path: pathlib.Path) -> bool:
    """Whether nobody holds the lock on a file."""
    try:
        with path.open("r+") as file:  # a network's file system locks only what may be written
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(range(len(dimension.values)))
    if isinstance(dimension, Integer):
        return IntDistribution(dimension.low, dimension.high)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _random(sweep: Sweep, number: int) -> dict[str, Any]:
    words = prng.host_bits(sweep.sampler_seed, "sweep points", number, len(sweep.space))
    return sweep.point(iter((words / 2.0**64).tolist()))


def _sobol(sweep: Sweep, number: int) -> dict[str, Any]:
    """Of a Sobol sequence, shifted at random as a whole (Cranley and Patterson 1976)."""
    dimensions = len(sweep.space)
    (place,) = qmc.Sobol(dimensions, scramble=False).random_base2(number.bit_length())[number:][:1]
    shift = prng.host_bits(sweep.sampler_seed, "sweep shift", 0, dimensions) / 2.0**64
    return sweep.point(iter(((place + shift) % 1.0).tolist()))
