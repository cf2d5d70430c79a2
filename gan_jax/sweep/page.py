"""The page of a sweep: one file that needs no network and says what was tried and what won.

Python draws all of it; the script only sorts the table and points out what belongs together, so
that a viewer without scripts shows everything too.
"""

import base64
import collections
import html
import io
import itertools
import math
import pathlib
import statistics
from typing import Any, NamedTuple

from PIL import Image

from gan_jax.data.images import open_image
from gan_jax.report import charts, document, style
from gan_jax.report.style import LEVELS
from gan_jax.sweep.outcome import (
    DIVERGED,
    DONE,
    FAILED,
    PRUNED,
    RUNNING,
    WAITING,
    Outcome,
    rank,
    runs,
    trials_that_tell,
)
from gan_jax.sweep.space import Dimension, Integer, Sweep, Uniform

_STATUSES = (DONE, PRUNED, DIVERGED, FAILED, RUNNING, WAITING)
_REPEAT = "repeat"
_SHOWN = 6  # trials whose samples are shown
_SIDE = 300  # pixels, of their pictures at most
_LARGEST = 2**26  # pixels of a file: what has more was not drawn by a run
_POINTS = 20_000  # of all curves together


def render(
    directory: pathlib.Path,
    sweep: Sweep,
    outcomes: list[Outcome],
    best: Outcome | None,
    command: str,
    importances: dict[str, float],
) -> str:
    """HTML in ASCII, with all that it shows inside.

    Args:
      directory: the sweep's, where the page will lie; pictures that cannot be read are left out.
      sweep: what is searched.
      outcomes: of its trials, in any order.
      best: the winner, one of them; None where there is none yet.
      command: trains the winner.
      importances: of the dimensions for the objective; empty where they cannot be told.
    """
    outcomes = sorted(outcomes, key=lambda outcome: outcome.number)
    ranked = rank(outcomes, sweep.maximize)
    objective = charts.fit([o.value for o in ranked if charts.drawable(o.value)], 100.0)
    looks = _looks(outcomes, ranked, best, objective)
    name = directory.resolve().name
    body = f"""{_header(name, sweep, outcomes)}
<section><h2>Best trial</h2>{_winner(sweep, ranked, best, command)}</section>
{_samples(directory, sweep, ranked)}
<section><h2>What was tried</h2>{_coordinates(sweep, outcomes, objective, looks)}</section>
<div class="pair">
<section><h2>Learning curves</h2>{_curves(sweep, outcomes, looks)}</section>
<section><h2>Importance</h2>{_importances(sweep, importances, ranked)}</section>
</div>
<section><h2>Trials</h2>{_table(directory, sweep, outcomes, ranked, looks)}</section>"""
    scripts = (style.TIP, style.SORT, 'const kind = "trial"', style.POINT, style.COPY)
    return document.document(name, body, css=style.levels() + _STYLE, scripts=scripts)


# Axes: where a value lies, from 0 at the bottom to 1 at the top, and what is written beside it.


