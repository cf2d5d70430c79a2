"""Named streams of random keys; the one file that derives a key.

Every random number of a run is a function of (seed, stream name, indices): the step, the update
within the step, the example's place in the global batch. Nothing random is stored, so nothing
random has to be restored, a new consumer shifts no other, and one device draws what N devices draw.
"""

import zlib

import jax
import numpy as np
from jaxtyping import Array, Int, Key, UInt64


def root(seed: int) -> Key[Array, ""]:
    """The key that a run's seed stands for (threefry, typed)."""
    return jax.random.key(seed, impl="threefry2x32")


def stream(key: Key[Array, ""], name: str, *indices: Int[Array, ""] | int) -> Key[Array, ""]:
    """The key of a named purpose at the given indices, e.g. `stream(root, "latent", step, i)`.

    Args:
      key: the root key.
      name: the purpose; two purposes never share numbers.
      *indices: whole numbers in [0, 2^32), traced or not.
    """
    key = jax.random.fold_in(key, _tag(name))
    for index in indices:
        key = jax.random.fold_in(key, index)
    return key


def per_example(key: Key[Array, ""], ids: Int[Array, "batch"]) -> Key[Array, "batch"]:
    """A key for each example, by its place in the global batch, whatever device holds it."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, ids)


def host_bits(seed: int, name: str, index: int, size: int) -> UInt64[np.ndarray, "size"]:
    """Random 64-bit words on the host, for a purpose and an index.

    Philox's raw stream is what NumPy promises never to change, unlike its distributions.
    """
    key = np.array([seed, (_tag(name) << 32) | index], np.uint64)
    return np.random.Philox(key=key).random_raw(size)


def _tag(name: str) -> int:
    return zlib.crc32(name.encode())
