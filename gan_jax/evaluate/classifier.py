"""A small convolutional network, trained on a data set's own labels, to compare its images by.

It stands in where no published network fits the data. Its training is deterministic: the same data,
program and machine give the same weights, but another number of cores gives others. What compares
is the file. It is named after the data and kept with its accuracy in the user's cache directory,
and a sweep keeps it in its own directory for all of its workers. Stacked MNIST has the classifier
of the MNIST in it, which sees each channel by itself.
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import logging
import os
import pathlib
import secrets
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, PyTree, UInt8
from scipy import special

from gan_jax import prng, startup
from gan_jax.config import Optimizer
from gan_jax.data.sources import Source, cache_key
from gan_jax.data.stacked import SIDE, StackedMnist
from gan_jax.errors import UsageError, first_line
from gan_jax.models.layers import Conv, max_pool
from gan_jax.state import make_optimizer

_LOGGER = logging.getLogger(__name__)
_FEATURES = 128
# To be counted up whenever the recipe changes: kept weights of another are not taken.
_RECIPE = 2
_STEPS, _BATCH, _LEARNING_RATE = 2_000, 128, 2e-3
_HELD_OUT, _MOST_HELD_OUT = 10, 10_000  # one example in so many measures the accuracy
_FEW = 100  # of a small set so many do, but at most a third: fewer would prove nothing
# Guesses of the most frequent class have an accuracy like a useful classifier's less often.
_LUCK = 0.001


class Classifier(nn.Module):
    """Images in [0, 1], [B, H, W, C] -> (features [B, 128], logits [B, classes])."""

    num_classes: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> tuple[Float[Array, "batch features"], Float[Array, "batch classes"]]:
        """Two convolutions, each with a pooling where there is room, and a hidden layer."""
        for width in (32, 64):
            # Of the first it centers the pixels; before the second as well, more of MNIST's
            # held-out digits are right: 99.03 against 98.93 %.
            x = nn.relu(Conv(width, 3, kernel_init=nn.initializers.he_normal())(2 * x - 1))
            if min(x.shape[1:3]) > 2:
                x = max_pool(x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2])
        x = nn.relu(nn.Dense(_FEATURES)(x.reshape(len(x), -1)))
        return x, nn.Dense(self.num_classes)(x)


class Trained(NamedTuple):
    """A classifier and what is known of it.

    Attributes:
      params: Its parameters.
      accuracy: The share of the held-out images that it is right about.
      chance: The share of these that are of their most frequent class.
      held_out: The number of these.
      sha256: The hash of its bytes.
    """

    params: PyTree
    accuracy: float
    chance: float
    held_out: int
    sha256: str

    @property
    def useful(self) -> bool:
        """Whether it is clearly better than guesses of the most frequent class."""
        right = round(self.accuracy * self.held_out)
        return bool(special.bdtrc(right - 1, self.held_out, self.chance) < _LUCK)


def size(source: Source) -> tuple[int, int]:
    """(numbers in a feature, classes) of the extractor for a source."""
    return (3 * _FEATURES, 1000) if isinstance(source, StackedMnist) else (
        _FEATURES, source.num_classes
    )  # fmt: skip


def extractor(source: Source) -> Callable[[PyTree, UInt8[Array, "batch h w c"]], tuple]:
    """(params, images) -> (features, probabilities); those of three digits are multiplied."""
    if not isinstance(source, StackedMnist):
        network = Classifier(source.num_classes)

        def whole(params: PyTree, images: Array) -> tuple[Array, Array]:
            features, logits = network.apply({"params": params}, _unit(images))
            return features, jax.nn.softmax(logits)

        return whole
    network = Classifier(10)

    def each_channel(params: PyTree, images: Array) -> tuple[Array, Array]:
        border = (images.shape[1] - SIDE) // 2
        images = images[:, border : border + SIDE, border : border + SIDE]
        channels = jnp.moveaxis(images, -1, 0)[..., None]
        features, logits = jax.vmap(lambda x: network.apply({"params": params}, _unit(x)))(channels)
        r, g, b = jax.nn.softmax(logits)
        joint = b[:, :, None, None] * g[:, None, :, None] * r[:, None, None, :]
        return jnp.concatenate(list(features), axis=-1), joint.reshape(len(images), -1)

    return each_channel


def trained(source: Source, kept: pathlib.Path | None = None) -> Trained:
    """Return the classifier of a source: one from before, or one trained now and kept.

    Of several processes that ask at once, one trains and the others wait for it.

    Args:
      source: The data.
      kept: A file for those who share a directory, as the workers of a sweep do. Its classifier
        comes before that of the user's cache directory, whose is copied there if it is missing.
    """
    data = source.digits if isinstance(source, StackedMnist) else source
    decides = (_RECIPE, cache_key(data), data.shape, data.classes, data.num_classes)
    key = hashlib.sha256(repr(decides).encode()).hexdigest()[:16]
    cache = startup.cache_directory()
    own = cache and cache / "classifiers" / f"{key}.npz"
    places = [path for path in (kept, own) if path is not None]
    with contextlib.ExitStack() as stack:
        for path in places:  # in this order in every process, so that no two wait for each other
            stack.enter_context(_locked(path))
        found = next(filter(None, (_read(path, key) for path in places)), None)
        if found is None:
            print("training the classifier that images are compared by, once", file=sys.stderr)
            found = _train(data)
            print(
                f"it is right about {found.accuracy:.1%} of {found.held_out} held-out images "
                f"(most frequent class: {found.chance:.1%})",
                file=sys.stderr,
            )
        for path in places:
            if not path.exists():
                _write(path, found, key)
    return found


def _train(source: Source) -> Trained:
    """By Adam with a cosine decay to 0, in batches of 128; a tenth or more is held out."""
    count = len(source)
    order = np.argsort(prng.host_bits(0, "classifier split", 0, count), kind="stable")
    few = max(min(count // 3, _FEW), 1)
    held_out, seen = np.split(order, [min(max(count // _HELD_OUT, few), _MOST_HELD_OUT)])
    network = Classifier(source.num_classes)
    optimizer = make_optimizer(Optimizer(b1=0.9))
    key = prng.stream(prng.root(0), "classifier")
    params = network.init(key, jnp.zeros((1, *source.shape)))["params"]

    def loss(params: PyTree, images: Array, labels: Array) -> Array:
        _, logits = network.apply({"params": params}, _unit(images))
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def update(params: PyTree, state: Any, rate: Array, images: Array, labels: Array) -> tuple:
        state = state._replace(hyperparams=state.hyperparams | {"learning_rate": rate})
        gradient = jax.grad(loss)(params, images, labels)
        with jax.numpy_dtype_promotion("standard"):  # optax raises the float b1 to the int count
            moves, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, moves), state

    @jax.jit
    def right(params: PyTree, images: Array, labels: Array) -> Array:
        _, logits = network.apply({"params": params}, _unit(images))
        return jnp.sum(jnp.argmax(logits, axis=-1) == labels)

    state = optimizer.init(params)
    words = prng.host_bits(0, "classifier batches", 0, _STEPS * _BATCH)
    places = (words % np.uint64(len(seen))).astype(np.int64).reshape(_STEPS, _BATCH)
    rates = _LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * np.arange(_STEPS) / _STEPS))
    for batch, rate in zip(places, rates.astype(np.float32), strict=True):
        example = source.read(seen[batch])
        params, state = update(params, state, rate, example["image"], example["label"])
    correct, counts = 0, np.zeros(source.num_classes, np.int64)
    for example in map(source.read, np.array_split(held_out, -(-len(held_out) // 1000))):
        correct += int(right(params, example["image"], example["label"]))
        counts += np.bincount(example["label"], minlength=source.num_classes)
    params, count = jax.device_get(params), len(held_out)
    return Trained(params, correct / count, int(counts.max()) / count, count, _hash(params))


def _unit(images: Array) -> Array:
    return images.astype(jnp.float32) / 255


def _hash(params: PyTree) -> str:
    sha = hashlib.sha256()
    for name, leaf in sorted(flatten_dict(params, sep="/").items()):
        sha.update(f"{name} {leaf.shape}\n".encode() + np.ascontiguousarray(leaf).tobytes())
    return sha.hexdigest()


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    """Hold the lock beside a file, as far as its file system has locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(path.with_suffix(".lock").open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("waiting for the process that makes the classifier", file=sys.stderr)
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: pathlib.Path, key: str) -> Trained | None:
    """Return the classifier in a file; None where there is none, or it is damaged and removed.

    Raises:
      UsageError: If it is of other data.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
        params = unflatten_dict(arrays, sep="/")
        if _hash(params) != about["sha256"]:
            raise ValueError("its bytes do not match their hash")
        made_for, found = about.pop("key"), Trained(params, **about)
    except Exception as error:  # a damaged file can make a reader raise anything
        _LOGGER.warning("%s is damaged (%s); made again", path, first_line(error))
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    if made_for != key:
        raise UsageError(f"{path}: a classifier of other data; remove it, or bring the data back")
    return found


def _write(path: pathlib.Path, made: Trained, key: str) -> None:
    about = {name: value for name, value in made._asdict().items() if name != "params"}
    about = json.dumps(about | {"key": key})
    draft = path.with_name(f"{path.stem}.{secrets.token_hex(8)}.npz")
    try:
        np.savez(draft, about=about, **flatten_dict(made.params, sep="/"))
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        _LOGGER.warning("%s cannot be written (%s); the classifier is not kept", path, error)
