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
from gan_jax.errors import UsageError, first_line
from gan_jax.state import GANState

_LOGGER = logging.getLogger(__name__)
_DIGITS = 8


class Checkpoints:
    """The checkpoints of one run; a context manager, which on leaving waits for what is under way.

    Args:
      workdir: the run's directory.
      keep: how many are kept, the newest ones.
      name: of their own directory in it.
    """

    def __init__(self, workdir: pathlib.Path, keep: int, name: str = "checkpoints"):
        self._directory = workdir / name
        self._damaged = workdir / f"{name}.damaged"
        for leftover in self._directory.glob("*orbax-checkpoint-tmp*"):
            shutil.rmtree(leftover)  # a save that a kill cut short
        self._directory.mkdir(exist_ok=True)
        options = _options(max_to_keep=keep)
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
        if step in self._manager.all_steps():
            return  # a run that goes on from an earlier step makes the same again
        if not self._manager.save(step, args=items, force=True):
            raise RuntimeError(f"Orbax did not save step {step}")

    def wait(self) -> None:
        """Until all that was saved is on disk."""
        self._manager.wait_until_finished()

    def restore(self, template: GANState) -> GANState | None:
        """The newest state that is whole, in host memory; None if there is none.

        Args:
          template: a state, or its `jax.eval_shape`, with the shapes and types to expect.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                return _read(self._manager, step, template)
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

    def _set_aside(self, step: int) -> None:
        """Moves a checkpoint out of the way, under a name that is free."""
        self._damaged.mkdir(exist_ok=True)
        name = f"{step:08d}"
        taken = sum(1 for _ in self._damaged.glob(f"{name}*"))
        shutil.move(self._directory / name, self._damaged / (f"{name}.{taken}" if taken else name))
        self._manager.close()
        self._manager = self._open()


def saved_steps(directory: pathlib.Path) -> list[int]:
    """The steps of the checkpoints in a directory, which another process may be writing to."""
    names = (path.name for path in directory.glob(_DIGITS * "[0-9]"))
    return sorted(int(name) for name in names)


def read(directory: pathlib.Path, step: int, template: GANState) -> GANState:
    """One checkpoint, in host memory; the directory stays as it is.

    Args:
      directory: where it is.
      step: one of `saved_steps`.
      template: as for `Checkpoints.restore`.

    Raises:
      UsageError: if the checkpoint is damaged.
    """
    options = _options(read_only=True)
    with ocp.CheckpointManager(directory.absolute(), options=options) as manager:
        try:
            return _read(manager, step, template)
        except Exception as error:  # Orbax meets damage with whatever its parsers raise
            raise UsageError(
                f"{directory / f'{step:0{_DIGITS}d}'}: damaged, or of another config "
                f"({type(error).__name__}: {first_line(error)}); name another --checkpoint"
            ) from error


@jax.jit
def copy(state: GANState) -> GANState:
    """A copy on the devices, made in its turn: the state itself is donated to the next step."""
    return jax.tree.map(jnp.copy, state)


def to_host(state: GANState) -> GANState:
    """A copy of the state in host memory, every leaf a NumPy array."""
    return jax.tree.map(np.array, jax.device_get(state))


def _options(**settings: Any) -> ocp.CheckpointManagerOptions:
    """Of several processes each holds the whole state and one saves it, so Orbax waits for none."""
    own = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=own, active_processes={own})
    return ocp.CheckpointManagerOptions(
        create=False, step_format_fixed_length=_DIGITS, multiprocessing_options=alone, **settings
    )


def _read(manager: ocp.CheckpointManager, step: int, template: GANState) -> GANState:
    """Raises an exception of any kind if the checkpoint is not what was saved."""
    target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), template)
    items = ocp.args.Composite(
        state=ocp.args.StandardRestore(target), digest=ocp.args.JsonRestore()
    )
    restored = manager.restore(step, args=items)
    _check_shapes(restored.state, target)
    if reproduce.digest(restored.state) != restored.digest:
        raise ValueError("its bytes do not match the digest saved with them")
    return restored.state


def _check_shapes(state: GANState, target: GANState) -> None:
    """Orbax hands back the saved shape, whatever NumPy array it was asked to fill."""

    def compare(path, leaf, expected):
        if (leaf.shape, leaf.dtype) != (expected.shape, expected.dtype):
            raise ValueError(
                f"{jax.tree_util.keystr(path)} is {leaf.dtype}{leaf.shape}, "
                f"not {expected.dtype}{expected.shape}"
            )

    jax.tree_util.tree_map_with_path(compare, state, target)
