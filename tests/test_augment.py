import contextlib
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import augment, parallel, prng, reproduce
from gan_jax.errors import UsageError
from gan_jax.program import Program
from support import tiny_config


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
        UsageError, match=r"config\.augment='color,cutuot': takes auto.*'cutuot'.*mean cutout\?"
    ):
        augment.make_augment("color,cutuot")


@pytest.mark.parametrize("policy", ["atuo", "auto,color"])
def test_auto_stands_alone(policy):
    with pytest.raises(UsageError, match=r"takes auto, or any of color, translation, cutout, and"):
        augment.make_augment(policy)


@pytest.mark.parametrize(
    ("examples", "policy"),
    [
        (1, "color,translation,cutout"),
        (9_999, "color,translation,cutout"),
        (10_000, "translation,cutout"),
        (99_999, "translation,cutout"),
        (100_000, "translation"),
        (2_000_000, "translation"),
    ],
)
def test_auto_distorts_the_more_the_fewer_images_there_are(examples, policy):
    config = tiny_config(augment="auto")
    assert augment.settled(config, examples) == dataclasses.replace(config, augment=policy)
    assert config.augment == "auto"
    augment.make_augment(policy)


@pytest.mark.parametrize("policy", ["", "cutout", "color,translation"])
def test_what_was_asked_for_by_name_stays(policy):
    config = tiny_config(augment=policy)
    assert augment.settled(config, 10) is config


def test_a_program_trains_with_what_auto_stands_for():
    """The digits are 1,797: bit for bit the run that names all three of them."""
    states = []
    for policy in ("auto", "color,translation,cutout", ""):
        program = Program(tiny_config(augment=policy))
        key = parallel.replicate(prng.root(0))
        with contextlib.closing(program.feed.items(0, 0)) as items:
            state = parallel.replicate(program.start(program.config))
            state, _ = program.call(state, key, program.feed.constant, next(items))
        states.append(reproduce.digest(jax.device_get(state)))
    assert states[0] == states[1] != states[2]
