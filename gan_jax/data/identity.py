"""Records what data a run is trained on, and tells when the data have changed."""

import gzip
import logging
import os
import pathlib
from typing import Any

from gan_jax import workdir
from gan_jax.data.folder import Folder
from gan_jax.data.sources import Source
from gan_jax.errors import UsageError, printable

_LOGGER = logging.getLogger(__name__)
# Of what is recorded; version 1 had hashes of names and sizes alone.
_VERSION = 2
FILES = "data_files.txt.gz"
_MOST_NAMED = 3


def record(source: Source) -> dict[str, Any]:
    """Return what manifest.json says of the data, as JSON values."""
    return {
        "version": _VERSION,
        "examples": len(source),
        "sha256": source.fingerprint(),
        "classes": list(source.classes),
    }


def check(source: Source, recorded: dict[str, Any], directory: pathlib.Path) -> None:
    """Refuse data that are not those of a run.

    Args:
      source: the data as they are now.
      recorded: what the run's manifest.json says of its data; empty where it says nothing.
      directory: the run's.

    Raises:
      UsageError: if they are others; it says what has changed.
    """
    if not recorded:
        _LOGGER.warning(
            "%s: manifest.json does not say what data the run began with; whether they have "
            "changed is not known", directory,
        )  # fmt: skip
        return
    if recorded == record(source):
        return
    if recorded.get("version") != _VERSION:
        _check_version_1(source, recorded, directory)
        return
    raise UsageError(
        f"config.dataset.name: the data are not those that the run in {directory} began with: "
        f"{_changes(source, recorded, directory)}; bring them back, or begin a run in another "
        "--workdir"
    )


def write_files(source: Source, directory: pathlib.Path) -> None:
    """Write the hash and the name of each file of a folder, by which `check` says what changed."""
    if not isinstance(source, Folder):
        return
    path = directory / FILES
    lines = b"".join(
        f"{digest}  ".encode() + os.fsencode(name).replace(b"\n", b"\\n") + b"\n"
        for name, digest in source.hashes().items()
    )
    with workdir.replacing(path, path.with_name(f"{FILES}.draft")) as draft:
        draft.write_bytes(gzip.compress(lines, mtime=0))


def _check_version_1(source: Source, recorded: dict[str, Any], directory: pathlib.Path) -> None:
    """Check what an older version of gan_jax has recorded, which is less."""
    if recorded.get("examples", len(source)) != len(source):
        raise UsageError(
            f"config.dataset.name: the run in {directory} began with {recorded['examples']} "
            f"examples, and there are {len(source)} now; bring them back, or begin a run in "
            "another --workdir"
        )
    if isinstance(source, Folder) and list(source.classes) != sorted(source.classes):
        raise UsageError(
            f"config.dataset.name: the run in {directory} was begun by an older version, which "
            "numbered the classes in the order 0, 1, 10, 2, ...; continue it with that version, "
            "or begin a run in another --workdir"
        )
    if isinstance(source, Folder):
        _LOGGER.warning(
            "the run in %s was begun by an older version, which did not record the contents of "
            "its images: whether they have changed is not known", directory,
        )  # fmt: skip


def _changes(source: Source, recorded: dict[str, Any], directory: pathlib.Path) -> str:
    """Say what is different."""
    classes = recorded.get("classes", [])
    if recorded.get("sha256") == source.fingerprint() and isinstance(classes, list):
        renamed = [
            f"{a} is now {b}" for a, b in zip(classes, source.classes, strict=False) if a != b
        ]
        return printable(f"classes have other names ({', '.join(renamed[:_MOST_NAMED])})")
    counts = f"{recorded.get('examples')} examples then, {len(source)} now"
    then = _read_files(directory)
    if not isinstance(source, Folder) or len(then) != recorded.get("examples"):
        return counts if recorded.get("examples") != len(source) else f"{counts}, and others"
    now = {os.fsencode(name).replace(b"\n", b"\\n"): of for name, of in source.hashes().items()}
    parts = {
        "added": sorted(now.keys() - then.keys()),
        "removed": sorted(then.keys() - now.keys()),
        "changed": sorted(name for name in now.keys() & then.keys() if now[name] != then[name]),
    }
    said = [_named(names, what) for what, names in parts.items() if names]
    return ", ".join(said) or "the files are the same, but not their classes or how they are read"


def _named(names: list[bytes], what: str) -> str:
    first = ", ".join(printable(os.fsdecode(name)) for name in names[:_MOST_NAMED])
    more = ", ..." * (len(names) > _MOST_NAMED)
    return f"{len(names)} file{'s' * (len(names) > 1)} {what} ({first}{more})"


def _read_files(directory: pathlib.Path) -> dict[bytes, str]:
    """Return the hash of each file by its name; of none where they are not recorded."""
    try:
        lines = gzip.decompress((directory / FILES).read_bytes()).splitlines()
        pairs = [line.split(b"  ", 1) for line in lines]
        return {name: digest.decode() for digest, name in pairs}
    except Exception:  # a damaged file can make gzip raise anything; the hash of all still tells
        return {}
