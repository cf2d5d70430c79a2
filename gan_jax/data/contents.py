"""Hashes the contents of files, and remembers the hashes of those that have not changed."""

import hashlib
import logging
import os
import pathlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int8, UInt8

from gan_jax import startup
from gan_jax.config import LARGEST_MEGAPIXELS
from gan_jax.data import images
from gan_jax.data.files import Archive, Directory, Listing
from gan_jax.data.images import Peak, White

_LOGGER = logging.getLogger(__name__)
_KINDS = ("", "integer", "real", "fixed")  # of `Peak`, as they are stored
_BLOCK = 2**20
# A file that was written this recently may be written again within the resolution of its times.
_RECENT_NS = 2 * 10**9


class Contents(NamedTuple):
    """What is in the files of a listing, in its order.

    Attributes:
      hashes: the SHA-256 of each.
      kinds: the kind of the peak of each, an index into `_KINDS`; 0 where it has none.
      peaks: the smallest and the largest value of each image of more than 8 bits a channel; 0 for
        others.
    """

    hashes: UInt8[np.ndarray, "n 32"]
    kinds: Int8[np.ndarray, "n"]
    peaks: Float64[np.ndarray, "n 2"]

    def white(self) -> White:
        """Return the white of the images of more than 8 bits."""
        deep = np.flatnonzero(self.kinds)
        return images.white_of([Peak(_KINDS[self.kinds[i]], *self.peaks[i]) for i in deep])

    def range(self, kind: str) -> tuple[float, float] | None:
        """Return the smallest and the largest value of the images of a kind, if there are any."""
        found = self.peaks[self.kinds == _KINDS.index(kind)]
        return (float(found[:, 0].min()), float(found[:, 1].max())) if len(found) else None


def read(files: Directory | Archive, listing: Listing) -> Contents:
    """Hash files on all cores; those that have not changed since an earlier call are not read.

    What was found is kept in the user's cache directory. A file counts as unchanged if its path,
    size, inode and times are the same, and were not of the last seconds when it was read.

    Args:
      files: where they are.
      listing: some of the files there.
    """
    now = time.time_ns()
    count = len(listing.names)
    found = Contents(
        np.zeros((count, 32), np.uint8), np.zeros(count, np.int8), np.zeros((count, 2))
    )
    memory = _memory(files.path)
    missing = _recall(memory, listing, found)
    if not len(missing):
        return found

    unread = []

    def hash_some(places: np.ndarray) -> None:
        for place in places:
            try:
                digest, peak = _look(files, listing.names[place])
            except Exception:  # damaged or encrypted, which is told when the image is used
                unread.append(place)
                continue
            found.hashes[place] = np.frombuffer(digest, np.uint8)
            if peak is not None:
                found.kinds[place] = _KINDS.index(peak.kind)
                found.peaks[place] = peak.low, peak.high

    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        parts = np.array_split(missing, min(len(missing), 8 * cores))
        for done in [pool.submit(hash_some, part) for part in parts]:
            done.result()
    old = listing.stamps[:, :2].max(axis=1) < now - _RECENT_NS
    old[unread] = False
    _remember(memory, listing, found, old)
    return found


def _look(files: Directory | Archive, name: str) -> tuple[bytes, Peak | None]:
    """Return a file's SHA-256, and its peak."""
    sha, kept = hashlib.sha256(), []
    file, size = files.open(name)
    with file:
        block = file.read(_BLOCK)
        deep = images.may_be_deep(block[:64]) and size <= images.max_bytes(LARGEST_MEGAPIXELS)
        while block:
            sha.update(block)
            if deep:
                kept.append(block)
            block = file.read(_BLOCK)
    return sha.digest(), images.peak(b"".join(kept)) if kept else None


def _memory(path: pathlib.Path) -> pathlib.Path | None:
    """Return the file that remembers a place; None where there is no cache directory."""
    cache = startup.cache_directory()
    if cache is None:
        return None
    place = os.path.realpath(path)
    return cache / "contents" / f"{hashlib.sha256(os.fsencode(place)).hexdigest()[:32]}.npz"


def _recall(memory: pathlib.Path | None, listing: Listing, found: Contents) -> np.ndarray:
    """Fill in what is remembered; return the places of the other files."""
    every = np.arange(len(listing.names))
    try:
        if memory is None or not memory.exists():
            return every
        with memory.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            names = saved["names"].tobytes().split(b"\0")
            numbers, hashes = saved["numbers"], saved["hashes"]
            kinds, peaks = saved["kinds"], saved["peaks"].reshape(-1, 2)
            if hashlib.sha256(hashes.tobytes()).digest() != saved["check"].tobytes():
                raise ValueError("its hashes were changed")
        if not len(numbers):
            return every
        known = {name: place for place, name in enumerate(names)}
        old = np.array([known.get(os.fsencode(name), -1) for name in listing.names], np.int64)
        now = np.column_stack([listing.sizes, listing.stamps])
        same = (old >= 0) & (numbers[old] == now).all(axis=1)
        found.hashes[same] = hashes[old[same]]
        found.kinds[same] = kinds[old[same]]
        found.peaks[same] = peaks[old[same]]
    except Exception as error:  # a damaged file can make a reader raise anything
        _LOGGER.warning("%s is damaged (%s); files are read again", memory, error)
        return every
    return every[~same]


def _remember(
    memory: pathlib.Path | None, listing: Listing, found: Contents, old: np.ndarray
) -> None:
    """Keep what is known of the files that are `old` enough for their times to tell."""
    if memory is None or not old.any():
        return
    names = [os.fsencode(name) for name, keep in zip(listing.names, old, strict=True) if keep]
    hashes = found.hashes[old]
    draft = memory.with_name(f"{memory.stem}.{os.getpid()}.npz")
    try:
        memory.parent.mkdir(exist_ok=True)
        np.savez(
            draft,
            names=np.frombuffer(b"\0".join(names), np.uint8),
            numbers=np.column_stack([listing.sizes, listing.stamps])[old],
            hashes=hashes,
            kinds=found.kinds[old],
            peaks=found.peaks[old],
            check=np.frombuffer(hashlib.sha256(hashes.tobytes()).digest(), np.uint8),
        )
        os.replace(draft, memory)
    except OSError as error:
        _LOGGER.warning("%s cannot be written (%s); files are read again", memory, error)
