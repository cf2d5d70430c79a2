"""The convolutional GAN of CS231n's assignment 3, for 28x28 gray images: max pooling in D.

BatchNorm follows the activation. At width 32 and 96 numbers in z: 6,675,009 and 1,102,721
parameters, those that the assignment asserts. The assignment has no classes; with them, G takes
an embedding of the class beside z, and D one beside its flattened features.
"""

import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Dtype
from jaxtyping import Array, Float, Int

from gan_jax.errors import UsageError
from gan_jax.models.layers import (
    Conv,
    ConvTranspose,
    Images,
    batch_norm,
    initializer,
    max_pool,
    squash,
    with_class,
)

_INIT = initializer("glorot_uniform")


class Generator(nn.Module):
    """z [B, dim], label [B] -> [B, 28, 28, 1]: dense 32 w, dense 7x7x4 w, up to 2 w, up to 1."""

    sample_shape: tuple[int, ...]
    width: int
    num_classes: int = 0
    pixel_range: str = "signed"
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, z: Float[Array, "batch dim"], label: Int[Array, "batch"], train: bool
    ) -> Images:
        _check(self.sample_shape)
        z = with_class(z, label, self.num_classes)

        def active(x: Array) -> Array:
            return batch_norm(train, self.axis_name, self.dtype)(nn.relu(x))

        x = active(_dense(self, 32 * self.width)(z))
        x = active(_dense(self, 7 * 7 * 4 * self.width)(x)).reshape(-1, 7, 7, 4 * self.width)
        x = active(ConvTranspose(2 * self.width, 4, 2, kernel_init=_INIT, dtype=self.dtype)(x))
        x = ConvTranspose(1, 4, 2, kernel_init=_INIT, dtype=self.dtype)(x)
        return squash(x, self.pixel_range)


class Discriminator(nn.Module):
    """Images [B, 28, 28, 1], label [B] -> [B]: two valid, pooled 5x5 convolutions, dense 32 w."""

    width: int
    num_classes: int = 0
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Images, label: Int[Array, "batch"], train: bool) -> Float[Array, "batch"]:
        del train
        _check(x.shape[1:])
        for features in (self.width, 2 * self.width):
            x = Conv(features, 5, padding="VALID", kernel_init=_INIT, dtype=self.dtype)(x)
            x = max_pool(nn.leaky_relu(x, 0.01))
        x = with_class(x.reshape(len(x), -1), label, self.num_classes)
        x = nn.leaky_relu(_dense(self, 32 * self.width)(x), 0.01)
        return _dense(self, 1)(x).astype(jnp.float32)[:, 0]


def _check(shape: tuple[int, ...]) -> None:
    if shape != (28, 28, 1):
        raise UsageError(
            f"config.dataset.name: its examples are {shape}, and the family cs231n is for "
            "(28, 28, 1) alone; take dcgan"
        )


def _dense(module: nn.Module, units: int) -> nn.Dense:
    return nn.Dense(units, kernel_init=_INIT, dtype=module.dtype)
