"""Writes what a sweep found where tools read it: trials.csv, best_config.json, sweep.html."""

import csv
import io
import pathlib
from typing import Any

from gan_jax import workdir
from gan_jax.sweep import page
from gan_jax.sweep.outcome import Outcome
from gan_jax.sweep.space import Sweep

_COLUMNS = ("trial", "phase", "status", "value", "spread", "seeds", "step")


def write(
    directory: pathlib.Path,
    sweep: Sweep,
    outcomes: list[Outcome],
    best: Outcome | None,
    config: dict[str, Any] | None,
    command: str,
    importances: dict[str, float],
) -> None:
    """Replaces the results by what is known by now; may be called as often as that changes.

    Args:
      directory: the sweep's, which exists; its runs may be half-written or missing.
      sweep: what is searched.
      outcomes: of its trials, in any order.
      best: the winner, one of them; None where there is none yet.
      config: the winner's, groups as nested dicts.
      command: trains the winner.
      importances: of the dimensions for the objective; empty where they cannot be told.
    """
    workdir.write_text(directory / "trials.csv", _table(sweep, outcomes))
    if best is not None and config is not None:
        workdir.write_json(directory / "best_config.json", config)
    html = page.render(directory, sweep, outcomes, best, command, importances)
    workdir.write_text(directory / "sweep.html", html)


def _table(sweep: Sweep, outcomes: list[Outcome]) -> str:
    """CSV, a row for each trial by number; a name that is taken gets a "_" at its end."""
    metrics = list(dict.fromkeys(name for outcome in outcomes for name in outcome.metrics))
    header = list(_COLUMNS)
    for name in [*sweep.space, *metrics, "message"]:
        while name in header:
            name += "_"
        header.append(name)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for outcome in sorted(outcomes, key=lambda outcome: outcome.number):
        writer.writerow(
            [outcome.number, outcome.phase, outcome.status, outcome.value, outcome.spread]
            + [" ".join(map(str, outcome.seeds)), outcome.step]
            + [outcome.point.get(name) for name in sweep.space]
            + [outcome.metrics.get(name) for name in metrics]
            + [outcome.message]
        )
    return file.getvalue()
