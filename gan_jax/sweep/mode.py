"""--mode=sweep: takes trials from the study, trains them in populations, tells how they ended.

Any number of these may work on one study. Each trains trials of one static part at a time, as one
population, and fills the places that become free; when none of that part is left, it goes on to the
next.
"""

import contextlib
import dataclasses
import fcntl
import functools
import json
import math
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gan_jax import workdir
from gan_jax.config import METRICS, Config, as_dict, differences
from gan_jax.data import identity, toys
from gan_jax.data.sources import Source, announce
from gan_jax.errors import (
    Diverged,
    Gone,
    InUse,
    Pruned,
    Stopped,
    Unwritable,
    UsageError,
    first_line,
)
from gan_jax.evaluate import rows
from gan_jax.evaluate.features import Extractor, open_extractor
from gan_jax.program import Program, static_part
from gan_jax.report import document
from gan_jax.stopping import StopSignals
from gan_jax.sweep import capacity, outcome, results, space
from gan_jax.sweep.outcome import Outcome
from gan_jax.sweep.population import Lanes, Member, Turns, goes_in_lanes
from gan_jax.sweep.space import Sweep
from gan_jax.sweep.study import Study, Trial, check_storage

_PROTOCOL = ("features", "resize", "num_samples", "kept", "neighbours")  # of config.eval
_POLL_SECONDS = 2.0
_WRITE_SECONDS = 20.0  # between two writings of the results, while trials end

Population = Lanes | Turns


def sweep(
    config: Config,
    search: Sweep,
    path: str,
    *,
    places: int = 0,
    storage: str = "",
    name: str = "sweep",
    experiment: str,
    original: Config,
) -> None:
    """Works on a sweep until all of its trials have ended.

    Args:
      config: what is varied.
      search: how.
      path: the sweep's directory; made if need be.
      places: runs that train side by side; 0: as many as fit.
      storage: a URL of Optuna's; empty: a file in the directory.
      name: of the study in it.
      experiment: for the command that trains the winner.
      original: what the experiment says before anything is overridden.

    Raises:
      UsageError: if the sweep, the config, the data, the directory or the storage is not usable.
      Stopped: after SIGTERM, SIGINT or SIGHUP; what was in training is saved and given back.
      Unwritable: if the directory cannot be written any more. One run's that is gone fails its
        trial alone.
    """
    config = space.judged(search, config)
    space.check(search, config)
    check_storage(storage)
    source = Program(config).source
    _check_metric(search.metric, config, source)
    directory = pathlib.Path(os.path.expanduser(path))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        study = Study(storage, name, search, config, directory)
    except OSError as error:
        raise UsageError(
            f"--workdir={directory}: cannot be written ({error.strerror}); name another directory"
        ) from error
    # What can be refused is refused before a classifier is trained, and nothing is claimed by then.
    _agree(lambda name, value: study.held(name) or value, search, config, source, directory)
    features = _features(study, config, source, directory)
    announce(source, config.dataset.name)
    with StopSignals() as signals, workdir.writing(directory), study:
        _agree(study.agree, search, config, source, directory)
        if not (directory / identity.FILES).exists():
            identity.write_files(source, directory)
        command = functools.partial(_command, experiment, original)
        Worker(config, search, source, features, directory, places, study, signals, command).run()


def _check_metric(metric: str, config: Config, source: Source) -> None:
    """Refuse a metric that the scores of some data do not have, before one is made.

    Raises:
      UsageError: if there is none of that name for these data.
    """
    features = config.eval.features or ("classifier" if source.num_classes > 1 else "pixels")
    missing = {"inception_score", "modes", "reverse_kl"} if features == "pixels" else set()
    if len(source.shape) == 1:
        features, missing = "points", {"inception_score"}
        if config.dataset.name not in toys.MODES:
            missing |= {"modes", "reverse_kl"}
    if metric in missing:
        there = ", ".join(name for name in METRICS if name not in missing)
        raise UsageError(
            f"Sweep.metric={metric!r}: takes classes, and these data are compared by {features}; "
            f"they have {there}"
        )


