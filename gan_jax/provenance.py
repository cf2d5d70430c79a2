"""How a run was made, as its manifest.json tells, beside how this process would make it."""

import itertools
from collections import Counter
from typing import Any

Manifest = dict[str, Any]

_COMPARED = (
    "gan_jax", "git", "python", "platform", "backend", "platform_version", "devices", "processes",
    "xla_flags", "prng",
)  # fmt: skip


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
