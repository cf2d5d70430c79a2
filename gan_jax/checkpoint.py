"""Saves and restores a run's state with Orbax, and never trusts what it reads back.

Where a run begins, in this order:
  1. the newest checkpoint of its own directory whose bytes match the digest saved with them, and
     the one that the run wrote of that step;
  2. the one before it, and so on; each that does not match is moved to `checkpoints.damaged/`;
  3. the seed. A run is a pure function of it, so this costs time and nothing else.

States are saved from and restored to host memory, so a checkpoint knows nothing of devices.
"""

import contextlib
import errno
import functools
import logging
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from gan_jax import reproduce, workdir
from gan_jax.config import nearest
from gan_jax.errors import Removed, UsageError, first_line
from gan_jax.state import GANState

_LOGGER = logging.getLogger(__name__)
_DIGITS = 8
# By the wall clock, which may jump; and no thread of a save that failed waits for a directory.
_PATIENT = ocp.AsyncOptions(timeout_secs=10**9, create_directories_asynchronously=False)
_REMOVING = 1.0  # seconds that another process may take to remove a checkpoint, file by file
_CLOSED_LOOP = "Event loop is closed"


class Checkpoints:
    """The checkpoints of one run; a context manager, which on leaving waits for what is under way.

    Args:
      run: its directory.
      keep: how many are kept, the newest ones.
      name: of their own directory in it.

    Raises:
      Unwritable: if the system refuses to write; `save`, `check` and leaving may find that of an
        earlier `save`.
    """

    def __init__(self, run: pathlib.Path, keep: int, name: str = "checkpoints"):
        self._directory = run / name
        self._damaged = run / f"{name}.damaged"
        _drop_complaints()
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            create=False,
            step_format_fixed_length=_DIGITS,
            async_options=_PATIENT,
            multiprocessing_options=_of_this_process(),
        )
        self._stack = contextlib.ExitStack()
        with self._writing():
            self._directory.mkdir(parents=True, exist_ok=True)
            for leftover in self._directory.glob("*orbax-checkpoint-tmp*"):
                shutil.rmtree(leftover)  # a save that a kill cut short
            place = self._stack.enter_context(_in_utf8(self._directory))
            self._open = lambda: ocp.CheckpointManager(place, options=options)
            self._manager = self._open()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        earlier = contextlib.nullcontext() if kind is None else contextlib.suppress(Exception)
        with self._stack, earlier, self._writing():  # an earlier error is the one to tell
            self._manager.close()

    def save(self, state: GANState, digest: dict[str, Any]) -> None:
        """Starts to save a host state at its step, and returns before it is on disk."""
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), digest=ocp.args.JsonSave(digest)
        )
        step = int(state.step)
        if step in self._manager.all_steps():
            return  # a run that goes on from an earlier step makes the same again
        with self._writing():
            if not self._manager.save(step, args=items, force=True):
                raise RuntimeError(f"Orbax did not save step {step}")

    def check(self) -> None:
        """Raises what has befallen a save that has ended by now; waits for none under way."""
        if not self._manager.is_saving_in_progress():
            self.wait()

    def wait(self) -> None:
        """Until all that was saved is on disk."""
        with self._writing():
            self._manager.wait_until_finished()

    def restore(
        self, template: GANState, written: Mapping[int, str] | None = None
    ) -> GANState | None:
        """The newest state that is whole and the run's own, in host memory; None if there is none.

        Args:
          template: a state, or its `jax.eval_shape`, with the shapes and types to expect.
          written: step -> sha256 of the digests that the run wrote; a step that is not among them
            is taken as it is.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                restore = functools.partial(self._manager.restore, step)
                state, sha256 = _read(restore, template)
            except Exception as error:  # Orbax meets damage with whatever its parsers raise
                self._set_aside(step, f"damaged ({type(error).__name__}: {first_line(error)})")
                continue
            if (written or {}).get(step, sha256) == sha256:
                return state
            self._set_aside(step, "of another run (this one kept another digest of that step)")
        return None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Within it, what the system refuses to Orbax, in whatever words, is `Unwritable`."""
        try:
            yield
        except Exception as error:
            gone = not os.path.isdir(self._directory)
            number = errno.ENOENT if gone else workdir.system_error(error)
            if number is None:
                raise
            raise workdir.unwritable(self._directory, number, os.strerror(number)) from error

    def _set_aside(self, step: int, what: str) -> None:
        """Moves a checkpoint out of the way, under a name that is free, and warns."""
        _LOGGER.warning(
            "checkpoint %d is %s; it is moved to %s and the one before it is used",
            step, what, self._damaged,
        )  # fmt: skip
        name = f"{step:08d}"
        taken = sum(1 for _ in self._damaged.glob(f"{name}*"))
        target = self._damaged / (f"{name}.{taken}" if taken else name)
        with workdir.writing(self._damaged):
            self._damaged.mkdir(exist_ok=True)
            shutil.move(self._directory / name, target)
        self._manager.close()
        self._manager = self._open()


