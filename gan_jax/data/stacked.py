"""Stacked MNIST: images whose 1,000 modes are known, for counting those that a GAN makes."""

import functools
import hashlib
import threading

import numpy as np
from jaxtyping import Int

from gan_jax import prng
from gan_jax.data.tfds import Tfds
from gan_jax.errors import UsageError

SIDE = 28


class StackedMnist:
    """A source of three MNIST digits as the channels R, G and B (see `sources.Source`).

    The digits are drawn at random, with replacement and the same in every run, whatever its seed
    (Srivastava et al. 2017; 128,000 triples as in Lin et al. 2018). The label is r + 10 g + 100 b.

    Args:
      split: TFDS's split of MNIST, such as "train" or "test[:10%]".
      data_dir: where MNIST was prepared; empty for TFDS's default.
      image_size: 28; or 32, with 2 black pixels on each side (Xiao et al. 2022); 0 means 28.
      size: triples; fewer are the first ones of more.

    Raises:
      UsageError: if `image_size` is another, or MNIST is not prepared or has no such split.
    """

    num_classes = 1000
    classes = tuple(map(str, range(num_classes)))

    def __init__(self, split: str, data_dir: str, image_size: int, size: int = 128_000):
        if image_size not in (0, SIDE, SIDE + 4):
            raise UsageError(
                f"config.dataset.image_size={image_size}: stacked_mnist takes 28, 32 (28 and 2 "
                "black pixels on each side) or 0, which means 28"
            )
        side = image_size or SIDE
        self.shape = (side, side, 3)
        self.digits = Tfds("mnist", split, data_dir, 0, 1)
        bits = prng.host_bits(0, "stacked_mnist", 0, 3 * size)
        self._triples = (bits % np.uint64(len(self.digits))).astype(np.int32).reshape(size, 3)

    def __len__(self) -> int:
        return len(self._triples)

    def read(self, indices: Int[np.ndarray, "batch"]) -> dict[str, np.ndarray]:
        """As `Source.read`."""
        with _DECODING:
            digits = self._digits
        triples = self._triples[indices]
        pixels = np.moveaxis(digits["image"][triples, :, :, 0], 1, -1)
        border = (self.shape[0] - SIDE) // 2
        pixels = np.pad(pixels, [(0, 0), (border, border), (border, border), (0, 0)])
        return {"image": pixels, "label": digits["label"][triples] @ _PLACES}

    def fingerprint(self) -> str:
        """Of MNIST's own, the number of triples and the size of an image."""
        text = f"{self.digits.fingerprint()} {len(self)} {self.shape[0]}"
        return hashlib.sha256(text.encode()).hexdigest()

    def __getstate__(self) -> dict:
        """Decoded digits stay behind: a worker process decodes its own."""
        return {key: value for key, value in vars(self).items() if key != "_digits"}

    @functools.cached_property
    def _digits(self) -> dict[str, np.ndarray]:
        return self.digits.read(np.arange(len(self.digits)))


_PLACES = np.array([1, 10, 100], np.int32)
_DECODING = threading.Lock()  # threads that read at once decode once
