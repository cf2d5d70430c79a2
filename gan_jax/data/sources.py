"""Where real data come from: what a source is, and the one that a config names."""

import hashlib
import importlib.util
import logging
import pathlib
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import PIL
from jaxtyping import Int, Int32

from gan_jax.config import Dataset, nearest
from gan_jax.data import toys
from gan_jax.data.folder import Folder
from gan_jax.data.stacked import StackedMnist
from gan_jax.data.tfds import Tfds
from gan_jax.errors import UsageError, printable
from gan_jax.synonyms import data_set_hint

Example = dict[str, np.ndarray]

_LOGGER = logging.getLogger(__name__)
_MOST_LISTED = 20  # classes in the line that says what a source holds


@runtime_checkable
class Source(Protocol):
    """Random access to a data set.

    Attributes:
      shape: of one example: (height, width, channels) of uint8 pixels, or (dim,) of float32.
      classes: the name of each class, in the order of the labels; empty where there are none.
      num_classes: the number of classes; 0 where there are no labels, which are 0 then.
    """

    shape: tuple[int, ...]
    classes: tuple[str, ...]
    num_classes: int

    def __len__(self) -> int: ...

    def read(self, indices: Int[np.ndarray, "batch"]) -> Example:
        """{"image": [len(indices), *shape], "label": [len(indices)] int32}."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of all that decides the examples, their labels and their order."""
        ...


class Arrays:
    """A source that is in memory already.

    Args:
      images: uint8 [n, height, width, channels], or points float32 [n, dim].
      labels: the class of each, from 0; None where there are no classes.
      classes: the name of each class, in the order of the labels.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: Int32[np.ndarray, "n"] | None = None,
        classes: tuple[str, ...] = (),
    ):
        self.images = images
        self.labels = np.zeros(len(images), np.int32) if labels is None else labels
        self.shape = images.shape[1:]
        self.classes, self.num_classes = classes, len(classes)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices: Int[np.ndarray, "batch"]) -> Example:
        """As `Source.read`."""
        return {"image": self.images[indices], "label": self.labels[indices]}

    def fingerprint(self) -> str:
        """Of every byte."""
        return hashlib.sha256(self.images.tobytes() + self.labels.tobytes()).hexdigest()


def open_source(dataset: Dataset) -> Source:
    """Opens the data set that a config names; images are decoded only when they are read.

    Raises:
      UsageError: if there is none of that name, or it is missing, unprepared, empty or unreadable.
    """
    kind, _, rest = dataset.name.partition(":")
    if kind == "tfds" and rest:
        return Tfds(
            rest,
            dataset.split,
            dataset.data_dir,
            dataset.image_size,
            dataset.channels,
            damaged=dataset.damaged,
            max_megapixels=dataset.max_megapixels,
        )
    if kind == "folder" and rest:
        return Folder(
            rest,
            dataset.image_size,
            dataset.channels,
            split=dataset.split,
            labels=dataset.labels,
            damaged=dataset.damaged,
            max_megapixels=dataset.max_megapixels,
        )
    if dataset.name in SOURCES:
        return SOURCES[dataset.name](dataset)
    names = (*SOURCES, "tfds:NAME", "folder:PATH")
    hint = data_set_hint(dataset.name) or nearest(dataset.name, names)
    raise UsageError(f"config.dataset.name={dataset.name!r}: takes {' | '.join(names)}{hint}")


def cache_key(source: Source) -> str:
    """Return what decides the pixels of a source's examples in a cache that outlives the process.

    Beside its fingerprint these are whether damaged images are replaced, and what decodes them.
    """
    return f"{source.fingerprint()} {getattr(source, 'damaged', '')} {PIL.__version__}"


def announce(source: Source, name: str) -> None:
    """Log a line that says what a source holds, and what its owner may not have meant.

    Args:
      source: the data.
      name: as config.dataset.name.
    """
    _LOGGER.info("%s", describe(source, name))
    if isinstance(source, Folder):
        for warning in source.warnings():
            _LOGGER.warning("%s", printable(f"{name}: {warning}"))


def describe(source: Source, name: str) -> str:
    """Return one line that says what a source holds.

    Args:
      source: the data.
      name: as config.dataset.name.
    """
    kind = "images" if len(source.shape) == 3 else "points"
    line = f"{name}: {len(source):,} {kind}"
    if source.classes:
        line += f" of {source.num_classes:,} classes"
        if isinstance(source, (Arrays, Folder)):
            counts = np.bincount(source.labels, minlength=source.num_classes)
            listed = [f"{c} {n:,}" for c, n in zip(source.classes, counts, strict=True)]
            more = [*listed[:_MOST_LISTED], "..."] if len(listed) > _MOST_LISTED + 1 else listed
            line += f" ({', '.join(more)})"
    if isinstance(source, Folder):
        line += f"; {source.layout.structure}"
        if out := source.layout.left_out:
            line += "; left out: " + ", ".join(f"{n:,} {why}" for why, n in out.items())
    return printable(line)


def _digits(dataset: Dataset) -> Arrays:
    """scikit-learn's 1,797 handwritten digits, 8x8 gray with 17 levels (UCI, Alpaydin 1998)."""
    from PIL import Image

    from gan_jax.data.images import fit

    package = pathlib.Path(importlib.util.find_spec("sklearn").origin).parent
    # load_digits() reads the same file; to import it takes longer than all the rest of a start.
    rows = np.loadtxt(package / "datasets" / "data" / "digits.csv.gz", np.float32, delimiter=",")
    pixels = np.round(rows[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    size, channels = dataset.image_size, dataset.channels or 1
    images = np.stack([fit(Image.fromarray(image), size, channels) for image in pixels])
    return Arrays(images, rows[:, 64].astype(np.int32), tuple("0123456789"))


def _stacked_mnist(dataset: Dataset) -> StackedMnist:
    """As `StackedMnist`, whose channels are not a choice."""
    if dataset.channels not in (0, 3):
        raise UsageError(
            f"config.dataset.channels={dataset.channels}: stacked_mnist takes 3, a digit each, "
            "or 0, which means 3"
        )
    return StackedMnist(dataset.split, dataset.data_dir, dataset.image_size)


SOURCES: dict[str, Callable[[Dataset], Source]] = {
    "digits": _digits,
    "stacked_mnist": _stacked_mnist,
    "gaussian_1d": lambda dataset: Arrays(toys.gaussian_1d()),
    "ring_2d": lambda dataset: Arrays(toys.mixture("ring_2d")),
    "grid_2d": lambda dataset: Arrays(toys.mixture("grid_2d")),
}
