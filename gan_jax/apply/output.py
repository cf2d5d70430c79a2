"""Puts what the modes make where the user wants it, each file in one move."""

import os
import pathlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gan_jax import workdir
from gan_jax.errors import UsageError, printable


def claim_file(target: pathlib.Path, endings: tuple[str, ...]) -> None:
    """Makes sure that a file can be written, before the work is done that it is to hold.

    Args:
      target: it may be there already, and is then replaced; its directory is made if need be.
      endings: that it may have.

    Raises:
      UsageError: if it has another, or cannot be written there.
    """
    if target.suffix not in endings:
        listed = ", ".join(f"FILE{ending}" for ending in endings)
        raise UsageError(f"--out={target}: takes {listed}")
    if _is_dir(target):
        raise UsageError(f"--out={target}: is a directory; name a file")
    _is_dir(target.with_name(f"{target.name}.draft"))  # what is written first has a longer name
    _make(target.parent, target)


def claim_folder(target: pathlib.Path, mark: str = "") -> None:
    """Makes sure that a directory can be filled, before the work is done that it is to hold.

    Args:
      target: made if need be. It must be empty, or hold the file `mark`, which an earlier call of
        the same mode has left with others that may be replaced.
      mark: the name of that file; empty: it must be empty.

    Raises:
      UsageError: if it holds something else, or cannot be written.
    """
    _make(target, target)
    try:
        there = [path.name for path in target.iterdir()]
    except OSError as error:
        raise UsageError(
            f"--out={target}: cannot be read ({error.strerror}); name another place"
        ) from error
    if there and mark not in there:
        raise UsageError(
            f"--out={target}: holds {there[0]}, which this mode has not written; name a directory "
            "that is new or empty"
        )


def _is_dir(path: pathlib.Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:  # such as a name that is too long
        raise UsageError(f"--out={path}: {error.strerror}; take another name") from error


def _make(folder: pathlib.Path, target: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except FileExistsError as error:
        raise UsageError(f"--out={target}: {folder} is a file; name a directory") from error
    except OSError as error:
        raise UsageError(
            f"--out={target}: cannot be made ({error.strerror}); name another place"
        ) from error
    if not writable:
        raise UsageError(f"--out={target}: cannot be written; name another place")


def save_image(pixels: UInt8[np.ndarray, "height width channels"], path: pathlib.Path) -> None:
    """Writes a PNG, gray or RGB by the channels."""
    image = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    with workdir.replacing(path, path.with_name(path.name + ".draft")) as draft:
        Image.fromarray(image).save(draft, "PNG")


def save_arrays(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an .npz."""
    draft = path.with_name(path.name + ".draft")
    with workdir.replacing(path, draft), draft.open("wb") as file:
        np.savez(file, **arrays)


def say(what: str, target: pathlib.Path) -> None:
    """Tells the user what is where."""
    tell(printable(f"{what}: {target}"))


def tell(text: str) -> None:
    """Print lines; what in them is not printable is escaped."""
    print("\n".join(map(printable, text.split("\n"))), flush=True)
