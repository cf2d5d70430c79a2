"""The trials of a sweep: each made once, by whichever worker, whoever is killed when."""

import fcntl
import itertools
import json
import os
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from gan_jax.errors import UsageError
from gan_jax.sweep import study
from gan_jax.sweep.space import Choice, Halving, Integer, LogUniform, Sweep, Uniform
from gan_jax.sweep.study import Study
from support import tiny_config, tiny_mlp_config
from sweep import workers

LR = "generator.optimizer.learning_rate"
B1 = "generator.optimizer.b1"
SPACE = {LR: LogUniform(1e-5, 1e-2), B1: Uniform(0.0, 0.9)}
CONFIG = tiny_config(steps=8, eval_every=2)
OWN = {LR: 1e-3, B1: 0.5}
ELSEWHERE = {LR: Uniform(0.5, 1.0), B1: Uniform(0.6, 0.9)}  # without the config's own point


@pytest.fixture
def open_study(tmp_path):
    """Opens a worker's view of the study; all of a test share one journal."""

    def open_study(space=SPACE, **settings):
        name = settings.pop("name", "sweep")
        config = settings.pop("config", CONFIG)
        sweep = Sweep(space=space, **({"sampler": "random"} | settings))
        return Study("", name, sweep, config, tmp_path)

    return open_study


@pytest.fixture(scope="module")
def start():
    with workers.starter() as start:
        yield start


def take_all(*views):
    """Every trial that there is, taken in turn."""
    taken = (view.take() for view in itertools.islice(itertools.cycle(views), 99))
    return list(itertools.takewhile(lambda trial: trial is not None, taken))


def points(trials):
    return {trial.number: trial.point for trial in trials}


def end(view, trial, value=0.0, status="done", **others):
    told = {"values": [value], "step": 8, "metrics": {}}
    view.end(trial, status, **(told | others))


def read_journal(tmp_path):
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    return optuna.load_study(study_name="sweep", storage=storage)


def worker_file(tmp_path):
    (path,) = (tmp_path / "workers").iterdir()
    return path


@pytest.mark.parametrize("sampler", ["random", "quasi_random", "tpe"])
def test_one_worker_takes_every_number_once_in_order(open_study, sampler):
    with open_study(trials=7, sampler=sampler) as view:
        trials = take_all(view)
        assert [trial.number for trial in trials] == [*range(7)]
        assert {trial.seeds for trial in trials} == {(0,)}
        assert not view.ended()
        for trial in trials:
            end(view, trial)
        assert view.ended()
        assert view.take() is None


@pytest.mark.parametrize("sampler", ["random", "quasi_random", "tpe"])
def test_the_first_point_is_the_configs_own(open_study, sampler):
    with open_study(trials=3, sampler=sampler) as view:
        first, *others = take_all(view)
        assert first.point == OWN
        assert OWN not in [trial.point for trial in others]
    with open_study(ELSEWHERE, trials=1, sampler=sampler, name="elsewhere") as view:
        point = view.take().point
        assert all(ELSEWHERE[name].holds(value) for name, value in point.items())
        assert list(point) == list(ELSEWHERE)


def test_points_do_not_depend_on_the_number_of_workers(open_study):
    """Those of TPE as long as nothing has ended, by which it would go."""
    found = {}
    for sampler in ("random", "quasi_random", "tpe"):
        settings = {"sampler": sampler, "trials": 12}
        with open_study(name=f"{sampler} alone", **settings) as view:
            alone = points(take_all(view))
        name = f"{sampler} of three"
        with (
            open_study(name=name, **settings) as first,
            open_study(name=name, **settings) as second,
            open_study(name=name, **settings) as third,
        ):
            assert points(take_all(first, second, third)) == alone
        with open_study(name=f"{sampler} again", **settings, sampler_seed=1) as view:
            other = points(take_all(view))
        assert all(alone[number] != other[number] for number in range(1, 12))
        found[sampler] = alone
    for one, other in itertools.combinations(found.values(), 2):
        assert all(one[number] != other[number] for number in range(1, 12))


