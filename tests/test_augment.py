import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import augment, prng
from gan_jax.errors import UsageError


def keys(count, seed=0):
    return prng.per_example(prng.root(seed), jnp.arange(count, dtype=jnp.int32))


def images(count=64, side=16):
    return jax.random.uniform(jax.random.key(0), (count, side, side, 3), minval=-1.0)


def test_without_a_policy_images_pass():
    assert np.array_equal(augment.make_augment("")(images(), keys(64)), images())


def test_translations_shift_by_at_most_an_eighth_and_let_zeros_in():
    """Every image is the original, moved: one of the 5 x 5 shifts of a 16-pixel image."""
    originals = np.asarray(images())
    moved = np.asarray(augment.make_augment("translation")(images(), keys(64)))
    found = []
    for original, now in zip(originals, moved, strict=True):
        padded = np.pad(original, [(2, 2), (2, 2), (0, 0)])
        shifts = [
            (i, j) for i in range(5) for j in range(5)
            if np.allclose(padded[i : i + 16, j : j + 16], now, atol=1e-6)
        ]  # fmt: skip
        assert len(shifts) == 1
        found += shifts
    assert {i for i, _ in found} == {j for _, j in found} == set(range(5))


def test_cutouts_leave_a_hole_of_at_most_half_the_side():
    moved = np.asarray(augment.make_augment("cutout")(images() + 3, keys(64)))
    hole = (moved == 0).all(axis=-1)
    assert np.array_equal(moved[~hole], np.asarray(images() + 3)[~hole])
    rows, columns = hole.any(axis=2).sum(axis=1), hole.any(axis=1).sum(axis=1)
    assert rows.max() == columns.max() == 8
    assert rows.min() >= 4
    assert np.array_equal(hole.sum(axis=(1, 2)), rows * columns)


def test_colors_change_brightness_saturation_and_contrast_within_their_ranges():
    gray = jnp.broadcast_to(images()[..., :1], images().shape)
    lit = augment.make_augment("color")(gray, keys(64))
    assert np.allclose(lit, lit[..., :1], atol=1e-5)  # gray has no saturation to change
    contrast = np.std(lit, axis=(1, 2, 3)) / np.std(gray, axis=(1, 2, 3))
    assert 0.5 <= contrast.min() < 0.7
    assert 1.3 < contrast.max() <= 1.5
    brightness = np.mean(lit - gray, axis=(1, 2, 3))
    assert -0.5 <= brightness.min() < -0.3
    assert 0.3 < brightness.max() <= 0.5


def test_each_example_is_distorted_by_its_own_key_alone():
    """So that a batch may be spread over devices."""
    distort = augment.make_augment("color,translation,cutout")
    whole = distort(images(), keys(64))
    assert np.allclose(distort(images()[40:], keys(64)[40:]), whole[40:], atol=1e-6)
    again = distort(jnp.tile(images()[:1], (2, 1, 1, 1)), keys(2))
    assert not np.allclose(again[0], again[1])


def test_gradients_reach_the_image():
    distort = augment.make_augment("color,translation,cutout")
    x = images(4)
    direction = jax.random.normal(jax.random.key(1), x.shape)

    def value(x):
        return jnp.sum(jnp.sin(distort(x, keys(4))))

    exact = jnp.sum(jax.grad(value)(x) * direction)
    step = 1e-2
    numeric = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    assert exact == pytest.approx(float(numeric), rel=2e-2)
    assert np.abs(exact) > 1


def test_an_unknown_part_is_named():
    with pytest.raises(
        UsageError, match=r"config\.augment='color,cutoff': 'cutoff'.*mean cutout\?"
    ):
        augment.make_augment("color,cutoff")
