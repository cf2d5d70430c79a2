"""The sets that are scored: what G makes, images from elsewhere, the data themselves, noise."""

import hashlib
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from gan_jax import latents, parallel, prng
from gan_jax.config import Config
from gan_jax.data import toys
from gan_jax.data.sources import Example, Source
from gan_jax.errors import Diverged
from gan_jax.state import GANState, Models

_CHUNK = 1000  # examples in memory at a time while their order is found


class Subject(NamedTuple):
    """A set that is scored.

    Attributes:
      name: in the protocol: ema | live | images | real | noise; but for the first two, which are
        "checkpoint", the kind of the row too.
      count: its examples.
      num_classes: that its labels count; 0: they mean nothing.
      batches: examples at a time -> all of them, in order.
      seed: of what is random in them.
      fit: how images of other sizes were made to fit; empty: none had to be.
    """

    name: str
    count: int
    num_classes: int
    batches: Callable[[int], Iterator[Example]]
    seed: int = 0
    fit: str = ""


def make_samples(
    config: Config, models: Models, num_classes: int
) -> Callable[[GANState, int], Subject]:
    """(state, seed) -> what its average G makes, by running statistics, in bytes as of image files.

    Each example is a function of the seed and its number, on any devices and in any batches.
    A conditional G makes the classes in turn.
    """
    averaged = config.ema.decay or config.ema.half_life

    def label_of(numbers: Int[Array | np.ndarray, "batch"]) -> Array | np.ndarray:
        return numbers % max(num_classes, 1)

    def generate(given: tuple[PyTree, Array], numbers: Int[Array, "batch"]) -> tuple[Array, Array]:
        variables, key = given
        z = latents.draw(config.latent, prng.per_example(key, numbers))
        made = models.generator.apply(variables, z, label_of(numbers), train=False)
        finite = jnp.isfinite(made).all(axis=tuple(range(1, made.ndim)))
        if made.ndim == 2:
            return made, finite
        pixels = made * 255 if config.dataset.pixel_range == "unit" else (made + 1) * 127.5
        return jnp.clip(jnp.round(pixels), 0, 255).astype(jnp.uint8), finite

    mapped = parallel.map_examples(generate)

    def samples(state: GANState, seed: int) -> Subject:
        variables = {"params": state.ema.params, **state.ema.model_state}
        key = prng.stream(prng.root(seed), "evaluation latent")

        def batches(size: int) -> Iterator[Example]:
            for numbers in _numbers(config.eval.num_samples, size):
                images, finite = mapped((variables, key), numbers)
                if not finite.all():  # as bytes they would look like black pixels
                    raise Diverged("samples of G are not finite, so they have no score")
                yield {"image": images, "label": label_of(numbers)}

        return Subject(
            "ema" if averaged else "live",
            config.eval.num_samples,
            num_classes if config.conditional else 0,
            batches,
            seed,
        )

    return samples


def of_source(
    source: Source,
    name: str,
    indices: Int[np.ndarray, "n"] | None = None,
    labels: Int[np.ndarray, "classes"] | None = None,
    num_classes: int | None = None,
) -> Subject:
    """Return the examples of a data set, or some of them, in the order of `by_content`.

    Args:
      source: The data set.
      name: As `Subject.name`.
      indices: The examples to take, which are in that order already; None: all of them.
      labels: The label to give to each of the source's classes; None: its own.
      num_classes: The number that these labels count; None: the source's own.
    """
    order = indices

    def batches(size: int) -> Iterator[Example]:
        nonlocal order
        if order is None:
            order = by_content(source)
        for numbers in _numbers(len(order), size):
            example = source.read(order[numbers])
            if labels is not None:
                example["label"] = labels[example["label"]]
            yield example

    count = len(source) if indices is None else len(indices)
    return Subject(name, count, source.num_classes if num_classes is None else num_classes, batches)


def by_content(source: Source) -> Int[np.ndarray, "n"]:
    """Return the places of all examples in a random order that their contents alone decide.

    The first ones, and any part, stand for the whole set, however its files are named and sorted;
    and two sets of equal examples come in the same order. The order is that of keyed hashes of the
    pixels. Copies of an example are set apart by their number, so they spread over the order like
    other examples. It takes one pass through the data.
    """
    key = prng.host_bits(0, "evaluation order", 0, 4).tobytes()

    def hashed(content: bytes) -> int:
        return int.from_bytes(hashlib.blake2b(content, key=key, digest_size=8).digest(), "little")

    hashes = np.empty(len(source), np.uint64)
    for begin in range(0, len(source), _CHUNK):
        numbers = np.arange(begin, min(begin + _CHUNK, len(source)))
        images = np.ascontiguousarray(source.read(numbers)["image"])
        hashes[numbers] = [hashed(image.tobytes()) for image in images]
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    firsts = np.searchsorted(ordered, ordered)
    for place in np.flatnonzero(firsts < np.arange(len(order))):
        copy = int(place - firsts[place])
        hashes[order[place]] = hashed(ordered[place].tobytes() + copy.to_bytes(8, "little"))
    return np.argsort(hashes, kind="stable")


def noise(source: Source, count: int) -> Subject:
    """Uniform bytes, or standard normal points: what is worse than any G."""

    def draw(number: int) -> np.ndarray:
        size = math.prod(source.shape)
        if len(source.shape) == 1:
            return toys.standard_normal("evaluation noise", size, number).astype(np.float32)
        words = prng.host_bits(0, "evaluation noise", number, -(-size // 8))
        return words.view(np.uint8)[:size].reshape(source.shape)

    def batches(size: int) -> Iterator[Example]:
        for numbers in _numbers(count, size):
            images = np.stack([draw(int(number)) for number in numbers])
            yield {"image": images, "label": np.zeros(len(numbers), np.int32)}

    return Subject("noise", count, 0, batches)


def _numbers(count: int, size: int) -> Iterator[Int[np.ndarray, "batch"]]:
    for begin in range(0, count, size):
        yield np.arange(begin, min(begin + size, count), dtype=np.int32)