def test_random_points_fill_the_space(open_study):
    with open_study(ELSEWHERE, trials=48) as view:
        found = points(take_all(view)).values()
    columns = [[point[name] for point in found] for name in ELSEWHERE]
    for values, dimension in zip(columns, ELSEWHERE.values(), strict=True):
        places = [(value - dimension.low) / (dimension.high - dimension.low) for value in values]
        assert len(set(places)) == 48
        assert min(places) < 0.1
        assert max(places) > 0.9
        assert 0.35 < statistics.mean(places) < 0.65
    assert abs(statistics.correlation(*columns)) < 0.4


def test_quasi_random_points_are_even_in_each_dimension(open_study):
    with open_study(ELSEWHERE, trials=16, sampler="quasi_random") as view:
        found = points(take_all(view)).values()
    for name, dimension in ELSEWHERE.items():
        values = sorted(point[name] for point in found)
        gap = (dimension.high - dimension.low) / 16
        assert [b - a for a, b in itertools.pairwise(values)] == pytest.approx([gap] * 15)


def test_a_grid_is_all_combinations_each_once(open_study):
    space = {LR: LogUniform(0.25, 1.0, points=3), "d_steps": Integer(1, 2)}
    with open_study(space, sampler="grid", trials=1) as first:
        with open_study(space, sampler="grid", trials=1) as second:
            found = [(t.point[LR], t.point["d_steps"]) for t in take_all(first, second)]
        assert sorted(found) == [*itertools.product((0.25, 0.5, 1.0), (1, 2))]
        assert len(first.outcomes()) == 6


def test_points_of_tpe_differ_over_trials_dimensions_and_workers(open_study):
    """The first ten that are ended are drawn at random, the others by what those came to."""
    space = {name: Uniform(0.6, 0.9) for name in (B1, LR, "generator.optimizer.b2")}
    settings = {"sampler": "tpe", "trials": 24}
    with open_study(space, **settings) as first, open_study(space, **settings) as second:
        trials = [view.take() for view in (first, second) * 6]
        for trial in trials:
            end(first, trial, trial.point[B1])
        trials += take_all(first, second)
        assert len(trials) == 24
        drawn = [value for trial in trials for value in trial.point.values()]
        inside = [value for value in drawn if 0.6 < value < 0.9]
        assert len(inside) > 48, "the ends may be drawn more than once"
        assert len(set(inside)) == len(inside)


def test_tpe_comes_to_where_the_best_are(open_study):
    with open_study(ELSEWHERE, sampler="tpe", trials=36) as view:
        far = []
        while trial := view.take():
            far.append(abs(trial.point[LR] - 0.95))
            end(view, trial, far[-1])
    assert statistics.median(far[-12:]) < 0.5 * statistics.median(far[:12])


def test_no_trial_is_given_to_two_workers(open_study):
    for sampler in ("random", "tpe"):
        settings = {"sampler": sampler, "trials": 20, "name": sampler}
        with open_study(**settings) as first, open_study(**settings) as second:
            trials = take_all(first, second)
            assert sorted(trial.number for trial in trials) == [*range(20)]
            assert first.take() is second.take() is None


def test_studies_of_two_names_share_a_journal_and_no_trial(open_study):
    with open_study(trials=2) as one, open_study(trials=2, name="other") as other:
        end(one, one.take())
        assert [trial.number for trial in take_all(other)] == [0, 1]
        assert [outcome.status for outcome in one.outcomes()] == ["done", "waiting"]


def test_what_is_queued_twice_is_made_once(open_study, tmp_path):
    """As by two workers that come at the same instant, neither of whom sees the other's."""
    with open_study(trials=4) as view:
        first = view.take()
        journal = read_journal(tmp_path)
        for number in (2, 0, 3, 1, 0):
            journal.enqueue_trial(OWN, user_attrs={"number": number})
        others = take_all(view)
        assert [trial.number for trial in others] == [1, 2, 3]
        for trial in (first, *others):
            end(view, trial)
        assert view.take() is None
        assert [outcome.status for outcome in view.outcomes()] == ["done"] * 4


def test_a_trial_without_a_number_is_not_taken(open_study, tmp_path):
    """As when another worker takes the last one at the same instant."""
    with open_study(trials=1) as view:
        view.take()
        read_journal(tmp_path).enqueue_trial(OWN)
        assert view.take() is None
        assert len(view.outcomes()) == 1


