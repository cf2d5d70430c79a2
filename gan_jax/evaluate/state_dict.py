"""Weights under PyTorch's names and in its layouts, as the variables of a linen module.

A linen module takes them if its submodules bear the names of the original's: the parameter
`layer1/0/conv1/kernel` is then `layer1.0.conv1.weight` there.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

Variables = dict[str, Any]
Shapes = dict[str, tuple[int, ...]]

# A linen variable's name, and PyTorch's for the same.
_NAMES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


def shapes(variables: Variables) -> Shapes:
    """The key of every variable and its shape in PyTorch's layout, sorted by key.

    Args:
      variables: arrays or `jax.ShapeDtypeStruct`.
    """
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return dict(sorted((_key(path), _layout(leaf.shape)) for path, leaf in leaves))


def from_torch(variables: Variables, state: Mapping[str, np.ndarray]) -> Variables:
    """A state dict as variables of the given structure: OIHW to HWIO, [out, in] to [in, out].

    Args:
      variables: what the module wants, as `jax.eval_shape` of its init gives it.
      state: float32 arrays by PyTorch's names.

    Raises:
      ValueError: if a key is missing or unexpected, or an array has another shape or type; it names
        the first of them.
    """
    expected = shapes(variables)
    for key in expected:
        if key not in state:
            raise ValueError(f"{key} is missing, one of {len(expected)} arrays")
    for key in sorted(state):
        if key not in expected:
            raise ValueError(f"{key} is none of the {len(expected)} arrays of this network")
    for key, shape in expected.items():
        if state[key].shape != shape or state[key].dtype != np.float32:
            raise ValueError(
                f"{key} is {state[key].dtype}{list(state[key].shape)}, not float32{list(shape)}"
            )
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: state[_key(path)].transpose(_axes(len(leaf.shape))), variables
    )


def _key(path: tuple[Any, ...]) -> str:
    """("params", ..., "conv", "kernel") -> "... .conv.weight"."""
    *modules, name = [entry.key for entry in path[1:]]
    return ".".join([*modules, _NAMES[name]])


def _axes(rank: int) -> tuple[int, ...]:
    """Which axes of PyTorch's array are those of the linen one."""
    return {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}[rank]


def _layout(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The linen shape, in PyTorch's order."""
    ordered = [0] * len(shape)
    for size, axis in zip(shape, _axes(len(shape)), strict=True):
        ordered[axis] = size
    return tuple(ordered)
