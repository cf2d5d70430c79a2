"""What a mode leaves of given images: pictures, a JSON file, the latents."""

import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from gan_jax import workdir
from gan_jax.apply import output
from gan_jax.apply.options import Options, target
from gan_jax.apply.photos import Photos
from gan_jax.apply.search import Found
from gan_jax.apply.trained import Trained
from gan_jax.errors import UsageError
from gan_jax.report import pictures

_FILE = re.compile(r"\d{3,}_(before|masked|low|completed|blended|original|inverted)\.png")
Rows = list[dict[str, Any]]


def place(options: Options, directory: pathlib.Path, name: str) -> pathlib.Path:
    """The directory to write to, made if need be.

    Raises:
      UsageError: if it is a file, or cannot be made.
    """
    folder = target(options, directory, name)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out={folder}: is a file; takes a directory, which need not exist")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out={folder}: cannot be made ({error.strerror})") from error
    return folder


def origin(trained: Trained, seed: int) -> dict[str, Any]:
    """What G it was, for a record."""
    return {
        "run": str(trained.directory),
        "step": trained.step,
        "params": trained.params,
        "seed": seed,
    }


def row(photos: Photos, found: Found, i: int) -> dict[str, Any]:
    """What is said of an image in any mode."""
    return {
        "name": photos.name[i],
        "label": int(photos.label[i]),
        "restart": int(found.restart[i]),
        "losses": {part: float(value[i]) for part, value in found.losses._asdict().items()},
    }


def write(
    folder: pathlib.Path,
    name: str,
    columns: Mapping[str, np.ndarray],
    record: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Writes all of it, the record last; files of more images that an earlier call left, go.

    Args:
      folder: an existing directory.
      name: of the record, without its ending.
      columns: of the sheet, from left to right: name -> uint8 [n, H, W, C], each also a file.
      record: JSON values.
      arrays: of latents.npz.
    """
    rows = np.stack(list(columns.values()), axis=1)
    tiles = rows.reshape(-1, *rows.shape[2:])
    pictures.save(pictures.tile(tiles, columns=len(columns)), folder / "sheet.png")
    files = {
        folder / f"{i:03d}_{column}.png": image
        for column, images in columns.items()
        for i, image in enumerate(images)
    }
    for path, image in files.items():
        output.save_image(image, path)
    for path in folder.glob("[0-9]*_*.png"):
        if _FILE.fullmatch(path.name) and path not in files:
            path.unlink()
    output.save_arrays(folder / "latents.npz", arrays)
    workdir.write_json(folder / f"{name}.json", dict(record))


def table(rows: list[list[str]]) -> str:
    """Rows of cells as lines, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(lines)


def mean(values: list[float | None]) -> float | None:
    """Of those that there are."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def number(value: float | None, digits: int) -> str:
    """A cell of a table; None is a PSNR without a bound."""
    return "inf" if value is None else f"{value:.{digits}f}"
