"""A small convolutional network, trained on a data set's own labels, to compare its images by.

It stands in where no published network fits the data. Its training is deterministic, so that the
same data, program and machine give the same weights; what compares across machines is the file,
which is named after the data and kept in the user's cache directory with its accuracy. Stacked
MNIST has the classifier of the MNIST in it, which sees each channel by itself.
"""

import functools
import hashlib
import json
import logging
import os
import pathlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, PyTree, UInt8

from gan_jax import prng, startup
from gan_jax.config import Optimizer
from gan_jax.data.sources import Source
from gan_jax.data.stacked import SIDE, StackedMnist
from gan_jax.errors import first_line
from gan_jax.models.layers import Conv, max_pool
from gan_jax.state import make_optimizer

_LOGGER = logging.getLogger(__name__)
_FEATURES = 128
# To be counted up whenever the recipe changes: kept weights of another are not taken.
_RECIPE = 1
_STEPS, _BATCH, _LEARNING_RATE = 2_000, 128, 2e-3
_HELD_OUT, _MOST_HELD_OUT = 10, 10_000  # one example in so many measures the accuracy


class Classifier(nn.Module):
    """Images in [0, 1], [B, H, W, C] -> (features [B, 128], logits [B, classes])."""

    num_classes: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> tuple[Float[Array, "batch features"], Float[Array, "batch classes"]]:
        """Two convolutions, each with a pooling where there is room, and a hidden layer."""
        for width in (32, 64):
            # Of the first it centres the pixels; before the second as well, more of MNIST's
            # held-out digits are right: 99.03 against 98.93 %.
            x = nn.relu(Conv(width, 3, kernel_init=nn.initializers.he_normal())(2 * x - 1))
            if min(x.shape[1:3]) > 2:
                x = max_pool(x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2])
        x = nn.relu(nn.Dense(_FEATURES)(x.reshape(len(x), -1)))
        return x, nn.Dense(self.num_classes)(x)


class Trained(NamedTuple):
    """A classifier's parameters, its accuracy on held-out images and the hash of its bytes."""

    params: PyTree
    accuracy: float
    sha256: str


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


def trained(source: Source) -> Trained:
    """The classifier of a source: the one kept from before, or one trained now and kept."""
    data = source.digits if isinstance(source, StackedMnist) else source
    folder = startup.cache_directory()
    about = f"{_RECIPE} {data.fingerprint()} {data.shape} {data.num_classes}"
    name = hashlib.sha256(about.encode()).hexdigest()[:16]
    path = folder and folder / "classifiers" / f"{name}.npz"
    if path is not None and path.exists():
        try:
            return _read(path)
        except Exception as error:  # a damaged file can make a reader raise anything
            _LOGGER.warning("%s is damaged (%s); trained again", path, first_line(error))
    print("training the classifier that images are compared by, once", file=sys.stderr)
    made = _train(data)
    if path is not None:
        _write(path, made)
    return made


def _train(source: Source) -> Trained:
    """By Adam with a cosine decay to 0, in batches of 128; a tenth is held out."""
    count = len(source)
    order = np.argsort(prng.host_bits(0, "classifier split", 0, count), kind="stable")
    held_out, seen = np.split(order, [min(max(count // _HELD_OUT, 1), _MOST_HELD_OUT)])
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
    correct = sum(
        int(right(params, example["image"], example["label"]))
        for example in map(source.read, np.array_split(held_out, -(-len(held_out) // 1000)))
    )
    params = jax.device_get(params)
    return Trained(params, correct / len(held_out), _hash(params))


def _unit(images: Array) -> Array:
    return images.astype(jnp.float32) / 255


def _hash(params: PyTree) -> str:
    sha = hashlib.sha256()
    for name, leaf in sorted(flatten_dict(params, sep="/").items()):
        sha.update(f"{name} {leaf.shape}\n".encode() + np.ascontiguousarray(leaf).tobytes())
    return sha.hexdigest()


def _read(path: pathlib.Path) -> Trained:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(str(arrays.pop("about")))
    params = unflatten_dict(arrays, sep="/")
    if _hash(params) != about["sha256"]:
        raise ValueError("its bytes do not match their hash")
    return Trained(params, about["accuracy"], about["sha256"])


def _write(path: pathlib.Path, made: Trained) -> None:
    about = json.dumps({"accuracy": made.accuracy, "sha256": made.sha256})
    try:
        path.parent.mkdir(exist_ok=True)
        draft = path.with_name(f"{path.stem}.{os.getpid()}.npz")
        np.savez(draft, about=about, **flatten_dict(made.params, sep="/"))
        os.replace(draft, path)
    except OSError as error:
        _LOGGER.warning("%s cannot be written (%s); the classifier is not kept", path, error)
