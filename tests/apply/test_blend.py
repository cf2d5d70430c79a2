"""Poisson blending: what must come back, and what must vanish."""

import numpy as np
import pytest

from gan_jax.apply import masks
from gan_jax.apply.blend import poisson

MASKS = ["center", "left", "random", "grid"]


def photos(low=60, high=200):
    return np.random.default_rng(0).integers(low, high, (3, 12, 10, 3), dtype=np.uint8)


def known(name):
    return masks.named(name, 12, 10, 0).known


@pytest.mark.parametrize("name", MASKS)
def test_the_photos_own_gradients_give_the_photo(name):
    true = photos()
    offset = np.array([-40.0, 0.0, 30.0])
    np.testing.assert_allclose(poisson(true, true + offset, known(name)), true, atol=1e-8)


@pytest.mark.parametrize("name", MASKS)
def test_known_pixels_stay_and_a_constant_offset_vanishes(name):
    true, here = photos(), known(name)
    made = np.random.default_rng(1).uniform(100, 150, true.shape)
    one, other = poisson(true, made, here), poisson(true, made + 25, here)
    np.testing.assert_array_equal(one[:, here], true[:, here])
    np.testing.assert_allclose(one, other, atol=1e-8)


def test_it_solves_the_equation_of_every_hidden_pixel():
    """Perez et al. 2003, eq. 7, pixel by pixel; no neighbors beyond the image's edge."""
    true, here = photos(100, 140), known("left")
    made = np.random.default_rng(1).uniform(110, 130, true.shape)
    found = poisson(true, made, here)
    for y, x in zip(*np.nonzero(~here), strict=True):
        steps = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        near = [(j, i) for j, i in steps if 0 <= j < 12 and 0 <= i < 10]
        got = sum(found[:, y, x] - found[:, j, i] for j, i in near)
        expected = sum(made[:, y, x] - made[:, j, i] for j, i in near)
        np.testing.assert_allclose(got, expected, atol=1e-8)


def test_a_flat_guide_continues_a_ramp():
    """Over flat images the membrane between two sides is a line: no seam."""
    ramp = np.broadcast_to(np.arange(0, 90, 10, dtype=np.uint8)[None, None, :, None], (1, 5, 9, 1))
    here = np.ones((5, 9), bool)
    here[:, 3:6] = False
    found = poisson(ramp.copy(), np.full(ramp.shape, 200.0), here)
    np.testing.assert_allclose(found, ramp, atol=1e-8)


def test_the_result_is_clipped_and_nothing_hidden_changes_nothing():
    true = photos()
    made = np.random.default_rng(1).uniform(-900, 900, true.shape)
    found = poisson(true, made, known("center"))
    assert found.min() == 0
    assert found.max() == 255
    np.testing.assert_array_equal(poisson(true, made, np.ones((12, 10), bool)), true)