def test_the_trials_of_a_killed_worker_come_back_at_once_with_their_points(start, tmp_path):
    process = start(workers.hold, "", tmp_path, 3)
    workers.wait_until((tmp_path / "held.json").exists)
    with workers.open_study("", tmp_path, 3) as view:
        third = view.take()
        assert third.number == 2
        assert view.take() is None, "a living worker's trials were taken"
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        again = [view.take(), view.take()]
        held = json.loads((tmp_path / "held.json").read_text())
        assert [[trial.number, trial.point] for trial in again] == held
        assert held[0] == [0, OWN]
        for trial in (third, *again):
            end(view, trial)
        assert [outcome.status for outcome in view.outcomes()] == ["done"] * 3
        assert [outcome.point for outcome in view.outcomes()[:2]] == [point for _, point in held]


def test_where_its_file_is_not_seen_a_worker_is_dead_once_it_is_silent(
    start, tmp_path, monkeypatch
):
    process = start(workers.hold, "", tmp_path, 2)
    workers.wait_until((tmp_path / "held.json").exists)
    worker_file(tmp_path).unlink()
    with workers.open_study("", tmp_path, 2) as view:
        workers.kill_and_take_again(view, process, tmp_path, monkeypatch)


def test_a_worker_that_was_killed_before_it_gave_its_name_is_dead_once_it_is_silent(
    open_study, tmp_path, monkeypatch
):
    with open_study(trials=2) as view:
        view.take()
        taken = read_journal(tmp_path).ask()
        assert taken.user_attrs == {"number": 1}
        assert view.take() is None
        monkeypatch.setattr(study, "_SILENT_SECONDS", 0.05)
        time.sleep(0.1)
        assert view.take().number == 1


@pytest.mark.parametrize("sampler", ["random", "quasi_random", "tpe"])
def test_a_worker_that_was_killed_while_it_drew_a_point_leaves_none_of_it(
    open_study, tmp_path, monkeypatch, sampler
):
    """Half of a point was once kept as it was, and the other half drawn by TPE."""
    settings = {"trials": 2, "sampler": sampler}
    with open_study(name="undisturbed", **settings) as view:
        expected = points(take_all(view))[1]
    with open_study(**settings) as view:
        view.take()
        drawn = read_journal(tmp_path).ask({LR: FloatDistribution(1e-5, 1e-2, log=True)})
        assert drawn.user_attrs == {"number": 1}
        assert view.take() is None
        monkeypatch.setattr(study, "_SILENT_SECONDS", 0.0)
        again = view.take()
        assert again.number == 1
        assert list(again.point) == [LR, B1]
        if sampler == "tpe":  # draws anew, by Optuna's number of the attempt
            assert again.point[LR] != drawn.params[LR]
        else:
            assert again.point == expected


def test_a_worker_that_is_given_up_while_it_takes_a_trial_takes_another(
    open_study, tmp_path, monkeypatch
):
    """As when its machine sleeps between two lines of `take`."""
    with open_study(trials=2) as view:
        ask = view._study.ask

        def ask_and_sleep(*arguments):
            handle = ask(*arguments)
            monkeypatch.undo()
            read_journal(tmp_path).tell(handle.number, state=optuna.trial.TrialState.FAIL)
            return handle

        monkeypatch.setattr(view._study, "ask", ask_and_sleep)
        assert [trial.number for trial in take_all(view)] == [1, 0]


def test_a_worker_that_lost_its_trial_does_no_harm(open_study, tmp_path, monkeypatch):
    workers.lose_and_end(lambda: open_study(trials=2), tmp_path, monkeypatch)


def test_a_worker_stays_heard_of_after_its_storage_was_out_of_reach(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "_BEAT_SECONDS", 0.01)
    folder, away = tmp_path / "sweep", tmp_path / "away"
    folder.mkdir()

    def beats():
        (count,) = read_journal(folder).user_attrs.values()
        return count

    with Study("", "sweep", Sweep(space=SPACE), CONFIG, folder):
        workers.wait_until(lambda: read_journal(folder).user_attrs != {}, 10)
        folder.rename(away)
        time.sleep(0.1)
        away.rename(folder)
        before = beats()
        workers.wait_until(lambda: beats() > before, 10)


