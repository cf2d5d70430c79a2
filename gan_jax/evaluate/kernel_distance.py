"""KID's arithmetic: the squared maximum mean discrepancy between two sets of features.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),    k(x, y) = (x . y / dim + 1)^3

Binkowski et al. 2018 (arXiv:1801.01401), section 4. The unbiased estimate does not depend on the
number of samples but for its noise, and may be below 0.
"""

import numpy as np
from jaxtyping import Float

_BLOCK = 2**18  # values of the kernel at a time: they stay in a processor's cache

# How far the features of equal images, found in other batches, may be apart, in units of the usual
# distance between two images.
_ROUNDING = 1e-5


def kernel_distance(
    x: Float[np.ndarray, "n dim"],
    y: Float[np.ndarray, "m _"],
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The unbiased squared MMD over pairs of random subsets: KID as it is published.

    Each subset is drawn without replacement, x's before y's, by NumPy's RandomState, whose stream
    is frozen: seed 2020 draws what torch-fidelity draws.

    The estimate is for two samples that are independent. Of a set and its copy, drawn so that no
    feature need meet itself, it would be noise around a number slightly below 0; it is 0 there.

    Args:
      x: features.
      y: features of the same dimension, as many or not.
      subsets: pairs.
      subset_size: of each; at most as many as the smaller set has. Where that is a whole set, its
        subsets are all alike, and the standard deviation says little; where it is both, one pair
        is all pairs.
      seed: of the draws.

    Returns:
      Mean and standard deviation (of the population) over the pairs.

    Raises:
      ValueError: if a set has fewer than 2 features or one that is not finite, if the dimensions
        differ, or if `subsets` < 1 or `subset_size` < 2.
    """
    x, y = _checked(x, y)
    if subsets < 1 or subset_size < 2:
        raise ValueError(f"{subsets} subsets of {subset_size}: it takes 1 or more, of 2 or more")
    if _are_copies(x, y):
        return 0.0, 0.0
    size = min(subset_size, len(x), len(y))
    rng = np.random.RandomState(seed)

    def draw(features: np.ndarray) -> np.ndarray:
        return features[rng.choice(len(features), size, replace=False)]

    if size == len(x) == len(y):
        subsets = 1
    values = [_squared_mmd(draw(x), draw(y), unbiased=True) for _ in range(subsets)]
    return float(np.mean(values)), float(np.std(values))


def squared_mmd(
    x: Float[np.ndarray, "n dim"], y: Float[np.ndarray, "m _"], *, unbiased: bool = True
) -> float:
    """The squared MMD between two whole sets, of equal sizes or not.

    Args:
      x: features.
      y: features of the same dimension.
      unbiased: leaves out the pairs of a feature with itself (Gretton et al. 2012, eq. 3); with
        them (eq. 5) the estimate is never below 0, and too large.

    Raises:
      ValueError: if a set has fewer than 2 features or one that is not finite, or if the
        dimensions differ.
    """
    return _squared_mmd(*_checked(x, y), unbiased=unbiased)


def _checked(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"features of {x.shape[1]} and of {y.shape[1]} numbers")
    if min(len(x), len(y)) < 2:
        raise ValueError(f"a kernel distance takes 2 features or more, got {len(x)} and {len(y)}")
    return np.asarray_chkfinite(x, np.float64), np.asarray_chkfinite(y, np.float64)


def _are_copies(x: np.ndarray, y: np.ndarray) -> bool:
    """Return whether the features are equal one by one, but for rounding."""
    if x.shape != y.shape:
        return False
    usual = np.median(np.linalg.norm(x[1:] - x[:-1], axis=1))
    return bool(np.linalg.norm(x - y, axis=1).max() <= _ROUNDING * usual)


def _squared_mmd(x: np.ndarray, y: np.ndarray, *, unbiased: bool) -> float:
    within = _mean_within(x, unbiased) + _mean_within(y, unbiased)
    return float(within - 2 * _sum(x, y) / (len(x) * len(y)))


def _mean_within(x: np.ndarray, unbiased: bool) -> float:
    n = len(x)
    if not unbiased:
        return _sum(x, x) / n**2
    itself = np.sum((np.sum(x * x, axis=1) / x.shape[1] + 1) ** 3)
    return (_sum(x, x) - itself) / (n * (n - 1))


def _sum(x: np.ndarray, y: np.ndarray) -> float:
    """The sum of k over all pairs, some rows at a time."""
    rows = max(1, _BLOCK // len(y))
    x, total = x / x.shape[1], 0.0
    for begin in range(0, len(x), rows):
        base = x[begin : begin + rows] @ y.T
        base += 1
        total += float(np.vdot(base * base, base))
    return total
