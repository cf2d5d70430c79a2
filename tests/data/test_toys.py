import math

import numpy as np
import pytest

from gan_jax.data import toys

CENTRES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def test_coverage_by_hand():
    near_first = [[0, 0], [3, 0], [0, -2.9]]
    near_second = [[10, 2.5]]
    astray = [[3.1, 0], [2.5, 2.5], [5, 5], [100, 0]]
    samples = np.array([*near_first, *near_second, *astray], np.float32)
    assert toys.nearest_mode(samples, CENTRES, 1.0).tolist() == [0, 0, 0, 1, -1, -1, -1, -1]
    modes, high_quality, reverse_kl = toys.coverage(samples, CENTRES, 1.0)
    assert (modes, high_quality) == (2, 0.5)
    assert reverse_kl == pytest.approx(0.75 * math.log(3) + 0.25 * math.log(1))


def test_coverage_at_its_best_and_at_its_worst():
    assert toys.coverage(CENTRES, CENTRES, 1.0) == (4, 1.0, 0.0)
    collapsed = toys.coverage(np.zeros((5, 2)), CENTRES, 1.0)
    assert collapsed == (1, 1.0, pytest.approx(math.log(4)))
    modes, high_quality, reverse_kl = toys.coverage(np.full((5, 2), 5.0), CENTRES, 1.0)
    assert (modes, high_quality) == (0, 0.0)
    assert math.isnan(reverse_kl)


def test_a_sample_near_two_modes_is_of_the_nearer_one():
    samples = np.array([[4.0, 0.0], [6.0, 0.0]])
    assert toys.nearest_mode(samples, CENTRES, 5.0).tolist() == [0, 1]


def test_samples_that_are_not_finite_are_of_no_quality():
    samples = np.array([[0, 0], [np.nan, 0], [np.inf, 0], [np.nan, -np.inf]], np.float32)
    assert toys.coverage(samples, CENTRES, 1.0) == (1, 0.25, pytest.approx(math.log(4)))


@pytest.mark.parametrize("name", list(toys.MODES))
def test_the_data_cover_their_own_modes(name):
    centers, std = toys.MODES[name]
    found = toys.coverage(toys.mixture(name)[:20_000], centers(), std)
    assert found.modes == len(centers())
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=2e-3)
    assert found.reverse_kl == pytest.approx(0, abs=1e-4)
