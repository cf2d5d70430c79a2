"""DCGAN (Radford et al. 2016, section 3 and figure 1), for images of base * 2^n pixels a side.

At base 4, width 64 and 64x64 RGB the networks are those of PyTorch's example, 3,576,704 and
2,765,568 parameters; with kernels of 5x5 and biases those of DCGAN-tensorflow, 5,135,363 and
4,316,545. Strides are 2; weights start at N(0, .02), BatchNorm scales at N(1, .02).

With classes, G's BatchNorms are conditional (without them G takes an embedding of the class beside
z), and D's logit gains a projection of its features (Miyato and Koyama 2018). An embedding beside z
would give the BatchNorms a variance that owes z nothing: such a G forgets z, and makes one image of
each class.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Dtype
from jaxtyping import Array, Float, Int

from gan_jax.errors import UsageError
from gan_jax.models.layers import (
    ConditionalBatchNorm,
    Conv,
    ConvTranspose,
    Images,
    batch_norm,
    squash,
    with_class,
)

_INIT = nn.initializers.normal(0.02)


class Generator(nn.Module):
    """z [B, dim], label [B] -> images [B, H, W, C]: project, reshape, then double n times."""

    sample_shape: tuple[int, ...]
    width: int
    base: int
    kernel: int
    bias: bool
    batch_norm: bool
    num_classes: int = 0
    pixel_range: str = "signed"
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, z: Float[Array, "batch dim"], label: Int[Array, "batch"], train: bool
    ) -> Images:
        if not self.batch_norm:
            z = with_class(z, label, self.num_classes)
        widths = stage_widths(self.sample_shape, self.base, self.width)[::-1]
        bias = self.bias or not self.batch_norm
        x = nn.Dense(self.base**2 * widths[0], use_bias=bias, kernel_init=_INIT, dtype=self.dtype)(
            z
        )
        x = x.reshape(-1, self.base, self.base, widths[0])
        for features in (*widths[1:], self.sample_shape[-1]):
            x = nn.relu(self._norm(x, label, train))
            x = ConvTranspose(features, self.kernel, 2, use_bias=bias, dtype=self.dtype)(x)
        return squash(x, self.pixel_range)

    def _norm(self, x: Images, label: Int[Array, "batch"], train: bool) -> Images:
        if not (self.batch_norm and self.num_classes):
            return _norm(self, train)(x)
        norm = ConditionalBatchNorm(self.num_classes, dtype=self.dtype, axis_name=self.axis_name)
        return norm(x, label, train)


class Discriminator(nn.Module):
    """Images [B, H, W, C], label [B] -> logits [B]: halve n times, then one linear unit.

    With classes: logit = w h + <embedding of the class, h>, h the flattened last map.
    """

    width: int
    base: int
    kernel: int
    bias: bool
    batch_norm: bool
    num_classes: int = 0
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Images, label: Int[Array, "batch"], train: bool) -> Float[Array, "batch"]:
        bias = self.bias or not self.batch_norm
        for stage, features in enumerate(stage_widths(x.shape[1:], self.base, self.width)):
            x = Conv(features, self.kernel, stride=2, use_bias=bias, dtype=self.dtype)(x)
            if stage:
                x = _norm(self, train)(x)
            x = nn.leaky_relu(x, 0.2)
        x = x.reshape(len(x), -1)
        logits = nn.Dense(1, use_bias=bias, kernel_init=_INIT, dtype=self.dtype)(x)
        logits = logits.astype(jnp.float32)[:, 0]
        if self.num_classes:
            h = x.astype(jnp.float32)
            table = nn.Embed(self.num_classes, h.shape[1], embedding_init=_INIT, name="classes")
            logits += jnp.sum(table(label) * h, axis=1)
        return logits


def stage_widths(sample_shape: tuple[int, ...], base: int, width: int) -> list[int]:
    """Channels of each map from the image inwards: width, 2 width, 4 width, ...

    Raises:
      UsageError: if the shape is not a square image of base * 2^n pixels, n of at least 1.
    """
    if len(sample_shape) != 3:
        raise UsageError(
            f"config.dataset.name: its data are vectors of shape {sample_shape}, and the family "
            "dcgan is for images; take the family mlp for both players"
        )
    height, side, _ = sample_shape
    sizes = _sizes(base)
    if side not in sizes or height != side:
        fitting = [str(other) for other in range(2, 9) if side in _sizes(other)]
        hint = (
            f"; for {side} set config.generator.base and config.discriminator.base to "
            f"{' or '.join(fitting)}"
        )
        raise UsageError(
            f"config.dataset.image_size: dcgan with base={base} cannot make {height}x{side}; it "
            f"makes {', '.join(map(str, sizes[:6]))}, ... pixels a side"
            f"{hint if fitting and height == side else ''}"
        )
    return [width << stage for stage in range(sizes.index(side) + 1)]


def _sizes(base: int) -> list[int]:
    return [base << n for n in range(1, 12)]


def _norm(module: nn.Module, train: bool):
    if not module.batch_norm:
        return lambda x: x
    return batch_norm(train, module.axis_name, module.dtype, scale_init=_around_one)


def _around_one(key, shape, dtype=jnp.float32):
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)
