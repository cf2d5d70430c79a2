"""Keeps decoded data sets in the user's cache directory, so that the next start reads no image.

An entry is named by a hash of all that decides its arrays, and carries a hash of their bytes.
"""

import hashlib
import json
import logging
import os
import pathlib
import shutil
import time

import numpy as np

from gan_jax import startup
from gan_jax.errors import first_line

_LOGGER = logging.getLogger(__name__)
_DAY = 24 * 60 * 60.0
_MOST_BYTES = 4 * 10**9  # of all entries together; those that were used last stay


def recall(key: str) -> dict[str, np.ndarray] | None:
    """Return the arrays that are kept under a key, mapped from their files; None if none are.

    Args:
      key: decides the arrays; of letters and digits.
    """
    folder = _folder(key)
    if folder is None or not folder.exists():
        return None
    try:
        hashes = json.loads((folder / "sha256.json").read_text())
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in hashes
        }
        if hashes != _hashes(arrays):
            raise ValueError("its bytes do not match their hash")
        os.utime(folder)
    except Exception as error:  # a damaged file can make a reader raise anything
        _LOGGER.warning("%s is damaged (%s); decoded again", folder, first_line(error))
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return arrays


def keep(key: str, arrays: dict[str, np.ndarray]) -> None:
    """Keep arrays under a key, whole or not at all, and drop the entries that are too many.

    Args:
      key: decides the arrays; of letters and digits.
      arrays: by names of letters.
    """
    folder = _folder(key)
    if folder is None or sum(array.nbytes for array in arrays.values()) > _MOST_BYTES:
        return
    draft = folder.with_name(f"{key}.{os.getpid()}.draft")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, array in arrays.items():
            np.save(draft / f"{name}.npy", array)
        (draft / "sha256.json").write_text(json.dumps(_hashes(arrays)))
        if not folder.exists():  # another process may have written the same just now
            os.rename(draft, folder)
        _drop_oldest(folder.parent)
    except OSError as error:
        _LOGGER.warning("%s cannot be written (%s); not kept", folder, first_line(error))
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _folder(key: str) -> pathlib.Path | None:
    cache = startup.cache_directory()
    return cache and cache / "decoded" / key


def _hashes(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """Return the SHA-256 of each array's type, shape and bytes."""
    found = {}
    for name, array in arrays.items():
        sha = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array))
        found[name] = sha.hexdigest()
    return found


def _drop_oldest(place: pathlib.Path) -> None:
    """Remove the entries that were not used for longest, and what a kill has left half-written."""
    left = _MOST_BYTES
    for entry in sorted(place.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
        abandoned = entry.suffix == ".draft" and time.time() - entry.stat().st_mtime > _DAY
        left -= sum(file.stat().st_size for file in entry.iterdir())
        if left < 0 or abandoned:
            shutil.rmtree(entry, ignore_errors=True)
