import math

import numpy as np
import pytest

from gan_jax.evaluate.modes import mode_scores


def counts(*values):
    return np.array(values, np.int64)


def test_the_best_and_the_worst():
    assert mode_scores(counts(5, 5, 5, 5), np.ones(4)) == (4, 0)
    assert mode_scores(counts(0, 20, 0, 0), np.ones(4)) == (1, pytest.approx(math.log(4)))


def test_reverse_kl_is_to_the_datas_frequencies():
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.3)
    assert mode_scores(counts(3, 1, 0), np.array([0.5, 0.3, 0.2])) == (2, pytest.approx(expected))
    assert mode_scores(counts(3, 1, 0), counts(50, 30, 20)) == (2, pytest.approx(expected))


def test_a_mode_that_the_data_have_not_is_infinitely_far():
    assert mode_scores(counts(1, 1), counts(4, 0)).reverse_kl == math.inf


def test_a_thousand_modes_of_few_samples_are_not_quite_even():
    """As is published of Stacked MNIST itself: about modes / (2 samples)."""
    drawn = np.bincount(np.random.default_rng(0).integers(0, 1000, 26_000), minlength=1000)
    found = mode_scores(drawn, np.ones(1000))
    assert found.modes == 1000
    assert found.reverse_kl == pytest.approx(1000 / (2 * 26_000), rel=0.1)


@pytest.mark.parametrize(
    ("made", "real", "match"),
    [
        (counts(1, 2), np.ones(3), "counts of 2 modes and frequencies of 3"),
        (counts(0, 0), np.ones(2), "not all of them 0"),
        (counts(1, 1), np.zeros(2), "not all of them 0"),
        (counts(1, -1), np.ones(2), "from 0"),
    ],
)
def test_what_is_no_frequency_is_refused(made, real, match):
    with pytest.raises(ValueError, match=match):
        mode_scores(made, real)
