"""Named streams of random keys; the one file that derives a key.

Every random number of a run is a function of (seed, stream name, indices): the step, the update
within the step, the example's place in the global batch. Nothing random is stored, so nothing
random has to be restored, a new consumer shifts no other, and one device draws what N devices draw.
"""

import math
import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import define_prng_impl, threefry_prng_impl
from jaxtyping import Array, Int, Key, UInt32, UInt64

IMPLEMENTATION = "threefry2x32"

_JAX = threefry_prng_impl
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of Threefry 2x32, Salmon et al. 2011, table 2


def root(seed: int) -> Key[Array, ""]:
    """The key that a run's seed stands for (threefry, typed)."""
    return jax.random.key(seed, impl=IMPLEMENTATION)


def stream(key: Key[Array, ""], name: str, *indices: Int[Array, ""] | int) -> Key[Array, ""]:
    """The key of a named purpose at the given indices, e.g. `stream(root, "latent", step, i)`.

    Args:
      key: the root key.
      name: the purpose; two purposes never share numbers.
      *indices: whole numbers in [0, 2^32), traced or not.
    """
    key = _fold_in(key, _tag(name))
    for index in indices:
        key = _fold_in(key, index)
    return key


def per_example(key: Key[Array, ""], ids: Int[Array, "batch"]) -> Key[Array, "batch"]:
    """A key for each example, by its place in the global batch, whatever device holds it."""
    return jax.vmap(_fold_in, in_axes=(None, 0))(key, ids)


def inline(keys: Key[Array, "..."]) -> Key[Array, "..."]:
    """The same keys, their random bits computed within the operation that takes them.

    On a CPU that is several times as fast as JAX's loop over memory (docs/performance.md), but for
    numbers that several operations take: XLA computes them again in each.
    """
    return jax.random.wrap_key_data(jax.random.key_data(keys), impl=_INLINE)


def host_bits(seed: int, name: str, index: int, size: int) -> UInt64[np.ndarray, "size"]:
    """Random 64-bit words on the host, for a purpose and an index.

    Philox's raw stream is what NumPy promises never to change, unlike its distributions.
    """
    key = np.array([seed, (_tag(name) << 32) | index], np.uint64)
    return np.random.Philox(key=key).random_raw(size)


def _tag(name: str) -> int:
    return zlib.crc32(name.encode())


@jax.jit
def _hash(
    key: UInt32[Array, "2"], high: UInt32[Array, "..."], low: UInt32[Array, "..."]
) -> tuple[UInt32[Array, "..."], UInt32[Array, "..."]]:
    """Threefry 2x32 of counters, its 20 rounds written out.

    JAX has a loop of them on a CPU, each pass of which goes to memory and back.
    """
    words = key[0], key[1], key[0] ^ key[1] ^ np.uint32(0x1BD11BDA)
    high, low = high + words[0], low + words[1]
    for i in range(5):
        for bits in _ROTATIONS[i % 2]:
            high += low
            low = high ^ (low << np.uint32(bits) | low >> np.uint32(32 - bits))
        high += words[(i + 1) % 3]
        low += words[(i + 2) % 3] + np.uint32(i + 1)
    return high, low


def _fold_in(key: Key[Array, ""], index: Int[Array, ""] | int) -> Key[Array, ""]:
    """`jax.random.fold_in`, bit for bit."""
    words = _hash(jax.random.key_data(key), jnp.uint32(0), jnp.uint32(index))
    return jax.random.wrap_key_data(jnp.stack(words), impl="threefry2x32")


def _random_bits(key: UInt32[Array, "2"], width: int, shape: tuple[int, ...]) -> Array:
    size = math.prod(shape)
    if width != 32 or size >= 2**32 or not jax.config.jax_threefry_partitionable:
        return _JAX.random_bits(key, width, shape)
    high, low = _hash(key, jnp.uint32(0), jnp.arange(size, dtype=jnp.uint32).reshape(shape))
    return high ^ low


_INLINE = define_prng_impl(
    key_shape=(2,),
    seed=_JAX.seed,
    split=_JAX.split,
    random_bits=_random_bits,
    fold_in=_JAX.fold_in,
    name="threefry2x32 inline",
    tag="fry",
)
