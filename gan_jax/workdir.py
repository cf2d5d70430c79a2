"""The run's directory: claimed by one process, true to one config, its files never half-written."""

import contextlib
import errno
import fcntl
import io
import json
import logging
import os
import pathlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from gan_jax.config import Config, as_saved, differences, digest, from_dict, validate
from gan_jax.errors import Gone, InUse, Unwritable, UsageError

_LOGGER = logging.getLogger(__name__)
_LOCK = ".lock"
# What no file of a run has, and what would overflow or recurse in those who read it.
_DEPTH, _LARGEST = 20, 2**63
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


def write_json(path: pathlib.Path, value: dict[str, Any]) -> None:
    """Replaces a file by a JSON object in one move, so that no reader sees half of it."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def parse(text: str | bytes) -> Any:
    """Return the value of a JSON text, which is then safe to walk and to compute with.

    Raises:
      ValueError: if it is no JSON, is not UTF-8, names a key twice, is nested deeper than any file
        of a run, or holds a whole number beyond 64 bits.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        value = json.loads(text, object_pairs_hook=_object, parse_int=_whole_number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    level = [value]
    for _ in range(_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise ValueError("nested too deeply")
    return value


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is there twice")
    return value


def _whole_number(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) >= _LARGEST:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """Return the JSON object that a file holds; empty where there is no file, or none in it."""
    try:
        value = parse(path.read_bytes())
    except (OSError, ValueError):
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


def parse_row(line: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object of a line; None where it is none with the number of a step."""
    try:
        row = parse(line)
    except ValueError:
        return None
    step = row.get("step") if isinstance(row, dict) else None
    return row if type(step) is int and 0 <= step < 2**31 else None


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file's lines, each with a step; no file is empty.

    Damaged lines are passed over with a warning, and a last one that is half-written without.

    Raises:
      UsageError: if there is something that cannot be read.
    """
    lines = _lines(path)
    _warn_of_damage(path, lines, "passed over")
    return [row for _, row in lines if row is not None]


def keep_lines(path: pathlib.Path, last_step: int) -> None:
    """Drop the lines of a file that are later than a step, half-written or damaged.

    It warns of damaged ones.

    Raises:
      UsageError: if there is something that cannot be read.
    """
    lines = _lines(path)
    _warn_of_damage(path, lines, "dropped")
    kept = [line for line, row in lines if row is not None and row["step"] <= last_step]
    # Another process may add to a file of which all is kept at this moment.
    if len(kept) < len(lines) or any(not line.endswith("\n") for line in kept):
        write_text(path, "".join(line.removesuffix("\n") + "\n" for line in kept))


def _lines(path: pathlib.Path) -> list[tuple[str, dict[str, Any] | None]]:
    """Return each line of a file, with its end, and what it holds as `parse_row` gives it."""
    try:
        text = path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); set that right") from error
    return [(line, parse_row(line)) for line in io.StringIO(text)]


def _warn_of_damage(
    path: pathlib.Path, lines: list[tuple[str, dict[str, Any] | None]], what: str
) -> None:
    if damaged := sum(row is None and line.endswith("\n") for line, row in lines):
        _LOGGER.warning("%s: lines that are damaged, and %s: %d", path, what, damaged)


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


def saved_config(workdir: pathlib.Path, given: Config | None = None) -> dict[str, Any] | None:
    """Return the config of the run that a directory holds; None where it holds none.

    Args:
      workdir: the run's directory.
      given: what the config is expected to be, for the message where it was changed.

    Raises:
      UsageError: if its config.json is damaged, or is not what the run has written there.
    """
    path = workdir / "config.json"
    try:
        saved = parse(path.read_bytes())
        if not isinstance(saved, dict):
            raise ValueError("no JSON object")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(
            f"--workdir={workdir}: its config.json cannot be read ({error.strerror}); set that "
            "right, or name another directory"
        ) from error
    except ValueError as error:
        raise UsageError(
            f"--workdir={workdir}: its config.json is damaged ({error}); repair it, or name "
            "another directory"
        ) from error
    written = _digests_of_configs(workdir)
    if written and digest(saved) not in written:
        found = differences(given, saved) if given is not None else []
        beside = f" (beside --config: {'; '.join(found)})" if found else ""
        raise UsageError(
            f"--workdir={workdir}: its config.json was edited or damaged{beside}: its digest is "
            "none that manifest.json records; undo that, or remove it and run the command that "
            "trained the run, which writes it again"
        )
    return saved


def _digests_of_configs(workdir: pathlib.Path) -> set[str]:
    """Return the digests of what the sessions of a run wrote to config.json.

    Each session writes its manifest before its config, so after a kill between the two config.json
    is that of an earlier session. Runs of older versions have recorded none.
    """
    manifest = read_json(workdir / "manifest.json")
    earlier = manifest.get("earlier")
    sessions = [manifest, *(earlier if isinstance(earlier, list) else [])]
    digests = (session.get("config_sha256") for session in sessions if isinstance(session, dict))
    return {sha256 for sha256 in digests if isinstance(sha256, str)}


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
    if found := differences(given, must_hold_run(workdir, given)):
        raise UsageError(
            f"--workdir={workdir}: holds a run of another config ({'; '.join(found)}); give its "
            "own experiment, or no --config"
        )
    return given


def must_hold_run(workdir: pathlib.Path, given: Config | None = None) -> dict[str, Any]:
    """`saved_config` of a directory that is to hold a run.

    Raises:
      UsageError: if it holds none.
    """
    saved = saved_config(workdir, given)
    if saved is None:
        raise UsageError(
            f"--workdir={workdir}: holds no run (no config.json); name the directory of one"
        )
    return saved


def _check_config(workdir: pathlib.Path, config: Config) -> None:
    saved = saved_config(workdir, config)
    if saved is None:
        written, began = _digests_of_configs(workdir), any(workdir.glob("checkpoints/[0-9]*"))
        if began and written and digest(as_saved(config)) not in written:
            raise UsageError(
                f"--workdir={workdir}: its config.json is missing, and the config given is not the "
                "one that it held, by the digest in manifest.json; give exactly the settings of "
                "the run, or name another directory"
            )
        return
    if found := differences(config, saved):
        raise UsageError(
            f"--workdir={workdir}: holds a run of another config ({'; '.join(found)}); go back to "
            "its settings, or name another directory"
        )
