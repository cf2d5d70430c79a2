"""Convolutions as the arithmetic that a platform does best; the layers above know none of it.

GPUs and TPUs get XLA's own convolution. On a CPU, XLA does the forward one well and its gradients
badly: a transposed convolution's is 7 to 12 times too slow, a kernel's inside a loop 30 to 100. So
there the three maps that make up a convolution and its gradients are written out:

    convolve(x, w) -> y        adjoint(y, w) -> x        correlate(x, y) -> w

Each is linear in both of its inputs and the gradients of each are the other two, so every order of
reverse mode stays fast; forward mode (`jax.jvp`) is not defined on a CPU. They are one of

- a convolution in the one layout that XLA does well;
- a matrix product, for kernels of 1x1 or larger than the image, for few channels, and for the
  adjoint of a stride;
- Winograd's smaller products (`winograd`), for many channels in float32, unless
  `jax.default_matmul_precision("highest")` asks for the plain sums.

The latter two work on blocks of stride x stride pixels (space to depth), over which a kernel of any
stride has stride 1.
"""

import contextlib
import contextvars
import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from gan_jax.models import winograd

Images = Float[Array, "batch height width channels"]
Kernel = Float[Array, "size size inputs features"]
Features = Float[Array, "batch rows columns features"]

_LAYOUT = ("NHWC", "HWIO", "NHWC")
# Fewer channels than this fill no vector register: matrix products over patches are faster.
_FEW = 16
# By the taps of a kernel, in blocks: with fewer channels than this, Winograd's transforms cost more
# than they save. So they do on maps smaller than two tiles.
_MANY = {2: 128, 3: 64}
_LARGE = 2 * winograd.TILE
_MEANT = contextvars.ContextVar("platform that is traced for", default="")