def test_a_trial_that_is_given_back_is_taken_again(open_study):
    with open_study(trials=2, sampler="tpe", space=ELSEWHERE) as first:
        trial, _ = first.take(), first.take()
        first.report(trial, 2, 5.0)
        first.give_back(trial)
        assert [outcome.status for outcome in first.outcomes()] == ["waiting", "running"]
        with open_study(trials=2, sampler="tpe", space=ELSEWHERE) as second:
            again = second.take()
            assert (again.number, again.point) == (trial.number, trial.point)
            assert second.take() is None
            second.give_back(again)
        last = first.take()
        assert (last.number, last.point) == (trial.number, trial.point)
        assert first.outcomes()[0].curve == ()


def test_the_trials_of_a_worker_that_fails_come_back_at_once(open_study):
    def fail():
        with open_study(trials=1) as failing:
            failing.take()
            assert view.take() is None
            raise ZeroDivisionError

    with open_study(trials=1) as view:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert view.take().number == 0


def test_a_worker_that_ends_leaves_no_file(open_study, tmp_path):
    with open_study(trials=1) as view:
        end(view, view.take())
        assert worker_file(tmp_path).exists()
    assert not list((tmp_path / "workers").iterdir())


@pytest.mark.parametrize("status", ["pruned", "diverged", "failed"])
def test_a_trial_that_ended_otherwise_stays_known(open_study, status):
    with open_study(trials=2) as view:
        first = view.take()
        view.report(first, 2, 5.0)
        told = {"values": [], "step": 3, "metrics": {"d_loss": 1.5}, "message": "loss is nan"}
        view.end(first, status, **told)
        assert view.take().number == 1, "it is not made again"
        assert not view.ended()
    with open_study(trials=2) as view:
        outcome = view.outcomes()[0]
        assert (outcome.number, outcome.phase, outcome.status) == (0, "wide", status)
        assert (outcome.point, outcome.seeds, outcome.curve) == (OWN, (0,), ((2, 5.0),))
        assert (outcome.value, outcome.spread, outcome.step) == (None, None, 3)
        assert (outcome.metrics, outcome.message) == ({"d_loss": 1.5}, "loss is nan")


def test_curve_value_and_spread_of_several_seeds(open_study):
    with open_study(trials=2, seeds=3, config=tiny_config(steps=8, eval_every=2, seed=10)) as view:
        waiting = view.outcomes()[0]
        assert (waiting.status, waiting.point, waiting.step) == ("waiting", {}, 0)
        trial = view.take()
        assert trial.seeds == (10, 11, 12)
        for step, value in ((4, 6.0), (2, 9.0), (4, 99.0)):
            assert not view.report(trial, step, value)
        running = view.outcomes()[0]
        assert (running.status, running.step, running.value) == ("running", 4, None)
        assert running.curve == ((2, 9.0), (4, 6.0)), "what was told first, in order of steps"
        view.end(trial, "done", values=[1.0, 2.0, 6.0], step=8, metrics={"fid": 1.0})
        done = view.outcomes()[0]
        assert (done.seeds, done.curve) == ((10, 11, 12), ((2, 9.0), (4, 6.0)))
        assert (done.value, done.step, done.metrics) == (3.0, 8, {"fid": 1.0})
        assert done.spread == pytest.approx(7**0.5)
        trial = view.take()
        view.end(trial, "done", values=[1.0], step=8, metrics={})
        assert view.outcomes()[1].spread is None


def test_choices_come_back_from_the_journal_as_they_were(open_study):
    space = {
        "generator.hidden": Choice(((64, 32), (16,), ())),
        "loss": Choice(("hinge", "minimax")),
        "dataset.flip": Choice((False, True)),
    }
    config = tiny_mlp_config(steps=8, eval_every=2)
    for sampler in ("random", "tpe", "grid"):
        settings = {"sampler": sampler, "trials": 9, "name": sampler, "config": config}
        with open_study(space, **settings) as view:
            trials = take_all(view)
            for trial in trials:
                assert type(trial.point["generator.hidden"]) is tuple
                assert all(space[name].holds(value) for name, value in trial.point.items())
                end(view, trial)
        with open_study(space, **settings) as view:
            assert [outcome.point for outcome in view.outcomes()] == [
                trial.point for trial in trials
            ]
    assert len({tuple(trial.point.values()) for trial in trials}) == 12


