"""How many modes of data whose modes are known a generator covers, and how evenly.

Stacked MNIST has 1,000: a classifier of single digits reads each channel, a sample's mode is the
number that the three digits make, and every sample counts, however unsure the classifier is
(Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086; 26,000 samples, or
25,600 in the setting of unrolled GANs). Of other data the classes are the modes. So few samples of
Stacked MNIST itself have a reverse KL of about 0.02, not of 0. For mixtures in the plane, which
need no classifier, see `data.toys.coverage`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Integer, Real


class ModeScores(NamedTuple):
    """How samples lie over modes.

    Attributes:
      modes: those with at least one sample.
      reverse_kl: KL(p || q) in nats, p the modes' shares of the samples and q of the data: 0 at
        best; infinite where a sample is of a mode that the data have not.
    """

    modes: int
    reverse_kl: float


def mode_scores(counts: Integer[np.ndarray, "modes"], real: Real[np.ndarray, "_"]) -> ModeScores:
    """Counts the modes of samples, and compares their shares with the data's.

    Args:
      counts: samples of each mode.
      real: frequencies of the modes in the data, in any unit: counts, shares, or ones.

    Raises:
      ValueError: if the two differ in length, one is negative, or there are none at all.
    """
    if len(counts) != len(real):
        raise ValueError(f"counts of {len(counts)} modes and frequencies of {len(real)}")
    real = np.asarray_chkfinite(real, np.float64)
    if min(counts.min(), real.min()) < 0 or not min(counts.sum(), real.sum()) > 0:
        raise ValueError("counts and frequencies take numbers from 0, and not all of them 0")
    hit = counts > 0
    p, q = counts[hit] / counts.sum(), real[hit] / real.sum()
    reverse_kl = float(np.sum(p * np.log(p / q))) if q.all() else np.inf
    return ModeScores(int(hit.sum()), reverse_kl)
