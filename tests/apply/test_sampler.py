"""A sample is a function of the seed and its number; statistics are what their names say."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from gan_jax import prng
from gan_jax.apply import sampler as module
from gan_jax.apply.sampler import Draw, Sampler
from gan_jax.config import Latent
from gan_jax.errors import UsageError


def close(left, right):
    return np.abs(left.astype(int) - right.astype(int)).max() <= 1  # a rounding at a half


def test_a_sample_is_what_g_makes_of_its_own_latent(trained):
    made = Sampler(trained, 3, [0]).some(50)  # of batches of 40
    assert (made.image.shape, made.image.dtype) == ((50, 8, 8, 1), np.uint8)
    key = jax.random.fold_in(prng.stream(prng.root(3), "sample latent"), 45)
    z = jax.random.normal(key, (8,))
    np.testing.assert_array_equal(made.z[45], z)
    image = trained.models.generator.apply(
        trained.generator, z[None], jnp.zeros(1, jnp.int32), train=False
    )
    assert close(made.image[45], np.asarray(jnp.round((image[0] + 1) * 127.5)))


def test_the_number_of_samples_changes_none_of_them(trained):
    few, more = (Sampler(trained, 0, [0]).some(count) for count in (5, 50))
    assert close(few.image, more.image[:5])
    assert not np.array_equal(Sampler(trained, 1, [0]).some(5).image, few.image)


def test_classes_are_taken_in_turn(conditional):
    made = Sampler(conditional, 0, [3, 7]).some(5)
    np.testing.assert_array_equal(made.label, [3, 7, 3, 7, 3])
    other = Sampler(conditional, 0, [3]).some(5)
    assert close(made.image[::2], other.image[::2])
    assert not np.array_equal(made.image[1::2], other.image[1::2])


def test_truncation_and_psi_keep_the_latents_near_the_center(trained):
    free = Sampler(trained, 0, [0]).some(50).z
    cut = Sampler(trained, 0, [0], Draw(truncation=0.5)).some(50).z
    scaled = Sampler(trained, 0, [0], Draw(psi=0.5)).some(50).z
    assert np.abs(free).max() > 2
    assert 0.4 < np.abs(cut).max() <= 0.5
    assert np.all(np.sign(cut) == np.sign(free))  # the same numbers, from a narrower distribution
    np.testing.assert_allclose(scaled, 0.5 * free)


def test_uniform_latents_have_no_tails(trained):
    latent = Latent(dim=8, distribution="uniform")
    uniform = trained._replace(config=dataclasses.replace(trained.config, latent=latent))
    with pytest.raises(UsageError, match=r"--truncation=0.5: .*uniform.*--psi=0.5"):
        Sampler(uniform, 0, [0], Draw(truncation=0.5))


def test_standing_statistics_are_the_mean_of_those_of_batches(trained, monkeypatch):
    """BatchNorms here move to .9 s + .1 b: from 0, a tenth of what the batch has."""
    monkeypatch.setattr(module, "_PASSES", 3)
    made = Sampler(trained, 0, [0], statistics="standing")
    key = prng.stream(prng.stream(prng.root(0), "sample latent"), "standing")
    zeros = jax.tree.map(jnp.zeros_like, trained.generator["batch_stats"])
    seen = []
    for i in range(3):
        keys = prng.per_example(key, jnp.arange(16 * i, 16 * i + 16, dtype=jnp.int32))
        z = jax.vmap(lambda key: jax.random.normal(key, (8,)))(keys)
        variables = {**trained.generator, "batch_stats": zeros}
        _, moved = trained.models.generator.apply(
            variables, z, jnp.zeros(16, jnp.int32), train=True, mutable=["batch_stats"]
        )
        seen.append(jax.tree.map(lambda leaf: 10 * leaf, moved["batch_stats"]))
    expected = jax.tree.map(lambda *parts: np.mean(parts, axis=0), *seen)
    jax.tree.map(
        lambda found, mean: np.testing.assert_allclose(found, mean, rtol=1e-4, atol=1e-6),
        jax.device_get(made.variables["batch_stats"]),
        expected,
    )
    jax.tree.map(
        np.testing.assert_array_equal, made.variables["params"], trained.generator["params"]
    )


def test_standing_statistics_leave_singular_vectors_alone(conditional, monkeypatch):
    monkeypatch.setattr(module, "_PASSES", 2)
    made = Sampler(conditional, 0, [0, 1], statistics="standing")
    before = traverse_util.flatten_dict(conditional.generator["batch_stats"])
    after = traverse_util.flatten_dict(jax.device_get(made.variables["batch_stats"]))
    assert before.keys() == after.keys()
    for path, leaf in before.items():
        same = np.array_equal(leaf, after[path])
        assert same == (path[-1] not in ("mean", "var")), path


def test_by_the_statistics_of_the_batch_samples_depend_on_the_others(trained):
    """Which are always as many as in training, whatever part of them is asked for."""
    sampler = Sampler(trained, 0, [0], statistics="batch")
    few, more = sampler.some(5), sampler.some(40)
    assert close(few.image, more.image[:5])
    running = Sampler(trained, 0, [0]).some(5)
    np.testing.assert_array_equal(running.z, few.z)
    assert not close(running.image, few.image)
