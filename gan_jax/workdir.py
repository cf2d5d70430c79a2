"""The run's directory: claimed by one process, true to one config, its files never half-written."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from gan_jax.config import Config, differences, from_dict, validate
from gan_jax.errors import Gone, InUse, Unwritable, UsageError

_LOCK = ".lock"
_PROBE = 65_536  # bytes that a disk must take to count as one that is not full
_REMEDIES = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.ENOENT: "bring it back",
    errno.ESTALE: "bring it back",
    errno.ENOTCONN: "bring it back",
    errno.EIO: "see to its disk",
}


@contextlib.contextmanager
def claim(path: str, config: Config) -> Iterator[pathlib.Path]:
    """Makes the directory if need be and holds it for this process, until the block or it ends.

    Nothing in it is changed; who goes on to train there writes config.json.

    Raises:
      UsageError: if another process holds it, it cannot be written, or it holds another config.
    """
    workdir = pathlib.Path(os.path.expanduser(path))
    with _locked(workdir):
        _check_config(workdir, config)
        yield workdir


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[None]:
    """Within it, that the system refuses to write is told of this path, and what to do.

    Raises:
      Unwritable: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise unwritable(path, error.errno, error.strerror or str(error)) from error


def unwritable(path: pathlib.Path, number: int | None, why: str) -> Unwritable:
    """What to raise where a path cannot be written.

    Args:
      path: what was to be written.
      number: of the system's error.
      why: what that says.
    """
    remedy = _REMEDIES.get(number, "set that right")
    kind = Gone if remedy == "bring it back" else Unwritable
    return kind(f"{path}: cannot be written ({why}); {remedy} and run the same command again")


def system_error(error: BaseException) -> int | None:
    """The number of the system's error that a library tells of in an exception's text alone."""
    if isinstance(error, OSError):
        return error.errno
    words = {os.strerror(number): number for number in _REMEDIES} | {"NOT_FOUND": errno.ENOENT}
    return next((number for word, number in words.items() if word in str(error)), None)


def is_the_disks(error: BaseException) -> bool:
    """Whether all else that is written there meets what has kept this from being written."""
    cause = error.__cause__
    return isinstance(error, Unwritable) and isinstance(cause, OSError) and cause.errno in _REMEDIES


@contextlib.contextmanager
def closing(close: Callable[[], None]) -> Iterator[None]:
    """Calls `close` at the end; what cannot be written then does not hide an earlier error."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(Unwritable):
            close()
        raise
    close()


class Place:
    """A directory that this process has claimed, to be looked for before something is written.

    What is written at the place of one that was removed or unmounted would look like a run.

    Args:
      directory: as `claim` gives it.
    """

    def __init__(self, directory: pathlib.Path):
        self._directory = directory
        self._claimed = (directory / _LOCK).stat()

    def check(self) -> None:
        """Raises Gone if the directory, or its lock, is not where it was claimed."""
        try:
            found = (self._directory / _LOCK).stat()
        except OSError as error:
            raise unwritable(self._directory, errno.ENOENT, str(error.strerror)) from error
        if not os.path.samestat(found, self._claimed):
            raise unwritable(self._directory, errno.ENOENT, "another one is at its place")

    def is_writable(self) -> bool:
        """Return whether the system takes a file there, which is removed at once."""
        probe = self._directory / ".probe"
        try:
            probe.write_bytes(bytes(_PROBE))
        except OSError:
            return False
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
        return True


def write_json(path: pathlib.Path, value: dict[str, Any]) -> None:
    """Replaces a file by a JSON object in one move, so that no reader sees half of it."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """The JSON object that a file holds; empty where there is no file, or none in it."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def write_text(path: pathlib.Path, text: str) -> None:
    """Replaces a file in one move."""
    with replacing(path, path.with_name(path.name + ".draft")) as draft:
        draft.write_text(text, "utf-8", "backslashreplace")


