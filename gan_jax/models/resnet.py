"""Residual networks from 4x4 up: SNGAN, WGAN-GP, SAGAN and BigGAN are its settings.

A block of G: BatchNorm, ReLU, nearest upsampling, 3x3, BatchNorm, ReLU, 3x3; one of D: ReLU, 3x3,
ReLU, 3x3, mean pooling, its first without the leading ReLU. Shortcuts are 1x1 where the shape
changes and take the block's input before any ReLU (Miyato et al. 2018, appendix B.4; Gulrajani et
al. 2017; Zhang et al. 2019; Brock et al. 2019, appendix B). Biases start at 0.
"""

import math
from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Dtype
from jaxtyping import Array, Float, Int

from gan_jax.errors import UsageError
from gan_jax.models.layers import (
    ConditionalBatchNorm,
    Conv,
    Features,
    Images,
    SelfAttention,
    batch_norm,
    initializer,
    mean_pool,
    normalized,
    squash,
    upsample,
)

_GAIN = math.sqrt(2)  # of a Glorot start in the convolutions before and between ReLUs, as in SNGAN


class Generator(nn.Module):
    """z [B, dim], label [B] -> images [B, H, W, C].

    With classes, BatchNorms in the blocks are conditional: each by class embeddings of its own, or
    by a shared one of `shared_dim` numbers, to which a hierarchical z adds the block's part of z.
    """

    sample_shape: tuple[int, ...]
    channels: tuple[int, ...]
    initializer: str
    spectral_norm: bool
    attention: int
    shared_dim: int
    hierarchical: bool
    remat: bool
    num_classes: int = 0
    pixel_range: str = "signed"
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, z: Float[Array, "batch dim"], label: Int[Array, "batch"], train: bool
    ) -> Images:
        self._check(z.shape[1])
        first, *rest = self.channels
        z, *conditions = self._conditions(z, label, len(rest))
        dense = nn.Dense(16 * first, kernel_init=initializer(self.initializer), dtype=self.dtype)
        x = normalized(dense, self.spectral_norm, train)(z).reshape(-1, 4, 4, first)
        block = (
            nn.remat(Generator._block, static_argnums=(2, 4)) if self.remat else Generator._block
        )
        for features, y in zip(rest, conditions, strict=True):
            x = block(self, x, features, y, train)
            if x.shape[1] == self.attention:
                x = _attention(self)(x, train)
        x = nn.relu(batch_norm(train, self.axis_name, self.dtype)(x))
        return squash(_conv(self, self.sample_shape[-1], 3, train)(x), self.pixel_range)

    def _check(self, dim: int) -> None:
        blocks = max(len(self.channels) - 1, 0)
        side = 4 << blocks
        if not self.channels or self.sample_shape[:2] != (side, side):
            raise UsageError(
                f"config.generator.channels={self.channels}: makes {side}x{side}, and the data are "
                f"{self.sample_shape}; give one number for 4x4 and one for each doubling"
            )
        _check_attention(self.attention, [8 << n for n in range(blocks)], "generator")
        if (self.shared_dim or self.hierarchical) and not self.num_classes:
            raise UsageError(
                "config.generator.shared_dim, .hierarchical: are about classes; set "
                "config.conditional=true, or leave them"
            )
        if self.hierarchical and (dim % (blocks + 1) or not self.shared_dim):
            raise UsageError(
                f"config.generator.hierarchical: needs shared_dim, and a latent.dim that {blocks} "
                f"blocks and the first layer share equally, a multiple of {blocks + 1}; it is {dim}"
            )

    def _conditions(self, z: Array, label: Array, blocks: int) -> list[Array]:
        """What the first layer sees, then what the BatchNorms of each block see."""
        if not self.shared_dim:
            return [z, *[label] * blocks]
        init = initializer(self.initializer)
        y = nn.Embed(self.num_classes, self.shared_dim, embedding_init=init, name="shared")(label)
        if not self.hierarchical:
            return [z, *[y] * blocks]
        z, *parts = jnp.split(z, blocks + 1, axis=1)
        return [z, *[jnp.concatenate([y, part], axis=1) for part in parts]]

    def _norm(self, x: Array, y: Array, train: bool) -> Array:
        if not self.num_classes:
            return batch_norm(train, self.axis_name, self.dtype)(x)
        return ConditionalBatchNorm(
            self.num_classes,
            self.spectral_norm,
            initializer(self.initializer),
            self.dtype,
            self.axis_name,
        )(x, y, train)

    def _block(self, x: Images, features: int, y: Array, train: bool) -> Features:
        h = upsample(nn.relu(self._norm(x, y, train)))
        h = _conv(self, features, 3, train, _GAIN)(h)
        h = nn.relu(self._norm(h, y, train))
        h = _conv(self, features, 3, train, _GAIN)(h)
        # The 1x1 shortcut and the repetition commute; so it runs on a quarter of the places.
        return h + upsample(_conv(self, features, 1, train)(x))