class Geometry(NamedTuple):
    """How a kernel lies on an image.

    Attributes:
      stride: of both axes.
      kernel: its side.
      image: (height, width).
      pads: (before, after) of each axis of the image; what lies after may be cut: negative.
    """

    stride: int
    kernel: int
    image: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]

    @property
    def features(self) -> tuple[int, int]:
        """(rows, columns) of the convolved image."""
        return tuple(
            (side + sum(pads) - self.kernel) // self.stride + 1
            for side, pads in zip(self.image, self.pads, strict=True)
        )

    @property
    def taps(self) -> int:
        """Side of the kernel in blocks of stride x stride."""
        return -(-self.kernel // self.stride)


def conv(x: Images, kernel: Kernel, stride: int, padding: str, groups: int = 1) -> Features:
    """Convolution with a square kernel, by whatever lowers best on this platform.

    Args:
      x: [B, H, W, C].
      kernel: [k, k, C / groups, O].
      stride: of both axes.
      padding: 'SAME' (H' = ceil(H / stride), TensorFlow's rule) or 'VALID'.
      groups: shares of the channels, each with its own share of the features.
    """
    if _platform() != "cpu":
        return xla_conv(x, kernel, stride, padding, groups)
    geometry = _lay(x.shape[1:3], len(kernel), stride, padding)
    if groups == 1 and geometry.features == (1, 1):
        return jnp.einsum("bhwc,hwco->bo", x, _seen(kernel, geometry))[:, None, None]
    if groups == 1:
        return convolve(x, kernel, geometry)
    _, _, inputs, features = kernel.shape
    patches = _patches(x, geometry)
    patches = patches.reshape(*patches.shape[:3], -1, groups, inputs)
    blocks = _blocks(kernel, geometry).reshape(-1, inputs, groups, features // groups)
    y = jnp.einsum("bhwtgc,tcgf->bhwgf", patches, blocks)
    return y.reshape(*y.shape[:3], features)


def conv_transpose(x: Features, kernel: Kernel, stride: int, padding: str) -> Images:
    """The linear transpose of `conv` in its images.

    Args:
      x: [B, H, W, O].
      kernel: [k, k, C, O], as `conv` from C to O channels takes it.
      stride: of both axes.
      padding: 'SAME' (H' = H * stride) or 'VALID' (H' = (H - 1) * stride + k).
    """
    size, _, channels, _ = kernel.shape
    image = tuple(
        side * stride if padding == "SAME" else (side - 1) * stride + size for side in x.shape[1:3]
    )
    if _platform() == "cpu":
        geometry = _lay(image, size, stride, padding)
        if geometry.features == (1, 1):
            return jnp.einsum("bo,hwco->bhwc", x[:, 0, 0], _seen(kernel, geometry))
        return adjoint(x, kernel, geometry)
    like = jax.ShapeDtypeStruct((x.shape[0], *image, channels), x.dtype)
    (y,) = jax.linear_transpose(lambda y: xla_conv(y, kernel, stride, padding), like)(x)
    return y


def xla_conv(x: Images, kernel: Kernel, stride: int, padding: str, groups: int = 1) -> Features:
    """`conv` as XLA's own convolution."""
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT, feature_group_count=groups
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: Images, w: Kernel, geometry: Geometry) -> Features:
    """y[i] = sum over t of x[stride i + t - before] w[t]."""
    return _convolve(x, w, geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def adjoint(y: Features, w: Kernel, geometry: Geometry) -> Images:
    """`convolve` transposed in its image: x[stride i + t - before] sums w[t] y[i]."""
    if _spares(geometry, w.shape, y.dtype):
        return _from_blocks(winograd.adjoint(y, _kernel_to_blocks(w, geometry)), geometry)
    if geometry.stride == 1:
        return _convolve(y, _turn(w), _turned(geometry))
    return _adjoint_product(y, w, geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def correlate(x: Images, y: Features, geometry: Geometry) -> Kernel:
    """`convolve` transposed in its kernel: w[t] sums x[stride i + t - before] y[i]."""
    inputs, features, s = x.shape[-1], y.shape[-1], geometry.stride
    if _spares(geometry, (inputs, features), x.dtype):
        return _kernel_from_blocks(winograd.correlate(_to_blocks(x, geometry), y), geometry)
    if s == 1 and features < min(inputs, _FEW):
        return _turn(_correlate_product(y, x, _turned(geometry)))
    if inputs < _FEW or geometry.kernel == 1:
        return _correlate_product(x, y, geometry)
    pads = [
        (before, s * (n - 1) + geometry.kernel - side - before)
        for side, n, (before, _) in zip(
            geometry.image, geometry.features, geometry.pads, strict=True
        )
    ]  # what no kernel reaches is cut off: the result has the kernel's size
    w = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0), y.transpose(1, 2, 0, 3), (1, 1), pads, rhs_dilation=(s, s),
        dimension_numbers=_LAYOUT,
    )  # fmt: skip
    return w.transpose(1, 2, 0, 3)


convolve.defvjp(
    lambda x, w, geometry: (convolve(x, w, geometry), (x, w)),
    lambda geometry, saved, y: (adjoint(y, saved[1], geometry), correlate(saved[0], y, geometry)),
)
adjoint.defvjp(
    lambda y, w, geometry: (adjoint(y, w, geometry), (y, w)),
    lambda geometry, saved, x: (convolve(x, saved[1], geometry), correlate(x, saved[0], geometry)),
)
correlate.defvjp(
    lambda x, y, geometry: (correlate(x, y, geometry), (x, y)),
    lambda geometry, saved, w: (adjoint(saved[1], w, geometry), convolve(saved[0], w, geometry)),
)


@contextlib.contextmanager
def traced_for(platform: str) -> Iterator[None]:
    """Within it, what is traced is meant for another platform than that of this process.

    JAX keeps what it has traced: a function that is traced for two is to be two functions.

    Args:
      platform: cpu | cuda | rocm | tpu.
    """
    token = _MEANT.set(platform)
    try:
        yield
    finally:
        _MEANT.reset(token)


def _platform() -> str:
    return _MEANT.get() or jax.default_backend()


def _lay(image: tuple[int, ...], kernel: int, stride: int, padding: str) -> Geometry:
    pads = lax.padtype_to_pads(image, (kernel, kernel), (stride, stride), padding)
    return Geometry(stride, kernel, tuple(image), tuple((int(a), int(b)) for a, b in pads))


def _seen(w: Kernel, geometry: Geometry) -> Array:
    """What of a kernel meets an image that has but one place for it: the image's size."""
    (top, _), (left, _) = geometry.pads
    height, width = geometry.image
    edges = [(-top, top + height - geometry.kernel), (-left, left + width - geometry.kernel)]
    return lax.pad(w, jnp.zeros((), w.dtype), [(*edge, 0) for edge in edges] + [(0, 0, 0)] * 2)


def _convolve(x: Images, w: Kernel, geometry: Geometry) -> Features:
    _, _, inputs, features = w.shape
    if _spares(geometry, w.shape, x.dtype):
        return winograd.convolve(_to_blocks(x, geometry), _kernel_to_blocks(w, geometry))
    if geometry.stride == 1 and features < min(inputs, _FEW):
        return _adjoint_product(x, _turn(w), _turned(geometry))
    # Eigen's convolution is up to 30 times too slow where a kernel is larger than its image.
    if inputs < _FEW or geometry.kernel == 1 or min(geometry.image) < geometry.kernel:
        return _patches(x, geometry) @ _blocks(w, geometry)
    strides = (geometry.stride, geometry.stride)
    return lax.conv_general_dilated(x, w, strides, geometry.pads, dimension_numbers=_LAYOUT)


def _turn(w: Kernel) -> Array:
    """The kernel with which the adjoint of stride 1 is itself a convolution."""
    return w[::-1, ::-1].swapaxes(2, 3)


def _turned(geometry: Geometry) -> Geometry:
    reach = geometry.kernel - 1
    pads = tuple((reach - before, reach - after) for before, after in geometry.pads)
    return Geometry(1, geometry.kernel, geometry.features, pads)


def _spares(geometry: Geometry, kernel: tuple[int, ...], dtype: DTypeLike) -> bool:
    """Whether Winograd's way is the faster one. The batch has no say: no result may hang on it."""
    *_, inputs, features = kernel
    return (
        dtype == jnp.float32
        and jax.config.jax_default_matmul_precision not in ("highest", "float32")
        and geometry.taps in _MANY
        and min(inputs * geometry.stride**2, features) >= _MANY[geometry.taps]
        and all(side >= _LARGE and side % winograd.TILE == 0 for side in geometry.features)
    )


def _to_blocks(x: Images, geometry: Geometry) -> Float[Array, "batch rows columns block"]:
    """Padded, and each stride x stride pixels in one place: [stride, stride, C] in one axis."""
    s = geometry.stride
    sides = [side + geometry.taps - 1 for side in geometry.features]
    edges = [
        (before, side * s - n - before)
        for n, side, (before, _) in zip(geometry.image, sides, geometry.pads, strict=True)
    ]
    x = _pad(x, edges)
    if s > 1:
        x = x.reshape(x.shape[0], sides[0], s, sides[1], s, -1).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(x.shape[0], *sides, -1)


def _from_blocks(x: Float[Array, "batch rows columns block"], geometry: Geometry) -> Images:
    """The transpose of `_to_blocks`."""
    s, (rows, columns) = geometry.stride, x.shape[1:3]
    if s > 1:
        x = x.reshape(x.shape[0], rows, columns, s, s, -1).transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(x.shape[0], rows * s, columns * s, -1)
    edges = [
        (-before, n + before - side)
        for n, side, (before, _) in zip(geometry.image, x.shape[1:3], geometry.pads, strict=True)
    ]
    return _pad(x, edges)


def _kernel_to_blocks(w: Kernel, geometry: Geometry) -> Float[Array, "taps taps block features"]:
    """The kernel that goes over `_to_blocks`; taps beyond its side are 0."""
    s, taps = geometry.stride, geometry.taps
    grow = taps * s - geometry.kernel
    w = jnp.pad(w, [(0, grow), (0, grow), (0, 0), (0, 0)])
    w = w.reshape(taps, s, taps, s, *w.shape[2:]).transpose(0, 2, 1, 3, 4, 5)
    return w.reshape(taps, taps, -1, w.shape[-1])


def _kernel_from_blocks(w: Float[Array, "taps taps block features"], geometry: Geometry) -> Kernel:
    """The transpose of `_kernel_to_blocks`."""
    s, taps, size = geometry.stride, geometry.taps, geometry.kernel
    w = w.reshape(taps, taps, s, s, -1, w.shape[-1]).transpose(0, 2, 1, 3, 4, 5)
    return w.reshape(taps * s, taps * s, *w.shape[4:])[:size, :size]


def _patches(x: Images, geometry: Geometry) -> Float[Array, "batch rows columns seen"]:
    """What each feature sees, block by block: [taps, taps, stride, stride, C] in one axis."""
    taps = geometry.taps
    rows, columns = geometry.features
    x = _to_blocks(x, geometry)
    if taps == 1:
        return x
    return jnp.concatenate(
        [x[:, i : i + rows, j : j + columns] for i in range(taps) for j in range(taps)], axis=-1
    )


def _blocks(w: Kernel, geometry: Geometry) -> Float[Array, "seen features"]:
    """The kernel as the matrix that goes with `_patches`."""
    return _kernel_to_blocks(w, geometry).reshape(-1, w.shape[-1])


def _adjoint_product(y: Features, w: Kernel, geometry: Geometry) -> Images:
    """The patches that each feature asks for, laid over each other."""
    taps = geometry.taps
    patches = (y @ _blocks(w, geometry).T).reshape(*y.shape[:3], taps, taps, -1)
    x = sum(
        _pad(patches[:, :, :, i, j], [(i, taps - 1 - i), (j, taps - 1 - j)])
        for i in range(taps)
        for j in range(taps)
    )
    return _from_blocks(x, geometry)


def _correlate_product(x: Images, y: Features, geometry: Geometry) -> Kernel:
    """The product of all patches with what each of them became."""
    patches = _patches(x, geometry)
    w = patches.reshape(-1, patches.shape[-1]).T @ y.reshape(-1, y.shape[-1])
    return _kernel_from_blocks(w.reshape(geometry.taps, geometry.taps, -1, w.shape[-1]), geometry)


def _pad(x: Array, edges: list[tuple[int, int]]) -> Array:
    """Rows and columns of zeros before and after; negative ones are cut off."""
    edges = [(0, 0, 0), *[(before, after, 0) for before, after in edges], (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), edges)
