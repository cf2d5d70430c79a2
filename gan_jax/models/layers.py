"""The layers that the families share."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Dtype
from jax import lax
from jaxtyping import Array, Float, Int

from gan_jax.models.convolution import Features, Images, conv, conv_transpose

_NORMAL_002 = nn.initializers.normal(0.02)

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": nn.relu,
    "leaky_relu": lambda x: nn.leaky_relu(x, 0.2),
    "tanh": jnp.tanh,
}


def initializer(name: str, gain: float = 1.0) -> Callable[..., Any]:
    """One of `config.INITIALIZERS`; normal is N(0, .02), and `gain` scales glorot_uniform alone."""
    return {
        "lecun_normal": nn.initializers.lecun_normal(),
        "he_normal": nn.initializers.variance_scaling(2.0, "fan_in", "normal"),
        "glorot_uniform": nn.initializers.variance_scaling(gain**2, "fan_avg", "uniform"),
        "normal": _NORMAL_002,
        "orthogonal": nn.initializers.orthogonal(),
    }[name]


class Conv(nn.Module):
    """Strided convolution, [B, H, W, C] -> [B, H', W', features]; parameters as in `nn.Conv`.

    With groups, each of them maps its own share of the channels to its own share of the features.
    """

    features: int
    kernel_size: int
    stride: int = 1
    padding: str = "SAME"
    use_bias: bool = True
    kernel_init: Callable[..., Any] = _NORMAL_002
    groups: int = 1
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Images) -> Features:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1] // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        return _add_bias(self, conv(x, kernel, self.stride, self.padding, self.groups))


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
    kernel_init: Callable[..., Any] = _NORMAL_002
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Images) -> Features:
        shape = (self.kernel_size, self.kernel_size, self.features, x.shape[-1])
        kernel = self.param("kernel", self.kernel_init, shape)
        y = conv_transpose(
            x.astype(self.dtype), kernel.astype(self.dtype), self.stride, self.padding
        )
        return _add_bias(self, y)


class ConditionalBatchNorm(nn.Module):
    """BatchNorm whose scale 1 + gain(y) and shift bias(y) depend on y (de Vries et al. 2017).

    y is a class [B], with a gain and a bias of its own for each (Miyato and Koyama 2018), or a
    vector [B, dim] that is mapped to them linearly (Brock et al. 2019).
    """

    num_classes: int
    spectral_norm: bool = False
    kernel_init: Callable[..., Any] = _NORMAL_002
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, x: Images, y: Int[Array, "batch"] | Float[Array, "batch dim"], train: bool
    ) -> Images:
        norm = batch_norm(train, self.axis_name, self.dtype, affine=False)
        features = x.shape[-1]

        def modulation(name: str, init: Callable[..., Any]) -> Array:
            if y.ndim == 1:
                return nn.Embed(self.num_classes, features, embedding_init=init, name=name)(y)
            layer = nn.Dense(features, use_bias=False, kernel_init=self.kernel_init, name=name)
            return normalized(layer, self.spectral_norm, train)(y)

        scale = 1 + modulation("gain", _NORMAL_002)
        shift = modulation("bias", nn.initializers.zeros)
        scale, shift = (part.astype(self.dtype)[:, None, None] for part in (scale, shift))
        return norm(x) * scale + shift


class SelfAttention(nn.Module):
    """x + gamma o(attention(x)), [B, H, W, C] -> the same (Zhang et al. 2019, section 3).

    As in the authors' code: queries theta of C/8 channels at every place, keys phi of C/8 and
    values g of C/2 max-pooled to a quarter of the places, softmax over keys without 1/sqrt(d),
    1x1 convolutions without bias, gamma 0 at the start.
    """

    spectral_norm: bool = False
    kernel_init: Callable[..., Any] = _NORMAL_002
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Images, train: bool) -> Images:
        batch, height, width, channels = x.shape

        def linear(name: str, features: int) -> Callable[[Array], Array]:
            layer = nn.Dense(
                features, use_bias=False, kernel_init=self.kernel_init, dtype=self.dtype, name=name
            )
            return normalized(layer, self.spectral_norm, train)

        eighth, half = max(channels // 8, 1), max(channels // 2, 1)
        theta = linear("theta", eighth)(x).reshape(batch, height * width, eighth)
        phi = max_pool(linear("phi", eighth)(x)).reshape(batch, -1, eighth)
        g = max_pool(linear("g", half)(x)).reshape(batch, -1, half)
        weights = jax.nn.softmax(jnp.einsum("bqc,bkc->bqk", theta, phi), axis=-1)
        seen = jnp.einsum("bqk,bkc->bqc", weights, g).reshape(batch, height, width, half)
        gamma = self.param("gamma", nn.initializers.zeros, ())
        return x + gamma.astype(x.dtype) * linear("o", channels)(seen)


def normalized(layer: nn.Module, spectral_norm: bool, train: bool) -> Callable[[Array], Array]:
    """The layer, its weights divided by their largest singular value or as they are.

    Spectral norm (Miyato et al. 2018): one power iteration from the stored u in every forward pass
    of training, so two in an update of D, by its real and by its fake pass; what a pass in another
    player's update moves is dropped with the rest of its state. No gradient through u and v.
    """
    if not spectral_norm:
        return layer
    wrapped = nn.SpectralNorm(layer)
    return lambda x: wrapped(x, update_stats=train)


def batch_norm(
    train: bool,
    axis_name: str | None,
    dtype: Dtype,
    *,
    decay: float = 0.9,
    epsilon: float = 1e-5,
    scale_init: Callable[..., Any] = nn.initializers.ones,
    affine: bool = True,
) -> nn.BatchNorm:
    """BatchNorm over the global batch.

    The running variance is an average of the batches' own, as in Flax and Keras: mean squares about
    the mean, divided by the number n of values. PyTorch's is n / (n - 1) times as large: 1.6 % for
    64 vectors, 0.1 % for 64 maps of 4x4. In training both normalize by the former.

    Args:
      train: normalize by the batch and move the running statistics, or normalize by those.
      axis_name: the device axis over which the batch is spread.
      dtype: what the result is computed in; statistics are float32.
      decay: of the running statistics: what Keras calls momentum, and PyTorch 1 - momentum.
      epsilon: added to the variance.
      scale_init: of the scale.
      affine: whether there are a scale and a shift.
    """
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=decay,
        epsilon=epsilon,
        scale_init=scale_init,
        use_scale=affine,
        use_bias=affine,
        axis_name=axis_name,
        dtype=dtype,
    )


def squash(x: Array, pixel_range: str) -> Float[Array, "..."]:
    """Images in float32, within the range of the real pixels: [-1, 1] by tanh, [0, 1] by sigmoid.

    Args:
      x: of any type and range.
      pixel_range: signed | unit.
    """
    x = x.astype(jnp.float32)
    return jax.nn.sigmoid(x) if pixel_range == "unit" else jnp.tanh(x)


def with_class(
    x: Float[Array, "batch features"], label: Int[Array, "batch"], num_classes: int
) -> Float[Array, "batch more"]:
    """Append a learned embedding of each example's class, 16 numbers that start at N(0, 1).

    Args:
      x: what is known of each example.
      label: the class of each.
      num_classes: how many there are; 0 for none, and then x is returned as it is.
    """
    if not num_classes:
        return x
    init = nn.initializers.normal(1.0)
    classes = nn.Embed(num_classes, 16, embedding_init=init, name="classes")(label)
    return jnp.concatenate([x, classes.astype(x.dtype)], axis=1)


def minibatch_std(x: Float[Array, "batch ..."], group: int) -> Float[Array, "batch ..."]:
    """Appends how much examples differ, one more channel (Karras et al. 2018, section 3).

    The standard deviation of each number over `group` examples that follow each other (theirs are
    a stride apart, which would depend on the number of devices), averaged over the numbers.
    """
    batch = len(x)
    group = min(group, batch)
    grouped = x.astype(jnp.float32).reshape(batch // group, group, -1)
    spread = jnp.mean(jnp.sqrt(jnp.var(grouped, axis=1) + 1e-8), axis=1)
    spread = jnp.repeat(spread, group).astype(x.dtype).reshape(batch, *[1] * (x.ndim - 1))
    return jnp.concatenate([x, jnp.broadcast_to(spread, (*x.shape[:-1], 1))], axis=-1)


def max_pool(x: Images) -> Features:
    """2x2, sides even. Pairwise: XLA's own has a gradient ten times as slow on a CPU."""
    batch, height, width, channels = x.shape
    rows = x.reshape(batch, height // 2, 2, width, channels)
    x = jnp.maximum(rows[:, :, 0], rows[:, :, 1])
    columns = x.reshape(batch, height // 2, width // 2, 2, channels)
    return jnp.maximum(columns[:, :, :, 0], columns[:, :, :, 1])


def mean_pool(x: Images) -> Features:
    """2x2, sides even."""
    batch, height, width, channels = x.shape
    return jnp.mean(x.reshape(batch, height // 2, 2, width // 2, 2, channels), axis=(2, 4))


def upsample(x: Features) -> Images:
    """To twice the side, each place repeated."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def fir_upsample(x: Features) -> Images:
    """To twice the side by the filter [1, 3, 3, 1] / 4 on each axis, zeros beyond the edges."""
    for axis in (1, 2):
        before, after = _neighbors(x, axis)
        pairs = jnp.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis=axis + 1)
        x = pairs.reshape(*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])
    return x


def fir_downsample(x: Images) -> Features:
    """To half the side by the filter [1, 3, 3, 1] / 8 on each axis, zeros beyond the edges."""
    for axis in (1, 2):
        pairs = x.reshape(*x.shape[:axis], x.shape[axis] // 2, 2, *x.shape[axis + 1 :])
        even, odd = jnp.take(pairs, 0, axis + 1), jnp.take(pairs, 1, axis + 1)
        before, after = _neighbors(odd, axis)[0], _neighbors(even, axis)[1]
        x = 0.125 * (before + after) + 0.375 * (even + odd)
    return x


def _add_bias(module: Any, y: Features) -> Features:
    if not module.use_bias:
        return y
    bias = module.param("bias", nn.initializers.zeros, (module.features,))
    return y + bias.astype(y.dtype)[None, None, None]


def _neighbors(x: Array, axis: int) -> tuple[Array, Array]:
    """What comes before and after each place of an axis, zero beyond its ends."""
    padded = jnp.pad(x, [(1, 1) if i == axis else (0, 0) for i in range(x.ndim)])
    side = x.shape[axis]
    return lax.slice_in_dim(padded, 0, side, axis=axis), lax.slice_in_dim(
        padded, 2, side + 2, axis=axis
    )
