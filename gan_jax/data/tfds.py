"""Images that TensorFlow Datasets has prepared, read without TensorFlow."""

import functools
import hashlib
import logging
import pathlib
import shlex

import numpy as np
from jaxtyping import Int

from gan_jax.config import MAX_MEGAPIXELS, nearest
from gan_jax.data import contents, images
from gan_jax.data.files import Directory
from gan_jax.data.images import DamagedImage
from gan_jax.errors import UsageError, first_line


class Tfds:
    """A source over any prepared TFDS data set that has images (see `sources.Source`).

    Args:
      name: TFDS's, such as "mnist", "cifar10:3.0.2" or "imagenet_resized/32x32".
      split: TFDS's, such as "train" or "train[:10%]".
      data_dir: where it was prepared; empty for TFDS's default.
      image_size: side in pixels to crop and resize to; 0 keeps the data set's own.
      channels: 1 or 3; 0 keeps the data set's own.
      damaged: refuse | replace an image that cannot be decoded, see `config.Dataset`.
      max_megapixels: an image with more is refused.

    Raises:
      UsageError: if TFDS has no such set or split, it has no images, it is not prepared, or its
        images differ in size and no `image_size` is given.
    """

    def __init__(
        self,
        name: str,
        split: str,
        data_dir: str,
        image_size: int,
        channels: int,
        *,
        damaged: str = "refuse",
        max_megapixels: int = MAX_MEGAPIXELS,
    ):
        self.damaged, self._max_megapixels = damaged, max_megapixels
        self.name, self.split, self.data_dir = name, split, data_dir
        self.image_key, self.label_key, self.classes = _keys(self._builder)
        self.num_classes = len(self.classes)
        height, width, own_channels = self._builder.info.features[self.image_key].shape
        self.image_size = image_size
        self.channels = channels or (3 if own_channels not in (1, 3) else own_channels)
        if image_size:
            height = width = image_size
        elif None in (height, width):
            raise UsageError(
                f"config.dataset.image_size=0: the images of {name} differ in size; "
                "give the side in pixels to resize them to"
            )
        self.shape = (height, width, self.channels)
        self._length = len(self._records)

    def __len__(self) -> int:
        return self._length

    def read(self, indices: Int[np.ndarray, "batch"]) -> dict[str, np.ndarray]:
        """As `Source.read`."""
        pixels = np.empty((len(indices), *self.shape), np.uint8)
        labels = np.zeros(len(indices), np.int32)
        records = self._records.__getitems__([int(index) for index in indices])
        for row, (index, record) in enumerate(zip(indices, records, strict=True)):
            try:
                pixels[row], labels[row] = self._decode(int(index), record)
            except DamagedImage as error:
                if self.damaged != "replace":
                    raise images.with_remedy(error) from error
                pixels[row], labels[row] = self._after(int(index), error)
        return {"image": pixels, "label": labels}

    def inspect(self, index: int) -> tuple[tuple[str, str, str], np.ndarray]:
        """As `Folder.inspect`."""
        record = self._records[index]
        title, white = self.title(index), images.WHITE
        image = images.load(record[self.image_key], title, self._max_megapixels)
        stored = images.describe(image)
        return stored, images.convert(image, title, self.image_size, self.channels, white)

    def title(self, index: int) -> str:
        """Return what to call an example."""
        return f"{self.name} {self.split} example {index}"

    def fingerprint(self) -> str:
        """Return a hash of the split's files, of which examples it takes, and how it reads them."""
        info = self._builder.info
        text = f"{info.full_name} {self.split} {len(self)} {self.shape} {self.image_size} "
        text += f"{self.image_key} {self.label_key} {self.classes}\n"
        return hashlib.sha256(text.encode() + self._hashes.tobytes()).hexdigest()

    def __getstate__(self) -> dict:
        """Open files stay behind: a worker process opens its own."""
        return {key: value for key, value in vars(self).items() if key not in _HANDLES}

    def _decode(self, index: int, record: dict) -> tuple[np.ndarray, int]:
        """Return the pixels and the label of an example."""
        pixels = images.decode(
            record[self.image_key],
            self.title(index),
            self.image_size,
            self.channels,
            max_megapixels=self._max_megapixels,
        )
        return pixels, record[self.label_key] if self.label_key else 0

    def _after(self, index: int, error: DamagedImage) -> tuple[np.ndarray, int]:
        """Return the first example after one that is damaged."""
        for offset in range(1, len(self)):
            place = (index + offset) % len(self)
            try:
                found = self._decode(place, self._records[place])
            except DamagedImage:
                continue
            _LOGGER.warning("%s is damaged: example %d is shown in its place", self.title(index),
                            place)  # fmt: skip
            return found
        raise error

    @functools.cached_property
    def _hashes(self) -> np.ndarray:
        """The SHA-256 of each of the split's files."""
        directory = Directory(pathlib.Path(self._builder.data_path))
        listing = directory.list()
        wanted = set(self._builder.info.splits[self.split].filenames)
        kept = [place for place, name in enumerate(listing.names) if name in wanted]
        some = listing._replace(
            names=[listing.names[place] for place in kept],
            sizes=listing.sizes[kept],
            stamps=listing.stamps[kept],
        )
        return contents.read(directory, some).hashes

    @functools.cached_property
    def _builder(self):
        return open_builder(self.name, self.data_dir)

    @functools.cached_property
    def _records(self):
        import tensorflow_datasets as tfds

        if not self._builder.is_prepared():
            words = [f"--config.dataset.name=tfds:{self.name}"]
            words += [f"--config.dataset.data_dir={self.data_dir}"] if self.data_dir else []
            raise UsageError(
                f"config.dataset.name='tfds:{self.name}': not prepared in "
                f"{self._builder.data_path}; prepare it once with: python launch.py --mode=prepare "
                f"--config=experiments/mnist_dcgan.py {shlex.join(words)}"
            )
        skip = {self.image_key: tfds.decode.SkipDecoding()}
        try:
            return self._builder.as_data_source(self.split, decoders=skip)
        except ValueError as error:
            splits = " | ".join(self._builder.info.splits)
            raise UsageError(
                f"config.dataset.split={self.split!r}: {self.name} has {splits}, and slices of them"
            ) from error


