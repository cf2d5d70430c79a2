"""Puts what the modes make where the user wants it, each file in one move."""

import pathlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gan_jax import workdir
from gan_jax.errors import UsageError


def check_free(target: pathlib.Path) -> None:
    """Refuses to mix files with others, or to take a directory's place.

    Args:
      target: a file, by its ending, which may be there already; or a directory, which must be empty
        if it is.

    Raises:
      UsageError: if it cannot be written so.
    """
    if target.suffix:
        if target.is_dir():
            raise UsageError(f"--out={target}: is a directory; name a file")
        return
    if target.exists() and not target.is_dir():
        raise UsageError(f"--out={target}: is a file; name a directory")
    if target.is_dir() and any(target.iterdir()):
        raise UsageError(f"--out={target}: is not empty; name a directory that is, or none yet")


def make_parent(target: pathlib.Path) -> None:
    """Makes the directory that a path lies in, if need be.

    Raises:
      UsageError: if it cannot be made.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out={target}: its directory cannot be made ({error.strerror}); name another"
        ) from error


def save_image(pixels: UInt8[np.ndarray, "height width channels"], path: pathlib.Path) -> None:
    """Writes a PNG, gray or RGB by the channels."""
    image = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    with workdir.replacing(path, path.with_suffix(".draft")) as draft:
        Image.fromarray(image).save(draft, "PNG")


def save_arrays(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an .npz."""
    with workdir.replacing(path, path.with_suffix(".draft")) as draft, draft.open("wb") as file:
        np.savez(file, **arrays)


def say(what: str, target: pathlib.Path) -> None:
    """Tells the user what is where."""
    print(f"{what}: {target}", flush=True)
