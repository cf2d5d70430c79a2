"""The Inception v3 of 2015 with which FID and the Inception score are computed.

The network is that of Szegedy et al. 2016 (Rethinking the Inception Architecture), in the version
of TensorFlow's image classification demo (classify_image_graph_def.pb of 2015-12-05), which Heusel
et al. 2017 took for FID; its weights are the ones that pytorch-fid published under PyTorch's names.
It differs from torchvision's: average pools leave out the padding, the last block pools by maximum,
there are 1008 logits and no auxiliary head.
"""

import functools
import hashlib
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float, Float32

from gan_jax import prng
from gan_jax.errors import UsageError, first_line
from gan_jax.evaluate import state_dict
from gan_jax.evaluate.state_dict import Shapes, Variables

SIZE = 299

Maps = Float32[Array, "batch height width channels"]
Features = Float32[Array, "batch rows columns features"]


class Outputs(NamedTuple):
    """What is measured by.

    Attributes:
      pool: the features of FID and KID, averaged over the last map.
      logits: of the classes.
      logits_unbiased: without the last layer's bias; torch-fidelity's Inception score is of these.
    """

    pool: Float32[Array, "batch 2048"]
    logits: Float32[Array, "batch 1008"]
    logits_unbiased: Float32[Array, "batch 1008"]


class Inception(nn.Module):
    """Images [B, 299, 299, 3] in [0, 255] -> `Outputs`; never trained.

    The modules are named as in the weights' file. Products are of full float32 on every platform,
    so that the features do not depend on it.
    """

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"]) -> Outputs:
        """Of pixels in [0, 255] that `resize` has brought to 299x299; scales them to [-1, 1).

        Raises:
          ValueError: if they have another size.
        """
        if images.shape[1:] != (SIZE, SIZE, 3):
            raise ValueError(f"Inception takes images of [{SIZE}, {SIZE}, 3], not {images.shape}")
        x = (images.astype(jnp.float32) - 128) / 128
        x = ConvNorm(32, (3, 3), 2, "VALID", name="Conv2d_1a_3x3")(x)
        x = ConvNorm(32, (3, 3), 1, "VALID", name="Conv2d_2a_3x3")(x)
        x = ConvNorm(64, (3, 3), name="Conv2d_2b_3x3")(x)
        x = _max_pool_by_two(x)
        x = ConvNorm(80, (1, 1), name="Conv2d_3b_1x1")(x)
        x = ConvNorm(192, (3, 3), 1, "VALID", name="Conv2d_4a_3x3")(x)
        x = _max_pool_by_two(x)
        x = MixedA(32, name="Mixed_5b")(x)
        x = MixedA(64, name="Mixed_5c")(x)
        x = MixedA(64, name="Mixed_5d")(x)
        x = MixedB(name="Mixed_6a")(x)
        x = MixedC(128, name="Mixed_6b")(x)
        x = MixedC(160, name="Mixed_6c")(x)
        x = MixedC(160, name="Mixed_6d")(x)
        x = MixedC(192, name="Mixed_6e")(x)
        x = MixedD(name="Mixed_7a")(x)
        x = MixedE("mean", name="Mixed_7b")(x)
        x = MixedE("max", name="Mixed_7c")(x)
        pool = jnp.mean(x, axis=(1, 2))
        return Outputs(pool, *Head(1008, name="fc")(pool))


class ConvNorm(nn.Module):
    """Convolution, BatchNorm by the stored statistics, ReLU."""

    features: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: Maps) -> Features:
        """[B, H, W, C] -> [B, H', W', features]."""
        strides = (self.stride, self.stride)
        x = nn.Conv(
            self.features, self.kernel, strides, self.padding, use_bias=False,
            precision=lax.Precision.HIGHEST, name="conv",
        )(x)  # fmt: skip
        return nn.relu(nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="bn")(x))