_LOGGER = logging.getLogger(__name__)
_HANDLES = ("_builder", "_records")


def open_builder(name: str, data_dir: str):
    """TFDS's builder of a data set, prepared or not, that reads and writes array_record.

    Raises:
      UsageError: if TFDS has no data set of that name, or cannot open it.
    """
    import tensorflow_datasets as tfds

    path = f"config.dataset.name='tfds:{name}'"
    try:
        return tfds.builder(name, data_dir=data_dir or None, file_format="array_record")
    except tfds.core.DatasetNotFoundError as error:
        hint = nearest(name, tfds.list_builders(with_community_datasets=False))
        raise UsageError(f"{path}: TFDS has no such data set{hint}") from error
    except Exception as error:  # TFDS meets odd names, versions and formats in as many ways
        if "File format is already set" in str(error):
            raise UsageError(
                f"{path}: prepared in {data_dir or 'the default directory'} in a format without "
                "random access; prepare it again, as array_record, in another "
                "config.dataset.data_dir (--mode=prepare does)"
            ) from error
        raise UsageError(f"{path}: TFDS cannot open it ({first_line(error)})") from error


def prepare(name: str, data_dir: str) -> str:
    """Downloads and prepares a data set once; this alone needs TensorFlow.

    Returns:
      The directory that holds it.

    Raises:
      UsageError: if TensorFlow is missing, or the download or the preparation fails.
    """
    builder = open_builder(name, data_dir)
    if builder.is_prepared():
        return str(builder.data_path)
    try:
        builder.download_and_prepare()
    except ImportError as error:
        raise UsageError(
            f"--mode=prepare: preparing a TFDS data set needs TensorFlow, once, on one machine "
            f"({error}); run: pip install tensorflow-cpu importlib_resources"
        ) from error
    except Exception as error:  # whatever a download can meet: no network, no space, a bad archive
        raise UsageError(
            f"--mode=prepare: {name} could not be prepared in {builder.data_path} "
            f"({type(error).__name__}: {first_line(error)})"
        ) from error
    return str(builder.data_path)


def _keys(builder) -> tuple[str, str | None, tuple[str, ...]]:
    """The names of the image and of the label among a data set's features, and of its classes."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    image_keys = [key for key, value in features.items() if type(value) is tfds.features.Image]
    if not image_keys:
        raise UsageError(
            f"config.dataset.name='tfds:{builder.name}': it has no images, only {list(features)}"
        )
    label_keys = [k for k, value in features.items() if isinstance(value, tfds.features.ClassLabel)]
    if not label_keys:
        return _preferred(image_keys, "image"), None, ()
    label = _preferred(label_keys, "label")
    # Without names TFDS counts the classes alone: these are called by their numbers.
    names = features[label].names or map(str, range(features[label].num_classes))
    return _preferred(image_keys, "image"), label, tuple(names)


def _preferred(keys: list[str], name: str) -> str:
    return name if name in keys else keys[0]
