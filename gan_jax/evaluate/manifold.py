"""Precision, recall, density and coverage: two sets of features as unions of balls.

The ball of a feature reaches to its k-th nearest neighbor in its own set. What lies in a real ball
is plausible, and a real feature that lies in a fake ball can be generated (Kynkaanniemi et al.
2019, arXiv:1904.06991, eq. 1 and 2); density and coverage count with real balls alone, which
outliers among the fakes do not swell (Naeem et al. 2020, arXiv:2002.09797, section 3).

Distances are found as matrix products, and every one that rounding could put on the wrong side of a
comparison is found once more as a sum of squares. So ties, as between a set and its copy, are kept.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

_BLOCK = 2**21  # numbers in an array at a time


class Scores(NamedTuple):
    """How fake features lie to real ones.

    Attributes:
      precision: the share of the fakes in at least one real ball, in [0, 1].
      recall: the share of the reals in at least one fake ball, in [0, 1].
      density: the mean number of real balls that a fake lies in, over k: from 0, about 1 where both
        are alike, and more where the fakes crowd among the reals.
      coverage: the share of the real balls with at least one fake, in [0, 1].
    """

    precision: float
    recall: float
    density: float
    coverage: float


class Manifold:
    """A set of features with the ball of each.

    Args:
      features: of samples.
      k: which neighbor a ball reaches to, without the feature itself; 3 for precision and recall
        and 5 for density and coverage are usual.

    Attributes:
      k: as given.
      radii: Euclidean distance from each feature to its k-th neighbor, [n]; 0 where k others are
        equal to it.

    Raises:
      ValueError: unless 1 <= k < n and all features are finite.
    """

    def __init__(self, features: Float[np.ndarray, "n dim"], k: int):
        if not 1 <= k < len(features):
            raise ValueError(f"k={k} neighbors among {len(features)} features")
        self.k = k
        # A generator that has collapsed makes equal features: each counts as often as it is there.
        points, places = _distinct(np.asarray_chkfinite(features, np.float64))
        self._points, self._weights = points, np.bincount(places)
        self._squares = _squared_radii(points, self._weights, k)
        self.radii = np.sqrt(self._squares)[places]


def compare(real: Manifold, fake: Manifold) -> Scores:
    """Scores of the fakes; a sample is in a ball where its distance is less than the radius.

    (So in the code of Naeem et al.; in the paper of Kynkaanniemi et al. the radius itself counts.)

    Memory is O(n), and time is O(real fake dim).

    Raises:
      ValueError: if the dimensions or k differ.
    """
    if real.k != fake.k:
        raise ValueError(f"radii to neighbor {real.k} and to neighbor {fake.k}")
    in_real = np.zeros(len(fake._points), bool)
    balls = np.zeros(len(fake._points))  # real ones around each fake
    in_fake, covered = np.zeros((2, len(real._points)), bool)
    for rows, near in _blocks(real._points, fake._points):
        inside = near.less(real._squares[rows, None])
        in_real |= inside.any(axis=0)
        balls += real._weights[rows] @ inside
        covered[rows] = inside.any(axis=1)
        in_fake[rows] = near.less(fake._squares[None]).any(axis=1)
    return Scores(
        precision=float(np.average(in_real, weights=fake._weights)),
        recall=float(np.average(in_fake, weights=real._weights)),
        density=float(np.average(balls, weights=fake._weights) / real.k),
        coverage=float(np.average(covered, weights=real._weights)),
    )


def nearest_distances(
    queries: Float[np.ndarray, "n dim"],
    references: Float[np.ndarray, "m _"],
    *,
    exclude_self: bool = False,
) -> tuple[Float[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """The nearest reference of each query, as for the training image that a fake is a copy of.

    Args:
      queries: features.
      references: features of the same dimension.
      exclude_self: the queries are the first of the references, or all of them, and none is its
        own neighbor.

    Returns:
      Euclidean distances, and the indices of the references; of several at the same distance, the
      first.

    Raises:
      ValueError: if the dimensions differ, a feature is not finite, there is no reference, or with
        `exclude_self` only one, or fewer than queries.
    """
    if not len(references):
        raise ValueError("no references")
    if exclude_self and not max(2, len(queries)) <= len(references):
        raise ValueError(
            f"{len(queries)} queries are not the first of {len(references)} references, 2 or more"
        )
    queries = np.asarray_chkfinite(queries, np.float64)
    references = np.asarray_chkfinite(references, np.float64)
    squares, nearest = np.zeros(len(queries)), np.zeros(len(queries), np.int64)
    for rows, near in _blocks(queries, references):
        if exclude_self:
            near.forget_diagonal(rows.start)
        pairs, columns, exact = near.smallest(1)
        order = np.lexsort((columns, exact, pairs))
        first = order[np.searchsorted(pairs, np.arange(rows.stop - rows.start))]
        squares[rows], nearest[rows] = exact[first], columns[first]
    return np.sqrt(squares), nearest


class _Near:
    """Squared distances from some rows to all others, to be found exactly where it matters.

    Those of the product |x|^2 + |y|^2 - 2 x . y are off by no more than `_error`; the exact ones
    are the same number for (x, y) and for (y, x), and 0 for equal ones.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, origin: np.ndarray, centered: np.ndarray):
        self._x, self._y = x, y
        from_origin = x - origin
        norms, others = (np.sum(z * z, axis=1) for z in (from_origin, centered))
        self._squares = from_origin @ (-2 * centered.T)
        self._squares += norms[:, None]
        self._squares += others
        bound = 2 * (x.shape[1] + 8) * np.finfo(np.float64).eps
        self._error = bound * (norms[:, None] + others.max())

    def less(self, squares: np.ndarray) -> np.ndarray:
        """Whether each squared distance is below that one, which is broadcast."""
        surely = self._squares < squares - self._error
        perhaps = self._squares < squares + self._error
        rows, columns = self._where(surely ^ perhaps)
        bounds = np.broadcast_to(squares, surely.shape)[rows, columns]
        surely[rows, columns] = self._exact(rows, columns) < bounds
        return surely

    def smallest(self, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, column and exact square of each row's k smallest at least, ordered by row."""
        kth = np.partition(self._squares, k - 1, axis=1)[:, k - 1 : k]
        rows, columns = self._where(self._squares <= kth + 2 * self._error)
        return rows, columns, self._exact(rows, columns)

    def forget_diagonal(self, first: int) -> None:
        """Takes the rows, from `first` on, to be infinitely far from themselves."""
        rows = np.arange(len(self._x))
        self._squares[rows, first + rows] = np.inf

    def _where(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.divmod(np.flatnonzero(chosen), chosen.shape[1])

    def _exact(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        squares = np.empty(len(rows))
        size = max(1, _BLOCK // self._x.shape[1])
        for begin in range(0, len(rows), size):
            part = slice(begin, begin + size)
            difference = self._x[rows[part]] - self._y[columns[part]]
            squares[part] = np.sum(difference * difference, axis=1)
        return squares


def _blocks(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, _Near]]:
    """All pairs, some rows of x at a time."""
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"features of {x.shape[1]} and of {y.shape[1]} numbers")
    origin = y.mean(axis=0)  # far from it, the products' differences would lose digits
    centered = y - origin
    size = max(1, _BLOCK // len(y))
    for begin in range(0, len(x), size):
        rows = slice(begin, min(begin + size, len(x)))
        yield rows, _Near(x[rows], y, origin, centered)


def _squared_radii(points: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """The squared distance of each point to its k-th neighbor, where points count several times.

    Among so many copies, a point is not its own neighbor, but its copies are.
    """
    radii = np.empty(len(points))
    for block, near in _blocks(points, points):
        rows, columns, squares = near.smallest(min(k + 1, len(points)))
        counts = weights[columns] - (rows + block.start == columns)
        order = np.lexsort((squares, rows))  # by row, as they are, and by distance in each
        squares, counted = squares[order], np.cumsum(counts[order])
        starts = np.searchsorted(rows, np.arange(block.stop - block.start))
        before = np.concatenate([[0], counted])[starts]
        # The first place at which k neighbors are counted; below it the count only rises.
        radii[block] = squares[np.searchsorted(counted, before + k)]
    return radii


def _distinct(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The features without repetitions, and the place of each among them."""
    seen: dict[bytes, int] = {}
    rows = (hashlib.sha256(row).digest() for row in np.ascontiguousarray(features))
    places = np.array([seen.setdefault(row, len(seen)) for row in rows])
    return features[np.unique(places, return_index=True)[1]], places