class _Names(NamedTuple):
    names: tuple[str, ...]

    @property
    def slack(self) -> float:
        """What lines may take up at a name, lest all of them hide each other."""
        return 0.5 / len(self.names)

    def place(self, value: Any) -> float | None:
        """In the middle of its share, the first at the top."""
        return 1 - (self.names.index(_text(value)) + 0.5) / len(self.names)

    def ticks(self) -> list[tuple[float, str]]:
        """All; a few where they are very many."""
        words = [(1 - (i + 0.5) / len(self.names), name) for i, name in enumerate(self.names)]
        return words[:: 1 + len(words) // 20]


_Axis = charts.Numbers | _Names


def _axis(dimension: Dimension, values: list[Any]) -> _Axis:
    """A dimension's, stretched to values that lie outside of it."""
    if isinstance(dimension, Uniform | Integer):
        values = [value for value in values if charts.drawable(value)]
        low, high = min([dimension.low, *values]), max([dimension.high, *values])
        log = isinstance(dimension, Uniform) and dimension.log and low > 0
        return charts.Numbers(float(low), float(high), log)
    texts = [_text(value) for value in (*(dimension.levels() or ()), *values)]
    return _Names(tuple(dict.fromkeys(texts)))


# Lines.


class _Look(NamedTuple):
    """Of a trial's lines: 0, as good as the best, to 15, as bad as the worst; None is gray."""

    level: int | None
    best: bool

    def __str__(self) -> str:
        return ("gray" if self.level is None else f"c{self.level}") + " best" * self.best

    @property
    def order(self) -> tuple[bool, int]:
        """What is good lies above what is not."""
        return self.best, -LEVELS if self.level is None else -self.level


def _looks(
    outcomes: list[Outcome], ranked: list[Outcome], best: Outcome | None, objective: charts.Numbers
) -> dict[int, _Look]:
    places = {outcome.number: objective.place(outcome.value) for outcome in ranked}
    drawn = [place for place in places.values() if place is not None]
    looks = {}
    for outcome in outcomes:
        place, level = places.get(outcome.number), None
        if place is not None:
            span = abs(drawn[-1] - drawn[0]) or 1.0
            level = round((LEVELS - 1) * abs(place - drawn[0]) / span)
        looks[outcome.number] = _Look(level, best is not None and outcome.number == best.number)
    return looks


def _lines(lines: dict[int, list[charts.Point]], looks: dict[int, _Look]) -> str:
    """Of trials."""
    return "".join(
        charts.polyline(str(looks[number]), lines[number], f' data-trial="{number}"')
        for number in sorted(lines, key=lambda number: looks[number].order)
    )


# Words.


def _text(value: Any) -> str:
    """A value of a dimension; a list is a tuple that has been through JSON."""
    if isinstance(value, list | tuple):
        return f"({', '.join(_text(entry) for entry in value)})"
    return document.number(value) if isinstance(value, float) else str(value)


def _score(outcome: Outcome) -> str:
    if outcome.value is None:
        return ""
    spread = (
        "" if outcome.spread is None else f" <small>± {document.number(outcome.spread, 2)}</small>"
    )
    return document.number(outcome.value) + spread


def _point(outcome: Outcome) -> str:
    entries = (
        f"<div><dt>{document.dotted(name)}</dt><dd>{html.escape(_text(value))}</dd></div>"
        for name, value in outcome.point.items()
    )
    return f"<dl>{''.join(entries)}</dl>"


# The parts of the page.


def _header(name: str, sweep: Sweep, outcomes: list[Outcome]) -> str:
    counts = collections.Counter(outcome.status for outcome in outcomes)
    present = [status for status in _STATUSES if counts[status]]
    bar = "".join(f'<i class="{status}" style="flex:{counts[status]}"></i>' for status in present)
    chips = "".join(
        f'<li><i class="dot {status}"></i><b>{counts[status]:,}</b> {status}</li>'
        for status in present
    )
    about = [
        f"{'Higher' if sweep.maximize else 'Lower'} <b>{html.escape(sweep.metric)}</b> is better",
        document.count(len(outcomes), "trial"),
        document.count(len(sweep.space), "dimension"),
        f"{html.escape(sweep.sampler.replace('_', '-'))} sampler",
    ]
    if sweep.seeds > 1:
        about.append(f"{sweep.seeds} seeds each")
    if sweep.pruning is not None:
        about.append(f"pruned from step {sweep.pruning.first:,} on")
    return (
        f"<header><h1>{html.escape(name)}</h1><p>{' · '.join(about)}</p>"
        f'<div class="bar">{bar}</div><ul>{chips}</ul></header>'
    )


def _winner(sweep: Sweep, ranked: list[Outcome], best: Outcome | None, command: str) -> str:
    if best is None:
        return document.note("No trial is done yet.")
    facts = [f"trial {best.number}", html.escape(best.phase), f"step {best.step:,}"]
    if len(best.seeds) > 1:
        facts.append(f"{len(best.seeds)} seeds")
    again = [float(outcome.value) for outcome in ranked if outcome.phase == _REPEAT]
    if again:
        spread = f" ± {document.number(statistics.stdev(again), 2)}" if len(again) > 1 else ""
        mean = f"<b>{document.number(statistics.fmean(again))}{spread}</b>"
        facts.append(f"repeated with {document.count(len(again), 'new seed')}: {mean}")
    return (
        f'<div class="winner"><div><p class="score">{_score(best)} '
        f"<small>{html.escape(sweep.metric)}</small></p>{document.note(' · '.join(facts))}</div>"
        f"{_point(best)}</div>{document.command(command)}"
    )


def _samples(directory: pathlib.Path, sweep: Sweep, ranked: list[Outcome]) -> str:
    figures = []
    for outcome in [outcome for outcome in ranked if outcome.phase != _REPEAT][:_SHOWN]:
        folders = runs(directory, outcome)
        picture = _picture(folders[0]) if folders else None
        if picture is not None:
            figures.append(
                f'<figure data-trial="{outcome.number}">'
                f'<img alt="samples of trial {outcome.number}" '
                f'src="data:image/png;base64,{picture}"><figcaption><p>'
                f'<a href="{outcome.folder}/">trial {outcome.number}</a>'
                f"<b>{_score(outcome)}</b></p>{_point(outcome)}</figcaption></figure>"
            )
    if not figures:
        return ""
    note = document.note(
        f"The last ones of the best trials, with their {html.escape(sweep.metric)}."
    )
    return f'<section><h2>Samples</h2>{note}<div class="samples">{"".join(figures)}</div></section>'


def _picture(run: pathlib.Path) -> str | None:
    """A run's newest picture that can be read, as a small PNG in base64."""
    try:
        paths = sorted(run.glob("samples/step_*.png"), reverse=True)
    except OSError:  # it goes while it is read
        return None
    for path in paths:
        try:
            with open_image(path) as file:
                if file.width * file.height > _LARGEST:
                    continue
                image = file.convert("RGB")
        except Exception:  # Pillow has many for a damaged file
            continue
        image.thumbnail((_SIDE, 2 * _SIDE))
        # A small one is enlarged here: browsers blur.
        factor = min(_SIDE // image.width, 2 * _SIDE // image.height)
        image = image.resize(
            (factor * image.width, factor * image.height), Image.Resampling.NEAREST
        )
        png = io.BytesIO()
        image.quantize(64).save(png, "PNG", optimize=True)
        return base64.b64encode(png.getvalue()).decode("ascii")
    return None


def _coordinates(
    sweep: Sweep, outcomes: list[Outcome], objective: charts.Numbers, looks: dict[int, _Look]
) -> str:
    tried = [outcome for outcome in outcomes if sweep.space.keys() <= outcome.point.keys()]
    names = [*sweep.space]
    axes: list[_Axis] = [
        _axis(dimension, [outcome.point[name] for outcome in tried])
        for name, dimension in sweep.space.items()
    ]
    if judged := any(look.level is not None for look in looks.values()):
        names.append(sweep.metric)
        axes.append(objective)
    across = [(i + 0.5) / len(axes) for i in range(len(axes))]
    lines = {}
    for outcome in tried:
        values, height = [outcome.point[name] for name in sweep.space], 0.5
        if looks[outcome.number].level is not None:
            values.append(outcome.value)
            height = objective.place(outcome.value)
        places = [axis.place(value) for axis, value in zip(axes, values, strict=False)]
        if None not in places:
            lines[outcome.number] = [
                (x, y + axis.slack * (height - 0.5))
                for x, y, axis in zip(across, places, axes, strict=False)
            ]
    if not lines:
        return document.note("No trial has begun yet.")
    words = "".join(
        f'<span class="{"tick last" if axis is objective else "tick"}" '
        f'style="left:{100 * x:.2f}%;top:{100 * (1 - place):.2f}%">{html.escape(word)}</span>'
        for x, axis in zip(across, axes, strict=True)
        for place, word in axis.ticks()
    )
    drawing = charts.path("axis", "".join(f"M{charts.at(x, 1.0)}V1000" for x in across))
    if judged:
        heights = [i / LEVELS for i in range(LEVELS + 1)]
        if sweep.maximize:
            heights.reverse()
        drawing += "".join(
            charts.path(
                f"scale c{i}", f"M{charts.at(across[-1], low)}L{charts.at(across[-1], high)}"
            )
            for i, (low, high) in enumerate(itertools.pairwise(heights))
        )
    heads = "".join(f"<span>{document.dotted(name)}</span>" for name in names)
    drawing = charts.svg(drawing + _lines(lines, looks))
    note = document.note(
        "A line is a trial, colored by what it came to; at a choice, lines lie in that order too. "
        "Gray ones were pruned, failed, diverged or are not done: they end before the last axis."
    )
    return (
        f'{note}<div class="box"><div style="min-width:{115 * len(axes)}px">'
        f'<div class="names">{heads}</div>'
        f'<div class="plot coordinates">{drawing}{words}</div></div></div>'
    )


def _curves(sweep: Sweep, outcomes: list[Outcome], looks: dict[int, _Look]) -> str:
    most = max(_POINTS // max(len(outcomes), 1), 8)
    curves = {}
    for outcome in outcomes:
        points = [(step, value) for step, value in outcome.curve if charts.drawable(value)]
        if points:  # thinned from its end, which is drawn in any case
            curves[outcome.number] = points[:: -math.ceil(len(points) / most)][::-1]
    if not curves:
        return document.note("No trial has been evaluated yet.")
    # One that goes off does not set the scale for the others.
    calm = [o.number for o in outcomes if o.status not in (DIVERGED, FAILED) and o.number in curves]
    x = charts.fit([step for points in curves.values() for step, _ in points], math.inf, low=0.0)
    values = [value for number in calm or curves for _, value in curves[number]]
    y = charts.fit(
        values, math.inf if sweep.maximize else 10.0
    )  # what falls is told apart at its end
    lines = {
        number: [(x.place(step), charts.inside(y.place(value))) for step, value in points]
        for number, points in curves.items()
    }
    ends = "".join(
        charts.path(f"end {looks[outcome.number]}", f"M{charts.at(*lines[outcome.number][-1])}h0")
        for outcome in outcomes
        if outcome.number in lines and outcome.status in (PRUNED, DIVERGED, FAILED)
    )
    note = document.note(
        f"{html.escape(sweep.metric)} by step{', logarithmic' * y.log}. "
        "A dot is where a trial was given up."
    )
    return note + charts.plot("curves", x, y, ends + _lines(lines, looks))


def _importances(sweep: Sweep, importances: dict[str, float], ranked: list[Outcome]) -> str:
    shares = {name: max(share, 0) for name, share in importances.items() if charts.drawable(share)}
    if not shares:
        done = sum(outcome.phase != _REPEAT for outcome in ranked)
        needed = trials_that_tell(sweep)
        why = f"it takes {needed} trials that are done, and {done} {'is' if done == 1 else 'are'}"
        if done >= needed:
            why = "the trials that are done do not tell"
        return document.note(f"Not shown: {why}.")
    longest = max(shares.values()) or 1.0
    bars = "".join(
        f'<div class="share"><span>{document.dotted(name)}</span><b>{share:.2f}</b>'
        f'<i style="width:{100 * share / longest:.1f}%"></i></div>'
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
    )
    return document.note("How much each dimension decides, by the trials that are done.") + bars


def _table(
    directory: pathlib.Path,
    sweep: Sweep,
    outcomes: list[Outcome],
    ranked: list[Outcome],
    looks: dict[int, _Look],
) -> str:
    if not outcomes:
        return document.note("No trial has begun yet.")
    titles = {"trial": "trial", "value": sweep.metric, "status": "status", "phase": "phase"}
    columns = [*titles.items(), ("step", "step"), *((name, name) for name in sweep.space)]
    if any(outcome.message for outcome in outcomes):
        columns.append(("message", "message"))
    direction = "descending" if sweep.maximize else "ascending"
    heads = "".join(
        document.head(key, title, first=direction * (i == 1), now=i == 1)
        for i, (key, title) in enumerate(columns)
    )
    done = {outcome.number for outcome in ranked}
    rows = []
    for outcome in [*ranked, *(o for o in outcomes if o.number not in done)]:
        number, status = outcome.number, html.escape(outcome.status)
        there = (directory / outcome.folder).is_dir()
        cells = [
            document.cell(
                number, f'<a href="{outcome.folder}/">{number}</a>' if there else f"{number}"
            ),
            document.cell(outcome.value, _score(outcome)),
            f'<td><i class="dot {status}"></i>{status}</td>',
            f"<td>{html.escape(outcome.phase)}</td>",
            document.cell(outcome.step, f"{outcome.step:,}"),
        ]
        for name in sweep.space:
            value = outcome.point.get(name, "")
            text = html.escape(_text(value))
            numeric = isinstance(value, int | float)
            cells.append(document.cell(value, text) if numeric else f"<td>{text}</td>")
        if len(columns) > len(cells):
            cells.append(f'<td class="message">{html.escape(outcome.message)}</td>')
        classes = " ".join(["done"] * (number in done) + ["best"] * looks[number].best)
        rows.append(f'<tr data-trial="{number}" class="{classes}">{"".join(cells)}</tr>')
    files = '<a href="trials.csv">trials.csv</a> has all of their metrics.'
    return document.note(files) + document.table(heads, f"<tbody>{''.join(rows)}</tbody>")


_STYLE = """
.winner{display:flex;flex-wrap:wrap;align-items:flex-end;gap:12px 40px}
.score{font-size:34px;font-weight:650;line-height:1.2;letter-spacing:-.02em}
.score small{font-size:15px;letter-spacing:0}
.winner dl{display:flex;flex-wrap:wrap;gap:8px 28px}
.winner dt{color:var(--soft);font-size:12px}
.winner dd{font-weight:600}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(164px,1fr));gap:14px;
margin-top:12px}
.samples figure{border-radius:8px;outline:2px solid transparent;outline-offset:4px}
.samples img{display:block;width:100%;border-radius:6px}
.samples p{display:flex;justify-content:space-between;gap:8px;margin:6px 0 2px}
.samples dl{color:var(--soft);font-size:12px;line-height:1.4}
.samples dl div{display:flex;justify-content:space-between;gap:8px}
.samples dd{color:var(--ink);white-space:nowrap}
.names{display:grid;grid-auto-flow:column;grid-auto-columns:1fr;align-items:end;margin-top:12px;
text-align:center;font-size:12px;line-height:1.3}
.names span{padding:0 6px}
.coordinates{height:340px;margin:14px 0 12px}
.curves{height:320px;margin:16px 20px 28px 54px}
.curves svg{clip-path:inset(0 -6px)}
.plot .tick{max-width:110px;padding:2px 3px;overflow:hidden;text-overflow:ellipsis;
border-radius:3px;background:color-mix(in srgb,var(--card) 82%,transparent);
transform:translate(calc(-100% - 5px),-50%)}
.plot .last{transform:translate(8px,-50%)}
.scale{stroke-width:7}
.end{stroke-width:5;stroke-linecap:round}
.share{display:grid;grid-template-columns:1fr auto;gap:0 12px;margin-top:12px;font-size:13px}
.share i{grid-column:1/-1;height:8px;min-width:2px;border-radius:4px;background:var(--accent)}
tbody td:nth-child(2){font-weight:600}
tbody tr:not(.done) td:nth-child(2){color:var(--soft);font-weight:400}
@media(max-width:760px){.samples{grid-template-columns:1fr 1fr}.score{font-size:28px}}
"""
