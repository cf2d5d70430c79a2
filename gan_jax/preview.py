"""The picture of a run at one moment: what its average G makes of the same latents, each time."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gan_jax import prng, state
from gan_jax.config import Config
from gan_jax.data import toys
from gan_jax.report import pictures

Painter = Callable[[state.GANState], pictures.Pixels]

_POINTS_1D, _POINTS_2D = 10_000, 2_500


def make_painter(config: Config, models: state.Models, num_classes: int) -> Painter:
    """State -> picture: densities in 1-D, samples over modes in 2-D, a grid for images.

    Args:
      config: of the run.
      models: its networks.
      num_classes: of its data; a conditional G draws them in turn.
    """
    counts = {"gaussian_1d": _POINTS_1D, "ring_2d": _POINTS_2D, "grid_2d": _POINTS_2D}
    count = counts.get(config.dataset.name, config.num_samples)
    latents = state.fixed_latents(config, prng.root(config.seed), count)
    label = jnp.arange(count, dtype=jnp.int32) % max(num_classes, 1)

    @jax.jit
    def sample(average: state.Average) -> Array:
        variables = {"params": average.params, **average.model_state}
        samples = models.generator.apply(variables, latents, label, train=False)
        return 2 * samples - 1 if config.dataset.pixel_range == "unit" else samples

    def paint_grid(now: state.GANState) -> pictures.Pixels:
        return pictures.grid(np.asarray(sample(now.ema)))

    def paint_modes(now: state.GANState) -> pictures.Pixels:
        centres, std = toys.MODES[config.dataset.name]
        samples = np.asarray(sample(now.ema))
        return pictures.modes(samples, centres(), std, int(now.step))

    probability = jax.jit(
        lambda player, x: jax.nn.sigmoid(
            models.discriminator.apply(
                {"params": player.params, **player.model_state},
                x,
                jnp.zeros(len(x), jnp.int32),
                train=False,
            )
        )
    )

    def paint_densities(now: state.GANState) -> pictures.Pixels:
        x = np.linspace(-2, 5, 401)
        d = probability(now.discriminator, jnp.asarray(x[:, None], jnp.float32))
        samples = np.asarray(sample(now.ema))
        return pictures.densities(samples, x, np.asarray(d), int(now.step))

    painters = {"gaussian_1d": paint_densities, "ring_2d": paint_modes, "grid_2d": paint_modes}
    return painters.get(config.dataset.name, paint_grid)
