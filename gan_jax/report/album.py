"""The pictures of a run as data URIs, each encoded once however often they are asked for."""

import base64
import io
import pathlib
import re
from typing import NamedTuple

from gan_jax.data.images import open_image

_MOST = 40  # pictures, at least half as many where there are so many
_WIDTH, _HEIGHT = 640, 1280  # pixels at most
_LARGEST = 2**26  # pixels of a file: what has more was not drawn by a run


class Picture(NamedTuple):
    """What G made at a step.

    Attributes:
      step: behind it.
      uri: a WebP in a data URI.
      size: width and height in pixels.
    """

    step: int
    uri: str
    size: tuple[int, int]


class Album:
    """Pictures of a folder, evenly spread over time, the first and the last among them.

    Every 2^n-th is taken, n as small as their number allows: as they become more, what was encoded
    is still of use.

    Args:
      folder: of step_*.png files; there need be none.
      most: pictures at most, besides the last.
    """

    def __init__(self, folder: pathlib.Path, most: int = _MOST):
        self._folder, self._most = folder, most
        self._known: dict[tuple[str, int, int], Picture | None] = {}

    def pictures(self, last: int | float = float("inf")) -> list[Picture]:
        """In the order of steps, those up to a step; damaged ones are left out."""
        files = [(step, file) for step, file in _files(self._folder) if step <= last]
        every = 1
        while len(files) > every * self._most:
            every *= 2
        known = {}
        for step, file in dict.fromkeys([*files[::every], *files[-1:]]):
            try:
                found = file.stat()
            except OSError:  # it goes while it is read
                continue
            key = (file.name, found.st_size, found.st_mtime_ns)
            known[key] = self._known[key] if key in self._known else _encode(step, file)
        self._known = known
        return [picture for picture in known.values() if picture is not None]


def real(folder: pathlib.Path) -> Picture | None:
    """Return the sheet of real examples; None where there is none that can be read."""
    return _encode(0, folder / "real.png")


def newest(folder: pathlib.Path, side: int) -> Picture | None:
    """The last picture that can be read, no larger than so many pixels either way."""
    for step, file in reversed(_files(folder)):
        if (picture := _encode(step, file, (side, side))) is not None:
            return picture
    return None


def _files(folder: pathlib.Path) -> list[tuple[int, pathlib.Path]]:
    """(step, file) in the order of steps."""
    try:
        names = [file for file in folder.iterdir() if re.fullmatch(r"step_\d+\.png", file.name)]
    except OSError:
        return []
    return sorted((int(file.stem.removeprefix("step_")), file) for file in names)


def _encode(
    step: int, file: pathlib.Path, most: tuple[int, int] = (_WIDTH, _HEIGHT)
) -> Picture | None:
    try:
        with open_image(file) as opened:
            if opened.width * opened.height > _LARGEST:
                return None
            image = opened.convert("RGB")
    except Exception:  # Pillow has many for a damaged file
        return None
    image.thumbnail(most)
    webp = io.BytesIO()
    image.save(webp, "WEBP", quality=80, method=2)
    text = base64.b64encode(webp.getvalue()).decode("ascii")
    return Picture(step, f"data:image/webp;base64,{text}", image.size)