def write_shared_text(path: pathlib.Path, text: str) -> None:
    """Replaces a file in one move, where several processes may do so at once."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.draft")
    with replacing(path, draft):
        draft.write_text(text, "utf-8", "backslashreplace")


@contextlib.contextmanager
def replacing(path: pathlib.Path, draft: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a file to write, which then takes a path's place; one half-written is removed.

    Raises:
      Unwritable: if the system refuses.
    """
    try:
        with writing(path):
            yield draft
            os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def append_line(path: pathlib.Path, row: dict[str, Any]) -> None:
    """Appends a JSON object as one line, behind a half-written one too.

    Raises:
      Unwritable: if the system refuses.
    """
    with writing(path), path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        begin = b"" if file.read() in (b"", b"\n") else b"\n"
        file.write(begin + json.dumps(row).encode() + b"\n")


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """The JSON objects of a file's lines; half-written ones are passed over, no file is empty."""
    if not path.is_file():
        return []
    lines = path.read_text("utf-8", errors="replace").splitlines()
    return [json.loads(line) for line in lines if step_of(line) != float("inf")]


def keep_lines(path: pathlib.Path, last_step: int) -> None:
    """Drops the lines of a file of JSON objects that are later than a step, or half-written."""
    if not path.is_file():
        return
    text = path.read_text("utf-8", errors="replace")
    kept = "".join(line + "\n" for line in text.splitlines() if step_of(line) <= last_step)
    if kept != text:  # else another process may add to it at this moment
        write_text(path, kept)


def step_of(line: str) -> int | float:
    """Return the step of a line's JSON object; infinity where it is none with a whole step."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return float("inf")
    return step if type(step) is int else float("inf")


@contextlib.contextmanager
def _locked(workdir: pathlib.Path) -> Iterator[None]:
    """The kernel frees the lock when the process ends, however it ends."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = (workdir / _LOCK).open("w")
    except OSError as error:
        raise UsageError(
            f"--workdir={workdir}: cannot be written ({error.strerror}); name another directory"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InUse(
                f"--workdir={workdir}: another process trains there; wait for it, or name another "
                "directory"
            ) from error
        yield


def saved_config(workdir: pathlib.Path) -> dict[str, Any] | None:
    """The config of the run that a directory holds; None where it holds none.

    Raises:
      UsageError: if its config.json is damaged.
    """
    path = workdir / "config.json"
    if not path.exists():
        return None
    try:
        saved = json.loads(path.read_text())
        if not isinstance(saved, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise UsageError(
            f"--workdir={workdir}: its config.json is damaged ({error}); repair it, or name "
            "another directory"
        ) from error
    return saved


def own_config(workdir: pathlib.Path) -> Config:
    """The config of the run that a directory holds, for who is given no other.

    Raises:
      UsageError: if it holds none, or one that this gan_jax cannot build.
    """
    config = from_dict(must_hold_run(workdir))
    validate(config)
    return config


def run_config(workdir: pathlib.Path, given: Config | None) -> Config:
    """The one given, which must be that of the run in the directory; or its own.

    Raises:
      UsageError: if it holds no run, or one of another config.
    """
    if given is None:
        return own_config(workdir)
    if found := differences(given, must_hold_run(workdir)):
        raise UsageError(
            f"--workdir={workdir}: holds a run of another config ({'; '.join(found)}); give its "
            "own experiment, or no --config"
        )
    return given


def must_hold_run(workdir: pathlib.Path) -> dict[str, Any]:
    """`saved_config` of a directory that is to hold a run.

    Raises:
      UsageError: if it holds none.
    """
    saved = saved_config(workdir)
    if saved is None:
        raise UsageError(
            f"--workdir={workdir}: holds no run (no config.json); name the directory of one"
        )
    return saved


def _check_config(workdir: pathlib.Path, config: Config) -> None:
    saved = saved_config(workdir)
    found = differences(config, saved) if saved is not None else []
    if found:
        raise UsageError(
            f"--workdir={workdir}: holds a run of another config ({'; '.join(found)}); go back to "
            "its settings, or name another directory"
        )
