"""What a sweep writes for tools, and which trial it calls the best."""

import csv
import json

from gan_jax.sweep import results
from gan_jax.sweep.outcome import Outcome, rank
from gan_jax.sweep.space import Choice, Integer, LogUniform, Sweep

SWEEP = Sweep(
    space={
        "lr": LogUniform(1e-5, 1e-2),
        "widths": Choice(((64, 128), (32,))),
        "loss": Choice(("a, b", 'c "d"')),
    }
)


def outcome(number, value=1.0, status="done", **others):
    fields = {
        "phase": "wide",
        "point": {"lr": 1 / 3000, "widths": (64, 128), "loss": "a, b"},
        "seeds": (0,),
        "curve": () if value is None else ((100, value),),
        "spread": None,
        "step": 100,
        "metrics": {},
        "message": "",
    }
    return Outcome(number=number, value=value, status=status, **fields | others)


def waiting(number):
    return outcome(number, None, "waiting", point={}, step=0)


def write(directory, outcomes, best=None, config=None, sweep=SWEEP):
    """The rows of trials.csv, the first of them its header."""
    results.write(directory, sweep, outcomes, best, config, "python launch.py", {})
    with (directory / "trials.csv").open(newline="") as file:
        return list(csv.reader(file))


def numbers(outcomes, maximize):
    return [entry.number for entry in rank(outcomes, maximize)]


def test_any_text_is_a_cell(tmp_path):
    hostile = '</script>"\n, \r\x00|\udce9'
    sweep = Sweep(space={hostile: Choice((hostile, "b"))})
    header, row = write(
        tmp_path, [outcome(1, point={hostile: hostile}, message=hostile)], sweep=sweep
    )
    shown = hostile.replace("\udce9", r"\udce9")
    assert header[-2] == row[-2] == row[-1] == shown


def test_the_best_comes_first():
    outcomes = [outcome(0, 3.0), outcome(1, 1.0), outcome(2, 2.0)]
    assert numbers(outcomes, maximize=False) == [1, 2, 0]
    assert numbers(outcomes, maximize=True) == [0, 2, 1]
    assert numbers([], maximize=True) == []


def test_of_equals_the_earlier_one_comes_first():
    outcomes = [outcome(7), outcome(2), outcome(5)]
    assert numbers(outcomes, maximize=False) == numbers(outcomes, maximize=True) == [2, 5, 7]


def test_only_what_is_done_and_finite_is_ranked():
    outcomes = [
        outcome(0, float("nan")),
        outcome(1, float("inf")),
        outcome(2, -float("inf")),
        outcome(3, None),
        *(outcome(4 + i, 0.1, status) for i, status in enumerate(("pruned", "failed", "running"))),
        outcome(7, 0.2, "diverged"),
        waiting(8),
        outcome(9, 5.0),
    ]
    assert numbers(outcomes, maximize=False) == numbers(outcomes, maximize=True) == [9]


def test_a_row_for_each_trial_by_number(tmp_path):
    header, *rows = write(tmp_path, [outcome(2), waiting(10), outcome(1, seeds=(0, 1), spread=0.5)])
    assert header == [
        *("trial", "phase", "status", "value", "spread", "seeds", "step"),
        *("lr", "widths", "loss", "message"),
    ]
    assert rows == [
        ["1", "wide", "done", "1.0", "0.5", "0 1", "100", str(1 / 3000), "(64, 128)", "a, b", ""],
        ["2", "wide", "done", "1.0", "", "0", "100", str(1 / 3000), "(64, 128)", "a, b", ""],
        ["10", "wide", "waiting", "", "", "0", "0", "", "", "", ""],
    ]


def test_a_column_for_each_metric_of_any_trial(tmp_path):
    outcomes = [outcome(0, metrics={"fid": 2.5}), outcome(1, metrics={"kid": 0.1, "fid": 3.5})]
    header, first, second = write(tmp_path, outcomes)
    assert header[-3:] == ["fid", "kid", "message"]
    assert [first[-3:], second[-3:]] == [["2.5", "", ""], ["3.5", "0.1", ""]]


def test_names_do_not_clash(tmp_path):
    sweep = Sweep(space={"step": Integer(1, 9), "step_": Integer(1, 9)})
    metrics = {"step": 100, "message": 1.0, "value": 2.0}
    entry = outcome(0, point={"step": 3, "step_": 4}, metrics=metrics)
    header, row = write(tmp_path, [entry], sweep=sweep)
    assert len(set(header)) == len(header)
    found = dict(zip(header, row, strict=True))
    assert [found[f"step{'_' * i}"] for i in range(4)] == ["100", "3", "4", "100"]
    assert (found["value"], found["value_"]) == ("1.0", "2.0")
    assert (found["message"], found["message_"]) == ("1.0", "")


def test_what_tools_trip_over_is_read_back_as_it_was(tmp_path):
    message = 'one, "two"\nthree\t\N{SNOWMAN}'
    entry = outcome(0, float("nan"), "failed", message=message)
    _, row = write(tmp_path, [entry])
    assert row[3] == "nan"
    assert row[-1] == message


def test_no_trials_are_a_table_without_rows(tmp_path):
    assert len(write(tmp_path, [])) == 1
    assert "No trial has begun yet" in (tmp_path / "sweep.html").read_text()


def test_the_config_of_the_best_is_written_once_there_is_one(tmp_path):
    config = {"loss": "hinge", "generator": {"optimizer": {"b1": 0.5}}}
    write(tmp_path, [outcome(0, None, "failed")])
    assert not (tmp_path / "best_config.json").exists()
    write(tmp_path, [outcome(0)], best=outcome(0), config=config)
    assert json.loads((tmp_path / "best_config.json").read_text()) == config


def test_results_are_replaced(tmp_path):
    write(tmp_path, [outcome(0), outcome(1)])
    assert len(write(tmp_path, [outcome(0), outcome(1), outcome(2)])) == 4
    page = (tmp_path / "sweep.html").read_text()
    assert page.count("<tr data-trial=") == 3
    assert {path.name for path in tmp_path.iterdir()} == {"trials.csv", "sweep.html"}
