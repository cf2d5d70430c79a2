"""What of an image is known: by the name of a mask, or by an image that is one."""

import math
import os
import pathlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image, ImageOps
from scipy import ndimage

from gan_jax import prng
from gan_jax.apply.photos import contents
from gan_jax.config import MAX_MEGAPIXELS, nearest
from gan_jax.data import images
from gan_jax.errors import UsageError

_HIDDEN = 0.2  # share of the pixels that `random` hides
_EVERY = 4  # rows and columns of which `grid` keeps one
_LEAST = 8  # pixels a side that `lowres` keeps, at most


class Mask(NamedTuple):
    """What of an image is known.

    Attributes:
      name: as it was asked for.
      known: the pixels that are; the others are the hole.
      pool: where no pixel is known, the means over squares of so many a side are; else 1.
    """

    name: str
    known: Bool[np.ndarray, "height width"]
    pool: int = 1

    @property
    def hole(self) -> Bool[np.ndarray, "height width"]:
        """The pixels that are to be filled."""
        return ~self.known


def named(name: str, height: int, width: int, seed: int) -> Mask:
    """A mask of Amos's (dcgan-completion.tensorflow, model.py), or of a file.

    Args:
      name: center: the central half of both sides is hidden | random: a fifth of the pixels |
        left: the left half | grid: all but every fourth row and column's | lowres: all, and means
        over squares are known | an image file of the same size: what is white (128 or more).
      height: of the images.
      width: of the images.
      seed: of `random`.

    Raises:
      UsageError: if there is no such mask or file, or it hides nothing or everything.
    """
    if name == "lowres":
        return Mask(name, np.zeros((height, width), bool), _pool(height, width))
    if name in _MASKS:
        mask = Mask(name, _MASKS[name](height, width, seed))
    else:
        mask = Mask(name, ~_read(name, height, width))
    if mask.known.all() or not mask.known.any():
        what = "nothing" if mask.known.all() else "everything"
        raise UsageError(
            f"--mask={name}: hides {what} of {width}x{height} pixels; takes a mask, white where it "
            "is to be filled, that hides some and leaves some"
        )
    return mask


def weights(
    known: Bool[np.ndarray, "height width"], near: int, floor: float
) -> Float32[np.ndarray, "height width"]:
    """What each known pixel counts; 0 of the hole.

    Yeh et al. 2017: the share of the hole in the window around it, which mirrors at the
    image's edge.

    Args:
      known: the pixels that are.
      near: side of the window in pixels; 0: each known pixel counts 1.
      floor: added, where there is a window.
    """
    if not near:
        return known.astype(np.float32)
    share = ndimage.uniform_filter((~known).astype(np.float32), near, mode="reflect")
    return known * (share + np.float32(floor))


def pooled(images: UInt8[np.ndarray, "n height width c"], pool: int) -> np.ndarray:
    """Means over squares of `pool` pixels a side, enlarged to where they were, rounded."""
    n, height, width, channels = images.shape
    squares = images.reshape(n, height // pool, pool, width // pool, pool, channels)
    means = np.round(squares.mean(axis=(2, 4))).astype(np.uint8)
    return means.repeat(pool, axis=1).repeat(pool, axis=2)


def _center(height: int, width: int, seed: int) -> np.ndarray:
    del seed
    known = np.ones((height, width), bool)
    known[height // 4 : int(height * 0.75), width // 4 : int(width * 0.75)] = False
    return known


def _random(height: int, width: int, seed: int) -> np.ndarray:
    words = prng.host_bits(seed, "mask", 0, height * width)
    return (words >= np.uint64(_HIDDEN * 2**64)).reshape(height, width)


def _left(height: int, width: int, seed: int) -> np.ndarray:
    del seed
    known = np.ones((height, width), bool)
    known[:, : width // 2] = False
    return known


def _grid(height: int, width: int, seed: int) -> np.ndarray:
    del seed
    known = np.zeros((height, width), bool)
    known[::_EVERY, ::_EVERY] = True
    return known


_MASKS = {"center": _center, "random": _random, "left": _left, "grid": _grid}


def _pool(height: int, width: int) -> int:
    """8 for 64 pixels, as Amos has it; for others the least that leaves at most 8 a side."""
    common = math.gcd(height, width)
    able = [size for size in range(2, common + 1) if common % size == 0]
    fine = [size for size in able if max(height, width) // size <= _LEAST]
    if not able:
        raise UsageError(
            f"--mask=lowres: images of {width}x{height} have no smaller ones of whole pixels; take "
            "another mask"
        )
    return fine[0] if fine else able[-1]


def _read(name: str, height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """Where the image of a file is white."""
    path = pathlib.Path(os.path.expanduser(name))
    names = (*_MASKS, "lowres")
    if not os.path.isfile(path):
        raise UsageError(
            f"--mask={name}: takes {' | '.join(names)}, or an image file, white where it is to be "
            f"filled{nearest(name, names)}"
        )
    try:
        data = contents(path, name, MAX_MEGAPIXELS)
        peak = images.peak(data)
        image = images.load(data, name)
        white = images.convert(image, name, 0, 1, images.white_of([peak] if peak else []))
    except UsageError as error:
        raise UsageError(str(error).replace("config.dataset.name: ", "--mask=")) from error
    if white.shape[:2] != (height, width):
        raise UsageError(
            f"--mask={name}: is {white.shape[1]}x{white.shape[0]}, and the run's images are "
            f"{width}x{height}; make it of their size"
        )
    return _hidden(name, image, white[..., 0] >= 128)


def _hidden(
    name: str, image: Image.Image, white: Bool[np.ndarray, "height width"]
) -> Bool[np.ndarray, "height width"]:
    """Return what is to be filled: white, and where only black is painted, what is transparent.

    Args:
      name: of the mask.
      image: the mask.
      white: where it is white, lying on white.

    Raises:
      UsageError: if some of it is transparent, and both black and white are painted.
    """
    if not image.has_transparency_data:
        return white
    painted = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))[..., 3] >= 128
    if painted.all() or not white[painted].any():
        return white
    if white[painted].all():
        return painted
    raise UsageError(
        f"--mask={name}: has transparent pixels beside black and white ones; make it opaque, white "
        "where it is to be filled"
    )
