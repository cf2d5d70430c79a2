"""The Inception score: sure of each image's class, and many classes.

    IS = exp( E KL( p(c | x) || p(c) ) )

Salimans et al. 2016 (arXiv:1606.03498), section 4. It lies between 1 and the number of classes, and
knows nothing of real images.
"""

import numpy as np
from jaxtyping import Float
from scipy import special


class InceptionScore:
    """The score over consecutive splits of samples that arrive in batches.

    Split s holds the samples from floor(s count / splits) on, as in the authors' code. Sums are
    kept, not samples: memory is O(splits classes), and the result is the same, bit for bit, in
    batches of any sizes. What arrives sorted by class has to be shuffled before.

    Args:
      classes: probabilities of a sample.
      count: samples that there will be.
      splits: 10 is usual; 1 scores all samples at once, which gives more.

    Raises:
      ValueError: unless 1 <= splits <= count.
    """

    def __init__(self, classes: int, count: int, splits: int = 10):
        if not 1 <= splits <= count:
            raise ValueError(f"{splits} splits of {count} samples: it takes 1 to {count}")
        self._count, self._seen = count, 0
        self._sums = np.zeros((splits, classes))
        self._negative_entropies = np.zeros(splits)  # sums, in nats

    def add(self, probabilities: Float[np.ndarray, "n classes"]) -> None:
        """Takes in p(c | x) of the next samples.

        Args:
          probabilities: in [0, 1]; each row sums to 1, within 0.001.

        Raises:
          ValueError: if they are no probabilities, or there are too many; nothing was added.
        """
        splits, classes = self._sums.shape
        if probabilities.shape[1] != classes:
            raise ValueError(f"{probabilities.shape[1]} probabilities a sample, not {classes}")
        end = self._seen + len(probabilities)
        if end > self._count:
            raise ValueError(f"{end} samples, {self._count} were announced")
        probabilities = np.asarray_chkfinite(probabilities, np.float64)
        if np.any(probabilities < 0) or np.any(abs(probabilities.sum(axis=1) - 1) > 1e-3):
            raise ValueError("probabilities below 0, or whose sum is not 1: logits take a softmax")
        split = (np.arange(self._seen + 1, end + 1) * splits - 1) // self._count
        np.add.at(self._sums, split, probabilities)
        entropies = special.xlogy(probabilities, probabilities).sum(axis=1)
        np.add.at(self._negative_entropies, split, entropies)
        self._seen = end

    def result(self) -> tuple[float, float]:
        """Mean and standard deviation (of the population) of the splits' scores.

        Raises:
          ValueError: if fewer samples arrived than were announced.
        """
        if self._seen < self._count:
            raise ValueError(f"{self._seen} samples, {self._count} were announced")
        splits = len(self._sums)
        sizes = np.diff(np.arange(splits + 1) * self._count // splits)
        marginal = self._sums / sizes[:, None]
        divergence = self._negative_entropies / sizes
        divergence -= special.xlogy(marginal, marginal).sum(axis=1)
        scores = np.exp(divergence)
        return float(scores.mean()), float(scores.std())
