"""The sets that are scored: what G makes, images from elsewhere, the data themselves, noise."""

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
from gan_jax.state import GANState, Models


class Subject(NamedTuple):
    """A set that is scored.

    Attributes:
      name: in the protocol: ema | live | images | real | noise.
      count: its examples.
      num_classes: that its labels count; 0: they mean nothing.
      batches: examples at a time -> all of them, in order.
      seed: of what is random in them.
    """

    name: str
    count: int
    num_classes: int
    batches: Callable[[int], Iterator[Example]]
    seed: int = 0


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

    def generate(given: tuple[PyTree, Array], numbers: Int[Array, "batch"]) -> Array:
        variables, key = given
        z = latents.draw(config.latent, prng.per_example(key, numbers))
        made = models.generator.apply(variables, z, label_of(numbers), train=False)
        if made.ndim == 2:
            return made
        pixels = made * 255 if config.dataset.pixel_range == "unit" else (made + 1) * 127.5
        return jnp.clip(jnp.round(pixels), 0, 255).astype(jnp.uint8)

    mapped = parallel.map_examples(generate)

    def samples(state: GANState, seed: int) -> Subject:
        variables = {"params": state.ema.params, **state.ema.model_state}
        key = prng.stream(prng.root(seed), "evaluation latent")

        def batches(size: int) -> Iterator[Example]:
            for numbers in _numbers(config.eval.num_samples, size):
                yield {"image": mapped((variables, key), numbers), "label": label_of(numbers)}

        return Subject(
            "ema" if averaged else "live",
            config.eval.num_samples,
            num_classes if config.conditional else 0,
            batches,
            seed,
        )

    return samples


def of_source(source: Source, name: str, indices: Int[np.ndarray, "n"] | None = None) -> Subject:
    """The examples of a data set, or some of them."""
    places = np.arange(len(source)) if indices is None else indices

    def batches(size: int) -> Iterator[Example]:
        for numbers in _numbers(len(places), size):
            yield source.read(places[numbers])

    return Subject(name, len(places), source.num_classes, batches)


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
