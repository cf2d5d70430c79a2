"""Given images: a file, a directory or a zip of them, or some of the run's own data."""

import contextlib
import dataclasses
import io
import os
import pathlib
import warnings
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from gan_jax import prng
from gan_jax.apply import options as apply_options
from gan_jax.apply.options import Options
from gan_jax.apply.trained import Trained
from gan_jax.data.class_names import label_of
from gan_jax.data.folder import Folder
from gan_jax.data.images import FORMATS, fit, open_image
from gan_jax.data.sources import Source, open_source
from gan_jax.errors import UsageError, first_line, printable

_USUAL = 8
_MODES = {1: "L", 3: "RGB"}
_WORDS = {"L": "gray", "RGB": "RGB"}
_MEGABYTES, _MEGAPIXELS = 256, 100  # of an image file at most
_TOO_LARGE = f"takes images of {_MEGAPIXELS} megapixels at most; make it smaller"


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
      split: of a TFDS data set; empty: the one that it trained on.

    Raises:
      UsageError: if the data are not at hand, or have no such split.
    """
    dataset = trained.config.dataset
    if split:
        if not dataset.name.startswith(("tfds:", "stacked_mnist")):
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
    dataset_name = trained.config.dataset.name
    known = " ".join(filter(None, (dataset_name, options.split)))
    names = [f"{known} example {place}" for place in places]
    if not (trained.num_classes and source.num_classes):
        return examples["image"], None, names
    label = examples["label"]
    numbers = tuple(map(str, range(source.num_classes)))  # all that older runs know of classes
    if trained.classes not in (source.classes, numbers):
        where = f"config.dataset.name={dataset_name}: the class of {{}}"
        label = [
            label_of(source.classes[i], trained.classes, where.format(name))
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
    files = _encoded(pathlib.Path(os.path.expanduser(options.images)), count)
    pixels = [_decode(data, name, trained.shape, options.fit) for name, (data, _) in files.items()]
    own = [_label(folder, trained.classes) for _, folder in files.values()]
    return np.stack(pixels), None if None in own else np.array(own, np.int32), list(files)


def _encoded(path: pathlib.Path, count: int) -> dict[str, tuple[bytes, str]]:
    """The bytes of the first of the files that are meant, by their names, and their folders'."""
    try:
        if not path.exists():
            raise UsageError(f"--images={path}: no such file, directory or zip")
        if path.suffix.lower() == ".zip" and path.is_file() and not zipfile.is_zipfile(path):
            raise UsageError(f"--images={path}: is no readable zip; repair it")
        if path.is_file() and not zipfile.is_zipfile(path):
            with reading(f"--images={path}"):
                return {path.name: (contents(path), "")}
        if not path.is_file() and not path.is_dir():
            raise UsageError(f"--images={path}: takes an image, a directory or a zip")
        folder = Folder(str(path), image_size=1, channels=0)
        names = folder.names[:count]
        if folder.classes:
            folders = [folder.classes[label] for label in folder.labels[:count]]
        else:
            folders = [pathlib.PurePosixPath(name).parent.name for name in names]
        return {name: (folder.encoded(name), of) for name, of in zip(names, folders, strict=True)}
    except UsageError as error:
        message = str(error).replace("config.dataset.name: folder:", "--images=")
        raise UsageError(message.replace("config.dataset.name: ", "--images=")) from error
    except OSError as error:
        raise UsageError(f"--images={path}: cannot be read ({error.strerror})") from error


def _label(folder: str, classes: tuple[str, ...]) -> int | None:
    """Return the label of the class that a folder names; None if it names none."""
    if folder.isdecimal() and folder not in classes:  # folders may be numbered for any reason
        return None
    try:
        return label_of(folder, classes, "--images")
    except UsageError:
        return None


def _decode(
    data: bytes, name: str, shape: tuple[int, ...], fitted: bool
) -> UInt8[np.ndarray, "height width c"]:
    """The pixels of a file, of that shape already, or made so."""
    height, width, channels = shape
    with reading(f"--images: {name}"):
        image = opened(data)
        size, mode = image.size, image.mode
        pixels = fit(image, height if fitted else 0, channels)
    if not fitted and (size, mode) != ((width, height), _MODES[channels]):
        raise UsageError(
            f"--images: {name}: is {size[0]}x{size[1]} {_named(mode)}, and the run takes "
            f"{width}x{height} {_named(_MODES[channels])}; --fit crops, resizes and converts it"
        )
    return pixels


def contents(path: pathlib.Path) -> bytes:
    """Return the bytes of an image file.

    Raises:
      UsageError: if there are more than any image should have, or it cannot be read.
    """
    try:
        megabytes = path.stat().st_size / 10**6
        if megabytes <= _MEGABYTES:
            return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})") from error
    raise UsageError(f"has {megabytes:,.0f} MB; takes image files of {_MEGABYTES} MB at most")


def opened(data: bytes) -> Image.Image:
    """Decode an image file, upright.

    Raises:
      UsageError: if it has more pixels than a photo should.
      Exception: of many kinds, if it is damaged or of a format that is not read.
    """
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        image = open_image(io.BytesIO(data))
    if image.width * image.height > _MEGAPIXELS * 10**6:
        raise UsageError(f"is {image.width}x{image.height} pixels; {_TOO_LARGE}")
    return ImageOps.exif_transpose(image)


@contextlib.contextmanager
def reading(where: str) -> Iterator[None]:
    """Within it, whatever a file makes a decoder raise becomes one line.

    Args:
      where: what the line begins with.

    Raises:
      UsageError: in place of any exception.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    except Image.DecompressionBombError as error:
        raise UsageError(f"{where}: has too many pixels; {_TOO_LARGE}") from error
    except UnidentifiedImageError as error:
        raise UsageError(
            f"{where}: is no image, or damaged; takes {', '.join(FORMATS)}; repair or remove it"
        ) from error
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise UsageError(
            f"{where}: truncated or damaged image ({first_line(error)}); repair or remove it"
        ) from error


def _named(mode: str) -> str:
    return _WORDS.get(mode, f"of Pillow's mode {mode}")
