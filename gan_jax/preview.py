"""The picture of a run at one moment: what its average G makes of the same latents, each time."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from gan_jax import prng, state, workdir
from gan_jax.config import Config
from gan_jax.data import toys
from gan_jax.data.sources import Source
from gan_jax.report import pictures


class Painter(NamedTuple):
    """The two halves of a picture: one for the devices, one for the host.

    Attributes:
      look: (state, root key) -> arrays, dispatched and not waited for; compiled once for all seeds.
      draw: (those arrays in host memory, step) -> picture.
    """

    look: Callable[[state.GANState, Key[Array, ""]], dict[str, Array]]
    draw: Callable[[dict[str, np.ndarray], int], pictures.Pixels]


_POINTS_1D, _POINTS_2D = 10_000, 2_500
_LINE = np.linspace(-2, 5, 401)


def write_real(config: Config, source: Source, directory: pathlib.Path) -> pathlib.Path | None:
    """Write a sheet of real examples, as the networks see them, to samples/real.png.

    Args:
      config: of the run.
      source: its data.
      directory: the run's.

    Returns:
      Where it is; None for data on the line, which have no such picture.
    """
    path = directory / "samples" / "real.png"
    count = _POINTS_2D if config.dataset.name in toys.MODES else config.num_samples
    order = np.argsort(prng.host_bits(0, "real sheet", 0, len(source)), kind="stable")
    examples = source.read(order[:count])["image"]
    if config.dataset.name in toys.MODES:
        centers, std = toys.MODES[config.dataset.name]
        pixels = pictures.modes(examples, centers(), std, 0)
    elif len(source.shape) == 3:
        pixels = pictures.tile(examples)
    else:
        return None
    with workdir.writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    pictures.save(pixels, path)
    return path


def make_painter(config: Config, models: state.Models, num_classes: int) -> Painter:
    """The picture of a data set: densities in 1-D, samples over modes in 2-D, a grid for images.

    Args:
      config: of the run.
      models: its networks.
      num_classes: of its data; a conditional G draws them in turn.
    """
    counts = {"gaussian_1d": _POINTS_1D, "ring_2d": _POINTS_2D, "grid_2d": _POINTS_2D}
    count = counts.get(config.dataset.name, config.num_samples)
    label = jnp.arange(count, dtype=jnp.int32) % max(num_classes, 1)

    @jax.jit
    def samples(now: state.GANState, key: Key[Array, ""]) -> dict[str, Array]:
        latents = state.fixed_latents(config, key, count)
        variables = {"params": now.ema.params, **now.ema.model_state}
        made = models.generator.apply(variables, latents, label, train=False)
        return {"samples": 2 * made - 1 if config.dataset.pixel_range == "unit" else made}

    @jax.jit
    def densities(now: state.GANState, key: Key[Array, ""]) -> dict[str, Array]:
        d, x = now.discriminator, jnp.asarray(_LINE[:, None], jnp.float32)
        logits = models.discriminator.apply(
            {"params": d.params, **d.model_state}, x, jnp.zeros(len(x), jnp.int32), train=False
        )
        return samples(now, key) | {"probability": jax.nn.sigmoid(logits)}

    def draw_grid(seen: dict[str, np.ndarray], step: int) -> pictures.Pixels:
        del step
        return pictures.grid(seen["samples"])

    def draw_modes(seen: dict[str, np.ndarray], step: int) -> pictures.Pixels:
        centers, std = toys.MODES[config.dataset.name]
        return pictures.modes(seen["samples"], centers(), std, step)

    def draw_densities(seen: dict[str, np.ndarray], step: int) -> pictures.Pixels:
        return pictures.densities(seen["samples"], _LINE, seen["probability"], step)

    return {
        "gaussian_1d": Painter(densities, draw_densities),
        "ring_2d": Painter(samples, draw_modes),
        "grid_2d": Painter(samples, draw_modes),
    }.get(config.dataset.name, Painter(samples, draw_grid))
