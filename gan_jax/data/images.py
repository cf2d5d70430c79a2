"""Turns one image file, of whatever kind, into pixels of the shape that a run wants."""

import io
import os
from typing import IO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from gan_jax.errors import UsageError, first_line

# What Pillow may take a file for, whatever its name. It would start Ghostscript for an EPS.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM")
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L")


def open_image(file: str | os.PathLike | IO[bytes] | io.BytesIO) -> Image.Image:
    """Open an image file of one of the `FORMATS`; its pixels are decoded when they are used.

    Args:
      file: a path, or the file's contents.

    Raises:
      Exception: of many kinds, if it is damaged or of another format.
    """
    return Image.open(file, formats=FORMATS)


def decode(
    data: bytes, name: str, size: int, channels: int, *, exact: bool = False
) -> UInt8[np.ndarray, "height width c"]:
    """Decodes a file's bytes.

    Args:
      data: the file: PNG, JPEG, WebP, GIF (its first frame) or BMP, of any mode and size.
      name: what to call the file in an error.
      size: side in pixels of the result, see `fit`; 0 keeps the image's own size.
      channels: 1 or 3.

    Raises:
      UsageError: if the file is truncated, damaged or no image.
    """
    try:
        image = open_image(io.BytesIO(data))
        image.load()
        if exact and (image.size, image.mode) != ((size, size), {1: "L", 3: "RGB"}[channels]):
            wanted = "gray" if channels == 1 else "RGB"
            raise UsageError(
                f"config.dataset.name: {name}: is {image.size[0]}x{image.size[1]} of Pillow's mode "
                f"{image.mode}, and the run takes {size}x{size} {wanted}; --fit crops, resizes and "
                "converts it"
            )
        return fit(image, size, channels)
    except UsageError:
        raise
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise UsageError(
            f"config.dataset.name: {name}: truncated or damaged image ({first_line(error)}); "
            "repair or remove it"
        ) from error


def fit(image: Image.Image, size: int, channels: int) -> UInt8[np.ndarray, "height width c"]:
    """Upright, gray or RGB over white, cropped to the centre square and resized (Lanczos).

    Args:
      image: any mode; 16-bit gray keeps its high byte.
      size: side in pixels of the result; 0 keeps the image's own height and width.
      channels: 1 or 3.
    """
    image = _flatten(ImageOps.exif_transpose(image)).convert("L" if channels == 1 else "RGB")
    if size:
        image = ImageOps.fit(image, (size, size), method=Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    return pixels[..., None] if channels == 1 else pixels


def _flatten(image: Image.Image) -> Image.Image:
    """To 8 bits a channel, and what is transparent to white."""
    if image.mode in _SIXTEEN_BIT:
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image
