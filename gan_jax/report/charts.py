"""Curves as inline SVG: where a value lies, what is written beside it, and the lines.

Lines are drawn in a box of 2000 x 1000 that stretches with the page; what must not stretch, words
above all, lies over it as HTML. A place is a fraction of an axis, from 0 at its low end to 1.
"""

import math
from typing import Any, NamedTuple

from gan_jax.report.document import number

Point = tuple[int | float, int | float]


class Numbers(NamedTuple):
    """An axis of numbers.

    Attributes:
      low: at its beginning.
      high: at its end; more than low.
      log: whether it is logarithmic; low is positive then.
    """

    low: float
    high: float
    log: bool

    @property
    def slack(self) -> float:
        """A number has one place."""
        return 0.0

    def place(self, value: Any) -> float | None:
        """None for what cannot lie on it."""
        if not drawable(value) or (self.log and value <= 0):
            return None
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers: their places and their words."""
        values = self._powers() if self.log else []
        if len(values) < 3:
            step = 10.0 ** math.floor(math.log10((self.high - self.low) / 5))
            step *= next(k for k in (1, 2, 5, 10) if (self.high - self.low) / (k * step) <= 5)
            first, last = math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6)
            values = [i * step for i in range(first, last + 1)]
        places = [(self.place(value), number(value)) for value in values]
        return [(place, word) for place, word in places if place is not None]

    def _powers(self) -> list[float]:
        """Of ten; 2 and 5 times them too where they are few, one in so many where they are many."""
        low, high = math.log10(self.low), math.log10(self.high)
        factors = (1, 2, 5) if high - low < 3 else (1,)
        every = 1 + int(high - low) // 7
        values = [
            k * 10.0**i for i in range(math.floor(low), math.ceil(high), every) for k in factors
        ]
        values.append(10.0 ** math.ceil(high))
        return [value for value in values if low - 1e-6 <= math.log10(value) <= high + 1e-6]


def drawable(value: Any) -> bool:
    """Whether it is a number, and no sum or ratio of two like it is infinite."""
    return type(value) in (int, float) and abs(value) < 1e100


def fit(values: list[Any], ratio: float, low: float | None = None) -> Numbers:
    """An axis that holds some numbers.

    Args:
      values: drawable ones; with none it goes to 1.
      ratio: of the largest to the least, above which it is logarithmic; math.inf: it never is.
      low: where it begins; None: at the least of them.
    """
    low = float(min(values, default=0) if low is None else low)
    high = float(max(values, default=1))
    if high - low <= max(1e-9 * abs(low), 1e-100):
        margin = abs(low) / 10 or 0.5
        return Numbers(low - margin, high + margin, False)
    return Numbers(low, high, low > 1e-100 and high / low > ratio)


def inside(place: float | None) -> float:
    """Just out of sight for what is far outside, and for what has no logarithm."""
    return -0.5 if place is None else min(max(place, -0.5), 1.5)


def at(x: int | float, y: int | float) -> str:
    """Two places as coordinates."""
    return f"{round(2000 * x)},{round(1000 * (1 - y))}"


def path(look: str, drawing: str) -> str:
    """An SVG path of a class."""
    return f'<path class="{look}" d="{drawing}"/>'


def polyline(look: str, points: list[Point], attributes: str = "") -> str:
    """A line of a class through places."""
    drawn = " ".join(at(*point) for point in points)
    return f'<polyline class="{look}"{attributes} points="{drawn}"/>'


def svg(drawn: str) -> str:
    """The box around paths and lines."""
    return f'<svg viewBox="0 0 2000 1000" preserveAspectRatio="none">{drawn}</svg>'


def plot(kind: str, x: Numbers, y: Numbers, drawn: str, words: str = "", data: str = "") -> str:
    """What is drawn, over the rules of an axis of values, with the words of both axes.

    Args:
      kind: class of the element, which sets its height and the room for the words.
      x: of the steps.
      y: of the values.
      drawn: paths and lines.
      words: HTML that lies over them.
      data: attributes of the element.
    """
    rules = path("rule", "".join(f"M{at(0.0, place)}H2000" for place, _ in y.ticks()))
    scale = "".join(
        f'<span class="value" style="top:{100 * (1 - place):.2f}%">{word}</span>'
        for place, word in y.ticks()
    ) + "".join(
        f'<span class="step" style="left:{100 * place:.2f}%">{word}</span>'
        for place, word in x.ticks()
    )
    return f'<div class="plot {kind}"{data}>{svg(rules + drawn)}{scale}{words}</div>'
