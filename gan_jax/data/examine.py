"""Looks at every example of a data set before anything is trained on it."""

import collections
import dataclasses
import hashlib
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gan_jax import startup, workdir
from gan_jax.config import Dataset
from gan_jax.data.folder import Folder
from gan_jax.data.images import DamagedImage
from gan_jax.data.sources import Arrays, Source, cache_key
from gan_jax.data.tfds import Tfds
from gan_jax.errors import UsageError, first_line, printable

_LOGGER = logging.getLogger(__name__)
_VERSION = 1  # of what is kept in the cache directory
_MOST_LISTED = 20
_CHUNK = 256


@dataclasses.dataclass
class Findings:
    """What is found in a data set.

    Attributes:
      formats: how many files there are of each format; empty where there are no files. So below.
      sizes: of each size as it is stored, such as "640x480".
      modes: of each of Pillow's modes, such as "RGBA".
      problems: the examples that cannot be used, and why.
      too_large: how many of these are images that config.dataset.damaged=replace does not replace.
      copies: groups of examples that are the same pixel by pixel, as they are read.
    """

    formats: dict[str, int]
    sizes: dict[str, int]
    modes: dict[str, int]
    problems: dict[int, str]
    too_large: int
    copies: list[list[int]]

    def lines(self, source: Source) -> list[str]:
        """Return what to tell the user, a line for each kind of finding."""
        shape = "x".join(map(str, source.shape))
        said = {"examples": f"{len(source):,}, of which the networks see {shape} numbers each"}
        if isinstance(source, Arrays | Folder) and source.classes:
            counts = np.bincount(source.labels, minlength=source.num_classes)
            found = dict(zip(source.classes, map(int, counts), strict=True))
            said["classes"] = f"{source.num_classes:,}: {_listed(found)}"
        elif source.classes:
            said["classes"] = f"{source.num_classes:,}: {', '.join(source.classes[:_MOST_LISTED])}"
        for name in ("formats", "sizes", "modes"):
            if found := getattr(self, name):
                ordered = dict(sorted(found.items(), key=lambda pair: -pair[1]))
                said[name] = _listed(ordered)
        if isinstance(source, Folder):
            said["folders"] = source.layout.structure
            said["left out"] = _listed(source.layout.left_out) or "nothing"
        same = sum(len(group) - 1 for group in self.copies)
        said["copies"] = f"{same:,} examples are the same as another, pixel by pixel" * bool(same)
        if self.copies and isinstance(source, Folder):
            said["copies"] += (
                f", such as {' and '.join(source.names[i] for i in self.copies[0][:2])}"
            )
        said["damaged or too large"] = f"{len(self.problems):,}" if self.problems else "none"
        lines = [f"{name:<22} {text}" for name, text in said.items() if text]
        return [printable(line) for line in [*lines, *self.problems.values()]]


def examine(source: Source, dataset: Dataset) -> Findings:
    """Decode every example of a data set, on all cores.

    What is found is kept in the user's cache directory, by the contents of the data, so that the
    second look at the same data reads no image.

    Args:
      source: the data.
      dataset: what it was opened by.
    """
    cache = startup.cache_directory()
    key = f"{_VERSION} {cache_key(source)} {dataset}"
    path = cache and cache / "checks" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
    if path is not None and path.exists():
        try:
            saved = json.loads(path.read_text())
            saved["problems"] = {int(i): why for i, why in saved["problems"].items()}
            return Findings(**saved)
        except Exception as error:  # a damaged file may hold anything
            _LOGGER.warning("%s is damaged (%s); the data are read again", path, first_line(error))
    found = _look(source)
    if path is not None:
        try:
            path.parent.mkdir(exist_ok=True)
            workdir.write_shared_text(path, json.dumps(dataclasses.asdict(found)))
        except (OSError, UsageError) as error:
            _LOGGER.warning("%s cannot be written (%s)", path, first_line(error))
    return found


def _look(source: Source) -> Findings:
    counts = [collections.Counter() for _ in range(3)]
    problems: dict[int, str] = {}
    too_large: set[int] = set()
    hashes = np.zeros((len(source), 16), np.uint8)

    def look_at(places: np.ndarray) -> list[tuple[str, str, str]]:
        stored = []
        for place in map(int, places):
            try:
                if isinstance(source, Folder | Tfds):
                    about, pixels = source.inspect(place)
                    stored.append(about)
                else:
                    pixels = source.read(np.array([place]))["image"]
            except UsageError as error:
                problems[place] = str(error)
                if not isinstance(error, DamagedImage):
                    too_large.add(place)
                continue
            digest = hashlib.blake2b(np.ascontiguousarray(pixels), digest_size=16).digest()
            hashes[place] = np.frombuffer(digest, np.uint8)
        return stored

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        chunks = np.array_split(np.arange(len(source)), -(-len(source) // _CHUNK))
        for stored in pool.map(look_at, chunks):
            for about in stored:
                for counter, value in zip(counts, about, strict=True):
                    counter[value] += 1
    groups = collections.defaultdict(list)
    for place, digest in enumerate(hashes):
        if place not in problems:
            groups[digest.tobytes()].append(place)
    copies = [group for group in groups.values() if len(group) > 1]
    return Findings(*map(dict, counts), dict(sorted(problems.items())), len(too_large), copies)


def _listed(counts: dict[str, int]) -> str:
    """Return the first of some counts in words."""
    listed = [f"{name} {count:,}" for name, count in counts.items()]
    more = len(listed) - _MOST_LISTED
    return ", ".join(listed[:_MOST_LISTED]) + f" and {more} more" * (more > 0)
