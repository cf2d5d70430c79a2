"""What the directory of a run says of it, whole or half-written, as its page and tables show it."""

import pathlib
from typing import Any, NamedTuple

from gan_jax import provenance, workdir
from gan_jax.errors import UsageError
from gan_jax.evaluate import rows
from gan_jax.evaluate.rows import Row


class Run(NamedTuple):
    """A run as it is on disk.

    Attributes:
      directory: where it lies.
      config: config.json; empty where it cannot be read, as all below.
      manifest: manifest.json, as `provenance.read` gives it.
      evaluations: the rows of eval.jsonl.
      problem: what is wrong with config.json; empty where nothing is.
    """

    directory: pathlib.Path
    config: dict[str, Any]
    manifest: dict[str, Any]
    evaluations: list[Row]
    problem: str = ""

    @property
    def name(self) -> str:
        """Of the directory."""
        return self.directory.resolve().name

    @property
    def status(self) -> str:
        """running | done | stopped | diverged | pruned | failed, or empty.

        One that was killed is still "running".
        """
        return str(self.manifest.get("status", ""))

    @property
    def steps(self) -> int:
        """Return the steps that it is to have; 0 where that is not known."""
        steps = self.setting("steps")
        return steps if type(steps) is int and steps > 0 else 0

    def setting(self, path: str) -> str | int | float | None:
        """Return a value of its config by its dotted name; None where there is none."""
        node: Any = self.config
        for name in path.split("."):
            node = node.get(name) if isinstance(node, dict) else None
        return node if isinstance(node, str | int | float) else None

    def seconds(self, last: dict[str, Any]) -> int | float:
        """Wall time of all of its sessions; of one that was killed nothing is known.

        Args:
          last: row of metrics.jsonl, which tells the time of a session that has not ended.
        """
        sessions = [*self.manifest.get("earlier", []), self.manifest]
        known = [session.get("wall_seconds", 0.0) for session in sessions]
        own = last.get("step", 0) > self.manifest.get("start", 0)  # else an earlier session's row
        return sum(known[:-1]) + (known[-1] or (last.get("seconds", 0.0) if own else 0.0))

    def own(self) -> list[Row]:
        """The evaluations of its checkpoints, in the order of steps; of equals the last written.

        Those of images, of the data themselves and of noise are left out.
        """
        found = {
            (row["step"], row["protocol"]): row
            for row in self.evaluations
            if rows.of_checkpoint(row)
        }
        return sorted(found.values(), key=lambda row: row["step"])


def read(directory: pathlib.Path) -> Run:
    """Read a run's directory; what is missing or damaged there is left out."""
    problem = ""
    try:
        workdir.saved_config(directory)
    except UsageError as error:
        problem = str(error)
    config = workdir.read_json(directory / "config.json")
    return Run(directory, config, provenance.read(directory), rows.read(directory), problem)


def by_protocol(evaluations: list[Row]) -> dict[str, list[Row]]:
    """Rows that may be compared, by their protocol, in the order in which these first appear."""
    groups: dict[str, list[Row]] = {}
    for row in evaluations:
        groups.setdefault(row["protocol"], []).append(row)
    return groups


def usual_protocol(evaluations: list[Row]) -> str:
    """The protocol that most rows have, of equals the first; empty where there are none."""
    groups = by_protocol(evaluations)
    return max(groups, key=lambda protocol: len(groups[protocol]), default="")


def metrics(evaluations: list[Row]) -> list[str]:
    """The names of the scores in some rows, without those of their deviations."""
    names = dict.fromkeys(name for row in evaluations for name in row)
    return [name for name in names if name not in rows.ABOUT and not name.endswith("_std")]


def clock(seconds: int | float) -> str:
    """Wall time for people: "0:50", "2:05:10", "3 d 4:00:00"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if not hours and not days:
        return f"{minutes}:{seconds:02d}"
    return f"{days} d " * bool(days) + f"{hours}:{minutes:02d}:{seconds:02d}"
