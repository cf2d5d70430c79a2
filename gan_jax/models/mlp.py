"""Fully connected networks, for flat data and as the simplest GAN on images.

With classes, both players take an embedding of the class beside their input (Mirza and Osindero
2014, with embeddings in place of their one-hot vectors).
"""

import math

import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Dtype
from jaxtyping import Array, Float, Int

from gan_jax.models.layers import (
    ACTIVATIONS,
    batch_norm,
    initializer,
    minibatch_std,
    squash,
    with_class,
)


class Generator(nn.Module):
    """z [B, dim], label [B] -> samples [B, *sample_shape].

    Images are within the pixel range, vectors anywhere.
    """

    sample_shape: tuple[int, ...]
    hidden: tuple[int, ...]
    activation: str
    initializer: str
    batch_norm: str
    batch_norm_decay: float
    batch_norm_eps: float
    num_classes: int = 0
    pixel_range: str = "signed"
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, z: Float[Array, "batch dim"], label: Int[Array, "batch"], train: bool
    ) -> Float[Array, "batch ..."]:
        x = _hidden_layers(self, with_class(z, label, self.num_classes), train)
        x = _dense(self, math.prod(self.sample_shape))(x)
        x = x.astype(jnp.float32).reshape(-1, *self.sample_shape)
        return squash(x, self.pixel_range) if len(self.sample_shape) == 3 else x


class Discriminator(nn.Module):
    """Samples [B, ...], label [B] -> logits [B]."""

    hidden: tuple[int, ...]
    activation: str
    initializer: str
    batch_norm: str
    batch_norm_decay: float
    batch_norm_eps: float
    minibatch_std: int = 0
    num_classes: int = 0
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch ..."], label: Int[Array, "batch"], train: bool
    ) -> Float[Array, "batch"]:
        x = with_class(x.reshape(len(x), -1), label, self.num_classes)
        x = _hidden_layers(self, x, train)
        if self.minibatch_std:
            x = minibatch_std(x, self.minibatch_std)
        return _dense(self, 1)(x).astype(jnp.float32)[:, 0]


def _hidden_layers(module: nn.Module, x: Array, train: bool) -> Array:
    def norm() -> nn.BatchNorm:
        return batch_norm(
            train, module.axis_name, module.dtype,
            decay=module.batch_norm_decay, epsilon=module.batch_norm_eps,
        )  # fmt: skip

    for units in module.hidden:
        x = _dense(module, units, use_bias=module.batch_norm != "before")(x)
        if module.batch_norm == "before":
            x = norm()(x)
        x = ACTIVATIONS[module.activation](x)
        if module.batch_norm == "after":
            x = norm()(x)
    return x


def _dense(module: nn.Module, units: int, use_bias: bool = True) -> nn.Dense:
    return nn.Dense(
        units, use_bias=use_bias, kernel_init=initializer(module.initializer), dtype=module.dtype
    )
