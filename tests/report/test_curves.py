"""What a thinned curve keeps, and a file that grows while it is read."""

import itertools
import json
import math
import random

import pytest

from gan_jax.report.curves import Curve, Curves


def curve(values, most=8):
    made = Curve(most)
    for step, value in enumerate(values):
        made.add(step, value)
    return made


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def names(curves):
    return {name: curve.points() for name, curve in curves.of.items()}


def test_few_points_are_kept_as_they_are():
    assert curve([3, 1, 2]).points() == [(0, 3), (1, 1), (2, 2)]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 100, 1001])
def test_the_extremes_and_the_ends_of_many_are_kept(count):
    pick = random.Random(count)
    values = [pick.random() for _ in range(count)]
    points = curve(values).points()
    assert len(points) <= 2 * 8 + 2
    assert points == sorted(points)
    assert {value for _, value in points} >= {min(values), max(values), values[0], values[-1]}
    assert all(values[step] == value for step, value in points)


def test_a_spike_within_every_bucket_is_kept():
    values = [0.0] * 64
    for i in range(3, 64, 8):
        values[i] = 1.0
    assert sum(value for _, value in curve(values).points()) == 8


def test_what_cannot_be_drawn_is_left_out():
    assert curve([1.0, math.nan, math.inf, -math.inf, 1e300, "x", None, 2.0]).points() == [
        (0, 1.0), (7, 2.0),
    ]  # fmt: skip


def test_a_trend_is_the_mean_of_equal_parts():
    assert curve([0, 2, 4, 6, 8, 10, 12, 14]).trend(2) == [(1.5, 3.0), (5.5, 11.0)]
    assert curve([0, 2, 4, 6, 8, 10, 12, 14, 16]).trend(2) == [(1.5, 3.0), (6.0, 12.0)]
    trend = curve(range(10_000)).trend(4)
    assert len(trend) <= 8
    assert all(step == pytest.approx(value) for step, value in trend)


def test_a_file_is_read_as_it_grows(tmp_path):
    path = tmp_path / "metrics.jsonl"
    curves = Curves(path)
    curves.update()
    assert (curves.of, curves.last) == ({}, {})
    path.write_text(lines({"step": 1, "a": 0.5}) + '{"step": 2, "a": ')
    curves.update()
    assert names(curves) == {"a": [(1, 0.5)]}
    with path.open("a") as file:
        file.write("1.5}\n" + lines({"step": 3, "a": 2.5, "b": 1}))
    curves.update()
    assert names(curves) == {"a": [(1, 0.5), (2, 1.5), (3, 2.5)], "b": [(3, 1)]}
    assert curves.last == {"step": 3, "a": 2.5, "b": 1}


def test_what_was_read_in_parts_is_what_is_read_at_once(tmp_path):
    path, pick = tmp_path / "metrics.jsonl", random.Random(0)
    parts, whole = Curves(path), Curves(path)
    for i in range(0, 2000, 100):
        with path.open("a") as file:
            file.write(lines(*({"step": i + j, "a": pick.random()} for j in range(100))))
        parts.update()
    whole.update()
    assert names(parts) == names(whole)


def test_a_file_that_was_cut_is_read_anew(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(lines(*({"step": step, "a": 1} for step in (1, 2, 3))))
    curves = Curves(path)
    curves.update()
    path.write_text(lines({"step": 1, "a": 7}))
    curves.update()
    assert names(curves) == {"a": [(1, 7)]}


def test_damaged_lines_are_passed_over(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [b"\xff\xfe", b"[1]", b"3", b'"x"', b'{"a": 1}', b'{"step": "x"}', b'{"step": 1.5}']
    path.write_bytes(b"\n".join(rows) + b"\n" + lines({"step": 4, "a": 1}).encode())
    curves = Curves(path)
    curves.update()
    assert names(curves) == {"a": [(4, 1)]}


def test_a_glance_sees_a_few_of_many_rows_and_the_last(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(lines(*({"step": step, "a": step} for step in range(1000))))
    curves = Curves(path)
    curves.update(10)
    steps = [step for step, _ in names(curves)["a"]]
    assert (len(steps), steps[-1]) == (10, 999)
    assert all(90 <= after - before <= 110 for before, after in itertools.pairwise(steps))
