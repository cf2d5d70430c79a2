import pathlib
import zlib

import jax
import jax.numpy as jnp
import numpy as np

import gan_jax
from gan_jax import latents, prng
from gan_jax.config import Latent


def test_streams_and_indices_have_numbers_of_their_own():
    root = prng.root(0)
    keys = [
        prng.stream(root, name, *indices)
        for name in ("latent", "init generator", "picture latent")
        for indices in ((), (0,), (1,), (0, 0), (0, 1), (1, 0))
    ] + [prng.stream(prng.root(1), "latent")]
    drawn = {tuple(np.asarray(jax.random.key_data(key))) for key in keys}
    assert len(drawn) == len(keys)


def test_a_key_is_a_function_of_its_indices_traced_or_not():
    root = prng.root(3)
    traced = jax.jit(lambda step: jax.random.key_data(prng.stream(root, "latent", step, 2)))
    expected = jax.random.key_data(prng.stream(root, "latent", 7, 2))
    assert np.array_equal(traced(jnp.int32(7)), expected)


def test_an_example_has_the_same_latent_in_any_batch():
    key = prng.stream(prng.root(0), "latent", 5)
    whole = prng.per_example(key, jnp.arange(8))
    part = prng.per_example(key, jnp.arange(4, 6))
    for distribution in ("normal", "uniform"):
        latent = Latent(dim=3, distribution=distribution)
        assert np.array_equal(latents.draw(latent, whole)[4:6], latents.draw(latent, part))


def test_latents_have_the_distribution_that_they_name():
    keys = prng.per_example(prng.root(0), jnp.arange(20_000))
    normal = np.asarray(latents.draw(Latent(dim=2, distribution="normal"), keys))
    uniform = np.asarray(latents.draw(Latent(dim=2, distribution="uniform"), keys))
    assert np.allclose(normal.mean(0), 0, atol=0.03)
    assert np.allclose(normal.std(0), 1, atol=0.03)
    assert uniform.min() >= -1
    assert uniform.max() < 1
    assert np.allclose(uniform.mean(0), 0, atol=0.03)
    assert np.allclose(uniform.var(0), 1 / 3, atol=0.02)


def test_numbers_are_the_ones_that_published_runs_were_made_with():
    """Threefry and Philox of these seeds: a change here breaks everybody's reproductions."""
    key = prng.stream(prng.root(0), "latent", 1, 2)
    assert jax.random.key_data(key).tolist() == [1438736434, 2050305092]
    z = latents.draw(Latent(dim=2), prng.per_example(key, jnp.arange(1)))
    assert np.allclose(z, [[0.5810210704803467, -0.4923153817653656]], atol=1e-6)
    assert prng.host_bits(0, "data order", 0, 2).tolist() == [
        12461571371308975046,
        5802426257016695658,
    ]


def test_host_words_differ_by_seed_name_and_index():
    drawn = {
        tuple(prng.host_bits(seed, name, index, 2).tolist())
        for seed in (0, 1, 2**32 - 1)
        for name in ("data order", "gaussian_1d", "ring_2d", "grid_2d")
        for index in (0, 1, 2)
    }
    assert len(drawn) == 3 * 4 * 3


def test_no_other_file_derives_a_key():
    """But for KID's subsets, drawn as they are published, and the lines of a card for its users."""
    words = ("fold_in", "random.split", "random.key(", "PRNGKey", "np.random", "import random")
    package = pathlib.Path(gan_jax.__file__).parent
    for path in package.rglob("*.py"):
        if path.name not in ("prng.py", "kernel_distance.py", "card.py"):
            assert not [word for word in words if word in path.read_text()], path


def test_keys_and_draws_are_those_of_jax_bit_for_bit():
    for seed in (0, 2**31 - 1):
        for index in (0, 1, 2**32 - 1):
            key = jax.random.key(seed, impl="threefry2x32")
            for number in (zlib.crc32(b"latent"), index):
                key = jax.random.fold_in(key, number)
            theirs = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(3))
            ours = prng.per_example(
                prng.stream(prng.root(seed), "latent", index), jnp.arange(3, dtype=jnp.int32)
            )
            for draw in (
                jax.random.key_data,
                lambda key: jax.random.key_data(jax.random.split(key, 3)),
                lambda key: jax.random.bits(key, (2, 5)),
                lambda key: jax.random.bits(key, (7,), jnp.uint8),
                lambda key: jax.random.normal(key, (9,)),
                jax.random.bernoulli,
            ):
                expected = jax.vmap(draw)(theirs)
                assert np.array_equal(jax.vmap(draw)(ours), expected)
                assert np.array_equal(jax.vmap(draw)(prng.inline(ours)), expected)
