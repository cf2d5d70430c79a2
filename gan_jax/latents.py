"""Draws the generator's input."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gan_jax.config import Latent


def draw(latent: Latent, keys: Key[Array, "batch"]) -> Float[Array, "batch dim"]:
    """z for each example from the example's own key: N(0, 1) or U(-1, 1) in every coordinate."""
    if latent.distribution == "uniform":
        return jax.vmap(lambda key: jax.random.uniform(key, (latent.dim,), minval=-1.0))(keys)
    return jax.vmap(lambda key: jax.random.normal(key, (latent.dim,), jnp.float32))(keys)
