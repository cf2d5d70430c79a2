"""A user's own images: a source over a directory tree or a zip archive."""

import functools
import hashlib
import logging
import os
import pathlib
from collections import Counter

import numpy as np
from jaxtyping import Int

from gan_jax.config import MAX_MEGAPIXELS
from gan_jax.data import contents, images, layout
from gan_jax.data.contents import Contents
from gan_jax.data.files import Listing, open_files
from gan_jax.data.images import DamagedImage
from gan_jax.errors import UsageError

_LOGGER = logging.getLogger(__name__)
# How pixels are made of a file; to be counted up when that changes.
_READING = "2: upright, on white, center square, Lanczos"


class Folder:
    """A source over the image files of a directory or a zip archive (see `sources.Source`).

    Images are taken in the order of their paths; docs/using.md says what is made of their folders.
    Nothing but the list of files is read to make it.

    Args:
      path: the directory or the archive.
      image_size: side in pixels to crop and resize to.
      channels: 1 or 3; 0 means 3.
      split: which of the folders train/, val/ and test/ to take, where there are such.
      labels: auto | folders | none, see `config.Dataset`.
      damaged: refuse | replace an image that cannot be decoded, see `config.Dataset`; empty:
        refuse it without naming that setting.
      max_megapixels: an image with more is refused.
      exact: refuse images of another size or mode rather than crop, resize or convert them.

    Attributes:
      path: as given, with "~" replaced.
      names: the images, as paths relative to the folder.
      labels: the class of each.
      damaged: as given.
      layout: how the folder is read, and what is left out.

    Raises:
      UsageError: if there is nothing there, no image, or no `image_size`.
    """

    def __init__(
        self,
        path: str,
        image_size: int,
        channels: int,
        *,
        split: str = "train",
        labels: str = "auto",
        damaged: str = "",
        max_megapixels: int = MAX_MEGAPIXELS,
        exact: bool = False,
    ):
        self.path = pathlib.Path(os.path.expanduser(path))
        if not image_size:
            raise UsageError(
                f"config.dataset.image_size=0: folder:{self.path} needs a side in pixels to resize "
                "to, such as --config.dataset.image_size=64"
            )
        self.shape = (image_size, image_size, channels or 3)
        self._files = open_files(self.path)
        self.damaged, self._max_megapixels, self._exact = damaged, max_megapixels, exact
        listing = self._files.list()
        self.layout = layout.arrange(listing, split, labels, self.encoded)
        self.layout.left_out.update(listing.left_out)
        self.names, self.labels = self.layout.names, self.layout.labels
        if not self.names:
            raise UsageError(
                f"config.dataset.name: folder:{self.path} holds {_held(listing, self.layout)}; "
                f"takes {', '.join(images.SUFFIXES)}"
            )
        self.classes = self.layout.classes
        self.num_classes = len(self.classes)
        places = {name: place for place, name in enumerate(listing.names)}
        chosen = [places[name] for name in self.names]
        self._listing = listing._replace(
            names=self.names, sizes=listing.sizes[chosen], stamps=listing.stamps[chosen]
        )

    def __len__(self) -> int:
        return len(self.names)

    def read(self, indices: Int[np.ndarray, "batch"]) -> dict[str, np.ndarray]:
        """As `Source.read`."""
        pixels, places = [], []
        for index in indices:
            place = int(index)
            try:
                image = self.decode(place)
            except DamagedImage as error:
                if not self.damaged:
                    raise
                if self.damaged == "refuse":
                    raise images.with_remedy(error) from error
                place, image = self._next(place, error)
            pixels.append(image)
            places.append(place)
        return {"image": np.stack(pixels), "label": self.labels[places]}

    def decode(self, index: int) -> np.ndarray:
        """Return the pixels of one image.

        Raises:
          DamagedImage: if it cannot be decoded.
          UsageError: if it is too large, or is to be exact and is not.
        """
        return images.decode(
            self.encoded(self.names[index]),
            self.title(index),
            *self.shape[1:],
            white=self._contents.white(),
            max_megapixels=self._max_megapixels,
            exact=self._exact,
        )

    def inspect(self, index: int) -> tuple[tuple[str, str, str], np.ndarray]:
        """Return the format, size and mode of an image as it is stored, and its pixels as read.

        Raises:
          DamagedImage: if it cannot be decoded.
          UsageError: if it is too large.
        """
        title, channels = self.title(index), self.shape[-1]
        data, white = self.encoded(self.names[index]), self._contents.white()
        with images.one_at_a_time(data):
            image = images.load(data, title, self._max_megapixels)
            stored = images.describe(image)
            return stored, images.convert(image, title, self.shape[0], channels, white)

    def title(self, index: int) -> str:
        """Return what to call an image."""
        return f"{self.path}/{self.names[index]}"

    def encoded(self, name: str) -> bytes:
        """Return the bytes of one of its files.

        Raises:
          DamagedImage: if they cannot be read.
          UsageError: if they are too many.
        """
        title = f"{self.path}/{name}"
        try:
            file, size = self._files.open(name)
            with file:
                if size > images.max_bytes(self._max_megapixels):
                    raise images.too_many_bytes(title, self._max_megapixels)
                head = file.read(64)
                # What is not an image is not read further, however large it is.
                rest = images.format_of(head) or name.endswith(".json")
                return head + file.read(size) if rest else head
        except UsageError:
            raise
        except Exception as error:  # damaged, encrypted, or packed in an unknown way
            raise images.unreadable(title, error) from error

    def fingerprint(self) -> str:
        """Return a hash of the files' bytes, their order, their classes and how they are read."""
        sha = hashlib.sha256()
        white = self._contents.white()
        sha.update(f"{_READING} {self.shape} {white} {self.num_classes}\n".encode())
        sha.update(self._contents.hashes.tobytes() + self.labels.astype("<i4").tobytes())
        return sha.hexdigest()

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each image file, by its path in the folder."""
        rows = zip(self.names, self._contents.hashes, strict=True)
        return {name: row.tobytes().hex() for name, row in rows}

    def warnings(self) -> list[str]:
        """Return what the folder's owner may not have meant, one sentence each."""
        said = list(self.layout.warnings)
        white = self._contents.white()
        fixed, real = self._contents.range("fixed"), self._contents.range("real")
        if fixed is not None and fixed[1] < 2**14:
            said.append(
                f"the 16-bit images in color or PGM reach {fixed[1]:.0f} of 65535 and so come out "
                "dark; convert them to 8 bits a channel first"
            )
        if white.integer < 65535:
            said.append(
                f"the images of 16 bits use {int(white.integer + 1).bit_length() - 1} of them, so "
                f"{white.integer:.0f} is read as white"
            )
        if real is not None and (white.real != 1 or real[0] < 0 or real[1] < 0.1):
            said.append(
                f"the floating-point images hold values from {real[0]:.3g} to {real[1]:.3g}; 0 is "
                f"read as black and {white.real:g} as white"
            )
        return said

    def __getstate__(self) -> dict:
        """Another process is sent what is known of the contents rather than reads them again."""
        _ = self._contents
        return vars(self)

    @functools.cached_property
    def _contents(self) -> Contents:
        return contents.read(self._files, self._listing)

    def _next(self, index: int, error: DamagedImage) -> tuple[int, np.ndarray]:
        """Return the first image after one that is damaged, and its index."""
        for offset in range(1, len(self)):
            place = (index + offset) % len(self)
            try:
                image = self.decode(place)
            except DamagedImage:
                continue
            _LOGGER.warning("%s is damaged: %s is shown in its place", self.names[index],
                            self.names[place])  # fmt: skip
            return place, image
        raise error


def _held(listing: Listing, found: layout.Layout) -> str:
    if not found.left_out:
        return "no files"
    kinds = ", ".join(f"{count} {reason}" for reason, count in Counter(found.left_out).items())
    return f"{len(listing.names)} files, none of them an image that is read ({kinds})"