def test_the_best_is_the_best_that_is_done(open_study):
    for metric, values, best in (("fid", (3.0, 1.0, 2.0), 1), ("modes", (3.0, 1.0, 5.0), 2)):
        with open_study(trials=6, repeat=1, metric=metric, name=metric) as view:
            assert view.best() is None
            trials = take_all(view)
            for trial, value in zip(trials, values, strict=False):
                end(view, trial, value)
            better = 9.0 if metric == "modes" else 0.1
            for trial, status in zip(trials[3:], ("pruned", "diverged", "failed"), strict=True):
                end(view, trial, better, status)
            assert (view.best().number, view.best().value) == (best, values[best])
            again = view.take()
            assert again.number == 6
            end(view, again, better)
            assert view.best().number == best, "a repetition judges, it does not win"


def test_the_narrow_phase_begins_when_the_wide_one_has_ended(open_study):
    with open_study(trials=4, narrow=3) as first, open_study(trials=4, narrow=3) as second:
        *trials, last = take_all(first)
        for trial in trials:
            end(first, trial, float(trial.number))
        assert first.take() is second.take() is None
        assert len(second.outcomes()) == 4
        end(first, last, 9.0, "diverged")
        assert not second.ended()
        narrow = take_all(first, second)
        assert [trial.number for trial in narrow] == [4, 5, 6]
        assert [outcome.phase for outcome in first.outcomes()] == ["wide"] * 4 + ["narrow"] * 3
        for trial in narrow:
            assert not second.ended()
            end(first, trial)
        assert second.ended()
        assert second.take() is None


def test_the_narrow_phase_lies_in_the_box_of_the_best(open_study):
    sweep = Sweep(space=ELSEWHERE)
    for sampler in ("random", "tpe"):
        settings = {"trials": 16, "narrow": 12, "sampler": sampler, "name": sampler}
        with open_study(ELSEWHERE, **settings) as view:
            wide = take_all(view)
            for trial in wide:
                end(view, trial, abs(trial.point[LR] - 0.7))
            best = sorted(wide, key=lambda trial: abs(trial.point[LR] - 0.7))[:4]
            box = sweep.narrowed([trial.point for trial in best]).space
            assert box[LR].high - box[LR].low < 0.3, "the test's own"
            narrow = [trial.point for trial in take_all(view)]
            for point in narrow:
                assert all(box[name].holds(value) for name, value in point.items())
            for name, dimension in box.items():
                values = sorted(point[name] for point in narrow)
                assert len(set(values)) == 12
                assert values[-1] - values[0] > 0.5 * (dimension.high - dimension.low)


def test_narrow_points_are_the_same_for_every_worker(open_study):
    found = []
    for name in ("alone", "two"):
        settings = {"trials": 4, "narrow": 5, "name": name}
        with open_study(**settings) as first, open_study(**settings) as second:
            for trial in take_all(first):
                end(first, trial, float(trial.number))
            found.append(points(take_all(first) if name == "alone" else take_all(second, first)))
    assert found[0] == found[1]


def test_there_is_nothing_to_narrow_or_repeat_where_nothing_is_done(open_study):
    with open_study(trials=2, narrow=2, repeat=2) as view:
        for trial in take_all(view):
            end(view, trial, status="failed", values=[])
        assert view.take() is None
        assert view.ended()
        assert len(view.outcomes()) == 2
        assert view.best() is None


@pytest.mark.parametrize("narrow", [0, 2])
def test_the_winner_is_repeated_with_seeds_that_were_not_seen(open_study, narrow):
    settings = {"trials": 3, "narrow": narrow, "repeat": 3, "seeds": 2}
    with open_study(**settings, pruning=Halving(2, 2)) as view:
        wide = take_all(view)
        assert [trial.number for trial in wide] == [0, 1, 2]
        assert {trial.seeds for trial in wide} == {(0, 1)}
        for trial in wide:
            view.report(trial, 2, 5.0)
            end(view, trial, 5.0 - (trial.number == 1))
        for trial in take_all(view) if narrow else ():
            end(view, trial, 7.0)
        repeated = take_all(view)
        assert [trial.number for trial in repeated] == [3 + narrow, 4 + narrow, 5 + narrow]
        assert [trial.seeds for trial in repeated] == [(2,), (3,), (4,)]
        assert all(trial.point == wide[1].point for trial in repeated)
        assert not any(view.report(trial, 2, 999.0) for trial in repeated), "it is not pruned"
        assert [outcome.phase for outcome in view.outcomes()[-3:]] == ["repeat"] * 3
        for trial in repeated:
            assert not view.ended()
            end(view, trial, 1.0)
        assert view.ended()
        assert view.best().number == 1