class _Dropping:
    """An exception hook that keeps Orbax's complaints of a closed event loop to itself.

    When one of its reads or writes fails the others complain so, some when the process ends.
    """

    def __init__(self, hook: Callable[..., None]):
        self._hook = hook

    def __call__(self, *arguments: Any) -> None:
        error = arguments[0].exc_value if len(arguments) == 1 else arguments[1]
        if str(error) != _CLOSED_LOOP:
            self._hook(*arguments)


def _drop_complaints() -> None:
    """For the whole process; once."""
    for name in ("unraisablehook", "excepthook"):
        if not isinstance(hook := getattr(sys, name), _Dropping):
            setattr(sys, name, _Dropping(hook))
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def saved_steps(directory: pathlib.Path) -> list[int]:
    """The steps of the checkpoints in a directory, which another process may be writing to."""
    names = (path.name for path in directory.glob(_DIGITS * "[0-9]"))
    return sorted(int(name) for name in names)


def find(
    run: pathlib.Path, which: str, words: tuple[str, ...] = ("latest", "best")
) -> tuple[int, pathlib.Path | None]:
    """A checkpoint of a run: its step, and the directory it lies in; step 0 lies nowhere.

    Args:
      run: its directory.
      which: latest | best | a step that is saved | 0: before training.
      words: that the caller takes, some of which it knows to handle itself.

    Raises:
      UsageError: if there is none such; it lists those that there are.
    """
    usual, best = run / "checkpoints", run / "best"
    steps = all_steps(run)
    if which == "best":
        found = saved_steps(best)
        if not found:
            raise UsageError(
                f"--checkpoint=best: {run} has none; it is kept by runs with config.eval_every, "
                f"whose checkpoints are {_listed(steps)}"
            )
        return found[-1], best
    if which == "latest":
        found = saved_steps(usual)
        if not found:
            raise UsageError(f"--checkpoint=latest: {run} has no checkpoint yet")
        return found[-1], usual
    if which == "0":
        return 0, None
    if which.isdecimal() and int(which) in steps:
        return int(which), steps[int(which)]
    hint = "" if which.isdecimal() else nearest(which, words)
    raise UsageError(
        f"--checkpoint={which}: takes {' | '.join(words)}, 0 (before training), or a step that is "
        f"saved: {_listed(steps)}{hint}"
    )


def load(
    run: pathlib.Path,
    which: str,
    template: GANState,
    words: tuple[str, ...] = ("latest", "best"),
) -> tuple[int, GANState | None]:
    """`find`, then `read`: the step, and the state in host memory; None for step 0.

    Of a run that trains on, latest and best may be removed in between: then it is the next ones.

    Raises:
      Removed: if that befell a step that was named.
      UsageError: if there is no such checkpoint, or it is damaged.
    """
    while True:
        step, folder = find(run, which, words)
        try:
            return step, None if folder is None else read(folder, step, template)
        except Removed:
            if which.isdecimal():
                raise


