"""Reads the numbers of a run as its owner would, and says in plain words what goes wrong.

A diagnosis is a pure function of the rows of metrics.jsonl, in their order: a run that is continued
reads the rows behind it first, and so warns where the run that was never stopped would have.
"""

import itertools
from collections import deque

Row = dict[str, float]

# What holds in each of at least so many logged rows, over at least so many steps, is no accident.
# Of 41 runs on toys, digits, MNIST and faces, 38 had a D this strong for 400 steps at most; in the
# others D did win: those of `experiments/mnist_minimax.py`, and an MLP's on MNIST for 2,800 steps.
_ROWS, _STEPS = 5, 500
# A run of few steps is warned of a collapse after this share of them, by one row less, though not
# within so few steps that all runs are young. Samples may be alike at first: 3,800 emoji were, at
# .06 to .14, for 250 of 1,700 steps, and then became diverse. So what is on its way up is waited
# for: what has grown by so much from the earlier half of the rows to the later.
_SHARE, _YOUNG, _GROWTH = 1 / 3, 150, 1.25
# D's accuracy on real and on fake images above which it has won.
_SURE = 0.95
# Diversity, of 1, below which G has collapsed: that of about four images, over and over.
_COLLAPSED = 0.25
# A loss has drifted off that has risen from window to window this often, to so many times the
# largest value that it had in the first of them; values below 1 count as 1.
_RISES, _FACTOR = 3, 10.0


class Diagnosis:
    """Finds what is wrong with a run; one object per run.

    Args:
      d_can_win: False for a loss whose D is no judge but measures a distance (Wasserstein): it does
        its work by telling real from fake, however surely.
      steps: of the whole run; None: many.
    """

    def __init__(self, d_can_win: bool = True, steps: int | None = None):
        self._signs = {"D has won": _victory, "G has collapsed": _collapse}
        if not d_can_win:
            del self._signs["D has won"]
        soon = min(_STEPS, max(_YOUNG, steps * _SHARE)) if steps else _STEPS
        self._streaks = {name: Streak() for name in self._signs}
        self._streaks["G has collapsed"] = Streak(soon, _ROWS - (soon < _STEPS))
        self._diversity: list[float] = []
        self._drifts = {name: Drift(name) for name in ("d_loss", "g_loss")}

    def see(self, step: int, row: Row) -> list[str]:
        """Takes the metrics of the next logged step; metrics that a run lacks may be missing.

        Returns:
          Warnings, each with what was seen and what to try. One is given once, and again only
          after what it warns of was absent for as long as it takes to be warned of.
        """
        said = []
        for name, sign in self._signs.items():
            streak, seen = self._streaks[name], sign(row)
            if streak.add(step, bool(seen), name == "G has collapsed" and self._grows(row, seen)):
                said.append(f"{name}, by every row since step {streak.since}: {seen}")
        return said + [text for drift in self._drifts.values() if (text := drift.add(step, row))]

    def _grows(self, row: Row, collapsed: str) -> bool:
        """Return whether diversity has grown over the rows in which it is too small."""
        self._diversity = [*self._diversity, row["diversity"]] if collapsed else []
        half = len(self._diversity) // 2
        earlier, later = (sum(part) for part in (self._diversity[:half], self._diversity[-half:]))
        return half > 0 and later > _GROWTH * earlier


class Streak:
    """Tells when a condition has held for long, once until it has been absent for as long.

    Args:
      steps: that it holds for at least.
      rows: in each of so many at least.
    """

    def __init__(self, steps: int | float = _STEPS, rows: int = _ROWS):
        self._steps, self._least = steps, rows
        self.since, self._rows, self._holds, self._said = 0, 0, False, False

    def add(self, step: int, holds: bool, wait: bool = False) -> bool:
        """Whether this row is to be warned of; not yet where it is to wait."""
        if holds != self._holds or not self._rows:
            self.since, self._rows, self._holds = step, 0, holds
        self._rows += 1
        if self._rows < self._least or step - self.since < self._steps or self._said == holds:
            return False
        if wait:
            return False
        self._said = holds
        return holds


class Drift:
    """Tells when a loss has grown steadily, far beyond what it was at first."""

    def __init__(self, name: str):
        self._name = name
        self._early: float | None = None
        self._means: deque[float] = deque(maxlen=_RISES + 1)
        self._values: list[float] = []
        self._began: int | None = None
        self._said = False

    def add(self, step: int, row: Row) -> str:
        """The warning that this row calls for, or ''."""
        if self._name not in row:
            return ""
        self._began = step if self._began is None else self._began
        self._values.append(abs(row[self._name]))
        if len(self._values) < _ROWS or step - self._began < _STEPS:
            return ""
        if self._early is None:
            self._early = max(1.0, *self._values)
        self._means.append(sum(self._values) / len(self._values))
        self._values, self._began = [], None
        return self._judge()

    def _judge(self) -> str:
        """The same, at the end of a window."""
        far = self._means[-1] > _FACTOR * self._early
        pairs = itertools.pairwise(self._means)
        steady = len(self._means) > _RISES and all(before < after for before, after in pairs)
        warn = far and steady and not self._said
        self._said = far and (self._said or warn)
        if not warn:
            return ""
        return (
            f"{self._name} drifts off: it has grown steadily to {self._means[-1]:.3g}, and was at "
            f"most {self._early:.3g} at first; try lower learning rates, or a penalty that keeps D "
            "smooth (config.penalty.name=r1, or wgan_gp for the Wasserstein loss)"
        )


def _victory(row: Row) -> str:
    """What a row shows of it, with what to try, or ''; so below."""
    accuracies = row.get("d_accuracy_real"), row.get("d_accuracy_fake")
    if None in accuracies or min(accuracies) <= _SURE:
        return ""
    saturated = row.get("d_saturated")
    sure = "" if saturated is None else f", and {saturated:.0%} of its logits are saturated"
    return (
        f"it is right on {accuracies[0]:.0%} of the real images and {accuracies[1]:.0%} "
        f"of the fake ones{sure}; G learns little from such a D; try a lower "
        "config.discriminator.optimizer.learning_rate, fewer config.d_steps, or what keeps D "
        "smooth: config.penalty.name=r1, config.augment"
    )


def _collapse(row: Row) -> str:
    diversity = row.get("diversity")
    if diversity is None or diversity >= _COLLAPSED:
        return ""
    return (
        f"its samples differ {diversity:.2f} times as much as the data do; try a "
        "lower config.generator.optimizer.learning_rate, more config.d_steps, a D that sees "
        "several samples (config.packing=2), or config.loss=relativistic_pairing with "
        "config.penalty.name=r1_r2"
    )
