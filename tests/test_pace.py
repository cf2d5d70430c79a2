"""Speeds are those of the steps, whatever is done before, between and beside them."""

import time

import pytest

from gan_jax.pace import BESIDE, Pace, Stopwatch

STEP = 0.004
SPEED = 16 / STEP


def images(step):
    return 16 * step


def steps(pace, first, last):
    for step in range(first, last + 1):
        time.sleep(STEP)
        pace.note(step)


def test_what_is_done_between_steps_does_not_count():
    pace = Pace(images, 0)
    steps(pace, 1, 20)
    assert pace.speed() == pytest.approx(SPEED, rel=0.4)
    time.sleep(1.0)  # an evaluation that the loop waits for
    pace.restart(20)
    steps(pace, 21, 40)
    assert pace.speed() == pytest.approx(SPEED, rel=0.4)


def test_steps_beside_which_something_runs_do_not_count_where_others_are_known():
    pace = Pace(images, 0)
    steps(pace, 1, 20)
    calm = pace.speed()
    BESIDE.begin()
    for step in range(21, 25):
        time.sleep(10 * STEP)
        pace.note(step)
    BESIDE.end()
    assert pace.speed() == pytest.approx(calm)


def test_they_count_while_no_others_are_known():
    pace = Pace(images, 0)
    BESIDE.begin()
    steps(pace, 1, 5)
    BESIDE.end()
    assert pace.speed() == pytest.approx(SPEED, rel=0.4)


def test_no_steps_have_no_speed():
    pace = Pace(images, 0)
    assert pace.speed() == 0.0
    pace.took(0, 1.0, True)
    assert pace.speed() == 0.0


def test_steps_that_were_timed_elsewhere():
    pace = Pace(images, 0)
    pace.took(10, 2.0, True)
    assert pace.speed() == 80.0
    pace.took(20, 9.0, False)
    assert pace.speed() == 80.0


def test_a_lap_is_calm_if_nothing_ran_in_it():
    watch = Stopwatch()
    assert watch.lap()[1]
    BESIDE.begin()
    assert not watch.lap()[1]
    BESIDE.end()
    assert not watch.lap()[1]
    BESIDE.begin()
    BESIDE.end()
    assert not watch.lap()[1]
    assert watch.lap()[1]
