"""What a trained G makes: samples by their numbers, each a function of the seed and its own."""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util
from jaxtyping import Array, Float32, Int, Int32, Key, PyTree

from gan_jax import latents, parallel, prng
from gan_jax.apply.trained import Trained, make_generate
from gan_jax.errors import UsageError

_PASSES = 100  # of standing statistics (Brock et al. 2019)


class Draw(NamedTuple):
    """How z is drawn.

    Attributes:
      truncation: normal coordinates lie within +- this (Brock et al. 2019, section 3.1); 0: they
        lie anywhere.
      psi: z is then multiplied by it.
    """

    truncation: float = 0.0
    psi: float = 1.0


AS_TRAINED = Draw()


class Made(NamedTuple):
    """Samples, in host memory.

    Attributes:
      image: uint8 [n, height, width, channels], or points float32 [n, dim].
      label: the class that each was asked for; 0 where there are none.
      z: their latents.
    """

    image: np.ndarray | Array
    label: Int32[np.ndarray | Array, "n"]
    z: Float32[np.ndarray | Array, "n dim"]


class Sampler:
    """Makes samples of a run.

    By running and by standing statistics a sample is a function of the seed, its number and its
    class alone. By the statistics of the batch, which is as large as those that the run was trained
    on, it depends on the others of its batch, too.

    Args:
      trained: the run.
      seed: of the latents.
      labels: classes, taken in turn.
      draw: how z is drawn.
      statistics: by what G's BatchNorms normalize: running: the averages over training | standing:
        the mean over 100 batches of such samples as are made here | batch: those of each batch.

    Attributes:
      variables: G's, on the devices, with these statistics.
      classes: the names of the classes, in the order of the labels; empty: labels mean nothing.

    Raises:
      UsageError: if uniform latents are to be truncated.
    """

    def __init__(
        self,
        trained: Trained,
        seed: int,
        labels: list[int],
        draw: Draw = AS_TRAINED,
        statistics: str = "running",
    ):
        if draw.truncation and trained.config.latent.distribution == "uniform":
            raise UsageError(
                f"--truncation={draw.truncation}: the run's latents are uniform, without tails to "
                f"cut; --psi={draw.truncation} draws them from the smaller range"
            )
        self._trained, self._draw = trained, draw
        self.classes = trained.classes
        self._labels = np.asarray(labels, np.int32)
        self._by_batch = statistics == "batch"
        self._key = prng.stream(prng.root(seed), "sample latent")
        generate = make_generate(trained, by_batch=self._by_batch)

        def make(given: tuple[PyTree, Key[Array, ""]], asked: Int[Array, "n 2"]) -> Made:
            variables, key = given
            z = self._latents(key, asked[:, 0])
            return Made(to_bytes(generate(variables, z, asked[:, 1])), asked[:, 1], z)

        self._make = parallel.map_batches(make, whole=self._by_batch)
        variables = self._standing() if statistics == "standing" else trained.generator
        self.variables = parallel.replicate(variables)

    def batches(self, count: int) -> Iterator[Made]:
        """Samples 0 to count - 1, in order; the next batch is made while one is used."""
        config, left = self._trained.config, count
        size = config.batch_size if self._by_batch else min(config.eval.batch_size, count)
        asked = (self._asked(begin, size) for begin in range(0, count, size))
        for made in self._make((self.variables, self._key), asked):
            yield Made(*(part[:left] for part in made))
            left -= size

    def some(self, count: int) -> Made:
        """Samples 0 to count - 1 together."""
        return Made(*map(np.concatenate, zip(*self.batches(count), strict=True)))

    def _asked(self, begin: int, size: int) -> Int32[np.ndarray, "size 2"]:
        """(number, class) of each of a batch."""
        numbers = np.arange(begin, begin + size, dtype=np.int32)
        return np.stack([numbers, self._labels[numbers % len(self._labels)]], axis=1)

    def _latents(self, key: Key[Array, ""], numbers: Int[Array, "n"]) -> Float32[Array, "n dim"]:
        keys = prng.per_example(key, numbers)
        z = latents.draw(self._trained.config.latent, keys, self._draw.truncation)
        return self._draw.psi * z

    def _standing(self) -> PyTree:
        """G's variables, with the mean of the statistics of many batches of such samples."""
        g, start = self._trained.models.generator, self._trained.generator
        moved = [*(name for name in start if name != "params"), "standing"]

        @jax.jit
        def statistics(variables: PyTree, key: Key[Array, ""], asked: Int[Array, "n 2"]) -> PyTree:
            z = self._latents(key, asked[:, 0])
            with nn.intercept_methods(_note_statistics):
                _, seen = g.apply(variables, z, asked[:, 1], train=True, mutable=moved)
            return seen.get("standing", {})

        key, size = prng.stream(self._key, "standing"), self._trained.config.batch_size
        seen = [
            jax.device_get(statistics(start, key, self._asked(i * size, size)))
            for i in range(_PASSES)
        ]
        mean = jax.tree.map(lambda *parts: np.mean(parts, axis=0), *seen)
        flat = traverse_util.flatten_dict(start)
        found = traverse_util.flatten_dict({"batch_stats": mean})
        return traverse_util.unflatten_dict(flat | found)


def to_bytes(samples: Float32[Array, "..."]) -> Array:
    """Images in [-1, 1] as uint8, rounded and clipped, as of image files; points as they are."""
    if samples.ndim == 2:
        return samples
    return jnp.clip(jnp.round((samples + 1) * 127.5), 0, 255).astype(jnp.uint8)


def _note_statistics(call, arguments, keywords, context: nn.module.InterceptorContext):
    """Keeps what each BatchNorm sees in a collection of its own."""
    if isinstance(context.module, nn.BatchNorm) and context.method_name == "__call__":
        x = arguments[0].astype(jnp.float32)
        axes = tuple(range(x.ndim - 1))
        context.module.put_variable("standing", "mean", jnp.mean(x, axes))
        context.module.put_variable("standing", "var", jnp.var(x, axes))
    return call(*arguments, **keywords)
