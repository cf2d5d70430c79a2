"""Given images: a file, a directory or a zip of them, or some of the run's own data."""

import dataclasses
import io
import os
import pathlib
import zipfile
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from gan_jax import prng
from gan_jax.apply import options as apply_options
from gan_jax.apply.options import Options
from gan_jax.apply.trained import Trained
from gan_jax.data.folder import Folder
from gan_jax.data.images import fit
from gan_jax.data.sources import Source, open_source
from gan_jax.errors import UsageError, first_line, printable

_USUAL = 8
_MODES = {1: "L", 3: "RGB"}
_WORDS = {"L": "gray", "RGB": "RGB"}


class Photos(NamedTuple):
    """Given images.

    Attributes:
      image: of the run's size and channels.
      label: the class of each; 0 where the run knows none.
      name: of each.
    """

    image: UInt8[np.ndarray, "n height width c"]
    label: Int32[np.ndarray, "n"]
    name: list[str]


def read(trained: Trained, options: Options) -> Photos:
    """Reads `num_samples` images (0: 8), or as many as there are.

    Args:
      trained: the run, whose size and channels they are to have.
      options: reads `images`, a file, a directory or a zip, of which the first are taken; where it
        is empty, the run's data are, those that `seed` chooses; `split` names another split of
        them. `fit` crops, resizes and converts images that are of another size or mode. `label`
        says the classes, in turn, of images that a conditional run is not told them of.

    Raises:
      UsageError: if there are none, one of them is no image or of another size or mode, or their
        classes are not known.
    """
    count = options.num_samples or _USUAL
    labels = apply_options.labels(options, trained.num_classes)
    if options.fit and not options.images:
        raise UsageError("--fit: of no use without --images; the run's own data fit; leave it out")
    if options.images:
        if options.split:
            raise UsageError(
                f"--split={options.split}: of no use beside --images; leave one of them out"
            )
        pixels, names = _of_files(trained, options, count)
        own = None
    else:
        pixels, own, names = _of_data(trained, options, count)
    if not trained.num_classes:
        label = np.zeros(len(pixels), np.int32)
    elif own is not None and not options.label:
        label = own
    elif options.label:
        label = np.resize(np.array(labels, np.int32), len(pixels))
    else:
        raise UsageError(
            f"--label: missing; the run's generator is told the class of what it makes, 0 to "
            f"{trained.num_classes - 1}, which image files do not say; name one for all, or one "
            "for each in turn, as 0,1,2"
        )
    return Photos(pixels, label, names)


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
    known = " ".join(filter(None, (trained.config.dataset.name, options.split)))
    names = [f"{known} example {place}" for place in places]
    return examples["image"], examples["label"] if source.num_classes else None, names


def _of_files(trained: Trained, options: Options, count: int) -> tuple[np.ndarray, list[str]]:
    """Pixels and names, as they can be printed."""
    height, width, _ = trained.shape
    if options.fit and height != width:
        raise UsageError(
            f"--fit: makes squares, and the run's images are {width}x{height}; leave it out"
        )
    files = _encoded(pathlib.Path(os.path.expanduser(options.images)), count)
    pixels = [_decode(data, name, trained.shape, options.fit) for name, data in files.items()]
    return np.stack(pixels), list(map(printable, files))


def _encoded(path: pathlib.Path, count: int) -> dict[str, bytes]:
    """The bytes of the first of the files that are meant, by their names."""
    try:
        if not path.exists():
            raise UsageError(f"--images={path}: no such file, directory or zip")
        if path.suffix.lower() == ".zip" and path.is_file() and not zipfile.is_zipfile(path):
            raise UsageError(f"--images={path}: is no readable zip; repair it")
        if path.is_file() and not zipfile.is_zipfile(path):
            return {path.name: path.read_bytes()}
        folder = Folder(str(path), image_size=1, channels=0)
        return {name: folder.encoded(name) for name in folder.names[:count]}
    except UsageError as error:
        message = str(error).replace("config.dataset.name: folder:", "--images=")
        raise UsageError(message.replace("config.dataset.name: ", "--images=")) from error
    except OSError as error:
        raise UsageError(f"--images={path}: cannot be read ({error.strerror})") from error


def _decode(
    data: bytes, name: str, shape: tuple[int, ...], fitted: bool
) -> UInt8[np.ndarray, "height width c"]:
    """The pixels of a file, of that shape already, or made so."""
    height, width, channels = shape
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        size, mode = ImageOps.exif_transpose(image).size, image.mode
        pixels = fit(image, height if fitted else 0, channels)
    except UnidentifiedImageError as error:
        raise UsageError(
            f"--images: {name}: is no image, or damaged; repair or remove it"
        ) from error
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise UsageError(
            f"--images: {name}: truncated or damaged, or no image ({first_line(error)}); repair or "
            "remove it"
        ) from error
    if not fitted and (size, mode) != ((width, height), _MODES[channels]):
        raise UsageError(
            f"--images: {name}: is {size[0]}x{size[1]} {_named(mode)}, and the run takes "
            f"{width}x{height} {_named(_MODES[channels])}; --fit crops, resizes and converts it"
        )
    return pixels


def _named(mode: str) -> str:
    return _WORDS.get(mode, f"of Pillow's mode {mode}")
