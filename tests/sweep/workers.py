"""Workers of a sweep in processes of their own, whose trials take no time, or hardly any."""

import contextlib
import json
import multiprocessing
import os
import pathlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from gan_jax.sweep import study
from gan_jax.sweep.space import LogUniform, Sweep, Uniform
from gan_jax.sweep.study import Study, Trial
from support import ROOT, tiny_config

SPACE = {
    "generator.optimizer.learning_rate": LogUniform(1e-5, 1e-2),
    "generator.optimizer.b1": Uniform(0.0, 0.9),
}
CONFIG = tiny_config(steps=8, eval_every=2)


def open_study(storage: str, directory: pathlib.Path, trials: int) -> Study:
    sweep = Sweep(space=SPACE, trials=trials, sampler="random")
    return Study(storage, "sweep", sweep, CONFIG, directory)


def hold(storage: str, directory: pathlib.Path, trials: int) -> None:
    """Takes two trials, writes down which, and does not come to their ends."""
    study._BEAT_SECONDS = 0.05
    with open_study(storage, directory, trials) as worker:
        taken = [worker.take() for _ in range(2)]
        found = [(trial.number, trial.point) for trial in taken]
        (directory / "taking").write_text(json.dumps(found))
        (directory / "taking").rename(directory / "held.json")
        time.sleep(600)


def finish(
    storage: str, directory: pathlib.Path, trials: int, name: str, seconds: float = 0.0
) -> None:
    """Takes part until all trials have ended, each after so many seconds; writes down its own."""
    study._BEAT_SECONDS, study._SILENT_SECONDS = 0.2, 2.0
    (directory / f"{name}.ready").touch()
    wait_until((directory / "go").exists)
    with open_study(storage, directory, trials) as worker, (directory / name).open("w", 1) as log:
        while not worker.ended():
            trial = worker.take()
            if trial is None:
                time.sleep(0.02)
                continue
            print("took", trial.number, file=log)
            time.sleep(seconds)
            _end(worker, trial, float(trial.number))
            print("ended", trial.number, file=log)


def log_of(directory: pathlib.Path, name: str) -> Counter[tuple[str, int]]:
    """How often a `finish` took and ended each trial."""
    with contextlib.suppress(FileNotFoundError):
        lines = [line.split() for line in (directory / name).read_text().splitlines()]
        return Counter((what, int(number)) for what, number in lines)
    return Counter()


def attempts(storage: str, directory: pathlib.Path) -> dict[int, list[FrozenTrial]]:
    """Trial number -> Optuna's attempts at it, read without a Study."""
    held = storage or JournalStorage(JournalFileBackend(str(directory / "study.journal")))
    found: dict[int, list[FrozenTrial]] = {}
    for attempt in optuna.load_study(study_name="sweep", storage=held).trials:
        if "number" in attempt.user_attrs:
            found.setdefault(attempt.user_attrs["number"], []).append(attempt)
    return found


