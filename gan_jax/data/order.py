"""Which examples each step sees: a pure function of (seed, step), so that resuming needs no more.

The data set is read epoch after epoch, each in a permutation of its own; batches run on across the
end of an epoch, so every example is seen exactly once in each, whatever the batch size.
"""

import functools

import numpy as np
from jaxtyping import Int

from gan_jax import prng


def examples(seed: int, size: int, begin: int, end: int) -> Int[np.ndarray, "count"]:
    """The examples at positions [begin, end) of the endless sequence, int32."""
    parts = []
    while begin < end:
        epoch, place = divmod(begin, size)
        part = _permutation(seed, size, epoch)[place : place + end - begin]
        parts.append(part)
        begin += len(part)
    return np.concatenate(parts)


@functools.lru_cache(maxsize=256)  # two of each run that trains in this process
def _permutation(seed: int, size: int, epoch: int) -> Int[np.ndarray, "size"]:
    """By sorting random words, which no version of NumPy does otherwise."""
    words = prng.host_bits(seed, "data order", epoch, size)
    return np.argsort(words, kind="stable").astype(np.int32)
