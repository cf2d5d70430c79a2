"""What a run carries from step to step, and how it is born.

Both players have one type, so that whatever is done to one reads the same for the other. No random
key is part of it: keys are functions of the seed and `step`.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Float, Key, PyTree

from gan_jax import latents, penalties, prng
from gan_jax.config import Config, Optimizer
from gan_jax.models import Shared, build_discriminator, build_generator


class Models(NamedTuple):
    """The two linen modules: (z, label) -> samples, and (samples, label) -> logits."""

    generator: nn.Module
    discriminator: nn.Module


@struct.dataclass
class Player:
    """One network in training.

    Attributes:
      params: what the optimizer moves.
      opt_state: the optimizer's state; its hyperparameters are traced values in it.
      model_state: the network's other collections, such as running statistics; may be empty.
    """

    params: PyTree
    opt_state: PyTree
    model_state: PyTree


@struct.dataclass
class Average:
    """The moving average of G, statistics included; `decay` per step is a float32 scalar."""

    params: PyTree
    model_state: PyTree
    decay: PyTree


@struct.dataclass
class GANState:
    """A whole run at one moment; `step`, an int32 scalar, counts the steps behind it.

    Leaves are arrays on devices, NumPy arrays in host memory, or shapes: fields say no more.
    """

    step: PyTree
    generator: Player
    discriminator: Player
    ema: Average
    penalty: penalties.PenaltyState


def build_models(
    config: Config, sample_shape: tuple[int, ...], axis_name: str | None, num_classes: int = 0
) -> Models:
    """Both networks of a config.

    Args:
      config: reads generator, discriminator, conditional, dataset.pixel_range and precision.
      sample_shape: of one example of the real data.
      axis_name: the device axis over which batches are spread; None where there is none.
      num_classes: of the real data.

    Raises:
      UsageError: names the field that is off.
    """
    shared = Shared(
        sample_shape=sample_shape,
        num_classes=num_classes if config.conditional else 0,
        pixel_range=config.dataset.pixel_range,
        precision=config.precision,
        axis_name=axis_name,
    )
    return Models(
        build_generator(config.generator, shared),
        build_discriminator(config.discriminator, shared),
    )


def init_state(
    config: Config, models: Models, sample_shape: tuple[int, ...], key: Key[Array, ""]
) -> GANState:
    """The state before the first step, a pure function of the root key."""
    z = jnp.zeros((2, config.latent.dim), jnp.float32)
    *sides, channels = sample_shape
    x = jnp.zeros((2, *sides, config.packing * channels), jnp.float32)
    generator = _init_player(
        models.generator, prng.stream(key, "init generator"), z, config.generator.optimizer
    )
    discriminator = _init_player(
        models.discriminator, prng.stream(key, "init discriminator"), x,
        config.discriminator.optimizer,
    )  # fmt: skip
    # The average starts as a copy: the state is donated, and one buffer cannot be donated twice.
    average = Average(
        params=jax.tree.map(jnp.copy, generator.params),
        model_state=jax.tree.map(jnp.copy, generator.model_state),
        decay=jnp.float32(config.ema.per_step(config.batch_size * config.d_steps)),
    )
    return GANState(
        step=jnp.int32(0),
        generator=generator,
        discriminator=discriminator,
        ema=average,
        penalty=penalties.init(config.penalty),
    )


def with_numbers(state: GANState, config: Config) -> GANState:
    """A state before its first step with the traced settings of a config, whichever it had."""

    fields = {field.name for field in dataclasses.fields(Optimizer)}

    def player(now: Player, settings: Optimizer) -> Player:
        values = now.opt_state.hyperparams
        own = {name: jnp.float32(getattr(settings, name)) for name in values if name in fields}
        return now.replace(opt_state=now.opt_state._replace(hyperparams=values | own))

    decay = config.ema.per_step(config.batch_size * config.d_steps)
    return state.replace(
        generator=player(state.generator, config.generator.optimizer),
        discriminator=player(state.discriminator, config.discriminator.optimizer),
        ema=state.ema.replace(decay=jnp.float32(decay)),
        penalty=penalties.init(config.penalty),
    )


def make_optimizer(settings: Optimizer) -> optax.GradientTransformation:
    """The optimizer that the settings name, its numbers kept in its state."""
    if settings.name == "sgd":
        return optax.inject_hyperparams(optax.sgd)(learning_rate=settings.learning_rate)
    if settings.name == "rmsprop":
        return optax.inject_hyperparams(_rmsprop)(
            learning_rate=settings.learning_rate, b2=settings.b2, eps=settings.eps
        )
    return optax.inject_hyperparams(optax.adam)(
        learning_rate=settings.learning_rate, b1=settings.b1, b2=settings.b2, eps=settings.eps
    )


def fixed_latents(config: Config, key: Key[Array, ""], count: int) -> Float[Array, "count dim"]:
    """The latents of every picture of a run, apart from those that it trains on."""
    keys = prng.per_example(prng.stream(key, "picture latent"), jnp.arange(count, dtype=jnp.int32))
    return latents.draw(config.latent, keys, truncation=config.latent.truncation)


def _rmsprop(learning_rate: Array, b2: Array, eps: Array) -> optax.GradientTransformation:
    """As in PyTorch: the mean square starts at 0, and eps is added outside its root."""
    return optax.chain(
        optax.scale_by_rms(decay=b2, eps=eps, eps_in_sqrt=False),
        optax.scale_by_learning_rate(learning_rate),
    )


def _init_player(module: nn.Module, key: Key[Array, ""], x: Array, settings: Optimizer) -> Player:
    label = jnp.zeros(len(x), jnp.int32)
    variables: dict[str, Any] = dict(module.init(key, x, label, train=True))
    params = variables.pop("params")
    return Player(
        params=params, opt_state=make_optimizer(settings).init(params), model_state=variables
    )
