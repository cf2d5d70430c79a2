"""What images are compared by: functions from pixels to features, each with a name that says which.

A name stands in the protocol of every score, so it holds all that changes a feature: the network,
the first digits of its weights' SHA-256 and how pixels come to it.
"""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from gan_jax import parallel
from gan_jax.config import Eval
from gan_jax.data.sources import Source
from gan_jax.errors import UsageError
from gan_jax.evaluate import cifar_resnet, classifier, inception, resize

# Pixels as features are averaged to this many on a side: a covariance has the square of them.
_PIXEL_SIDE = 16
# Images in the Inception at a time: the largest map of each, 147x147x64, is 5.5 MB.
_MOST_AT_ONCE = 64
_INSTEAD = "take --config.eval.features=pixels, or inception with its weights"


class Found(NamedTuple):
    """What is found in a set of images.

    Attributes:
      features: what distances are taken between.
      probabilities: of the extractor's classes; None where it has none.
    """

    features: Float[np.ndarray, "n dim"]
    probabilities: Float[np.ndarray, "n classes"] | None


class Extractor(NamedTuple):
    """A way to compare images.

    Attributes:
      name: of it and its weights.
      dim: numbers in a feature.
      classes: that it tells apart; 0: none.
      find: images uint8 [n, H, W, C], or points float32 [n, dim] -> what is found in them.
      accuracy: on held-out images, of a classifier that was trained on the data; else None.
    """

    name: str
    dim: int
    classes: int
    find: Callable[[np.ndarray], Found]
    accuracy: float | None = None


def open_extractor(settings: Eval, source: Source, kept: pathlib.Path | None = None) -> Extractor:
    """The extractor that the settings name, for the data of a source.

    Args:
      settings: reads features, weights and resize.
      source: the data.
      kept: the file of the classifier that is trained on the data, see `classifier.trained`.

    Raises:
      UsageError: if it does not go with the data, its weights are missing or not its own, or it is
        a classifier that knows nothing of the classes.
    """
    if len(source.shape) == 1:
        return Extractor("points", source.shape[0], 0, lambda points: Found(points, None))
    name = settings.features or ("classifier" if source.num_classes > 1 else "pixels")
    if name == "classifier":
        return _classifier(source, kept)
    return _OPEN[name](settings, source)


def _pixels(settings: Eval, source: Source) -> Extractor:
    """Their averages over a grid of at most 16x16, in [0, 1]."""
    del settings
    height, width, channels = source.shape
    size = min(height, _PIXEL_SIDE), min(width, _PIXEL_SIDE)

    def extract(_: PyTree, images: Array) -> tuple[Array, None]:
        x = images.astype(jnp.float32) / 255
        if (height, width) != size:
            x = jax.image.resize(x, (len(x), *size, channels), "linear", antialias=True)
        return x.reshape(len(x), -1), None

    name = f"pixels-{size[0]}x{size[1]}"
    return _extractor(name, size[0] * size[1] * channels, 0, extract, ())


def _classifier(source: Source, kept: pathlib.Path | None) -> Extractor:
    """One that is trained on the data's own labels."""
    if source.num_classes < 2:
        have = "one class" if source.num_classes else "no labels"
        raise UsageError(f"config.eval.features='classifier': the data have {have}; {_INSTEAD}")
    trained = classifier.trained(source, kept)
    if not trained.useful:
        raise UsageError(
            f"config.eval.features='classifier': it is right about {trained.accuracy:.1%} of "
            f"{trained.held_out} held-out images, no clear gain over the {trained.chance:.1%} that "
            f"are of one class; {_INSTEAD}"
        )
    extract = classifier.extractor(source)
    dim, classes = classifier.size(source)
    name = f"classifier-{trained.sha256[:8]}"
    found = _extractor(name, dim, classes, extract, trained.params)
    return found._replace(accuracy=trained.accuracy)


def _cifar_resnet(settings: Eval, source: Source) -> Extractor:
    """A ResNet-20 for CIFAR-10."""
    if source.shape != (32, 32, 3):
        raise UsageError(
            f"config.eval.features='cifar_resnet': takes images of 32x32x3, not of {source.shape}"
        )
    variables, sha256 = cifar_resnet.load(_weights(settings))
    network = cifar_resnet.ResNet20()

    def extract(variables: PyTree, images: Array) -> tuple[Array, Array]:
        found = network.apply(variables, images)
        return found.features, jax.nn.softmax(found.logits)

    return _extractor(f"cifar_resnet-{sha256[:8]}", 64, 10, extract, variables)


def _inception(settings: Eval, source: Source) -> Extractor:
    """The Inception of the published FIDs; images of one channel are repeated to three."""
    del source
    variables, sha256 = inception.load(_weights(settings))
    network = inception.Inception()

    def extract(variables: PyTree, images: Array) -> tuple[Array, Array]:
        found = network.apply(variables, images)
        return found.pool, jax.nn.softmax(found.logits_unbiased)

    side = inception.SIZE
    scaled = {"tf1": _resized_by_tf1, "antialiased": resize.antialiased}[settings.resize]
    mapped = parallel.map_examples(extract)

    def find(images: np.ndarray) -> Found:
        parts = []
        for begin in range(0, len(images), _MOST_AT_ONCE):
            part = images[begin : begin + _MOST_AT_ONCE]
            rgb = np.broadcast_to(part, (*part.shape[:3], 3))
            parts.append(mapped(variables, np.asarray(scaled(rgb, side, side))))
        return Found(*map(np.concatenate, zip(*parts, strict=True)))

    return Extractor(f"inception-{sha256[:8]}", 2048, 1008, find)


def _resized_by_tf1(images: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(resize.tf1_bilinear(images.astype(np.float32), height, width))


def _extractor(
    name: str, dim: int, classes: int, extract: Callable[..., tuple], variables: PyTree
) -> Extractor:
    mapped = parallel.map_examples(extract)
    return Extractor(name, dim, classes, lambda images: Found(*mapped(variables, images)))


def _weights(settings: Eval) -> pathlib.Path:
    if not settings.weights:
        raise UsageError(
            f"config.eval.features={settings.features!r}: needs config.eval.weights=FILE "
            "(docs/evaluation.md says where it comes from)"
        )
    return pathlib.Path(settings.weights)


_OPEN: dict[str, Callable[[Eval, Source], Extractor]] = {
    "inception": _inception,
    "cifar_resnet": _cifar_resnet,
    "pixels": _pixels,
}
