"""Scores of an image against the true one, by hand, and the fills without a generator."""

import math

import numpy as np
import pytest

from gan_jax.apply import similarity


def images(side=16, channels=3):
    rng = np.random.default_rng(0)
    return rng.integers(20, 200, (2, side, side, channels), dtype=np.uint8)


def test_psnr_is_that_of_its_definition():
    true = images()[0]
    assert similarity.psnr(true, true + np.uint8(10)) == pytest.approx(20 * math.log10(25.5))
    assert similarity.psnr(true, true) is None


def test_scores_of_the_hole_are_its_own():
    true, hole = images()[0], np.zeros((16, 16), bool)
    hole[:4, :4] = True
    other = true.copy()
    other[hole] += 20
    found = similarity.scores(true, other, hole)
    assert found["psnr_hole"] == pytest.approx(20 * math.log10(255 / 20))
    assert found["psnr"] == pytest.approx(found["psnr_hole"] + 10 * math.log10(16))
    assert (found["l1"], found["l1_hole"]) == (pytest.approx(20 / 16), 20)
    assert found["ssim_hole"] < found["ssim"] < 1


def test_ssim_is_that_of_wang_et_al():
    """Eq. 13 over the one window that an image of 7x7 has; deviations by n - 1."""
    true, other = (image[:7, :7, :1] for image in images())
    x, y = true.ravel().astype(float), other.ravel().astype(float)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    covariance = np.cov(x, y)
    expected = ((2 * x.mean() * y.mean() + c1) * (2 * covariance[0, 1] + c2)) / (
        (x.mean() ** 2 + y.mean() ** 2 + c1) * (covariance[0, 0] + covariance[1, 1] + c2)
    )
    assert similarity.scores(true, other)["ssim"] == pytest.approx(expected)


@pytest.mark.parametrize("side", [4, 6, 8, 28])
def test_tiny_images_have_an_ssim(side):
    one, other = images(side, 1)
    assert similarity.scores(one, one)["ssim"] == pytest.approx(1)
    assert similarity.scores(one, other)["ssim"] < 0.5


def test_fills_leave_what_is_known():
    true, known = images(), np.ones((16, 16), bool)
    known[5:9, 5:9] = False
    for fill in (similarity.mean_fill, similarity.biharmonic_fill):
        filled = fill(true, known)
        np.testing.assert_array_equal(filled[:, known], true[:, known])
    mean = true[1][known].mean(axis=0)
    np.testing.assert_allclose(similarity.mean_fill(true, known)[1, 6, 6], mean, atol=0.5)


def test_the_biharmonic_fill_continues_a_ramp():
    ramp = np.broadcast_to(
        np.arange(0, 160, 10, dtype=np.uint8)[None, None, :, None], (1, 16, 16, 1)
    )
    known = np.ones((16, 16), bool)
    known[5:9, 5:9] = False
    np.testing.assert_allclose(similarity.biharmonic_fill(ramp.copy(), known), ramp, atol=1.5)