def _agree(
    agree: Callable[[str, str], str],
    search: Sweep,
    config: Config,
    source: Source,
    directory: pathlib.Path,
) -> None:
    """Refuse a study of another sweep, of another config or of other data.

    More trials may be asked for while no later phase builds on them.

    Args:
      agree: `Study.agree`, or what only looks.
      search: the sweep.
      config: what is varied.
      source: the data.
      directory: the sweep's, which may hold the names of the files that the study began with.
    """
    if not (search.narrow or search.repeat):
        search = dataclasses.replace(search, trials=1)
    if (held := agree("sweep", repr(search))) != repr(search):
        raise UsageError(
            f"--study: holds another sweep, {held}; name another, or another --workdir"
        )
    now = as_dict(config)
    saved = json.loads(agree("config", json.dumps(now)))
    # A run may go on with others, a comparison may not.
    found = [
        f"config.{group}{name}: saved {then.get(name)}, now {given[name]}"
        for group, then, given, names in (
            ("", saved, now, ("steps", "eval_every")),
            ("eval.", saved["eval"], now["eval"], _PROTOCOL),
        )
        for name in names
        if then.get(name) != given[name]
    ] + differences(config, saved)
    if found:
        raise UsageError(
            f"--study: holds a sweep of another config ({'; '.join(found)}); name another, or "
            "another --workdir"
        )
    identity.check(
        source, json.loads(agree("data", json.dumps(identity.record(source)))), directory
    )


def _features(study: Study, config: Config, source: Source, directory: pathlib.Path) -> Extractor:
    """Return what all scores of the study are compared by, the same for all of its workers.

    Raises:
      UsageError: If there are no features for these data, or the study is by others.
    """
    kept = directory / "classifier.npz"
    features = open_extractor(config.eval, source, kept)
    if (held := study.agree("features", features.name)) != features.name:
        raise UsageError(
            f"--study: its scores are by {held}, and this worker has {features.name}; give all "
            f"workers the same weights: of a classifier, {kept.name} of the other's --workdir in "
            f"place of {kept}"
        )
    return features


class Job:
    """A trial in training: its runs, of which some may have no place yet.

    Args:
      trial: the trial.
      config: the experiment's with the trial's point.
      directory: the sweep's.
    """

    def __init__(self, trial: Trial, config: Config, directory: pathlib.Path):
        self.trial = trial
        self.static = static_part(config)
        self.members: list[Member] = []
        self.reported: set[int] = set()
        paths = outcome.run_folders(directory, trial.number, trial.seeds)
        self.waiting = [
            (dataclasses.replace(config, seed=seed), path)
            for seed, path in zip(trial.seeds, paths, strict=True)
        ]


