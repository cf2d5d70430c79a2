"""Turns the bytes of an image file into the pixels that a run sees."""

import contextlib
import io
import os
import re
import threading
from typing import IO, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import AvifImagePlugin, Image, ImageOps, UnidentifiedImageError

from gan_jax.config import LARGEST_MEGAPIXELS, MAX_MEGAPIXELS
from gan_jax.errors import UsageError, first_line

# Each format that is read, by the bytes that its files begin with. Pillow knows many more, one of
# which (EPS) starts another program; a file is read as what it is, whatever its name.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"\x28\x00\x00\x00", "DIB"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    *((b"P%d" % kind, "PPM") for kind in range(1, 7)),
    (b"Pf", "PPM"),
)
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "PPM", "WEBP", "AVIF")
SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif",
    ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".jpx",
    ".jpc", ".jpf", ".j2c", *[".avif", ".avifs"] * AvifImagePlugin.SUPPORTED,
)  # fmt: skip
# Endings of images that are not read; a folder's are counted, so that their owner hears of them.
UNREAD_SUFFIXES = (
    ".ai", ".arw", ".cr2", ".cr3", ".cur", ".dcm", ".dds", ".dng", ".eps", ".exr", ".hdr", ".heic",
    ".heif", ".ico", ".icns", ".jxl", ".nef", ".npy", ".npz", ".orf", ".pcx", ".pdf", ".ps", ".psd",
    ".raw", ".rgb", ".rw2", ".sgi", ".svg", ".tga", ".xcf",
    *[".avif"] * (not AvifImagePlugin.SUPPORTED),
)  # fmt: skip

_BYTES_PER_PIXEL = 4  # of a file that is not packed, such as a TIFF of 8-bit RGBA
_INTEGER_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # a tag of TIFF, and its value
_OVERSHOT = 2.0
_ROWS = 256
_LARGE_MEGAPIXELS = 16
_LARGE = threading.RLock()
_DEPTHS = (8, 10, 12, 14, 16, 24, 31)


class DamagedImage(UsageError):
    """A file that should be an image cannot be decoded."""


class White(NamedTuple):
    """The value that becomes 255 in images of more than 8 bits a channel.

    Attributes:
      integer: in images of 16-bit or 32-bit integers.
      real: in images of floating-point numbers.
    """

    integer: float = 65535.0
    real: float = 1.0


WHITE = White()


class Peak(NamedTuple):
    """The range of the values in an image of more than 8 bits a channel.

    Attributes:
      kind: integer | real | fixed: of 16 bits, scaled by Pillow itself, as color and PGM are.
      low: the smallest finite value in any pixel.
      high: the largest one.
    """

    kind: str
    low: float
    high: float


