"""FID's arithmetic: the Frechet distance between two sets of features, each taken for a Gaussian.

    d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)

Heusel et al. 2017 (arXiv:1706.08500), eq. 6; it is the square of the distance that is reported. It
is the FID where the features are Inception's of 2015. Its expectation falls as samples are added:
compare only what equally many gave.
"""

import io
import os
import pathlib
import zipfile

import numpy as np
from jaxtyping import Float

# What NumPy's reader makes of a file that is no .npz, or of a damaged one.
_DAMAGE = (ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile)


class Moments:
    """Mean and covariance of features that arrive in batches, in float64.

    Batches are merged as in Chan et al. 1983: no large sums are subtracted, whatever the
    features' mean is. Memory is O(dim^2).

    Attributes:
      count: features seen.
      mean: [dim], 0 before the first.
    """

    def __init__(self, dim: int):
        self.count = 0
        self.mean = np.zeros(dim)
        self._scatter = np.zeros((dim, dim))  # sum of (x - mean) (x - mean)^T

    def add(self, features: Float[np.ndarray, "n dim"]) -> None:
        """Takes in a batch of any size, in any floating type.

        Raises:
          ValueError: if it is of another dimension or not finite; the moments are as before.
        """
        if features.shape[1] != len(self.mean):
            raise ValueError(f"features of {features.shape[1]} numbers, not of {len(self.mean)}")
        if not len(features):
            return
        features = np.asarray_chkfinite(features, np.float64)
        count = self.count + len(features)
        mean = features.mean(axis=0)
        shift = mean - self.mean
        # What the means' shift adds is the square of one more row.
        row = shift * np.sqrt(self.count * len(features) / count)
        rows = np.concatenate([features - mean, row[None]])
        self._scatter += rows.T @ rows
        self.mean = self.mean + shift * (len(features) / count)
        self.count = count

    @property
    def covariance(self) -> Float[np.ndarray, "dim dim"]:
        """The unbiased one, sum of (x - mean) (x - mean)^T / (count - 1).

        Raises:
          ValueError: if there are fewer than 2 samples.
        """
        if self.count < 2:
            raise ValueError(f"a covariance takes 2 samples or more, got {self.count}")
        return self._scatter / (self.count - 1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all that was seen to an .npz file of exactly that name, at once or not at all."""
        path = pathlib.Path(path)
        draft = path.with_name(path.name + ".draft")
        with draft.open("wb") as file:
            np.savez(file, count=self.count, mean=self.mean, scatter=self._scatter)
        os.replace(draft, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Moments":
        """What `save` wrote; more may be added to it.

        Raises:
          ValueError: if the file holds no moments or is damaged.
          OSError: if it cannot be read.
        """
        path = pathlib.Path(path)
        content = io.BytesIO(path.read_bytes())
        try:
            with np.load(content, allow_pickle=False) as arrays:
                count = int(arrays["count"])
                mean, scatter = (
                    np.asarray_chkfinite(arrays[name], np.float64) for name in ("mean", "scatter")
                )
        except _DAMAGE as error:
            raise ValueError(f"{path}: no moments of features ({error})") from error
        dim = mean.size
        if count < 0 or mean.shape != (dim,) or scatter.shape != (dim, dim):
            raise ValueError(f"{path}: no moments of features (wrong shapes)")
        moments = cls(dim)
        moments.count, moments.mean, moments._scatter = count, mean, scatter
        return moments


def frechet_distance(a: Moments, b: Moments) -> float:
    """The squared Frechet distance between two Gaussians, from 0; symmetric.

    With S = R R^T for each, tr (S1 S2)^(1/2) is the sum of the singular values of R1^T R2: neither
    the root of a matrix that is not symmetric nor that of a small difference is taken, and
    covariances of fewer samples than dimensions are as good as others.

    Raises:
      ValueError: if the dimensions differ or one has fewer than 2 samples.
    """
    if len(a.mean) != len(b.mean):
        raise ValueError(f"features of {len(a.mean)} and of {len(b.mean)} numbers")
    first, second = a.covariance, b.covariance
    overlap = np.linalg.svd(_root(first).T @ _root(second), compute_uv=False).sum()
    spread = np.trace(first) + np.trace(second) - 2 * overlap
    return max(0.0, float(np.sum((a.mean - b.mean) ** 2) + spread))


def _root(covariance: Float[np.ndarray, "dim dim"]) -> Float[np.ndarray, "dim dim"]:
    """R with R R^T the covariance; eigenvalues that are rounding's are 0.

    Their roots would not be small: 1e-8 for the 1e-16 that stands for 0.
    """
    values, vectors = np.linalg.eigh(covariance)
    floor = len(values) * np.finfo(np.float64).eps * values[-1]
    return vectors * np.sqrt(np.where(values > floor, values, 0))
