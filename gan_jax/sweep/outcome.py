"""What became of one trial, as the study knows it and the results show it."""

import math
import pathlib
from typing import Any, NamedTuple

from gan_jax.sweep.space import Sweep

# What a trial can be: not begun, in training, or ended in one of four ways.
WAITING, RUNNING = "waiting", "running"
DONE, PRUNED, DIVERGED, FAILED = "done", "pruned", "diverged", "failed"
ENDED = (DONE, PRUNED, DIVERGED, FAILED)


class Outcome(NamedTuple):
    """One trial of a sweep.

    Attributes:
      number: of the trial, 0, 1, ...; its directory is trials/NNNN.
      phase: wide | narrow | repeat.
      status: waiting | running | done | pruned | diverged | failed.
      point: what it tries, by the names of the space's dimensions; empty while it waits for one.
      seeds: of its runs.
      curve: (step, objective) of each evaluation, a mean over the seeds, in order.
      value: the objective at the last of them; None where there is none.
      spread: its standard deviation over the seeds; None for one seed.
      step: steps behind the run that is furthest.
      metrics: the last row of its first run's eval.jsonl and metrics.jsonl, numbers alone.
      message: why it failed, diverged or was pruned; empty where all is well.
    """

    number: int
    phase: str
    status: str
    point: dict[str, Any]
    seeds: tuple[int, ...]
    curve: tuple[tuple[int, float], ...]
    value: float | None
    spread: float | None
    step: int
    metrics: dict[str, float]
    message: str

    @property
    def folder(self) -> str:
        """Of its runs, in the sweep's directory."""
        return _folder(self.number)


def rank(outcomes: list[Outcome], maximize: bool) -> list[Outcome]:
    """The trials that are done and have a finite value, best first; of equals the earlier one."""
    ended = [
        (-outcome.value if maximize else outcome.value, outcome.number, outcome)
        for outcome in outcomes
        if outcome.status == DONE and outcome.value is not None and math.isfinite(outcome.value)
    ]
    return [outcome for _, _, outcome in sorted(ended, key=lambda entry: entry[:2])]


def trials_that_tell(sweep: Sweep) -> int:
    """Return how many trials must be done before it is told what their dimensions decide.

    The trees that tell it (fANOVA, Hutter et al. 2014) are grown on these. Of four dimensions, one
    of which made 80 % of the variance, they named that one in 3 of 6 studies of 4 trials, and in
    all of 10.
    """
    return max(10, 3 * len(sweep.space))


def runs(directory: pathlib.Path, outcome: Outcome) -> list[pathlib.Path]:
    """The directories of a trial's runs."""
    return run_folders(directory, outcome.number, outcome.seeds)


def run_folders(directory: pathlib.Path, number: int, seeds: tuple[int, ...]) -> list[pathlib.Path]:
    """A trial's own directory where it has one seed, else one in it for each seed."""
    folder = directory / _folder(number)
    return [folder] if len(seeds) == 1 else [folder / f"seed_{seed}" for seed in seeds]


def _folder(number: int) -> str:
    return f"trials/{number:04d}"