class Worker:
    """One process's part in a sweep.

    Args:
      config: the experiment's.
      search: the sweep.
      source: the data.
      features: what all trials are compared by.
      directory: the sweep's.
      places: members of a population; 0: as many as fit.
      study: the open study.
      signals: what ends it early.
      command: what trains a config in a directory.
    """

    def __init__(
        self,
        config: Config,
        search: Sweep,
        source: Source,
        features: Extractor,
        directory: pathlib.Path,
        places: int,
        study: Study,
        signals: StopSignals,
        command: Callable[[Config, pathlib.Path], str],
    ):
        self._config, self._sweep, self._directory = config, search, directory
        self._places, self._study, self._signals = places, study, signals
        self._command, self._source, self._features = command, source, features
        self._rungs = search.rungs(config.steps)
        self._pending: list[Job] = []
        self._jobs: list[Job] = []
        self._written = 0.0

    def run(self) -> None:
        """Until every trial of the sweep has ended, by whichever worker.

        Raises:
          Stopped: after SIGTERM, SIGINT or SIGHUP; what was in training is saved and given back.
        """
        with ThreadPoolExecutor(1, "journal") as writer:
            while not self._signals.received:
                job = self._next(None)
                if job is not None:
                    self._train(job, writer)
                elif self._study.ended():
                    break
                else:
                    time.sleep(_POLL_SECONDS)  # others are at the last ones, and may be killed
        for job in self._pending:
            self._study.give_back(job.trial)
        self._write()
        if self._signals.received:
            raise Stopped(
                f"stopped by {self._signals.received}, saved; run the same command to continue"
            )
        self._say_the_end()

    def _train(self, first: Job, writer: ThreadPoolExecutor) -> None:
        """Trains a job, and with it those that share its static part."""
        try:
            program = Program(first.waiting[0][0], self._source, self._features)
        except UsageError as error:
            self._tell(first, outcome.FAILED, str(error))
            return
        lanes = goes_in_lanes(program)
        places = self._places or capacity.places(program, lanes)
        population = (Lanes if lanes else Turns)(program, places, self._signals)
        self._jobs = [first]
        try:
            while not self._signals.received:
                self._fill(population, program, first.static, writer)
                if not self._jobs:
                    break
                population.advance(population.members())
                for job in list(self._jobs):
                    self._look(job, population)
        finally:
            self._leave(population)

    def _fill(
        self, population: Population, program: Program, static: str, writer: ThreadPoolExecutor
    ) -> None:
        """Gives the free places to runs of this static part, as far as there are any."""
        while len(population.members()) < population.places:
            job = next((job for job in self._jobs if job.waiting), None)
            if job is None:
                job = self._next(static)
                if job is None:
                    return
                self._jobs.append(job)
            config, path = job.waiting.pop(0)
            try:
                member = Member(program, config, str(path), writer, self._command(config, path))
            except InUse:  # a worker that was taken for dead is still at it
                self._jobs.remove(job)
                self._study.give_back(job.trial)
                time.sleep(_POLL_SECONDS)
                continue
            except UsageError as error:
                self._end(job, population, outcome.FAILED, str(error))
                continue
            job.members.append(member)
            if member.ended:  # by a worker that was killed before it could tell
                self._look(job, population)
            else:
                population.enter(member)

    def _next(self, static: str | None) -> Job | None:
        """A job of a static part, or of any; what is taken of others waits for its turn."""
        for job in self._pending:
            if static in (None, job.static):
                self._pending.remove(job)
                return job
        most = self._places or capacity.MOST_IN_TURNS
        while len(self._pending) < most and (trial := self._study.take()) is not None:
            config = space.assign(self._config, self._sweep.space, trial.point)
            job = Job(trial, config, self._directory)
            if static in (None, job.static):
                return job
            self._pending.append(job)
        return None

    def _look(self, job: Job, population: Population) -> None:
        """Tells the study what a job's members have come to, and ends it where that is due."""
        for member in job.members:
            if member.step in self._rungs:  # the score decides whether it goes on
                member.settle()
            elif member.ended and member in population.members():
                member.finish()
                population.leave(member)
        broken = next((member for member in job.members if member.error), None)
        if broken is not None:
            alone = isinstance(broken.error, Gone) and (self._directory / "trials").is_dir()
            if isinstance(broken.error, Unwritable) and not alone:
                raise broken.error  # the others' directories lie on the same disk
            kind = outcome.DIVERGED if isinstance(broken.error, Diverged) else outcome.FAILED
            self._end(job, population, kind, first_line(broken.error))
        elif not job.waiting and self._report(job):
            self._end(job, population, outcome.PRUNED, "")
        elif not job.waiting and all(member.ended for member in job.members):
            self._end(job, population, outcome.DONE, "")

    def _report(self, job: Job) -> bool:
        """Tells the scores that all members of a job have come to; whether it is to be pruned."""
        if not all(member.ended or member.step in self._rungs for member in job.members):
            return False
        scores = [self._scores(member) for member in job.members]
        for step in sorted(set.intersection(*map(set, scores)) - job.reported):
            job.reported.add(step)
            value = statistics.mean(score[step] for score in scores)
            if math.isfinite(value) and self._study.report(job.trial, step, value):
                return True
        return False

    def _scores(self, member: Member) -> dict[int, float]:
        """Step -> the objective there, of those steps that are scored by now.

        Raises:
          UsageError: if it is not among the scores of these data, or they have another protocol
            than those that the study holds.
        """
        metric, found = self._sweep.metric, {}
        for row in rows.read(member.session.directory):
            if not rows.of_checkpoint(row) or not row["checkpoint"].isdecimal():
                continue  # somebody has scored it by hand
            protocol = _without_seed(row["protocol"])
            if (held := self._study.agree("protocol", protocol)) != protocol:
                raise UsageError(
                    f"the study's scores are by {held}, this worker's by {protocol}: they do not "
                    "compare; give all workers the same data, weights and classifier"
                )
            if type(row.get(metric)) not in (int, float):
                there = ", ".join(name for name, value in row.items() if type(value) is float)
                raise UsageError(f"Sweep.metric={metric!r}: these data have {there}")
            found[row["step"]] = float(row[metric])
        return found

    def _end(self, job: Job, population: Population, status: str, message: str) -> None:
        scores = [self._scores(member) for member in job.members]
        values = [score[max(score)] for score in scores if score]
        if status == outcome.DONE and not all(map(math.isfinite, values)):
            status, message = outcome.DIVERGED, f"{self._sweep.metric} is not finite"
        self._jobs.remove(job)
        for member in job.members:
            if member in population.members():
                population.leave(member)
            member.close(None if member.ended else Pruned("its trial has ended"))
        self._tell(job, status, message, values)

    def _winner(self, best: Outcome) -> str:
        """Return what trains the best trial's config, in a directory that is no other's."""
        return self._command(self._config_of(best), self._directory / f"best_{best.number:04d}")

    def _tell(self, job: Job, status: str, message: str, values: Sequence[float] = ()) -> None:
        """Tells the study and the person at the terminal how a job has ended."""
        self._study.end(
            job.trial,
            status,
            values=[value for value in values if math.isfinite(value)],
            step=max((member.step for member in job.members), default=0),
            metrics=_last_metrics(job.members[0].session.directory) if job.members else {},
            message=message,
        )
        self._say(job.trial, status, values, message)
        if time.monotonic() - self._written > _WRITE_SECONDS:
            self._write()

    def _leave(self, population: Population) -> None:
        """Saves and gives back what is in training, where the worker ends before it."""
        error = sys.exception()
        for job in self._jobs:
            for member in job.members:
                if member in population.members():
                    if error is None:
                        member.stop(population.state(member), str(self._signals.received))
                    population.leave(member)
                member.close(error)
            # Where even that cannot be written, the others find this worker dead.
            with contextlib.nullcontext() if error is None else contextlib.suppress(OSError):
                self._study.give_back(job.trial)
        self._jobs = []

    def _write(self) -> None:
        """Brings the results up to date; one worker at a time."""
        best, command, config = self._study.best(), "", None
        if best is not None:
            config = self._config_of(best)
            command = self._winner(best)
        with _held(self._directory / ".results.lock"):
            results.write(
                self._directory, self._sweep, self._study.outcomes(), best,
                config and as_dict(config), command, self._study.importances(),
            )  # fmt: skip
        self._written = time.monotonic()

    def _config_of(self, found: Outcome) -> Config:
        return space.assign(self._config, self._sweep.space, found.point)

    def _say(self, trial: Trial, status: str, values: Sequence[float], message: str) -> None:
        found = self._study.outcomes()
        ended = sum(each.status in outcome.ENDED for each in found)
        score = f" {self._sweep.metric} {statistics.mean(values):.4g}" if values else ""
        point = "  ".join(f"{name} {_short(value)}" for name, value in trial.point.items())
        best = self._study.best()
        words = [
            f"trial {trial.number} {status}{score}  ({point})",
            message,
            f"{ended} of {len(found)} ended",
            f"best: trial {best.number}, {best.value:.4g}" if best else "",
        ]
        print("; ".join(filter(None, words)), file=sys.stderr)

    def _say_the_end(self) -> None:
        found, best = self._study.outcomes(), self._study.best()
        if best is None:
            print(f"no trial was done; {self._directory}/sweep.html", file=sys.stderr)
            return
        again = _again(found)
        print(
            f"best: trial {best.number}, {self._sweep.metric} {best.value:.4g}{again}; "
            f"{self._directory}/sweep.html and best_config.json; to train it:\n"
            + self._winner(best),
            file=sys.stderr,
        )


