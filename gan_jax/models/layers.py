"""The layers that the families share; which convolution a platform gets is decided here alone.

XLA's convolutions are fast on GPUs and TPUs. On a CPU their gradients are not: a transposed
convolution's is 7 to 12 times slower than the same arithmetic as a matrix product. There, a
convolution of stride s and kernel k is written as one of stride 1 and kernel ceil(k / s) over the
space-to-depth image, gathered into patches, times the kernel; plain autodiff of that is fast, at
every order.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Dtype
from jax import lax
from jaxtyping import Array, Float

Images = Float[Array, "batch height width channels"]
Kernel = Float[Array, "size size channels features"]
Features = Float[Array, "batch rows columns features"]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": nn.relu,
    "leaky_relu": lambda x: nn.leaky_relu(x, 0.2),
    "tanh": jnp.tanh,
}


class Conv(nn.Module):
    """Strided convolution, [B, H, W, C] -> [B, H', W', features]; parameters as in `nn.Conv`."""

    features: int
    kernel_size: int
    stride: int = 1
    padding: str = "SAME"
    use_bias: bool = True
    kernel_init: Callable[..., Any] = nn.initializers.normal(0.02)
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Images) -> Features:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        y = conv(x.astype(self.dtype), kernel.astype(self.dtype), self.stride, self.padding)
        return _add_bias(self, y)


class ConvTranspose(nn.Module):
    """Fractionally strided convolution, [B, H, W, C] -> [B, H', W', features].

    The transpose of `Conv` with the same kernel: what PyTorch and TensorFlow call transposed
    convolution, and `nn.ConvTranspose(transpose_kernel=True)`, whose parameters it has.
    """

    features: int
    kernel_size: int
    stride: int = 1
    padding: str = "SAME"
    use_bias: bool = True
    kernel_init: Callable[..., Any] = nn.initializers.normal(0.02)
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Images) -> Features:
        shape = (self.kernel_size, self.kernel_size, self.features, x.shape[-1])
        kernel = self.param("kernel", self.kernel_init, shape)
        y = conv_transpose(
            x.astype(self.dtype), kernel.astype(self.dtype), self.stride, self.padding
        )
        return _add_bias(self, y)


def batch_norm(train: bool, axis_name: str | None, dtype: Dtype, name: str | None = None):
    """BatchNorm over the global batch, as in DCGAN: statistics decay .9, epsilon 1e-5.

    Args:
      train: normalise by the batch and move the running statistics, or normalise by those.
      axis_name: the device axis over which the batch is spread.
      dtype: what the result is computed in; statistics are float32.
      name: of the layer.
    """
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=0.9,
        epsilon=1e-5,
        scale_init=_normal_around_one,
        axis_name=axis_name,
        dtype=dtype,
        name=name,
    )


def conv(x: Images, kernel: Kernel, stride: int, padding: str) -> Features:
    """Convolution with a square kernel, by whatever lowers best on this platform.

    Args:
      x: [B, H, W, C].
      kernel: [k, k, C, O].
      stride: of both axes.
      padding: 'SAME' (H' = ceil(H / stride), TensorFlow's rule) or 'VALID'.
    """
    if jax.default_backend() == "cpu":
        return matmul_conv(x, kernel, stride, padding)
    return xla_conv(x, kernel, stride, padding)


def conv_transpose(x: Features, kernel: Kernel, stride: int, padding: str) -> Images:
    """The linear transpose of `conv` in its images.

    Args:
      x: [B, H, W, O].
      kernel: [k, k, C, O], as `conv` from C to O channels takes it.
      stride: of both axes.
      padding: 'SAME' (H' = H * stride) or 'VALID' (H' = (H - 1) * stride + k).
    """
    batch, height, width, _ = x.shape
    size, _, channels, _ = kernel.shape

    def grown(n: int) -> int:
        return n * stride if padding == "SAME" else (n - 1) * stride + size

    image = jax.ShapeDtypeStruct((batch, grown(height), grown(width), channels), x.dtype)
    (y,) = jax.linear_transpose(lambda y: conv(y, kernel, stride, padding), image)(x)
    return y


def xla_conv(x: Images, kernel: Kernel, stride: int, padding: str) -> Features:
    """`conv` as XLA's own convolution."""
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def matmul_conv(x: Images, kernel: Kernel, stride: int, padding: str) -> Features:
    """`conv` as one matrix product over patches of the space-to-depth image."""
    s, (k, _, channels, features) = stride, kernel.shape
    taps = -(-k // s)
    pads = lax.padtype_to_pads(x.shape[1:3], (k, k), (s, s), padding)
    out = [(n + low + high - k) // s + 1 for n, (low, high) in zip(x.shape[1:3], pads, strict=True)]
    blocks = [n + taps - 1 for n in out]

    edges = [
        (low, m * s - n - low, 0) for n, m, (low, _) in zip(x.shape[1:3], blocks, pads, strict=True)
    ]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
    x = x.reshape(-1, blocks[0], s, blocks[1], s, channels).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(-1, *blocks, s * s * channels)
    patches = jnp.concatenate(
        [
            x[:, i : i + out[0], j : j + out[1]]
            for i in range(taps)
            for j in range(taps)
        ],
        axis=-1,
    )  # fmt: skip

    grow = taps * s - k
    w = jnp.pad(kernel, [(0, grow), (0, grow), (0, 0), (0, 0)])
    w = w.reshape(taps, s, taps, s, channels, features).transpose(0, 2, 1, 3, 4, 5)
    return patches @ w.reshape(-1, features)


def _add_bias(module: Any, y: Features) -> Features:
    if not module.use_bias:
        return y
    bias = module.param("bias", nn.initializers.zeros, (module.features,))
    return y + bias.astype(y.dtype)[None, None, None]


def _normal_around_one(key, shape, dtype=jnp.float32):
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)
