"""Rows of eval.jsonl: written in JSON's own values, read, compared, and shown to people."""

import logging
import math
import pathlib
from typing import Any

from gan_jax import workdir
from gan_jax.config import LESS_IS_BETTER, METRICS

Row = dict[str, Any]
# What a row scores, as its "kind" says, other than a checkpoint of the run.
KINDS = ("images", "real", "noise")
# Fields that are no scores.
ABOUT = (
    "step", "checkpoint", "kind", "protocol", "num_samples", "features_accuracy",
    "intra_fid_classes", "note", "seconds",
)  # fmt: skip

_LOGGER = logging.getLogger(__name__)


def append(directory: pathlib.Path, row: Row) -> Row:
    """Adds a row to a run's eval.jsonl; what is no number becomes null. Returns it as written."""
    row = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
    workdir.append_line(directory / "eval.jsonl", row)
    return row


def read(directory: pathlib.Path) -> list[Row]:
    """Return a run's rows in the order in which they were written.

    Those that lack a protocol or a checkpoint, or have a metric that is no number, are damaged and
    passed over with a warning.
    """
    path = directory / "eval.jsonl"
    found = workdir.read_lines(path)
    whole = [row for row in found if _is_whole(row)]
    if len(whole) < len(found):
        _LOGGER.warning(
            "%s: rows that are damaged, and passed over: %d", path, len(found) - len(whole)
        )
    return whole


def _is_whole(row: Row) -> bool:
    texts = all(isinstance(row.get(name), str) for name in ("checkpoint", "protocol"))
    return texts and all(_is_score(row.get(name)) for name in METRICS)


def _is_score(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and math.isfinite(value))


def of_checkpoint(row: Row) -> bool:
    """Return whether a row scores a checkpoint of the run: not images, real data or noise.

    Rows of older versions have no "kind", but their protocol and "checkpoint" say what they score.
    """
    if "kind" in row:
        return row["kind"] == "checkpoint"
    if set(KINDS) & set(str(row.get("protocol", "")).split(";")):
        return False
    return row.get("checkpoint") in ("latest", "best", str(row.get("step")))


def best(rows: list[Row], metric: str, protocol: str) -> Row | None:
    """The best row of a protocol, of equals the first; None where none has the metric.

    Rows of anything but checkpoints are passed over.
    """
    rated = [
        row
        for row in rows
        if of_checkpoint(row) and row["protocol"] == protocol and row.get(metric) is not None
    ]
    sign = -1 if metric in LESS_IS_BETTER else 1
    return max(rated, key=lambda row: sign * row[metric], default=None)


def without_seed(protocol: str) -> str:
    """What of a protocol runs of several seeds have in common: all but the seed of the latents."""
    return ";".join(field for field in protocol.split(";") if not field.startswith("seed="))


def table(row: Row) -> str:
    """A row for people: its protocol, then a line for each number."""
    lines = [f"step {row['step']} ({row['checkpoint']})  {row['protocol']}"]
    for name, value in row.items():
        if name not in ("step", "checkpoint", "kind", "protocol"):
            shown = f"{value:.5g}" if isinstance(value, float) else value
            lines.append(f"  {name:<20} {'none' if value is None else shown}")
    return "\n".join(lines)