class MixedA(nn.Module):
    """35x35: kernels of 1, of 5, of 3 twice, and a mean pool, side by side."""

    pool_features: int

    @nn.compact
    def __call__(self, x: Maps) -> Features:
        """[B, H, W, C] -> [B, H, W, 224 + pool_features]."""
        one = ConvNorm(64, (1, 1), name="branch1x1")(x)
        five = ConvNorm(48, (1, 1), name="branch5x5_1")(x)
        five = ConvNorm(64, (5, 5), name="branch5x5_2")(five)
        three = ConvNorm(64, (1, 1), name="branch3x3dbl_1")(x)
        three = ConvNorm(96, (3, 3), name="branch3x3dbl_2")(three)
        three = ConvNorm(96, (3, 3), name="branch3x3dbl_3")(three)
        pool = ConvNorm(self.pool_features, (1, 1), name="branch_pool")(mean_pool(x))
        return jnp.concatenate([one, five, three, pool], axis=-1)


class MixedB(nn.Module):
    """35x35 to 17x17."""

    @nn.compact
    def __call__(self, x: Maps) -> Features:
        """[B, H, W, C] -> [B, (H - 1) / 2, (W - 1) / 2, 480 + C]."""
        three = ConvNorm(384, (3, 3), 2, "VALID", name="branch3x3")(x)
        twice = ConvNorm(64, (1, 1), name="branch3x3dbl_1")(x)
        twice = ConvNorm(96, (3, 3), name="branch3x3dbl_2")(twice)
        twice = ConvNorm(96, (3, 3), 2, "VALID", name="branch3x3dbl_3")(twice)
        return jnp.concatenate([three, twice, _max_pool_by_two(x)], axis=-1)


class MixedC(nn.Module):
    """17x17: kernels of 7 as a row and a column."""

    width: int

    @nn.compact
    def __call__(self, x: Maps) -> Features:
        """[B, H, W, C] -> [B, H, W, 768]."""
        row, column, width = (1, 7), (7, 1), self.width
        one = ConvNorm(192, (1, 1), name="branch1x1")(x)
        seven = ConvNorm(width, (1, 1), name="branch7x7_1")(x)
        seven = ConvNorm(width, row, name="branch7x7_2")(seven)
        seven = ConvNorm(192, column, name="branch7x7_3")(seven)
        twice = ConvNorm(width, (1, 1), name="branch7x7dbl_1")(x)
        twice = ConvNorm(width, column, name="branch7x7dbl_2")(twice)
        twice = ConvNorm(width, row, name="branch7x7dbl_3")(twice)
        twice = ConvNorm(width, column, name="branch7x7dbl_4")(twice)
        twice = ConvNorm(192, row, name="branch7x7dbl_5")(twice)
        pool = ConvNorm(192, (1, 1), name="branch_pool")(mean_pool(x))
        return jnp.concatenate([one, seven, twice, pool], axis=-1)


class MixedD(nn.Module):
    """17x17 to 8x8."""

    @nn.compact
    def __call__(self, x: Maps) -> Features:
        """[B, H, W, C] -> [B, (H - 1) / 2, (W - 1) / 2, 512 + C]."""
        three = ConvNorm(192, (1, 1), name="branch3x3_1")(x)
        three = ConvNorm(320, (3, 3), 2, "VALID", name="branch3x3_2")(three)
        seven = ConvNorm(192, (1, 1), name="branch7x7x3_1")(x)
        seven = ConvNorm(192, (1, 7), name="branch7x7x3_2")(seven)
        seven = ConvNorm(192, (7, 1), name="branch7x7x3_3")(seven)
        seven = ConvNorm(192, (3, 3), 2, "VALID", name="branch7x7x3_4")(seven)
        return jnp.concatenate([three, seven, _max_pool_by_two(x)], axis=-1)