@pytest.mark.parametrize(("metric", "sign"), [("fid", 1.0), ("modes", -1.0)])
def test_successive_halving_prunes_the_worse_at_rungs(open_study, metric, sign):
    with open_study(trials=6, pruning=Halving(2, 2), metric=metric) as view:
        trials = take_all(view)

        def is_pruned(number, step, value):
            return view.report(trials[number], step, sign * value)

        assert not is_pruned(0, 2, 5.0), "the first one has nobody to lose against"
        assert is_pruned(1, 2, 6.0)
        assert not is_pruned(2, 2, 3.0)
        assert is_pruned(3, 2, 5.5), "two of four go on"
        assert not is_pruned(0, 4, 5.0)
        assert is_pruned(2, 4, 5.5)
        assert not is_pruned(0, 6, 99.0), "which is no rung"
        assert not is_pruned(4, 2, 1.0)
        assert not is_pruned(5, 2, 2.0), "though a better one has gone on"
        assert not is_pruned(4, 4, 1.0)
        assert not is_pruned(4, 8, 1.0)
        assert not is_pruned(0, 8, 99.0), "it has come to its end"


def test_of_fewer_trials_than_the_factor_the_best_goes_on(open_study):
    with open_study(trials=4, pruning=Halving(2)) as view:
        trials = take_all(view)
        pruned = [view.report(t, 2, v) for t, v in zip(trials, (5.0, 6.0, 4.0, 4.5), strict=True)]
        assert pruned == [False, True, False, True]


def test_a_run_that_goes_on_is_not_judged_again_where_it_has_passed(open_study):
    with open_study(trials=4, pruning=Halving(2, 2)) as view:
        first, second, third, fourth = take_all(view)
        assert not view.report(first, 2, 1.0)
        view.give_back(first)
        assert view.report(second, 2, 2.0)
        assert not view.report(third, 2, 0.5)
        assert not view.report(fourth, 2, 0.4)
        first = view.take()
        assert first.number == 0
        assert not view.report(first, 2, 1.0), "it was the best when it came here"
        assert not view.report(first, 4, 1.0)
        assert view.report(third, 4, 1.5)


def test_a_run_that_goes_on_counts_once_among_those_that_others_are_judged_by(open_study):
    with open_study(trials=4, pruning=Halving(2, 2)) as view:
        first, second, third, fourth = take_all(view)
        assert not view.report(first, 2, 0.1)
        view.give_back(first)
        assert not view.report(view.take(), 2, 0.1)
        assert view.report(second, 2, 2.0)
        assert view.report(third, 2, 1.5)
        assert not view.report(fourth, 2, 1.2), "two of four go on"


def test_nothing_is_pruned_without_pruning(open_study):
    with open_study(trials=4) as view:
        trials = take_all(view)
        assert not any(
            view.report(trial, step, 9.0 * trial.number) for trial in trials for step in (2, 4, 6)
        )


def test_what_a_study_holds_is_what_was_said_first(open_study):
    with open_study() as first, open_study() as second, open_study(name="other") as other:
        assert first.agree("protocol", "a") == "a"
        assert second.agree("protocol", "b") == "a"
        assert first.agree("protocol", "c") == "a"
        assert first.agree("config", "d") == "d"
        assert other.agree("protocol", "e") == "e"
    with open_study() as later:
        assert later.agree("protocol", "f") == "a"


def test_more_trials_may_be_asked_for_later(open_study):
    with open_study(trials=2) as view:
        for trial in take_all(view):
            end(view, trial)
        assert view.ended()
    with open_study(trials=4) as view:
        assert not view.ended()
        assert [trial.number for trial in take_all(view)] == [2, 3]


def test_the_dimension_that_moves_the_objective_is_the_most_important(open_study):
    with open_study(ELSEWHERE, trials=16) as view:
        assert view.importances() == {}
        for trial in take_all(view):
            end(view, trial, trial.point[B1])
        found = view.importances()
        assert list(found) == [B1, LR]
        assert found[B1] > 0.8


