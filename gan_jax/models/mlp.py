"""Fully connected networks, for flat data and as the simplest GAN on images."""

import math

import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Dtype
from jaxtyping import Array, Float

from gan_jax.models.layers import ACTIVATIONS, batch_norm


class Generator(nn.Module):
    """z [B, dim] -> samples [B, *sample_shape]; images in [-1, 1] by tanh, vectors unbounded."""

    sample_shape: tuple[int, ...]
    hidden: tuple[int, ...]
    activation: str
    batch_norm: bool
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, z: Float[Array, "batch dim"], train: bool) -> Float[Array, "batch ..."]:
        x = _hidden_layers(self, z, train)
        x = nn.Dense(math.prod(self.sample_shape), dtype=self.dtype)(x)
        x = x.astype(jnp.float32).reshape(-1, *self.sample_shape)
        return jnp.tanh(x) if len(self.sample_shape) == 3 else x


class Discriminator(nn.Module):
    """Samples [B, ...] -> logits [B]."""

    hidden: tuple[int, ...]
    activation: str
    batch_norm: bool
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "batch ..."], train: bool) -> Float[Array, "batch"]:
        x = _hidden_layers(self, x.reshape(len(x), -1), train)
        return nn.Dense(1, dtype=self.dtype)(x).astype(jnp.float32)[:, 0]


def _hidden_layers(module: nn.Module, x: Array, train: bool) -> Array:
    for units in module.hidden:
        x = nn.Dense(units, use_bias=not module.batch_norm, dtype=module.dtype)(x)
        if module.batch_norm:
            x = batch_norm(train, module.axis_name, module.dtype)(x)
        x = ACTIVATIONS[module.activation](x)
    return x