def format_of(head: bytes) -> str:
    """Return the format of a file by its first bytes, a name in `FORMATS`; '' for any other."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:12] in (b"ftypavif", b"ftypavis", b"ftypmif1") and AvifImagePlugin.SUPPORTED:
        return "AVIF"
    return next((name for start, name in _BEGINNINGS if head.startswith(start)), "")


def open_image(file: str | os.PathLike | IO[bytes] | io.BytesIO) -> Image.Image:
    """Open an image file of one of the `FORMATS`; its pixels are decoded when they are used.

    Args:
      file: a path, or the file's contents.

    Raises:
      Exception: of many kinds, if it is damaged or of another format.
    """
    return Image.open(file, formats=FORMATS)


def max_bytes(max_megapixels: int) -> int:
    """Return the size in bytes of the largest file that is read."""
    return max_megapixels * 10**6 * _BYTES_PER_PIXEL


def one_at_a_time(data: bytes) -> contextlib.AbstractContextManager:
    """Return a context in which no two large images of a process are in memory.

    Args:
      data: the file; small images do not wait.
    """
    try:
        width, height = Image.open(io.BytesIO(data), formats=FORMATS).size
    except Exception:  # the error is raised when the image is decoded
        return contextlib.nullcontext()
    return _LARGE if width * height > _LARGE_MEGAPIXELS * 1e6 else contextlib.nullcontext()


def decode(
    data: bytes,
    name: str,
    size: int,
    channels: int,
    *,
    white: White = WHITE,
    max_megapixels: int = MAX_MEGAPIXELS,
    exact: bool = False,
) -> UInt8[np.ndarray, "height width c"]:
    """Decode the bytes of an image file.

    Args:
      data: a file of one of the `FORMATS`, of any mode and size. Of an animation the first frame
        is read.
      name: what to call the file in an error.
      size: side in pixels of the result, see `fit`; 0 keeps the image's own size.
      channels: 1 or 3.
      white: the value that becomes 255 where a channel has more than 8 bits.
      max_megapixels: an image with more pixels is refused before it is decoded.
      exact: refuse an image of another size or mode rather than crop, resize or convert it.

    Raises:
      DamagedImage: if the file is truncated, damaged or not an image.
      UsageError: if the image is too large, or not exactly of the size and mode.
    """
    with one_at_a_time(data):
        image = load(data, name, max_megapixels)
        if exact:
            _check_exact(image, name, size, channels)
        return convert(image, name, size, channels, white)


def convert(
    image: Image.Image, name: str, size: int, channels: int, white: White
) -> UInt8[np.ndarray, "height width c"]:
    """Call `fit`.

    Raises:
      DamagedImage: if the mode of the image cannot be converted.
    """
    try:
        return fit(image, size, channels, white)
    except Exception as error:  # Pillow raises ValueError, OSError and others for odd modes
        why = f"cannot be converted from mode {image.mode}: {first_line(error)}"
        raise damaged(name, why) from error


def load(data: bytes, name: str, max_megapixels: int = MAX_MEGAPIXELS) -> Image.Image:
    """Decode the bytes of an image file into a Pillow image of its own size and mode.

    Args:
      data: the file.
      name: what to call the file in an error.
      max_megapixels: an image with more pixels is refused before it is decoded.

    Raises:
      DamagedImage: if the file is truncated, damaged or not an image.
      UsageError: if the image is too large.
    """
    kind = format_of(data[:16])
    if not kind:
        raise damaged(name, "it is not a file of any format that is read")
    try:
        image = Image.open(io.BytesIO(data), formats=(kind,))
        width, height = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, "hundreds of megapixels", max_megapixels) from error
    except UnidentifiedImageError as error:  # which would print the object that holds the bytes
        raise damaged(name, f"no readable {kind} header") from error
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise damaged(name, first_line(error)) from error
    if width * height > max_megapixels * 1e6:
        raise _too_large(name, f"{width}x{height} pixels", max_megapixels)
    try:
        image.load()
    except Exception as error:
        raise damaged(name, first_line(error)) from error
    return image


def peak(data: bytes) -> Peak | None:
    """Return the range of an image of more than 8 bits a channel; None for any other.

    An image that cannot be decoded has none: the error is raised when the image is used.
    """
    if not may_be_deep(data[:64]):
        return None
    try:
        with one_at_a_time(data):
            image = load(data, "", LARGEST_MEGAPIXELS)
            if image.mode in (*_INTEGER_MODES, "F"):
                values = np.asarray(image)
                values = values[np.isfinite(values)] if image.mode == "F" else values
                if not values.size:
                    return None
                kind = "real" if image.mode == "F" else "integer"
                # Pillow scales a PGM by the white that the file names.
                kind = "fixed" if image.format == "PPM" and kind == "integer" else kind
                return Peak(kind, float(values.min()), float(values.max()))
            if _has_deep_color(image, data):
                highest = max(high for _, high in np.atleast_2d(image.convert("RGB").getextrema()))
                return Peak("fixed", 0.0, highest * 256.0 + 255)
    except UsageError:
        pass
    return None


def _has_deep_color(image: Image.Image, data: bytes) -> bool:
    if image.format == "TIFF":
        return 16 in np.atleast_1d(image.tag_v2.get(258, 8))  # bits per sample
    return image.format == "PPM" or (image.format == "PNG" and data[24] == 16)


def may_be_deep(head: bytes) -> bool:
    """Tell by its first bytes whether a file may have more than 8 bits a channel."""
    kind = format_of(head)
    if kind == "PPM":
        words = re.sub(rb"#.*", b"", head).split()[:4]
        return words[0] == b"Pf" or (len(words) == 4 and words[3].isdigit() and int(words[3]) > 255)
    return kind in ("TIFF", "JPEG2000") or head[24:25] == b"\x10"


def white_of(peaks: list[Peak]) -> White:
    """Return the white of a set of images: its values tell how many bits its files use.

    Many cameras and microscopes store 10, 12 or 14 bits in files of 16, which would look black.

    Args:
      peaks: those of the set's images that have one.
    """
    integer = max((each.high for each in peaks if each.kind == "integer"), default=65535.0)
    real = max((each.high for each in peaks if each.kind == "real"), default=1.0)
    # Filters overshoot: what is a little over 1 still counts from 0 to 1.
    return White(_full_scale(integer), 1.0 if real <= _OVERSHOT else _full_scale(real))


def fit(
    image: Image.Image, size: int, channels: int, white: White = WHITE
) -> UInt8[np.ndarray, "height width c"]:
    """Turn an image upright, lay it on white, make it gray or RGB, crop and resize it.

    Args:
      image: of any mode.
      size: side in pixels of the result: the center square is resized by Lanczos's filter. 0 keeps
        the image's own height and width.
      channels: 1 or 3.
      white: the value that becomes 255 where a channel has more than 8 bits.
    """
    with contextlib.suppress(Exception):  # EXIF data may be damaged where the pixels are not
        ImageOps.exif_transpose(image, in_place=True)
    image = _to_eight_bits(image, white)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode == "LAB":  # which Pillow converts to RGB by a color profile alone
        raise ValueError("save it as RGB")
    image = image.convert("L" if channels == 1 else "RGB")
    if size:
        image = ImageOps.fit(image, (size, size), method=Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    return pixels[..., None] if channels == 1 else pixels


def describe(image: Image.Image) -> tuple[str, str, str]:
    """Return the format, the size and the mode of an image, as "PNG", "640x480" and "RGB"."""
    return image.format or "", f"{image.width}x{image.height}", image.mode


def damaged(name: str, why: str) -> DamagedImage:
    """Return the error for a file that cannot be decoded."""
    return DamagedImage(
        f"config.dataset.name: {name}: truncated or damaged image ({why}); repair or remove it"
    )


def unreadable(name: str, error: Exception) -> DamagedImage:
    """Return the error for a file of which the bytes cannot be read."""
    # zipfile shows its objects, as "File <ZipInfo ...> is encrypted".
    why = " ".join(re.sub(r"<[^>]*>", "", first_line(error)).split())
    return DamagedImage(f"config.dataset.name: {name} cannot be read ({why})")


def with_remedy(error: DamagedImage) -> DamagedImage:
    """Return the error for an image of a run's own data, with what a run that has begun can do."""
    return DamagedImage(
        f"{error}, or give --config.dataset.damaged=replace, which shows the next image in its "
        "place and is the way on for a run that has begun"
    )


