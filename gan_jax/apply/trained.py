"""A trained generator and its critic, taken out of a run's directory."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import Array, Float, Int, PyTree

from gan_jax import checkpoint, prng, provenance
from gan_jax.config import Config
from gan_jax.data.sources import open_source
from gan_jax.errors import UsageError
from gan_jax.state import Models, build_models, init_state

# (variables of G, z [B, dim], label [B]) -> samples [B, ...], images in [-1, 1].
Generate = Callable[[PyTree, Array, Array], Float[Array, "batch ..."]]


class Trained(NamedTuple):
    """A run at one step, for use.

    Attributes:
      config: the run's.
      directory: the run's.
      step: steps behind it.
      shape: of one sample: (height, width, channels), or (dim,) of points.
      num_classes: that both networks are told of; 0: none.
      classes: the name of each of these, in the order of the labels; empty: none.
      models: the two networks, for one device.
      generator: G's variables.
      discriminator: D's variables.
      params: of which G: ema | live.
    """

    config: Config
    directory: pathlib.Path
    step: int
    shape: tuple[int, ...]
    num_classes: int
    classes: tuple[str, ...]
    models: Models
    generator: PyTree
    discriminator: PyTree
    params: str


def open_trained(
    config: Config, directory: pathlib.Path, which: str = "latest", params: str = ""
) -> Trained:
    """Reads a checkpoint of a run.

    Args:
      config: the run's.
      directory: the run's.
      which: latest | best | a step that is saved, or 0: before training.
      params: ema | live; empty: the average where the run keeps one.

    Raises:
      UsageError: if there is no such checkpoint, or no average.
    """
    averaged = bool(config.ema.decay or config.ema.half_life)
    if params == "ema" and not averaged:
        raise UsageError(
            f"--params=ema: the run in {directory} keeps no average (config.ema); take live"
        )
    checkpoint.find(directory, which)  # what does not exist is refused before anything is built
    shape, classes = _sample_of(directory, config)
    models = build_models(config, shape, None, len(classes))
    initial = jax.jit(lambda key: init_state(config, models, shape, key))
    key = prng.root(config.seed)
    step, state = checkpoint.load(directory, which, jax.eval_shape(initial, key))
    if state is None:
        state = jax.device_get(initial(key))
    params = params or ("ema" if averaged else "live")
    g = state.ema if params == "ema" else state.generator
    d = state.discriminator
    return Trained(
        config=config,
        directory=directory,
        step=step,
        shape=shape,
        num_classes=len(classes) if config.conditional else 0,
        classes=classes if config.conditional else (),
        models=models,
        generator={"params": g.params, **g.model_state},
        discriminator={"params": d.params, **d.model_state},
        params=params,
    )


def make_generate(trained: Trained, *, by_batch: bool = False) -> Generate:
    """G as a pure function, its samples in [-1, 1] whatever range the run has.

    Args:
      trained: reads its networks and config; the variables are an argument of what is returned.
      by_batch: BatchNorm by the statistics of the batch, in place of those in the variables.
    """
    g, unit = trained.models.generator, trained.config.dataset.pixel_range == "unit"

    def generate(
        variables: PyTree, z: Float[Array, "batch dim"], label: Int[Array, "batch"]
    ) -> Float[Array, "batch ..."]:
        if by_batch:
            moved = [name for name in variables if name != "params"]
            made, _ = g.apply(variables, z, label, train=True, mutable=moved)
        else:
            made = g.apply(variables, z, label, train=False)
        return 2 * made - 1 if unit and made.ndim > 2 else made

    return generate


def must_make_images(trained: Trained, mode: str) -> None:
    """Refuses a run whose samples are points.

    Raises:
      UsageError: if they are.
    """
    if len(trained.shape) == 1:
        raise UsageError(
            f"--mode={mode}: the run in {trained.directory} makes points, not images; name "
            "another --workdir"
        )


def _sample_of(directory: pathlib.Path, config: Config) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Shape and classes of the data, by the manifest; the data themselves need not be at hand."""
    sample = provenance.read(directory).get("sample")
    if sample is not None:  # runs of older versions have the number of their classes alone
        classes = sample.get("classes", map(str, range(sample["num_classes"])))
        return tuple(sample["shape"]), tuple(classes)
    source = open_source(config.dataset)
    return source.shape, source.classes
