"""Generators and discriminators: pure linen modules, one file per family."""

import dataclasses
from types import ModuleType

import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Dtype

from gan_jax.config import Network, pick
from gan_jax.errors import UsageError
from gan_jax.models import dcgan, mlp

FAMILIES: dict[str, ModuleType] = {"mlp": mlp, "dcgan": dcgan}
PRECISIONS: dict[str, Dtype] = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def build_generator(
    network: Network, sample_shape: tuple[int, ...], precision: str, axis_name: str | None
) -> nn.Module:
    """The module (z [B, dim], train) -> samples [B, *sample_shape] that a config describes.

    Raises:
      UsageError: if there is no such family, or its options are not those of the config.
    """
    family = pick(FAMILIES, network.name, "config.generator.name")
    options = _options(family.Generator, network, "config.generator")
    return family.Generator(
        sample_shape=sample_shape, dtype=PRECISIONS[precision], axis_name=axis_name, **options
    )


def build_discriminator(network: Network, precision: str, axis_name: str | None) -> nn.Module:
    """The module (samples [B, ...], train) -> logits [B] that a config describes.

    Raises:
      UsageError: if there is no such family, or its options are not those of the config.
    """
    family = pick(FAMILIES, network.name, "config.discriminator.name")
    options = _options(family.Discriminator, network, "config.discriminator")
    return family.Discriminator(dtype=PRECISIONS[precision], axis_name=axis_name, **options)


def _options(module: type[nn.Module], network: Network, path: str) -> dict[str, object]:
    """The settings that are the family's own, which must be those that its module takes."""
    given = {field.name for field in dataclasses.fields(network)} - {"name", "optimizer"}
    shared = {"sample_shape", "dtype", "axis_name", "parent", "name"}
    taken = {field.name for field in dataclasses.fields(module)} - shared
    if given != taken:
        raise UsageError(
            f"{path}.name={network.name!r}: that family takes {', '.join(sorted(taken))}, and the "
            f"experiment's {type(network).__name__} gives {', '.join(sorted(given)) or 'nothing'}; "
            "name the family in the experiment file, with its own options"
        )
    return {name: getattr(network, name) for name in given}