def several(errors: list[DamagedImage], count: int) -> DamagedImage:
    """Return one error for several damaged images of so many."""
    more = len(errors) - 1
    return DamagedImage(
        f"{errors[0]}; so are {more} more of {count} images: --mode=check lists them"
    )


def too_many_bytes(name: str, max_megapixels: int) -> UsageError:
    """Return the error for a file that is too large to be read."""
    size = f"more than {max_bytes(max_megapixels) // 10**6} MB"
    return _too_large(name, size, max_megapixels)


def _too_large(name: str, size: str, max_megapixels: int) -> UsageError:
    return UsageError(
        f"config.dataset.name: {name}: the image is too large ({size}); "
        f"config.dataset.max_megapixels={max_megapixels} takes {max_megapixels} megapixels and "
        f"{max_bytes(max_megapixels) // 10**6} MB; raise it, or make the image smaller"
    )


def _check_exact(image: Image.Image, name: str, size: int, channels: int) -> None:
    width, height = ImageOps.exif_transpose(image).size
    mode = "L" if channels == 1 else "RGB"
    if (width, height, image.mode) != (size, size, mode):
        words = {"L": "gray", "RGB": "RGB"}
        found = words.get(image.mode, f"of mode {image.mode}")
        raise UsageError(
            f"config.dataset.name: {name}: is {width}x{height} {found}, and the run takes "
            f"{size}x{size} {words[mode]}; --fit crops, resizes and converts it"
        )


def _full_scale(value: float) -> float:
    return float(next((2**bits - 1 for bits in _DEPTHS if value < 2**bits), value))


def _to_eight_bits(image: Image.Image, white: White) -> Image.Image:
    if image.mode not in (*_INTEGER_MODES, "F"):
        return image
    values = np.asarray(image)
    if image.format == "PPM":
        white = white._replace(integer=WHITE.integer)
    pixels = np.empty(values.shape, np.uint8)
    for begin in range(0, len(values), _ROWS):  # in parts: large images would take much memory
        rows = values[begin : begin + _ROWS].astype(np.float64)
        if not np.isfinite(rows).all():
            raise ValueError("a pixel is not finite")
        if image.mode == "F":
            rows = np.round(rows * (255 / white.real))
        else:  # of 16 bits these are the upper 8
            rows = np.floor(rows * (256 / (white.integer + 1)))
        pixels[begin : begin + _ROWS] = np.clip(rows, 0, 255)
    if image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        pixels = 255 - pixels  # Pillow inverts images of 8 bits itself, and leaves these
    transparent = image.info.get("transparency")  # the one gray value that a PNG marks as such
    if isinstance(transparent, int):
        pixels[values == transparent] = 255
    return Image.fromarray(pixels)
