"""A user's own images: a directory tree or a zip, sub-folders as classes."""

import hashlib
import os
import pathlib
import threading
import zipfile

import numpy as np
from jaxtyping import Int

from gan_jax.data import images
from gan_jax.errors import UsageError, first_line


class Folder:
    """A source over the image files below a directory or in a zip (see `sources.Source`).

    Files are taken in the order of their paths. Where every image lies in a sub-folder of what they
    all have in common, the first level of sub-folders, sorted, are the classes.

    Args:
      path: the directory or the zip.
      image_size: side in pixels to crop and resize to.
      channels: 1 or 3; 0 means 3.
      exact: refuse images of another size or mode rather than crop, resize or convert them.

    Raises:
      UsageError: if there is nothing there, no image, or no `image_size`.
    """

    def __init__(self, path: str, image_size: int, channels: int, *, exact: bool = False):
        self.path = pathlib.Path(os.path.expanduser(path))
        if not image_size:
            raise UsageError(
                f"config.dataset.image_size=0: {self._named} needs a side in pixels to resize to"
            )
        self.shape = (image_size, image_size, channels or 3)
        self._exact = exact
        self._open = threading.local()
        every = self._list()
        self.names = sorted(name for name in every if _is_image(name))
        if not self.names:
            held = f"{len(every)} files, none of them an image" if every else "no files"
            raise UsageError(
                f"config.dataset.name: {self._named} holds {held}; "
                f"takes {', '.join(images.SUFFIXES)}"
            )
        classes, self.labels = _classes(self.names)
        self.classes = tuple(classes)
        self.num_classes = len(self.classes)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, indices: Int[np.ndarray, "batch"]) -> dict[str, np.ndarray]:
        """As `Source.read`."""
        names = [self.names[index] for index in indices]
        pixels = [
            images.decode(
                self.encoded(name), f"{self.path}/{name}", *self.shape[1:], exact=self._exact
            )
            for name in names
        ]
        return {"image": np.stack(pixels), "label": self.labels[indices]}

    def encoded(self, name: str) -> bytes:
        """The bytes of one of its files."""
        try:
            if self.path.is_dir():
                return (self.path / name).read_bytes()
            return self._zip().read(name)
        except Exception as error:  # damaged, encrypted, or packed in an unknown way
            raise UsageError(
                f"config.dataset.name: {self.path}/{name} cannot be read ({first_line(error)})"
            ) from error

    def fingerprint(self) -> str:
        """Of the files' names and sizes, which are quick to read."""
        if self.path.is_dir():
            sizes = {name: (self.path / name).stat().st_size for name in self.names}
        else:
            sizes = {item.filename: item.file_size for item in self._zip().infolist()}
        text = "".join(f"{name} {sizes[name]}\n" for name in self.names)
        return hashlib.sha256(os.fsencode(text)).hexdigest()

    def __getstate__(self) -> dict:
        """Open files stay behind: a worker process opens its own."""
        return {key: value for key, value in vars(self).items() if key != "_open"}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state, _open=threading.local())

    @property
    def _named(self) -> str:
        return f"folder:{self.path}"

    def _list(self) -> list[str]:
        if self.path.is_dir():
            found = (item for item in self.path.rglob("*") if item.is_file())
            return [item.relative_to(self.path).as_posix() for item in found]
        if not self.path.exists():
            raise UsageError(f"config.dataset.name: {self._named}: no such directory or zip")
        try:
            return [item.filename for item in self._zip().infolist() if not item.is_dir()]
        except Exception as error:  # a damaged zip can make zipfile raise anything
            raise UsageError(
                f"config.dataset.name: {self._named} is neither a directory nor a readable zip "
                f"({first_line(error)})"
            ) from error

    def _zip(self) -> zipfile.ZipFile:
        if not hasattr(self._open, "zip"):
            self._open.zip = zipfile.ZipFile(self.path)
        return self._open.zip


def _is_image(name: str) -> bool:
    """By its ending; files that start with a dot and macOS's copies of them are no images."""
    path = pathlib.PurePosixPath(name)
    return path.suffix.lower() in images.SUFFIXES and not any(
        part.startswith(".") or part == "__MACOSX" for part in path.parts
    )


def _classes(names: list[str]) -> tuple[list[str], np.ndarray]:
    """Names of the classes, and the int32 label of each file; no class and zeros where none is."""
    folders = [name.split("/")[:-1] for name in names]
    common = 0
    while all(len(f) > common and f[common] == folders[0][common] for f in folders):
        common += 1
    if not all(len(folder) > common for folder in folders):
        return [], np.zeros(len(names), np.int32)
    classes = sorted({folder[common] for folder in folders})
    index = {name: label for label, name in enumerate(classes)}
    return classes, np.array([index[folder[common]] for folder in folders], np.int32)
