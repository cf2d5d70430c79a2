"""The curves of a run's page: which numbers share a drawing, and the drawings."""

import html
import math
from typing import Any, NamedTuple

from gan_jax.evaluate.rows import Row
from gan_jax.report import charts, run
from gan_jax.report.charts import Numbers, Point
from gan_jax.report.curves import Curve
from gan_jax.report.document import number

_TITLES = {"fid": "FID", "kid": "KID", "inception_score": "Inception score",
           "intra_fid": "Intra-FID", "reverse_kl": "Reverse KL"}  # fmt: skip
_TRAINING = (
    ("Losses", "", {"d_loss": "D", "g_loss": "G"}),
    ("Mean logits of D", "", {"d_real": "real", "d_fake": "fake"}),
    ("D is right on", "share", {"d_accuracy_real": "real", "d_accuracy_fake": "fake"}),
    ("Norms of the gradients", "log", {"d_grad_norm": "D", "g_grad_norm": "G"}),
    ("Largest spectral norms", "", {"d_spectral_norm": "D", "g_spectral_norm": "G"}),
    ("Diversity, 1 as the data", "from 0", {"diversity": ""}),
    ("Penalty", "", {"penalty": ""}),
    ("Logits of D that are saturated", "share", {"d_saturated": ""}),
    ("Images per second", "from 0", {"images_per_second": ""}),
)
_FEW = 40  # points of a line that are marked
_MANY = 120  # above which a line is pale, with its trend over it
_TREND = 40  # points of that
_OFTEN_ZERO = ("penalty", "d_saturated")  # and then not shown
_TOGETHER = (("precision", "recall"), ("density", "coverage"))


class Figure(NamedTuple):
    """Lines in one drawing.

    Attributes:
      title: plain text.
      scale: of the values: "share", from 0 to 1; "log"; "from 0"; empty: as they lie.
      lines: points by the name of the line, which is empty where it needs none; none is empty.
      trends: of the lines that are so dense that they hide how they move.
    """

    title: str
    scale: str
    lines: dict[str, list[Point]]
    trends: dict[str, list[Point]]


def of_training(curves: dict[str, Curve]) -> list[Figure]:
    """What metrics.jsonl holds; a metric of no figure of its own gets one by its name."""
    known = {name for _, _, names in _TRAINING for name in names}
    others = tuple((name, "", {name: ""}) for name in in_order(set(curves)) if name not in known)
    points = {name: curve.points() for name, curve in curves.items()}
    for name in _OFTEN_ZERO:
        if not any(value for _, value in points.get(name, ())):
            points.pop(name, None)
    figures = []
    for title, scale, names in (*_TRAINING, *others):
        lines = {shown: points[name] for name, shown in names.items() if points.get(name)}
        trends = {
            shown: curves[name].trend(_TREND)
            for name, shown in names.items()
            if len(points.get(name, ())) > _MANY
        }
        if lines:
            figures.append(Figure(title, scale, lines, trends))
    return figures


def of_scores(evaluations: list[Row]) -> list[Figure]:
    """How scores move over the steps of rows that have one protocol."""
    lines = {}
    for name in run.metrics(evaluations):
        points = [(row["step"], row[name]) for row in evaluations if charts.drawable(row.get(name))]
        if len(points) > 1:
            lines[name] = points
    figures = []
    for names in _TOGETHER:
        if all(name in lines for name in names):
            pair = {name: lines.pop(name) for name in names}
            figures.append(Figure(", ".join(names).capitalize(), "from 0", pair, {}))
    singles = [Figure(title(name), "", {"": points}, {}) for name, points in lines.items()]
    return [*singles[:2], *figures, *singles[2:]]  # FID and KID first


def in_order(names: set[str]) -> list[str]:
    """Those of metrics.jsonl as the page shows them, then the others; the time is none."""
    known = [name for _, _, group in _TRAINING for name in group]
    return [name for name in known if name in names] + sorted(names - {*known, "seconds"})


def title(name: str) -> str:
    """What a score is called at the head of its curve, in plain text."""
    words = name.replace("_", " ")
    return _TITLES.get(name, words[:1].upper() + words[1:])


def draw(figures: list[Figure], marks: list[tuple[int, str]]) -> tuple[str, list[Any]]:
    """Draws them over the same steps.

    Args:
      figures: one at least.
      marks: (step, a number or a letter) of what is to be seen in all of them.

    Returns:
      HTML, and the numbers of each for the script that shows them: "x", the first and the last step
      of the axis, and "lines", each [name, steps, values].
    """
    steps = [step for figure in figures for line in figure.lines.values() for step, _ in line]
    x = charts.fit(steps, math.inf, low=0.0)
    drawings = "".join(_draw(figure, x, marks) for figure in figures)
    data = [
        {
            "x": [x.low, x.high],
            "lines": [
                [name, [step for step, _ in line], [float(f"{value:.5g}") for _, value in line]]
                for name, line in figure.lines.items()
            ],
        }
        for figure in figures
    ]
    return f'<div class="figures">{drawings}</div>', data


def _draw(figure: Figure, x: Numbers, marks: list[tuple[int, str]]) -> str:
    y = _axis(figure)
    drawn = words = ""
    for step, name in marks:
        place = x.place(step)
        if 0 <= place <= 1:
            drawn += charts.path("mark", f"M{charts.at(place, 1.0)}V1000")
            words += f'<b class="flag" style="left:{100 * place:.2f}%">{html.escape(name)}</b>'
    legend = ""
    for i, (name, line) in enumerate(figure.lines.items()):
        dense = name in figure.trends
        drawn += charts.polyline(f"s{i}" + " pale" * dense, _places(line, x, y))
        if len(line) <= _FEW:
            dots = "".join(f"M{charts.at(*place)}h0" for place in _places(line, x, y))
            drawn += charts.path(f"point s{i}", dots)
        key = f'<i class="s{i}"></i>{html.escape(name)} ' if name else ""
        legend += f"<span>{key}<b>{number(line[-1][1], 3)}</b></span>"
    for i, name in enumerate(figure.lines):
        if name in figure.trends:
            drawn += charts.polyline(f"s{i} trend", _places(figure.trends[name], x, y))
    scale = " <small>log</small>" * y.log
    head = f"<h3>{html.escape(figure.title)}{scale}</h3>{legend}"
    moved = '<i class="shown"></i><i class="here"></i>'
    label = f' role="img" aria-label="{html.escape(figure.title)}"'
    plot = charts.plot("chart", x, y, drawn, words + moved, label)
    return f"<figure><figcaption>{head}</figcaption>{plot}</figure>"


def _places(line: list[Point], x: Numbers, y: Numbers) -> list[Point]:
    return [(x.place(step), charts.inside(y.place(value))) for step, value in line]


def _axis(figure: Figure) -> Numbers:
    values = [value for line in figure.lines.values() for _, value in line]
    if figure.scale == "share":
        return Numbers(0.0, 1.0, False)
    if figure.scale == "log":
        return charts.fit([value for value in values if value > 1e-30], 0.0)
    if figure.scale == "from 0":
        return charts.fit(values, math.inf, low=min(0.0, *values))
    return charts.fit(values, 20.0)
