"""Given images: a file, a directory or a zip of them, or some of the run's own data."""

import dataclasses
import logging
import os
import pathlib
from typing import NamedTuple
from zipfile import is_zipfile

import numpy as np
from jaxtyping import Int32, UInt8
from PIL import Image

from gan_jax import prng
from gan_jax.apply import options as apply_options
from gan_jax.apply.options import Options
from gan_jax.apply.trained import Trained
from gan_jax.data import images
from gan_jax.data.class_names import label_of
from gan_jax.data.folder import Folder
from gan_jax.data.sources import Source, open_source
from gan_jax.errors import UsageError, printable

_LOGGER = logging.getLogger(__name__)
_USUAL = 8
_MODES = {1: "L", 3: "RGB"}
_WORDS = {"L": "gray", "RGB": "RGB"}


class Photos(NamedTuple):
    """Given images.

    Attributes:
      image: of the run's size and channels.
      label: the class of each; 0 where the run knows none.
      name: of each, as it can be printed.
      classes: the names of the run's classes, in the order of the labels; empty: it knows none.
    """

    image: UInt8[np.ndarray, "n height width c"]
    label: Int32[np.ndarray, "n"]
    name: list[str]
    classes: tuple[str, ...]


def read(trained: Trained, options: Options) -> Photos:
    """Reads `num_samples` images (0: 8), or as many as there are.

    Args:
      trained: the run, whose size and channels they are to have.
      options: reads `images`, a file, a directory or a zip, of which the first are taken; where it
        is empty, the run's data are, those that `seed` chooses; `split` names another split of
        them. `fit` crops, resizes and converts images that are of another size or mode. `label`
        says the classes, in turn; without it, images are of the class that their folder is named
        by, and the run's data of their own.

    Raises:
      UsageError: if there are none, one of them is no image or of another size or mode, or their
        classes are not known.
    """
    count = options.num_samples or _USUAL
    labels = apply_options.labels(options, trained.classes)
    if options.fit and not options.images:
        raise UsageError("--fit: of no use without --images; the run's own data fit; leave it out")
    if options.images:
        if options.split:
            raise UsageError(
                f"--split={options.split}: of no use beside --images; leave one of them out"
            )
        pixels, own, names = _of_files(trained, options, count)
    else:
        pixels, own, names = _of_data(trained, options, count)
    if not trained.num_classes:
        label = np.zeros(len(pixels), np.int32)
    elif options.label:
        label = np.resize(np.array(labels, np.int32), len(pixels))
    elif own is not None:
        label = own
    else:
        raise UsageError(
            "--label: missing; the run's generator is told the class of what it makes, and these "
            f"images do not lie in folders named by its classes, such as {trained.classes[0]}; "
            "name one for all, or several that are taken in turn, separated by commas"
        )
    return Photos(pixels, label, list(map(printable, names)), trained.classes)


def open_data(trained: Trained, split: str = "") -> Source:
    """The run's data.

    Args:
      trained: the run.
      split: of a TFDS data set or a folder; empty: the one that it trained on.

    Raises:
      UsageError: if the data are not at hand, or have no such split.
    """
    dataset = trained.config.dataset
    if split:
        if not dataset.name.startswith(("tfds:", "stacked_mnist", "folder:")):
            raise UsageError(
                f"--split={split}: the run's data, {dataset.name}, have no splits; leave it out"
            )
        dataset = dataclasses.replace(dataset, split=split)
    try:
        return open_source(dataset)
    except UsageError as error:
        message = str(error).replace("config.dataset.split", "--split") if split else str(error)
        raise UsageError(message) from error