def all_steps(run: pathlib.Path) -> dict[int, pathlib.Path]:
    """Step -> the directory that its checkpoint lies in, in order, of all that a run has saved."""
    folders = (run / "best", run / "checkpoints")
    found = {step: folder for folder in folders for step in saved_steps(folder)}
    return dict(sorted(found.items()))


def _listed(steps: Iterable[int]) -> str:
    return ", ".join(map(str, steps)) or "none yet"


def read(directory: pathlib.Path, step: int, template: GANState, *, check: bool = True) -> GANState:
    """One checkpoint, in host memory; the directory stays as it is.

    Args:
      directory: where it is.
      step: one of `saved_steps`.
      template: as for `Checkpoints.restore`.
      check: whether its bytes must match the digest saved with them.

    Raises:
      Removed: if a run that trains on has removed it by now.
      UsageError: if the checkpoint is damaged.
    """
    _drop_complaints()
    own = _of_this_process()
    # It looks at this checkpoint alone: one beside it may be removed at any moment.
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=own)
    )
    with (
        _in_utf8(directory) as folder,
        ocp.Checkpointer(handler, multiprocessing_options=own) as reader,
    ):
        place = folder / f"{step:0{_DIGITS}d}"
        try:
            return _read(functools.partial(reader.restore, place), template, check)[0]
        except Exception as error:  # Orbax meets damage with whatever its parsers raise
            time.sleep(_REMOVING)
            if not place.exists():
                raise Removed(
                    f"{directory / place.name}: removed since, by the run that trains on there; "
                    "name a later --checkpoint"
                ) from error
            raise UsageError(
                f"{directory / place.name}: damaged, or of another config "
                f"({type(error).__name__}: {first_line(error)}); name another --checkpoint"
            ) from error


@contextlib.contextmanager
def _in_utf8(directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """Within it, an absolute path of a directory in UTF-8: Orbax's C++ takes no other bytes.

    A directory of another name is reached by way of its descriptor, on Linux.
    """
    path = directory.absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            yield pathlib.Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return
    yield path


@jax.jit
def copy(state: GANState) -> GANState:
    """A copy on the devices, made in its turn: the state itself is donated to the next step."""
    return jax.tree.map(jnp.copy, state)


def to_host(state: GANState) -> GANState:
    """A copy of the state in host memory, every leaf a NumPy array."""
    return jax.tree.map(np.array, jax.device_get(state))


def _of_this_process() -> ocp.options.MultiprocessingOptions:
    """Of several processes each holds the whole state and one saves it, so Orbax waits for none."""
    own = jax.process_index()
    return ocp.options.MultiprocessingOptions(primary_host=own, active_processes={own})


def _read(
    restore: Callable[..., Any], template: GANState, check: bool = True
) -> tuple[GANState, str]:
    """A state and its sha256, by what reads the items of one checkpoint.

    Raises an exception of any kind if the checkpoint is not what was saved.
    """
    target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), template)
    items = ocp.args.Composite(
        state=ocp.args.StandardRestore(target), digest=ocp.args.JsonRestore()
    )
    restored = restore(args=items)
    _check_shapes(restored.state, target)
    if check and reproduce.digest(restored.state) != restored.digest:
        raise ValueError("its bytes do not match the digest saved with them")
    return restored.state, restored.digest["sha256"]


def _check_shapes(state: GANState, target: GANState) -> None:
    """Orbax hands back the saved shape, whatever NumPy array it was asked to fill."""

    def compare(path, leaf, expected):
        if (leaf.shape, leaf.dtype) != (expected.shape, expected.dtype):
            raise ValueError(
                f"{jax.tree_util.keystr(path)} is {leaf.dtype}{leaf.shape}, "
                f"not {expected.dtype}{expected.shape}"
            )

    jax.tree_util.tree_map_with_path(compare, state, target)
