"""What is warned of, when, how often, and what is not."""

import numpy as np
import pytest

from gan_jax.report.diagnosis import Diagnosis

HEALTHY = {
    "d_loss": 1.0, "g_loss": 1.2, "d_accuracy_real": 0.8, "d_accuracy_fake": 0.8,
    "d_saturated": 0.01, "diversity": 0.9,
}  # fmt: skip
WON = {"d_accuracy_real": 0.99, "d_accuracy_fake": 1.0, "d_saturated": 0.97}
COLLAPSED = {"diversity": 0.04}


def run(rows, every=50, **options):
    """[(step, warning)] of rows that say what is not healthy in them."""
    diagnosis = Diagnosis(**options)
    steps = range(every, every * len(rows) + 1, every)
    return [
        (step, text)
        for step, row in zip(steps, rows, strict=True)
        for text in diagnosis.see(step, HEALTHY | row)
    ]


def test_a_healthy_run_is_not_warned_of():
    assert run(200 * [{}]) == []


def test_an_accuracy_above_95_percent_for_500_steps_is_a_victory():
    ((step, text),) = run([{}] + 20 * [WON])
    assert step == 50 + 50 + 500
    assert text.startswith("D has won, by every row since step 100: ")
    assert "99% of the real images and 100% of the fake ones" in text
    assert "97% of its logits are saturated" in text
    assert "try a lower config.discriminator.optimizer.learning_rate" in text


@pytest.mark.parametrize(
    "row", [{"d_accuracy_real": 0.95}, {"d_accuracy_fake": 0.5}, {"d_accuracy_real": 0.0}]
)
def test_one_accuracy_alone_is_no_victory(row):
    assert run(40 * [WON | row]) == []


def test_one_row_to_the_contrary_starts_the_count_again():
    assert run(10 * [WON] + [{}] + 10 * [WON]) == []


def test_few_rows_are_not_enough_however_many_steps_they_span():
    assert run(4 * [WON], every=1000) == []
    assert [step for step, _ in run(5 * [WON], every=1000)] == [5000]


def test_a_distance_is_not_won():
    assert run(40 * [WON], d_can_win=False) == []
    ((_, text),) = run(40 * [WON | COLLAPSED], d_can_win=False)
    assert text.startswith("G has collapsed")


def test_samples_that_hardly_differ_are_a_collapse():
    ((step, text),) = run(20 * [COLLAPSED])
    assert step == 550
    assert text.startswith("G has collapsed, by every row since step 50: ")
    assert "0.04 times as much as the data do" in text
    assert "try a lower config.generator.optimizer.learning_rate" in text
    assert run(20 * [{"diversity": 0.25}]) == []


@pytest.mark.parametrize(
    ("steps", "every", "warned"),
    [
        (300, 50, 200),
        (600, 50, 250),
        (1000, 50, 400),
        (1000, 100, 500),
        (1200, 10, 410),
        (1500, 50, 550),
        (100_000, 50, 550),
    ],
)
def test_a_short_run_is_warned_of_a_collapse_well_before_its_end(steps, every, warned):
    rows = (steps // every) * [COLLAPSED]
    ((step, _),) = run(rows, every, steps=steps)
    assert step == warned


def test_a_run_of_a_hundred_steps_is_too_young_to_tell():
    assert run(20 * [COLLAPSED], every=5, steps=100) == []


def diversities(*values):
    return [{"diversity": value} for value in values]


def test_samples_that_are_alike_at_first_are_waited_for():
    """Of real runs of a DCGAN on digits and on emoji, in which all became well."""
    digits = diversities(0.246, 0.279, 0.462, 0.599, 0.696, 0.782, 0.843, 0.775, 0.948, 0.909)
    assert run(digits, steps=600) == []
    emoji = diversities(0.077, 0.078, 0.06, 0.079, 0.138, 0.314, 0.323, 0.418, 0.324, 0.478)
    assert run(emoji, steps=600) == []
    assert run(emoji, steps=1700) == []


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ((0.218, 0.144, 0.402, 0.148, 0.015, 0.001, 0.001, 0.001, 0.007, 0.013, 0.024, 0.005), 400),
        ((0.189, 0.098, 0.071, 0.004, 0.001, 0.001, 0.001, 0.011, 0.019, 0.014, 0.007, 0.001), 250),
        ((0.155, 0.127, 0.11, 0.384, 0.096, 0.108, 0.15, 0.069, 0.094, 0.076, 0.105, 0.197), 450),
    ],
)
def test_collapses_of_real_runs_of_600_steps(values, warned):
    """Of the digits, at learning rates of .01 for both, .02 for G and .005 for D."""
    ((step, text),) = run(diversities(*values), steps=600)
    assert step == warned
    assert text.startswith("G has collapsed")


def test_a_victory_of_d_is_no_sooner_in_a_short_run():
    assert run(9 * [WON], steps=500) == []


def test_a_warning_comes_once_until_its_cause_has_gone_for_as_long():
    flicker = 5 * ([{}] + 12 * [COLLAPSED])
    assert len(run(20 * [COLLAPSED] + flicker)) == 1
    assert [step for step, _ in run(20 * [COLLAPSED] + 11 * [{}] + 20 * [COLLAPSED])] == [550, 2100]


def test_two_causes_are_two_warnings():
    assert [text[:5] for _, text in run(20 * [WON | COLLAPSED])] == ["D has", "G has"]


@pytest.mark.parametrize("name", ["d_loss", "g_loss"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_loss_that_grows_on_and_on_drifts_off(name, sign):
    rows = [{name: sign * 1.5 * 1.1**window} for window in range(60) for _ in range(10)]
    ((step, text),) = run(rows)
    assert text.startswith(f"{name} drifts off: it has grown steadily to ")
    assert "at most 1.65 at first" in text
    assert 24 * 500 < step < 30 * 500  # 1.1^25 is 10.8


def test_a_loss_that_is_large_but_does_not_grow_is_left_alone():
    noise = np.random.default_rng(0)
    assert run([{"d_loss": -50 + 40 * float(noise.normal())} for _ in range(500)]) == []
    jump = 20 * [{}] + 200 * [{"g_loss": 30.0}]
    assert run(jump) == []
    growing = [{"d_loss": -10 * (1 - 0.99**row)} for row in range(1000)]  # as a distance is learned
    assert run(growing, d_can_win=False) == []


def test_a_drift_is_named_again_only_after_it_has_gone():
    up = [{"g_loss": 2.0 * 1.1**row} for row in range(120)]
    assert len(run(up)) == 1
    assert len(run(up + 100 * [{}])) == 1
    assert len(run(up + 100 * [{}] + up)) == 2


def test_rows_that_lack_metrics_are_taken_as_they_are():
    diagnosis = Diagnosis()
    for step in range(0, 5000, 50):
        assert diagnosis.see(step, {"images_per_second": 10.0}) == []
    bare = {name: value for name, value in WON.items() if name != "d_saturated"}
    (said,) = [text for step in range(5000, 6000, 50) for text in diagnosis.see(step, bare)]
    assert "saturated" not in said
