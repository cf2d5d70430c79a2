"""Winograd's minimal filtering: convolutions in a fourth to 40 % of their multiplications.

Lavin and Gray 2016 (arXiv:1509.09308), section 4. Along an axis, 4 results of a kernel of r taps
are determined by the values of polynomials at 4 + r - 1 points, where convolution is a product:

    y = A [(G w) . (B x)]

over tiles of 4x4 results. At each pair of points the product is one of matrices, over channels and
tiles: for 3x3 taps 36 of them in place of 144, for 2x2 taps 25 in place of 64. The map is linear in
image and in kernel, and its transposes in either are made of the same three matrices.

The price is in the last digits: the result is off by some 2e-6 of its root mean square in float32,
a few times what a sum in another order is.
"""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

TILE = 4
# Infinity is the last point, and of these as many as it takes. With the usual 2 and -2 the error
# measures three times as large.
_POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)

Images = Float[Array, "batch height width inputs"]
Kernel = Float[Array, "taps taps inputs features"]
Features = Float[Array, "batch rows columns features"]


class Transforms(NamedTuple):
    """The matrices of one axis.

    Attributes:
      image: B, of what a tile sees.
      kernel: G.
      features: A, of the products.
    """

    image: Float[np.ndarray, "points points"]
    kernel: Float[np.ndarray, "points taps"]
    features: Float[np.ndarray, "tile points"]


def convolve(x: Images, w: Kernel) -> Features:
    """y[i] = sum over t of x[i + t] w[t]; 2 or 3 taps, rows and columns multiples of 4."""
    by = transforms(len(w))
    seen, weights = _spread(x, by.image), _mix(w.swapaxes(0, 1), by.kernel)
    return _gather(jnp.einsum("qpbijc,qpcf->qpbijf", seen, weights), by.features)


def adjoint(y: Features, w: Kernel) -> Images:
    """`convolve` transposed in its image: x[i + t] sums w[t] y[i]."""
    by = transforms(len(w))
    given, weights = _spread(y, by.features.T), _mix(w.swapaxes(0, 1), by.kernel)
    return _gather(jnp.einsum("qpbijf,qpcf->qpbijc", given, weights), by.image.T)


def correlate(x: Images, y: Features) -> Kernel:
    """`convolve` transposed in its kernel: w[t] sums x[i + t] y[i]."""
    by = transforms(x.shape[1] - y.shape[1] + 1)
    seen, given = (
        values.reshape(*values.shape[:2], -1, values.shape[-1])
        for values in (_spread(x, by.image), _spread(y, by.features.T))
    )  # over one axis: XLA contracts several of them by way of a transpose
    return _mix(jnp.einsum("qpnc,qpnf->qpcf", seen, given), by.kernel.T).swapaxes(0, 1)


@functools.cache
def transforms(taps: int) -> Transforms:
    """For 4 results of so many taps: Toom and Cook's, at the points above."""
    count = TILE + taps - 1
    points = np.array(_POINTS[: count - 1])
    image, kernel, features = (np.zeros((count, side)) for side in (count, taps, TILE))
    for i, point in enumerate(points):
        others = np.delete(points, i)
        image[i, :-1] = np.poly(others)[::-1]
        kernel[i] = point ** np.arange(taps) / np.prod(point - others)
        features[i] = point ** np.arange(TILE)
    image[-1] = np.poly(points)[::-1]
    kernel[-1, -1] = features[-1, -1] = 1
    return Transforms(image, kernel, features.T)


def _spread(x: Array, matrix: np.ndarray) -> Array:
    """[B, H, W, C] -> [q, p, B, tiles, tiles, C]: the matrix by what each tile has along its axes.

    Rows (p) before columns (q), the other way about is slower: what lies together stays together.
    """
    parts = matrix.shape[1]
    for axis in (1, 3):  # the first sums are in front of the rest by then
        last = x.shape[axis] - parts + 1
        along = [lax.slice_in_dim(x, i, i + last, TILE, axis) for i in range(parts)]
        x = jnp.stack(_sums(matrix, along))
    return x


def _gather(values: Array, matrix: np.ndarray) -> Array:
    """The transpose of `_spread` by the transposed matrix: tiles that overlap are added."""
    for axis in (3, 1):
        values = _overlay(_sums(matrix, values), axis)
    return values


def _overlay(parts: list[Array], axis: int) -> Array:
    """The sum of all, the n-th on every fourth place from n on.

    Those beyond four fall on the first places of the next tile. (A sum of parts spread by inner
    padding says the same, but XLA makes it a pass over the whole for each of them.)
    """

    def shift(part: Array, before: int, after: int) -> Array:
        edges = [(before, after, 0) if i == axis else (0, 0, 0) for i in range(part.ndim)]
        return lax.pad(part, jnp.zeros((), part.dtype), edges)

    over = len(parts) - TILE
    places = [shift(part, 0, 1) if over else part for part in parts[:TILE]]
    for i, part in enumerate(parts[TILE:]):
        places[i] += shift(part, 1, 0)
    x = jnp.stack(places, axis + 1)
    x = x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])
    return lax.slice_in_dim(x, 0, x.shape[axis] - (TILE - over if over else 0), axis=axis)


def _mix(w: Array, matrix: np.ndarray) -> Array:
    """A kernel's two axes, each by the matrix, as one product."""
    both = jnp.asarray(np.kron(matrix, matrix), w.dtype)
    mixed = both @ w.reshape(both.shape[1], -1)
    return mixed.reshape(len(matrix), len(matrix), *w.shape[2:])


def _sums(matrix: np.ndarray, parts: Iterable[Array]) -> list[Array]:
    """The matrix by a column of arrays; its zeros cost nothing."""
    parts = list(parts)
    return [
        sum(float(weight) * part for weight, part in zip(row, parts, strict=True) if weight)
        for row in matrix
    ]
