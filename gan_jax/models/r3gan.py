"""R3GAN (Huang et al. 2024): residual networks without any normalization layer.

A block widens twofold, mixes small groups of channels by a 3x3 convolution, narrows again and is
added to its input; its last weight starts at 0, so that it starts as the identity. Biases are in
the two activations of a block alone. At 32x32 with the sizes of their CIFAR-10 preset: 20,732,160
and 20,683,776 parameters. G's images are not squashed, as in the authors' code.
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Dtype
from jaxtyping import Array, Float, Int

from gan_jax.errors import UsageError
from gan_jax.models.layers import Conv, Images, fir_downsample, fir_upsample

_SLOPE = 0.2
_GAIN = math.sqrt(2 / (1 + _SLOPE**2))  # what the leaky ReLU takes of a variance, given back
_EXPANSION = 2
_EMBEDDING = 64  # numbers in G's class embedding


class Generator(nn.Module):
    """z [B, dim], label [B] -> images [B, H, W, C], unbounded."""

    sample_shape: tuple[int, ...]
    channels: tuple[int, ...]
    blocks: int
    group_size: int
    remat: bool
    num_classes: int = 0
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, z: Float[Array, "batch dim"], label: Int[Array, "batch"], train: bool
    ) -> Images:
        del train
        _check(self, self.sample_shape[:2], "generator")
        if self.num_classes:
            init = nn.initializers.normal(1 / math.sqrt(self.num_classes))
            classes = nn.Embed(self.num_classes, _EMBEDDING, embedding_init=init)
            z = jnp.concatenate([z, classes(label)], axis=1)
        first, *rest = self.channels
        basis = self.param("basis", nn.initializers.normal(1.0), (4, 4, first))
        weights = nn.Dense(first, use_bias=False, kernel_init=_msr(1.0))(z)
        x = (basis[None] * weights[:, None, None]).astype(self.dtype)
        stage = nn.remat(_stage) if self.remat else _stage
        x = stage(self, x)
        for features in rest:
            if x.shape[-1] != features:
                x = _conv(self, features, 1, 1.0)(x)
            x = stage(self, fir_upsample(x))
        return _conv(self, self.sample_shape[-1], 1, 1.0)(x).astype(jnp.float32)


class Discriminator(nn.Module):
    """Images [B, H, W, C], label [B] -> logits [B]; with classes, <features, class embedding>."""

    channels: tuple[int, ...]
    blocks: int
    group_size: int
    remat: bool
    num_classes: int = 0
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Images, label: Int[Array, "batch"], train: bool) -> Float[Array, "batch"]:
        del train
        _check(self, x.shape[1:3], "discriminator")
        first, *rest = self.channels[::-1]
        last = self.channels[0]
        x = _conv(self, first, 1, 1.0)(x.astype(self.dtype))
        stage = nn.remat(_stage) if self.remat else _stage
        for features in rest:
            x = fir_downsample(stage(self, x))
            if x.shape[-1] != features:
                x = _conv(self, features, 1, 1.0)(x)
        x = stage(self, x).astype(jnp.float32)
        basis = self.param("basis", nn.initializers.normal(1 / 4), (4, 4, last))  # fan-in 4x4
        x = jnp.sum(x * basis[None], axis=(1, 2))
        x = nn.Dense(last if self.num_classes else 1, use_bias=False, kernel_init=_msr(1.0))(x)
        if not self.num_classes:
            return x[:, 0]
        # Their gain of 1 / sqrt(embedding), over sqrt of the fan-in, which is the classes.
        std = 1 / math.sqrt(last * self.num_classes)
        classes = nn.Embed(self.num_classes, last, embedding_init=nn.initializers.normal(std))
        return jnp.sum(x * classes(label), axis=1)


class _BiasedActivation(nn.Module):
    """Leaky ReLU of x plus a bias for each channel."""

    @nn.compact
    def __call__(self, x: Images) -> Images:
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        return nn.leaky_relu(x + bias.astype(x.dtype)[None, None, None], _SLOPE)


def _stage(module: nn.Module, x: Images) -> Images:
    """The residual blocks of one size."""
    channels = x.shape[-1]
    wide = _EXPANSION * channels
    gain = _GAIN * (module.blocks * len(module.channels)) ** (-1 / 4)  # Fixup, three layers a block
    for _ in range(module.blocks):
        h = _BiasedActivation()(_conv(module, wide, 1, gain)(x))
        h = _conv(module, wide, 3, gain, groups=wide // module.group_size)(h)
        x = x + _conv(module, channels, 1, 0.0)(_BiasedActivation()(h))
    return x


def _conv(module: nn.Module, features: int, size: int, gain: float, groups: int = 1) -> Conv:
    init = _msr(gain) if gain else nn.initializers.zeros
    return Conv(features, size, use_bias=False, kernel_init=init, groups=groups, dtype=module.dtype)


def _msr(gain: float) -> Callable[..., Any]:
    """N(0, gain^2 / fan-in) (He et al. 2015)."""
    return nn.initializers.variance_scaling(gain**2, "fan_in", "normal")


def _check(module: nn.Module, sides: tuple[int, ...], player: str) -> None:
    side = 4 << max(len(module.channels) - 1, 0)
    if not module.channels or sides != (side, side):
        raise UsageError(
            f"config.{player}.channels={module.channels}: fits {side}x{side}, and the data are "
            f"{sides}; give one number for 4x4 and one for each doubling"
        )
    if any(_EXPANSION * features % module.group_size for features in module.channels):
        raise UsageError(
            f"config.{player}.group_size={module.group_size}: does not divide {_EXPANSION} times "
            f"each of channels={module.channels}"
        )
