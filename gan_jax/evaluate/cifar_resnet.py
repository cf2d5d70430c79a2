"""A small CIFAR-10 classifier, for metrics where the FID Inception is too slow or not at hand.

ResNet-20 of He et al. 2016 (Deep Residual Learning, section 4.2), shortcuts without parameters
(their option A). The weights are those of github.com/akamaster/pytorch_resnet_cifar10 under its
names: 91.73 % of CIFAR-10's test images are classified right.
"""

import functools
import hashlib
import io
import pathlib
import zipfile
import zlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float32, UInt8

from gan_jax import prng
from gan_jax.errors import UsageError, first_line
from gan_jax.evaluate import state_dict
from gan_jax.evaluate.state_dict import Shapes, Variables

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

Maps = Float32[Array, "batch height width channels"]
Features = Float32[Array, "batch rows columns features"]


class Outputs(NamedTuple):
    """What is measured by.

    Attributes:
      features: averaged over the last map, after its ReLU.
      logits: of CIFAR-10's classes in their usual order.
    """

    features: Float32[Array, "batch 64"]
    logits: Float32[Array, "batch 10"]


class ResNet20(nn.Module):
    """Images [B, 32, 32, 3] in 0 ... 255 -> `Outputs`; never trained."""

    @nn.compact
    def __call__(self, images: UInt8[Array, "batch 32 32 3"]) -> Outputs:
        """Scales to [0, 1], normalizes each channel and classifies."""
        mean, std = (np.array(numbers, np.float32)[None, None, None] for numbers in (MEAN, STD))
        x = (images.astype(jnp.float32) / 255 - mean) / std
        x = nn.relu(_norm("bn1")(_conv(16, 1, "conv1")(x)))
        for stage, features in enumerate((16, 32, 64), start=1):
            x = Stage(features, 1 if stage == 1 else 2, name=f"layer{stage}")(x)
        pooled = jnp.mean(x, axis=(1, 2))
        head = nn.Dense(10, precision=lax.Precision.HIGHEST, name="linear")
        return Outputs(pooled, head(pooled))


class Stage(nn.Module):
    """Three blocks; the first has the stride."""

    features: int
    stride: int

    @nn.compact
    def __call__(self, x: Maps) -> Features:
        """[B, H, W, C] -> [B, H / stride, W / stride, features]."""
        for block in range(3):
            x = Block(self.features, 1 if block else self.stride, name=str(block))(x)
        return x


class Block(nn.Module):
    """relu(x + f(x)), f two convolutions."""

    features: int
    stride: int

    @nn.compact
    def __call__(self, x: Maps) -> Features:
        """[B, H, W, C] -> [B, H / stride, W / stride, features]."""
        y = nn.relu(_norm("bn1")(_conv(self.features, self.stride, "conv1")(x)))
        y = _norm("bn2")(_conv(self.features, 1, "conv2")(y))
        return nn.relu(y + shortcut(x, self.features, self.stride))


def shortcut(x: Maps, features: int, stride: int) -> Features:
    """Every stride-th pixel, with as many channels of zeros before its own as after them."""
    more = (features - x.shape[-1]) // 2
    return jnp.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (more, more)))


def names() -> Shapes:
    """The keys of the weights' file and their shapes there, sorted."""
    return state_dict.shapes(_structure())


def load(path: str | pathlib.Path) -> tuple[Variables, str]:
    """Reads the weights from an .npz under the names and in the layouts of PyTorch.

    Returns:
      The variables of `ResNet20`, and the file's sha256 in hex.

    Raises:
      UsageError: if there is no such file, it is no .npz of plain arrays (pickles are never
        opened), or it holds another network.
    """
    try:
        data = pathlib.Path(path).read_bytes()
        if not zipfile.is_zipfile(io.BytesIO(data)):
            raise UsageError(f"{path}: not an .npz file, the only kind that is read")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            state = {key: np.asarray(arrays[key]) for key in arrays}
        return state_dict.from_torch(_structure(), state), hashlib.sha256(data).hexdigest()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path}: not CIFAR-10's ResNet-20: {first_line(error)}") from error


def _conv(features: int, stride: int, name: str) -> nn.Conv:
    return nn.Conv(
        features, (3, 3), (stride, stride), ((1, 1), (1, 1)), use_bias=False,
        precision=lax.Precision.HIGHEST, name=name,
    )  # fmt: skip


def _norm(name: str) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=True, epsilon=1e-5, name=name)


@functools.cache
def _structure() -> Variables:
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.uint8)
    return jax.eval_shape(ResNet20().init, prng.root(0), images)
