"""What a mode leaves of given images: pictures, a JSON file, the latents."""

import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from gan_jax import workdir
from gan_jax.apply import output
from gan_jax.apply.options import Options, target
from gan_jax.apply.photos import Photos
from gan_jax.apply.search import Found
from gan_jax.apply.trained import Trained
from gan_jax.errors import printable
from gan_jax.report import pictures

Rows = list[dict[str, Any]]


def place(options: Options, directory: pathlib.Path, name: str) -> pathlib.Path:
    """The directory to write to, made if need be.

    Raises:
      UsageError: if it cannot be written, or holds what this mode has not.
    """
    folder = target(options, directory, name)
    output.claim_folder(folder, f"{name}.json")
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
        **({"class": photos.classes[photos.label[i]]} if photos.classes else {}),
        "restart": int(found.restart[i]),
        "losses": {
            part: _finite(float(value[i])) for part, value in found.losses._asdict().items()
        },
    }


def called(row: Mapping[str, Any]) -> str:
    """Return the name of an image for a table, and its class if it has one."""
    return printable(f"{row['name']} ({row['class']})" if "class" in row else row["name"])


def write(
    folder: pathlib.Path,
    name: str,
    columns: Mapping[str, np.ndarray],
    record: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Writes all of it in the place of what an earlier call has left there.

    The record comes first: after a kill at any moment the same call finds it, and writes the rest.

    Args:
      folder: as `place` gives it.
      name: of the record, without its ending.
      columns: of the sheet, from left to right: name -> uint8 [n, H, W, C], each also a file.
      record: JSON values; `files` is added, the names of the images.
      arrays: of latents.npz.
    """
    path = folder / f"{name}.json"
    files = {
        f"{i:03d}_{column}.png": image
        for column, images in columns.items()
        for i, image in enumerate(images)
    }
    written = workdir.read_json(path).get("files")
    names = filter(lambda name: isinstance(name, str), written if isinstance(written, list) else [])
    for old in set(names) - files.keys():
        (folder / pathlib.PurePath(old).name).unlink(missing_ok=True)
    workdir.write_json(path, {**record, "files": sorted(files)})
    rows = np.stack(list(columns.values()), axis=1)
    tiles = rows.reshape(-1, *rows.shape[2:])
    pictures.save(pictures.tile(tiles, columns=len(columns)), folder / "sheet.png")
    for file, image in files.items():
        output.save_image(image, folder / file)
    output.save_arrays(folder / "latents.npz", arrays)


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


def _finite(value: float) -> float | None:
    """JSON has no numbers that are not finite."""
    return value if math.isfinite(value) else None