def _of_data(
    trained: Trained, options: Options, count: int
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Pixels, classes where there are any, and names."""
    source = open_data(trained, options.split)
    words = prng.host_bits(options.seed, "photos", 0, len(source))
    places = np.argsort(words, kind="stable")[:count]
    examples = source.read(places)
    known = " ".join(filter(None, (trained.config.dataset.name, options.split)))
    names = [f"{known} example {place}" for place in places]
    if not (trained.num_classes and source.num_classes):
        return examples["image"], None, names
    label = examples["label"]
    numbers = tuple(map(str, range(source.num_classes)))  # all that older runs know of classes
    if trained.classes not in (source.classes, numbers):
        label = [
            label_of(
                source.classes[i], trained.classes, f"config.dataset.name: the class of {name}"
            )
            for i, name in zip(label, names, strict=True)
        ]
    return examples["image"], np.array(label, np.int32), names


def _of_files(
    trained: Trained, options: Options, count: int
) -> tuple[np.ndarray, Int32[np.ndarray, "n"] | None, list[str]]:
    """Pixels, classes where the folders of all images are named by one, and names."""
    height, width, _ = trained.shape
    if options.fit and height != width:
        raise UsageError(
            f"--fit: makes squares, and the run's images are {width}x{height}; leave it out"
        )
    most = trained.config.dataset.max_megapixels
    path = pathlib.Path(os.path.expanduser(options.images))
    try:
        files, own = _encoded(path, count, trained.classes, most)
        peaks = [peak for data in files.values() if (peak := images.peak(data)) is not None]
        white = images.white_of(peaks)
        pixels = [
            _decode(images.load(data, name, most), name, trained.shape, options.fit, white)
            for name, data in files.items()
        ]
    except UsageError as error:
        message = str(error).replace("config.dataset.name: folder:", "--images=")
        raise UsageError(message.replace("config.dataset.name: ", "--images: ")) from error
    return np.stack(pixels), own, list(files)


def _encoded(
    path: pathlib.Path, count: int, classes: tuple[str, ...], max_megapixels: int
) -> tuple[dict[str, bytes], Int32[np.ndarray, "n"] | None]:
    """The bytes of the first of the files that are meant, by their names, and their classes."""
    if os.path.isfile(path):
        data = contents(path, path.name, max_megapixels)
        if images.format_of(data) or not (path.suffix.lower() == ".zip" or is_zipfile(path)):
            return {path.name: data}, None
    elif not os.path.exists(path):
        raise UsageError(f"--images={path}: no such file, directory or zip")
    elif not os.path.isdir(path):
        raise UsageError(f"--images={path}: takes an image, a directory or a zip")
    folder = Folder(str(path), 1, 0, max_megapixels=max_megapixels)
    by_folders = Folder(str(path), 1, 0, labels="folders", max_megapixels=max_megapixels)
    labels = [_label(name, classes) for name in by_folders.classes]
    if labels and None not in labels and len(by_folders) >= len(folder):
        folder = by_folders
    else:
        labels = [_label(name, classes) for name in folder.classes]
    structure = f"--images={path}: {len(folder)} images; {folder.layout.structure}"
    _LOGGER.info("%s", printable(structure))
    for warning in folder.layout.warnings:
        _LOGGER.warning("%s", printable(f"--images={path}: {warning}"))
    files = {name: folder.encoded(name) for name in folder.names[:count]}
    if not labels or None in labels:
        return files, None
    return files, np.array(labels, np.int32)[folder.labels[:count]]


def _label(folder: str, classes: tuple[str, ...]) -> int | None:
    """Return the label of the class that a folder names; None if it names none."""
    if folder.isdecimal() and folder not in classes:  # folders may be numbered for any reason
        return None
    try:
        return label_of(folder, classes, "--images")
    except UsageError:
        return None


def contents(path: pathlib.Path, name: str, max_megapixels: int) -> bytes:
    """Return the bytes of an image file; the first ones if they are not those of an image.

    Args:
      path: of a file that is there.
      name: what to call it in an error.
      max_megapixels: of an image; a file that is too large for one is refused.

    Raises:
      UsageError: if it is too large, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > images.max_bytes(max_megapixels):
                raise images.too_many_bytes(name, max_megapixels)
            head = file.read(64)
            return head + file.read() if images.format_of(head) else head
    except OSError as error:
        raise images.unreadable(name, error) from error


def _decode(
    image: Image.Image, name: str, shape: tuple[int, ...], fitted: bool, white: images.White
) -> UInt8[np.ndarray, "height width c"]:
    """The pixels of an image, of that shape already, or made so."""
    height, width, channels = shape
    pixels = images.convert(image, name, height if fitted else 0, channels, white)
    if not fitted and (*pixels.shape[:2], image.mode) != (height, width, _MODES[channels]):
        raise UsageError(
            f"--images: {name}: is {pixels.shape[1]}x{pixels.shape[0]} {_named(image.mode)}, and "
            f"the run takes {width}x{height} {_named(_MODES[channels])}; --fit crops, resizes and "
            "converts it"
        )
    return pixels


def _named(mode: str) -> str:
    return _WORDS.get(mode, f"of Pillow's mode {mode}")