class Discriminator(nn.Module):
    """Images [B, H, W, C], label [B] -> logits [B]; with classes, by projection.

    logit = w h + <embedding of the class, h> (Miyato and Koyama 2018, eq. 3).
    """

    channels: tuple[int, ...]
    down: int
    initializer: str
    spectral_norm: bool
    attention: int
    pool: str
    head_bias: bool
    remat: bool
    num_classes: int = 0
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch ..."], label: Int[Array, "batch"], train: bool
    ) -> Float[Array, "batch"]:
        self._check(x.shape[1:])
        attended, block = False, Discriminator._block
        if self.remat:
            block = nn.remat(block, static_argnums=(2, 3, 4))
        for index, features in enumerate(self.channels):
            x = block(self, x, features, index, train)
            if x.shape[1] == self.attention and not attended:
                x, attended = _attention(self)(x, train), True
        h = nn.relu(x).astype(jnp.float32)
        h = jnp.sum(h, axis=(1, 2)) if self.pool == "sum" else jnp.mean(h, axis=(1, 2))
        head = nn.Dense(1, use_bias=self.head_bias, kernel_init=initializer(self.initializer))
        logits = normalized(head, self.spectral_norm, train)(h)[:, 0]
        if self.num_classes:
            table = nn.Embed(
                self.num_classes,
                h.shape[1],
                embedding_init=initializer(self.initializer),
                name="classes",
            )
            logits += jnp.sum(normalized(table, self.spectral_norm, train)(label) * h, axis=1)
        return logits

    def _check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 3:
            raise UsageError(
                f"config.dataset.name: its data are vectors of shape {shape}, and the family "
                "resnet is for images; take the family mlp for both players"
            )
        if not 0 < len(self.channels) >= self.down or shape[0] % (1 << self.down):
            raise UsageError(
                f"config.discriminator.down={self.down}: cannot halve {shape[0]} pixels so often "
                f"in {len(self.channels)} blocks"
            )
        sides = [shape[0] >> min(n + 1, self.down) for n in range(len(self.channels))]
        _check_attention(self.attention, sides, "discriminator")

    def _block(self, x: Images, features: int, index: int, train: bool) -> Features:
        down = index < self.down
        h = nn.relu(x) if index else x
        h = nn.relu(_conv(self, features, 3, train, _GAIN)(h))
        h = _conv(self, features, 3, train, _GAIN)(h)
        if down:  # pooling and the 1x1 shortcut commute
            h, x = mean_pool(h), mean_pool(x)
        if down or x.shape[-1] != features:
            x = _conv(self, features, 1, train)(x)
        return h + x


def _conv(
    module: nn.Module, features: int, size: int, train: bool, gain: float = 1.0
) -> Callable[[Array], Array]:
    layer = Conv(
        features, size, kernel_init=initializer(module.initializer, gain), dtype=module.dtype
    )
    return normalized(layer, module.spectral_norm, train)


def _attention(module: nn.Module) -> SelfAttention:
    return SelfAttention(module.spectral_norm, initializer(module.initializer), module.dtype)


def _check_attention(side: int, sides: list[int], player: str) -> None:
    able = sorted({each for each in sides if each % 2 == 0})
    if side and side not in able:
        raise UsageError(
            f"config.{player}.attention={side}: its blocks give maps of "
            f"{', '.join(map(str, able))}; take one of these, or 0 for none"
        )
