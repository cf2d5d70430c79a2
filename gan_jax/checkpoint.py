"""Saves and restores a run's state with Orbax, and never trusts what it reads back.

Where a run begins, in this order:
  1. the newest checkpoint of its own directory whose bytes match the digest saved with them;
  2. the one before it, and so on; each that does not match is moved to `checkpoints.damaged/`;
  3. the seed. A run is a pure function of it, so this costs time and nothing else.

States are saved from and restored to host memory, so a checkpoint knows nothing of devices.
"""

import logging
import pathlib
import shutil
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from gan_jax import reproduce
from gan_jax.errors import first_line
from gan_jax.state import GANState

_LOGGER = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run; a context manager, which on leaving waits for what is under way.

    Args:
      workdir: the run's directory.
      keep: how many checkpoints are kept, the newest ones.
    """

    def __init__(self, workdir: pathlib.Path, keep: int):
        self._directory = workdir / "checkpoints"
        self._damaged = workdir / "checkpoints.damaged"
        for leftover in self._directory.glob("*orbax-checkpoint-tmp*"):
            shutil.rmtree(leftover)  # a save that a kill cut short
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, step_format_fixed_length=8)
        self._open = lambda: ocp.CheckpointManager(self._directory.absolute(), options=options)
        self._manager = self._open()

    def __enter__(self) -> "Checkpoints":
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._ignore_closed_loop
        return self

    def __exit__(self, *_) -> None:
        self._manager.close()
        sys.unraisablehook = self._hook

    def save(self, state: GANState, digest: dict[str, Any]) -> None:
        """Starts to save a host state at its step, and returns before it is on disk."""
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), digest=ocp.args.JsonSave(digest)
        )
        step = int(state.step)
        if not self._manager.save(step, args=items, force=True):
            raise RuntimeError(f"Orbax did not save step {step}")

    def restore(self, template: GANState) -> GANState | None:
        """The newest state that is whole, in host memory; None if there is none.

        Args:
          template: a state, or its `jax.eval_shape`, with the shapes and types to expect.
        """
        target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), template)
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                return self._read(step, target)
            except Exception as error:  # Orbax meets damage with whatever its parsers raise
                _LOGGER.warning(
                    "checkpoint %d is damaged (%s: %s); it is moved to %s and the one before it is "
                    "used", step, type(error).__name__, first_line(error), self._damaged,
                )  # fmt: skip
                self._set_aside(step)
        return None

    def _ignore_closed_loop(self, event: Any) -> None:
        """When one read of a damaged checkpoint fails, Orbax's other reads complain of this."""
        if str(event.exc_value) != "Event loop is closed":
            self._hook(event)

    def _read(self, step: int, target: GANState) -> GANState:
        """Raises an exception of any kind if the checkpoint is not what was saved."""
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(target), digest=ocp.args.JsonRestore()
        )
        restored = self._manager.restore(step, args=items)
        _check_shapes(restored.state, target)
        if reproduce.digest(restored.state) != restored.digest:
            raise ValueError("its bytes do not match the digest saved with them")
        return restored.state

    def _set_aside(self, step: int) -> None:
        """Moves a checkpoint out of the way, under a name that is free."""
        self._damaged.mkdir(exist_ok=True)
        name = f"{step:08d}"
        taken = sum(1 for _ in self._damaged.glob(f"{name}*"))
        shutil.move(self._directory / name, self._damaged / (f"{name}.{taken}" if taken else name))
        self._manager.close()
        self._manager = self._open()


@jax.jit
def copy(state: GANState) -> GANState:
    """A copy on the devices, made in its turn: the state itself is donated to the next step."""
    return jax.tree.map(jnp.copy, state)


def to_host(state: GANState) -> GANState:
    """A copy of the state in host memory, every leaf a NumPy array."""
    return jax.tree.map(np.array, jax.device_get(state))


def _check_shapes(state: GANState, target: GANState) -> None:
    """Orbax hands back the saved shape, whatever NumPy array it was asked to fill."""

    def compare(path, leaf, expected):
        if (leaf.shape, leaf.dtype) != (expected.shape, expected.dtype):
            raise ValueError(
                f"{jax.tree_util.keystr(path)} is {leaf.dtype}{leaf.shape}, "
                f"not {expected.dtype}{expected.shape}"
            )

    jax.tree_util.tree_map_with_path(compare, state, target)