def kill_and_take_again(
    view: Study,
    process: multiprocessing.Process,
    directory: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a `hold` holds, whose file cannot be seen, comes back when it has long been silent."""
    monkeypatch.setattr(study, "_SILENT_SECONDS", 4.0)
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        assert view.take() is None, "a living worker's trials were taken"
        time.sleep(0.02)
    process.kill()
    process.join()
    assert view.take() is None, "it was not heard of for a moment alone"
    taken: list[Trial] = []
    wait_until(lambda: len(taken.extend(filter(None, [view.take()])) or taken) == 2)
    held = json.loads((directory / "held.json").read_text())
    assert [[trial.number, trial.point] for trial in sorted(taken)] == held
    assert view.take() is None


def lose_and_end(
    open_view: Callable[[], Study], directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's beat is slow, its file out of sight and the other one impatient; both end all."""
    monkeypatch.setattr(study, "_BEAT_SECONDS", 600.0)
    monkeypatch.setattr(study, "_SILENT_SECONDS", 0.0)
    with open_view() as slow:
        (file,) = (directory / "workers").iterdir()
        file.unlink()
        lost = [slow.take(), slow.take()]
        with open_view() as quick:
            taken = sorted(filter(None, [quick.take() for _ in range(9)]))
            assert [trial[:3] for trial in taken] == [trial[:3] for trial in lost]
            assert slow.report(lost[0], 2, 5.0), "it shall train it no further"
            _end(slow, lost[0], 7.0)
            slow.give_back(lost[1])
            assert [outcome.status for outcome in quick.outcomes()] == ["running"] * 2
            _end(quick, taken[0], 3.0)
            _end(slow, lost[0], 8.0)
            _end(slow, lost[1], 9.0, "failed")
            slow.give_back(lost[0])
            _end(quick, taken[1], 4.0)
            for view in (quick, slow):
                found = [(outcome.status, outcome.value) for outcome in view.outcomes()]
                assert found == [("done", 3.0), ("done", 4.0)]
                assert view.outcomes()[0].curve == ()
                assert view.take() is None


def _end(view: Study, trial: Trial, value: float, status: str = "done") -> None:
    view.end(trial, status, values=[value], step=8, metrics={})


def race(start: Callable, storage: str, directory: pathlib.Path, trials: int) -> None:
    """Two workers begin at the same instant on an empty storage; each trial is ended by one."""
    names = ("first", "second")
    processes = [start(finish, storage, directory, trials, name, 0.05) for name in names]
    wait_until(lambda: all((directory / f"{name}.ready").exists() for name in names))
    (directory / "go").touch()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    logs = [log_of(directory, name) for name in names]
    assert all(logs), "one worker was too late to take part"
    assert logs[0] + logs[1] == {
        (what, number): 1 for what in ("took", "ended") for number in range(trials)
    }
    _assert_each_ended_once(storage, directory, trials)


def race_and_kill(
    start: Callable, storage: str, directory: pathlib.Path, trials: int, kills: int
) -> None:
    """Two workers go on while a third is killed, whatever it does, and started again."""
    (directory / "go").touch()
    living = [start(finish, storage, directory, trials, name, 0.1) for name in ("a", "b")]
    moments = random.Random(0)
    logs = []
    for i in range(kills):
        process = start(finish, storage, directory, trials, f"killed {i}", 0.1)
        if i % 2 == 0:  # within a trial; else anywhere
            wait_until(lambda i=i: log_of(directory, f"killed {i}") or _is_over(living))
        time.sleep(moments.uniform(0.0, 0.08 if i % 2 == 0 else 0.4))
        process.kill()
        process.join()
        logs.append(log_of(directory, f"killed {i}"))
    for process in living:
        process.join(60)
    assert [process.exitcode for process in living] == [0, 0]
    lost = [key for log in logs for key in log if key[0] == "took" and not log["ended", key[1]]]
    assert lost, "no worker was killed within a trial"
    logs += [log_of(directory, name) for name in ("a", "b")]
    ended = [sum(log["ended", number] for log in logs) for number in range(trials)]
    assert max(ended) == 1
    assert ended.count(0) <= kills, "but for those who were killed before they wrote it down"
    _assert_each_ended_once(storage, directory, trials)
    given_up = [
        attempt
        for several in attempts(storage, directory).values()
        for attempt in several
        if attempt.state == TrialState.FAIL and "worker" in attempt.user_attrs
    ]
    assert 1 <= len(given_up) <= kills


def _is_over(living: list[multiprocessing.Process]) -> bool:
    return any(not process.is_alive() for process in living)


def _assert_each_ended_once(storage: str, directory: pathlib.Path, trials: int) -> None:
    found = attempts(storage, directory)
    assert sorted(found) == [*range(trials)]
    for number, several in found.items():
        done = [attempt for attempt in several if attempt.state == TrialState.COMPLETE]
        assert [attempt.value for attempt in done] == [float(number)]
    outcomes = open_study(storage, directory, trials).outcomes()
    undisturbed = directory / "undisturbed"
    undisturbed.mkdir()
    with open_study("", undisturbed, trials) as view:
        assert [outcome.point for outcome in outcomes] == [view.take().point for _ in outcomes]
    assert [(outcome.status, outcome.value) for outcome in outcomes] == [
        ("done", float(number)) for number in range(trials)
    ]


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.001)


@contextlib.contextmanager
def starter() -> Iterator[Callable[..., multiprocessing.Process]]:
    """Starts a function of this file in a process, forked from one that has imported all of it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", __name__])
    before = os.environ.get("PYTHONPATH")
    paths = filter(None, (str(ROOT), str(ROOT / "tests"), before))
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    started = []

    def start(target: Callable[..., None], *arguments) -> multiprocessing.Process:
        process = context.Process(target=target, args=arguments, daemon=True)
        process.start()
        started.append(process)
        return process

    try:
        yield start
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
        for process in started:
            process.kill()
            process.join()
