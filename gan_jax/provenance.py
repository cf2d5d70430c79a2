"""How a run was made, as its manifest.json tells, beside how this process would make it."""

import itertools
import logging
import pathlib
from collections import Counter
from collections.abc import Callable
from typing import Any

from gan_jax import workdir

Manifest = dict[str, Any]

_LOGGER = logging.getLogger(__name__)

_COMPARED = (
    "gan_jax", "git", "python", "platform", "backend", "platform_version", "devices", "processes",
    "xla_flags", "prng",
)  # fmt: skip


def read(directory: pathlib.Path) -> Manifest:
    """Return the manifest of a run, each value of the type that its name stands for.

    What is of another type is left out with a warning, and so is a manifest that is no JSON object.
    Names that are not known here pass as they are. Empty where there is no manifest.
    """
    path = directory / "manifest.json"
    manifest, damaged = _whole(workdir.read_json(path))
    if damaged:
        _LOGGER.warning("%s: damaged, and left out: %s", path, ", ".join(damaged))
    elif not manifest and path.exists():
        _LOGGER.warning("%s: damaged: how the run was made is not known", path)
    return manifest


def _whole(manifest: Manifest) -> tuple[Manifest, list[str]]:
    """Return what of a manifest is of its type, and the names of the rest."""
    fits = {name: _TYPES.get(name, _is_anything)(value) for name, value in manifest.items()}
    kept = {name: value for name, value in manifest.items() if fits[name]}
    damaged = [name for name in manifest if not fits[name]]
    if "earlier" in kept:
        sessions = [_whole(session) for session in kept["earlier"]]
        kept["earlier"] = [session for session, _ in sessions]
        damaged += [
            f"earlier[{i}].{name}" for i, (_, names) in enumerate(sessions) for name in names
        ]
    return kept, damaged


def _is_anything(value: Any) -> bool:
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _is_seconds(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e12


def _is_list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _is_object(**fields: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """An object that has these fields, among others."""
    return lambda value: (
        isinstance(value, dict) and all(fits(value.get(name)) for name, fits in fields.items())
    )


def _is_packages(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_sample(value: Any) -> bool:
    if not _is_object(shape=_is_list_of(_is_count), num_classes=_is_count)(value):
        return False
    # Runs of older versions have the number of their classes alone.
    classes = value.get("classes", [""] * value["num_classes"])
    named = _is_list_of(_is_text)(classes) and len(classes) == value["num_classes"]
    return named and len(value["shape"]) in (1, 3) and all(value["shape"])


_TYPES = {
    **dict.fromkeys(
        ("status", "command", "gan_jax", "git", "python", "platform", "backend", "started",
         "platform_version", "xla_flags", "prng", "config_sha256"),
        _is_text,
    ),
    **dict.fromkeys(("start", "step", "processes"), _is_count),
    **dict.fromkeys(("wall_seconds", "seconds_to_first_step"), _is_seconds),
    "packages": _is_packages,
    "devices": _is_list_of(_is_text),
    "data": _is_object(examples=_is_count, sha256=_is_text),
    "sample": _is_sample,
    "warnings": _is_list_of(_is_object(step=_is_count, text=_is_text)),
    "earlier": _is_list_of(_is_object()),
}  # fmt: skip


def changes(then: Manifest, now: Manifest) -> dict[str, tuple[Any, Any]]:
    """What two manifests say differently of how a run is made: {name: (then, now)}.

    Packages have their own names. What one of the two does not say is left out.
    """
    before, after = ({**made, **made.get("packages", {})} for made in (then, now))
    names = [*now.get("packages", {}), *_COMPARED]
    both = [name for name in names if name in before and name in after]
    return {name: (before[name], after[name]) for name in both if before[name] != after[name]}


def compare(manifest: Manifest, now: Manifest, start: int, last: int) -> list[str]:
    """What a run's manifest says differently than this process's, in lines for people.

    Args:
      manifest: the run's, with its earlier sessions.
      now: of this process.
      start: the step from which the run is made again.
      last: the last step of its record.
    """
    sessions, lines = _sessions(manifest, start, last), []
    for (_, before), (step, after) in itertools.pairwise(sessions):
        lines += [
            f"the run changed midway, at step {step}: {name}: {old} before, {new} after"
            for name, old, new in _changes(before, after)
        ]
    moved = bool(lines)
    for step, session in sessions if moved else sessions[-1:]:
        since = f"from step {step} on: " if moved else ""
        lines += [
            f"{since}{name}: {old} then, {new} now" for name, old, new in _changes(session, now)
        ]
    made = {"then": [session for _, session in sessions], "now": [now]}
    dirty = [when for when in made if any(_is_dirty(session) for session in made[when])]
    if dirty:
        lines.append(f"git: files differed from those of the commit {' and '.join(dirty)}")
    return lines


def _sessions(manifest: Manifest, start: int, last: int) -> list[tuple[int, Manifest]]:
    """The sessions that made steps after the start: the step each began at, and its manifest."""
    earlier = manifest.get("earlier", [])
    ends = [*(session.get("step", 0) for session in earlier), last]
    begins = [0, *ends]
    return [
        (begin, session)
        for begin, end, session in zip(begins, ends, [*earlier, manifest], strict=False)
        if end > start and end != begin
    ]


def _changes(then: Manifest, now: Manifest) -> list[tuple[str, str, str]]:
    return [(name, *map(_short, pair)) for name, pair in changes(then, now).items()]


def _short(value: Any) -> str:
    """A value of a manifest in a few words of one line."""
    if isinstance(value, list):
        return ", ".join(f"{number} x {kind}" for kind, number in Counter(value).items())
    return " ".join(str(value).split()) or "none"


def _is_dirty(manifest: Manifest) -> bool:
    return str(manifest.get("git", "")).endswith("-dirty")
