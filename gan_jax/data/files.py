"""Lists and reads the files below a directory or in a zip archive."""

import io
import os
import pathlib
import posixpath
import stat
import threading
import zipfile
from collections import Counter
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from gan_jax.errors import UsageError, first_line


class Listing(NamedTuple):
    """The files of a directory or of an archive.

    Attributes:
      names: paths relative to the directory, with "/", in the order of their text.
      sizes: the size of each in bytes.
      stamps: numbers that change when a file is written, for each: of a directory's files the times
        of modification and of the change of their entry in ns, and the inode; of an archive's
        members the same times of the archive, and the checksum.
      folders: the directories, as such paths.
      left_out: why entries are not in the list, and how many for each reason.
    """

    names: list[str]
    sizes: Int64[np.ndarray, "n"]
    stamps: Int64[np.ndarray, "n 3"]
    folders: list[str]
    left_out: Counter


class Directory:
    """The files below a directory; links to files and to directories are followed.

    Hidden files and those of macOS's "__MACOSX" are left out, and so is a link to a directory that
    is read already, such as the one it lies in.

    Args:
      path: the directory.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path

    def list(self) -> Listing:
        """Return the files as they are now.

        Raises:
          UsageError: if a directory cannot be read.
        """
        rows: list[tuple[str, int, int, int, int]] = []
        left_out: Counter = Counter()
        folders: list[str] = []
        seen: set[tuple[int, int]] = set()
        waiting = [(os.fspath(self.path), "")]
        links: list[tuple[str, str]] = []  # followed when all that is there itself is listed
        while waiting or links:
            if not waiting:
                links.sort(reverse=True)
            path, prefix = waiting.pop() if waiting else links.pop()
            try:
                found = os.stat(path)
                key = (found.st_dev, found.st_ino)
                if key in seen:
                    left_out["links to folders that are read already"] += 1
                    continue
                seen.add(key)
                entries = list(os.scandir(path))
            except OSError as error:
                raise UsageError(
                    f"config.dataset.name: {path} cannot be read ({error.strerror}); make it "
                    "readable, or move it elsewhere"
                ) from error
            if prefix:
                folders.append(prefix.rstrip("/"))
            for entry in entries:
                name = prefix + entry.name
                if _hidden(entry.name):
                    left_out["hidden"] += 1
                    continue
                try:
                    found = entry.stat()
                except OSError:
                    left_out["links to nothing or to themselves"] += 1
                    continue
                if stat.S_ISDIR(found.st_mode):
                    place = links if entry.is_symlink() else waiting
                    place.append((entry.path, f"{name}/"))
                elif stat.S_ISREG(found.st_mode):
                    times = found.st_mtime_ns, found.st_ctime_ns
                    rows.append((name, found.st_size, *times, found.st_ino % 2**63))
                else:
                    left_out["neither files nor folders"] += 1
        return _listing(rows, folders, left_out)

    def open(self, name: str) -> tuple[io.BufferedIOBase, int]:
        """Return a file, open for reading, and its size in bytes."""
        file = (self.path / name).open("rb")
        return file, os.fstat(file.fileno()).st_size


class Archive:
    """The members of a zip archive; hidden ones are left out, as in `Directory`.

    Args:
      path: the archive.

    Raises:
      UsageError: if it is not a zip archive, or damaged.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        self._opening = threading.Lock()
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._archive()

    def list(self) -> Listing:
        """Return the members."""
        left_out: Counter = Counter()
        members = [item for item in self._archive().infolist() if not item.is_dir()]
        again = len(members) - len(self._members)
        if again:
            left_out["older members of the same name"] = again
        of_archive = os.stat(self.path)
        times = of_archive.st_mtime_ns, of_archive.st_ctime_ns
        rows = []
        for name, item in self._members.items():
            if any(_hidden(part) for part in name.split("/")):
                left_out["hidden"] += 1
            else:
                rows.append((name, item.file_size, *times, item.CRC))
        folders = [
            item.filename.rstrip("/") for item in self._archive().infolist() if item.is_dir()
        ]
        return _listing(rows, folders, left_out)

    def open(self, name: str) -> tuple[io.BufferedIOBase, int]:
        """Return a member, open for reading, and its size in bytes once it is unpacked."""
        archive = self._archive()
        item = self._members[name]
        return archive.open(item), item.file_size

    def __getstate__(self) -> dict:
        """Leave the open file behind: another process opens its own."""
        return {"path": self.path}

    def __setstate__(self, state: dict) -> None:
        self.path = state["path"]
        self._opening = threading.Lock()
        self._zip, self._members = None, {}

    def _archive(self) -> zipfile.ZipFile:
        with self._opening:
            if self._zip is None:
                try:
                    archive = zipfile.ZipFile(self.path)
                    # Some tools write "\\", a "/" in front, or "./".
                    self._members = {
                        posixpath.normpath(item.filename.replace("\\", "/")).lstrip("/"): item
                        for item in archive.infolist()
                        if not item.is_dir()
                    }
                except Exception as error:  # a damaged zip can make zipfile raise anything
                    raise UsageError(
                        f"config.dataset.name: folder:{self.path} is neither a directory nor a "
                        f"readable zip ({first_line(error)})"
                    ) from error
                self._zip = archive
        return self._zip


def open_files(path: pathlib.Path) -> Directory | Archive:
    """Open a directory or a zip archive.

    Raises:
      UsageError: if there is neither at the path.
    """
    try:
        if path.is_dir():
            return Directory(path)
        found = path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, or holds a NUL
        raise UsageError(f"config.dataset.name: folder:{path}: {first_line(error)}") from error
    if not found:
        raise UsageError(
            f"config.dataset.name: folder:{path}: no such directory or zip; if it was moved, give "
            "the run's own --config with --config.dataset.name=folder:NEW_PATH"
        )
    return Archive(path)


def _listing(
    rows: list[tuple[str, int, int, int, int]], folders: list[str], left_out: Counter
) -> Listing:
    rows.sort(key=lambda row: row[0])
    numbers = np.array([row[1:] for row in rows], np.int64).reshape(-1, 4)
    names = [row[0] for row in rows]
    return Listing(names, numbers[:, 0], numbers[:, 1:], folders, left_out)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