def _again(found: list[Outcome]) -> str:
    values = [
        each.value for each in found if each.phase == "repeat" and each.status == outcome.DONE
    ]
    if not values:
        return ""
    spread = f" +- {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    return f"; with seeds of its own {statistics.mean(values):.4g}{spread} over {len(values)}"


def _command(experiment: str, before: Config, after: Config, path: pathlib.Path) -> str:
    """Return what trains a config of an experiment that says another one by itself.

    Args:
      experiment: its file, with ":VARIANT" where one is meant.
      before: what that says.
      after: what is to be trained.
      path: the run's directory.
    """
    words = [f"--{where}={value}" for where, value in space.changed(before, after)]
    return document.launch(f"--config={experiment}", *words, f"--workdir={path}")


def _without_seed(protocol: str) -> str:
    """What must be equal for scores to be compared; whether G is averaged may be searched."""
    fields = rows.without_seed(protocol).split(";")
    return ";".join(field for field in fields if field not in ("ema", "live"))


def _last_metrics(directory: pathlib.Path) -> dict[str, float]:
    """The numbers of the last rows of metrics.jsonl and eval.jsonl."""
    found: dict[str, float] = {}
    scored = [row for row in rows.read(directory) if rows.of_checkpoint(row)]
    for lines in (workdir.read_lines(directory / "metrics.jsonl"), scored):
        row = (lines or [{}])[-1]
        numbers = {k: v for k, v in row.items() if type(v) in (int, float) and math.isfinite(v)}
        found = numbers | found  # "seconds" are those of the training, not of its last score
    found.pop("step", None)
    return found


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@contextlib.contextmanager
def _held(path: pathlib.Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