class MixedE(nn.Module):
    """8x8: kernels of 3 split into a row and a column side by side."""

    pool: str  # mean | max

    @nn.compact
    def __call__(self, x: Maps) -> Features:
        """[B, H, W, C] -> [B, H, W, 2048]."""
        pooled = {"mean": mean_pool, "max": max_pool}[self.pool](x)
        one = ConvNorm(320, (1, 1), name="branch1x1")(x)
        three = ConvNorm(384, (1, 1), name="branch3x3_1")(x)
        twice = ConvNorm(448, (1, 1), name="branch3x3dbl_1")(x)
        twice = ConvNorm(384, (3, 3), name="branch3x3dbl_2")(twice)
        parts = [
            one,
            ConvNorm(384, (1, 3), name="branch3x3_2a")(three),
            ConvNorm(384, (3, 1), name="branch3x3_2b")(three),
            ConvNorm(384, (1, 3), name="branch3x3dbl_3a")(twice),
            ConvNorm(384, (3, 1), name="branch3x3dbl_3b")(twice),
            ConvNorm(192, (1, 1), name="branch_pool")(pooled),
        ]
        return jnp.concatenate(parts, axis=-1)


class Head(nn.Module):
    """The linear layer, with its bias and without."""

    classes: int

    @nn.compact
    def __call__(
        self, x: Float32[Array, "batch features"]
    ) -> tuple[Float32[Array, "batch classes"], Float32[Array, "batch classes"]]:
        """[B, features] -> logits [B, classes], and the same less the bias."""
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (x.shape[-1], self.classes))
        bias = self.param("bias", nn.initializers.zeros, (self.classes,))
        unbiased = jnp.matmul(x, kernel, precision=lax.Precision.HIGHEST)
        return unbiased + bias[None], unbiased


def mean_pool(x: Maps) -> Maps:
    """3x3 at stride 1, over the places that lie in the image: 4 in a corner, 6 at an edge."""
    sums = lax.reduce_window(x, 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
    rows, columns = (_in_image(size) for size in x.shape[1:3])
    counts = (rows[:, None] * columns).astype(np.float32)
    return sums / counts[None, :, :, None]


def max_pool(x: Maps) -> Maps:
    """3x3 at stride 1."""
    return nn.max_pool(x, (3, 3), (1, 1), "SAME")


def _max_pool_by_two(x: Maps) -> Features:
    return nn.max_pool(x, (3, 3), (2, 2), "VALID")


def names() -> Shapes:
    """The 472 keys of the weights' file and their shapes there, sorted."""
    return state_dict.shapes(_structure())


def from_state_dict(state: Mapping[str, np.ndarray]) -> Variables:
    """The variables of `Inception` from arrays under the names and in the layouts of PyTorch.

    Raises:
      ValueError: in one line, that names the first key missing, unexpected or of another shape.
    """
    return state_dict.from_torch(_structure(), state)


def load(path: str | pathlib.Path) -> tuple[Variables, str]:
    """Reads the weights, which `gan_jax.evaluate.convert` has written.

    Returns:
      The variables of `Inception`, and the file's sha256 in hex.

    Raises:
      UsageError: if there is no such file, it is no safetensors file (pickles are never opened), or
        it holds another network.
    """
    try:
        data = pathlib.Path(path).read_bytes()
        state = safetensors.numpy.load(data)
        return from_state_dict(state), hashlib.sha256(data).hexdigest()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except safetensors.SafetensorError as error:
        raise UsageError(
            f"{path}: not a safetensors file, the only kind that is read; convert PyTorch's "
            "weights once with: python -m gan_jax.evaluate.convert "
            "pt_inception-2015-12-05-6726825d.pth inception.safetensors"
        ) from error
    except (ValueError, KeyError) as error:  # a KeyError: an array of a type that NumPy has not
        raise UsageError(f"{path}: not the FID Inception: {first_line(error)}") from error


def _in_image(size: int) -> np.ndarray:
    """How many of the three places around each one lie in the image, along one axis."""
    place = np.arange(size)
    return 1 + (place > 0) + (place < size - 1)


@functools.cache
def _structure() -> Variables:
    images = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32)
    return jax.eval_shape(Inception().init, prng.root(0), images)
