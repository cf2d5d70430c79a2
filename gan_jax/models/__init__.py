"""Generators and discriminators: pure linen modules, one file per family."""

import dataclasses
from types import ModuleType
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax.typing import Dtype

from gan_jax.config import Network, pick
from gan_jax.errors import UsageError
from gan_jax.models import cs231n, dcgan, mlp, r3gan, resnet

FAMILIES: dict[str, ModuleType] = {
    "mlp": mlp,
    "dcgan": dcgan,
    "cs231n": cs231n,
    "resnet": resnet,
    "r3gan": r3gan,
}
PRECISIONS: dict[str, Dtype] = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


@dataclasses.dataclass(frozen=True)
class Shared:
    """What both networks of a run must fit; a module declares those of it that it reads.

    Attributes:
      sample_shape: of one example of the real data.
      num_classes: that both players are told of; 0 where they are not.
      pixel_range: signed | unit, see `config.Dataset`.
      precision: a name in `PRECISIONS`.
      axis_name: the device axis over which batches are spread; None where there is none.
    """

    sample_shape: tuple[int, ...]
    num_classes: int = 0
    pixel_range: str = "signed"
    precision: str = "float32"
    axis_name: str | None = None


def build_generator(network: Network, shared: Shared) -> nn.Module:
    """The module (z [B, dim], label [B], train) -> samples [B, *sample_shape] of a config.

    Raises:
      UsageError: if there is no such family, its options are not those of the config, or it cannot
        do what the two share asks for.
    """
    family = pick(FAMILIES, network.name, "config.generator.name")
    return _build(family.Generator, network, shared, "config.generator")


def build_discriminator(network: Network, shared: Shared) -> nn.Module:
    """The module (samples [B, ...], label [B], train) -> logits [B] of a config.

    Raises:
      UsageError: as `build_generator`.
    """
    family = pick(FAMILIES, network.name, "config.discriminator.name")
    return _build(family.Discriminator, network, shared, "config.discriminator")


def _build(module: type[nn.Module], network: Network, shared: Shared, path: str) -> nn.Module:
    values = {field.name: getattr(shared, field.name) for field in dataclasses.fields(shared)}
    values["dtype"] = PRECISIONS[values.pop("precision")]
    declared = {field.name: field for field in dataclasses.fields(module)}
    if shared.num_classes and "num_classes" not in declared:
        able = ", ".join(name for name, family in FAMILIES.items() if _conditional(family))
        raise UsageError(
            f"config.conditional=True: the family {network.name} of {path} knows no classes; "
            f"take one of {able}"
        )
    options = _options(declared, set(values), network, path)
    return module(**options, **{name: values[name] for name in values.keys() & declared.keys()})


def _options(
    declared: dict[str, dataclasses.Field], shared: set[str], network: Network, path: str
) -> dict[str, Any]:
    """The settings that are the family's own, which must be those that its module takes."""
    common = {field.name for field in dataclasses.fields(Network)}
    given = {field.name for field in dataclasses.fields(network)} - common
    taken = declared.keys() - shared - {"parent", "name"}
    needed = {name for name in taken if declared[name].default is dataclasses.MISSING}
    if not needed <= given <= taken:
        raise UsageError(
            f"{path}.name={network.name!r}: that family takes {', '.join(sorted(taken))}, and the "
            f"experiment's {type(network).__name__} gives {', '.join(sorted(given)) or 'nothing'}; "
            "name the family in the experiment file, with its own options"
        )
    return {name: getattr(network, name) for name in given}


def _conditional(family: ModuleType) -> bool:
    return "num_classes" in {field.name for field in dataclasses.fields(family.Generator)}
