"""Finds what is missing of a run's record: rows that its sessions wrote and that are gone."""

import math
import pathlib
from typing import Any

from gan_jax import workdir
from gan_jax.config import Config

Row = dict[str, Any]

# What each file holds a row of: each so many steps and the last, by the name of the setting.
_FILES = {
    "digests.jsonl": "checkpoint_every",
    "metrics.jsonl": "log_every",
    "eval.jsonl": "eval_every",
}
_LISTED = 5  # steps


def schedule(config: Config) -> dict[str, int]:
    """Return how often a session writes, for its manifest: it may go on with another schedule."""
    return {name: getattr(config, name) for name in ("steps", *_FILES.values())}


def find(directory: pathlib.Path, last: int, start: int = 0) -> list[str]:
    """Return what the files of a run lack, in a few words for each file that lacks anything.

    Sessions of older versions of gan_jax have not told how often they wrote. What those ought to
    have written is only known of the last one, by config.json.

    Args:
      directory: the run's, left as it is.
      last: the step of the newest checkpoint.
      start: the steps up to this one are left aside.
    """
    expected, found = _expected(directory, last), []
    for name, steps in expected.items():
        wanted = {step for step in steps if start < step <= last}
        missing = sorted(wanted - _steps(directory / name))
        words = []
        if missing:
            listed = ", ".join(map(str, missing[:_LISTED])) + ", ..." * (len(missing) > _LISTED)
            rows = "rows of steps" if missing[1:] else "row of step"
            words.append(f"lacks the {rows} {listed} ({len(missing)} of {len(wanted)})")
        if damaged := _damaged(directory / name):
            words.append(f"holds {damaged} damaged line" + "s" * (damaged > 1))
        if words:
            found.append(f"{name} {' and '.join(words)}")
    return found


def _expected(directory: pathlib.Path, last: int) -> dict[str, set[int]]:
    """Return the steps that each file must hold a row of."""
    manifest, config = (workdir.read_json(directory / f"{n}.json") for n in ("manifest", "config"))
    earlier = manifest.get("earlier")
    sessions = [*(earlier if isinstance(earlier, list) else []), {"schedule": config, **manifest}]
    sessions = [session if isinstance(session, dict) else {} for session in sessions]
    starts = [_whole(session.get("start")) for session in sessions]
    expected: dict[str, set[int]] = {name: set() for name in _FILES}
    for i, (begin, session) in enumerate(zip(starts, sessions, strict=True)):
        end = min([*starts[i + 1 :], last])  # a later session may have gone back behind this one
        told = session.get("schedule")
        told = told if isinstance(told, dict) else {}
        for name, setting in _FILES.items():
            every, steps = _whole(told.get(setting)), _whole(told.get("steps"))
            if every:
                expected[name].update(range(begin - begin % every + every, end + 1, every))
            if begin < steps <= end and (every or name == "digests.jsonl"):
                expected[name].add(steps)
        if 0 < begin <= end:
            expected["digests.jsonl"].add(begin)
    expected["digests.jsonl"].update({last} - {0})
    return expected


def _whole(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0


def _steps(file: pathlib.Path) -> set[int]:
    """Return the steps of the rows that say something."""
    return {row["step"] for row in workdir.read_lines(file) if _says_something(file.name, row)}


def _says_something(name: str, row: Row) -> bool:
    if name == "digests.jsonl":
        return isinstance(row.get("sha256"), str)
    if name == "eval.jsonl":
        return row.get("checkpoint") == str(row["step"]) and isinstance(row.get("protocol"), str)
    return any(isinstance(value, float) and math.isfinite(value) for value in row.values())


def _damaged(file: pathlib.Path) -> int:
    """Return how many lines are no rows, but for a last one without an end, as a kill leaves it."""
    if not file.is_file():
        return 0
    text = file.read_text("utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    return sum(workdir.parse_row(line) is None for line in whole.splitlines())
