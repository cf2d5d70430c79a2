"""Draws the generator's input."""

import jax
from jaxtyping import Array, Float, Key

from gan_jax import prng
from gan_jax.config import Latent


def draw(
    latent: Latent, keys: Key[Array, "batch"], truncation: float = 0.0
) -> Float[Array, "batch dim"]:
    """z for each example from the example's own key: N(0, 1) or U(-1, 1) in every coordinate.

    Args:
      latent: the dimension and the distribution.
      keys: one for each example.
      truncation: normal coordinates beyond +- this are drawn again (Brock et al. 2019, section
        3.1): they have the truncated normal distribution; 0: they may lie anywhere.
    """

    def one(key: Key[Array, ""]) -> Float[Array, "dim"]:
        if latent.distribution == "uniform":
            return jax.random.uniform(key, (latent.dim,), minval=-1.0)
        if truncation:
            return jax.random.truncated_normal(key, -truncation, truncation, (latent.dim,))
        return jax.random.normal(key, (latent.dim,))

    return jax.vmap(one)(prng.inline(keys))
