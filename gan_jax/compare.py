"""Whether what was made twice agrees: bit for bit, or within a tolerance where machines differ.

A tolerance X is relative. Two numbers of a row of metrics agree within X of the larger of them, and
two arrays of a state if the norm of their difference is within X of the norm of the recorded one.
What is nearly nothing is not held to that, for its digits are those of rounding: a metric below
SMALL_METRIC counts as that much, and so does an array whose root mean square is below SMALL_ARRAY.
Whole numbers have no rounding and must be equal.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.state import GANState

SMALL_METRIC = 1e-3
SMALL_ARRAY = 1e-6  # a gradient's square, which Adam keeps, is seldom more

Row = dict[str, Any]


class Apart(NamedTuple):
    """An array of a state that does not agree.

    Attributes:
      path: where it is, such as generator.params['Dense_0']['kernel'].
      absolute: the largest difference of any number in it.
      relative: the same as a share of the largest number recorded; infinite where all are 0.
    """

    path: str
    absolute: float
    relative: float

    def __str__(self) -> str:
        return f"{self.path}, by at most {self.absolute:.2g} (relative {self.relative:.2g})"


def metrics(recorded: Row, here: Row, tolerance: float) -> list[str]:
    """The names of the numbers in both rows that do not agree; a tolerance of 0: are not equal."""

    def agree(a: Any, b: float) -> bool:
        if not tolerance or not isinstance(a, int | float) or not math.isfinite(a):
            return a == b
        return abs(a - b) <= tolerance * max(abs(a), abs(b), SMALL_METRIC)

    return [name for name in here if name in recorded and not agree(recorded[name], here[name])]


def digests(recorded: Row, here: Row) -> list[str]:
    """The parts of a state whose hashes differ or are in one digest alone."""
    parts = [name for name in {**here, **recorded} if name not in ("step", "sha256")]
    found = [name for name in parts if recorded.get(name) != here.get(name)]
    if not found and recorded["sha256"] != here["sha256"]:
        return ["sha256 of the whole, though of no part"]
    return found


def states(recorded: GANState, here: GANState, tolerance: float) -> Apart | None:
    """The first array of two states in host memory that does not agree; None where all do.

    Parameters come before what the optimizers and the networks keep beside them.
    """
    leaves = jax.tree_util.tree_leaves_with_path(recorded)
    named = [
        (jax.tree_util.keystr(path).removeprefix("."), np.asarray(leaf), np.asarray(other))
        for (path, leaf), other in zip(leaves, jax.tree.leaves(here), strict=True)
    ]
    for name, leaf, other in sorted(named, key=lambda entry: ".params" not in entry[0]):
        if not _agree(leaf, other, tolerance):
            return _apart(name, leaf, other)
    return None


def _agree(recorded: np.ndarray, here: np.ndarray, tolerance: float) -> bool:
    if not tolerance or not jnp.issubdtype(recorded.dtype, jnp.floating):
        return recorded.tobytes() == here.tobytes()
    a, b = recorded.astype(np.float64), here.astype(np.float64)
    scale = max(np.linalg.norm(a), SMALL_ARRAY * a.size**0.5)
    return bool(np.linalg.norm(b - a) <= tolerance * scale)


def _apart(path: str, recorded: np.ndarray, here: np.ndarray) -> Apart:
    a, b = recorded.astype(np.float64), here.astype(np.float64)
    absolute, largest = float(np.abs(b - a).max()), float(np.abs(a).max())
    return Apart(path, absolute, absolute / largest if largest else float("inf"))