@pytest.mark.parametrize(("done", "value"), [(1, None), (9, None), (10, 7.0)])
def test_few_trials_or_trials_that_are_alike_tell_no_importance(open_study, done, value):
    with open_study(ELSEWHERE, trials=10, repeat=5) as view:
        for trial in take_all(view)[:done]:
            end(view, trial, trial.point[B1] if value is None else value)
        for trial in take_all(view):  # repetitions, which are of one point
            end(view, trial, 1.0)
        assert view.importances() == {}


def test_a_study_of_the_other_direction_is_refused(open_study):
    with open_study(metric="fid"):
        pass
    with pytest.raises(UsageError, match=r"^--study: sweep is one that tries to minimize, and "):
        open_study(metric="modes")


def test_a_journal_whose_last_line_was_cut_short_opens_again(open_study, tmp_path):
    journal = tmp_path / "study.journal"

    def fill_the_disk():
        with open_study(trials=3) as view:
            trials = take_all(view)
            end(view, trials[0], 1.0)
            end(view, trials[1], 2.0)
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        fill_the_disk()
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-7])
    with open_study(trials=3) as view:
        assert [outcome.status for outcome in view.outcomes()] == ["done", "running", "running"]
        assert [trial.number for trial in take_all(view)] == [1, 2]
    lines = journal.read_bytes().splitlines()
    kept = len(whole.splitlines()) - 1
    assert lines[:kept] == whole.splitlines()[:kept]
    assert all(json.loads(line) for line in lines)


def test_a_line_that_a_killed_worker_cut_short_does_not_spoil_the_next_ones(open_study, tmp_path):
    """While another worker has the journal open."""
    with open_study(trials=3) as view:
        end(view, view.take(), 1.0)
        with (tmp_path / "study.journal").open("ab") as journal:
            journal.write(b'{"op_code":5,"worker_id":"some')
        end(view, view.take(), 2.0)
        end(view, view.take(), 3.0)
        with open_study(trials=3) as other:
            for found in (view.outcomes(), other.outcomes()):
                assert [outcome.value for outcome in found] == [1.0, 2.0, 3.0]


def test_a_worker_waits_while_another_one_writes_to_the_journal(open_study, tmp_path):
    with (
        open_study(trials=1) as view,
        (tmp_path / "study.lock").open() as lock,
        ThreadPoolExecutor(1) as pool,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = (tmp_path / "study.journal").read_bytes()
        taking = pool.submit(view.take)
        time.sleep(0.2)
        assert not taking.done()
        assert (tmp_path / "study.journal").read_bytes() == before
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert taking.result(10).number == 0


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("nonsense", "***: cannot be opened (ArgumentError)"),
        ("postgresql://me:secret", "***: cannot be opened (ValueError)"),
        ("postgresql+nothing://me@here/x", "postgresql+nothing://me@here/x: cannot be opened (NoS"),
        ("mysql+cymysql://me:secret@here/x", "(ModuleNotFoundError: No module named 'cymysql')"),
        ("sqlite:///sweeps.db", "SQLite gives one trial to two workers; name a database server"),
        ("sqlite+pysqlcipher://:secret@/x", "sqlite+pysqlcipher://:***@/x: SQLite gives one trial"),
        # psycopg2 repeats the host that it cannot find, which is a part of the password here.
        (
            "postgresql+psycopg2://me:top@secret@/x",
            "postgresql+psycopg2://***: cannot be opened (",
        ),
    ],
)
def test_a_storage_that_cannot_be_opened_is_said_in_one_line(tmp_path, storage, said):
    with pytest.raises(UsageError) as refused:
        Study(storage, "sweep", Sweep(space=SPACE), CONFIG, tmp_path)
    assert said in str(refused.value)
    assert str(refused.value).startswith("--storage=")
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_journal_that_is_none_is_said_in_one_line(open_study, tmp_path):
    (tmp_path / "study.journal").write_text("some\nnotes\n")
    with pytest.raises(UsageError, match=r"\.journal: cannot be opened \(JSONDecodeE") as refused:
        open_study()
    assert "\n" not in str(refused.value)


def test_workers_that_start_at_the_same_instant_end_every_trial_once(start, tmp_path):
    workers.race(start, "", tmp_path, trials=30)


def test_nothing_is_lost_or_ended_twice_while_a_worker_is_killed_and_started_again(start, tmp_path):
    workers.race_and_kill(start, "", tmp_path, trials=30, kills=6)
