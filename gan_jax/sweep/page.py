"""The page of a sweep: one file that needs no network and says what was tried and what won.

Python draws all of it; the script only sorts the table and points out what belongs together, so
that a viewer without scripts shows everything too. Lines are drawn in a box of 2000 x 1000 that
stretches with the page; what must not stretch, words above all, lies over it as HTML.
"""

import base64
import collections
import html
import io
import itertools
import math
import pathlib
import re
import statistics
from typing import Any, NamedTuple

from PIL import Image

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
)
from gan_jax.sweep.space import Dimension, Integer, Sweep, Uniform

_STATUSES = (DONE, PRUNED, DIVERGED, FAILED, RUNNING, WAITING)
_REPEAT = "repeat"
_SHOWN = 6  # trials whose samples are shown
_SIDE = 300  # pixels, of their pictures at most
_POINTS = 20_000  # of all curves together
# viridis at 18 places. The better, the stronger: on white its bright end is left out, on black its
# dark one.
_VIRIDIS = [
    "440154", "481769", "472a7a", "433d84", "3d4e8a", "355e8d", "2e6d8e", "297b8e", "23898e",
    "1f978b", "21a585", "2eb37c", "46c06f", "65cb5e", "89d548", "b0dd2f", "d8e219", "fde725",
]  # fmt: skip
_LEVELS = 16


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
    objective = _fit([o.value for o in ranked if _drawable(o.value)], 100.0)
    looks = _looks(outcomes, ranked, best, objective)
    name = html.escape(directory.resolve().name)
    page = _PAGE.format(
        title=name,
        style=_palette() + _STYLE,
        script=_SCRIPT,
        header=_header(name, sweep, outcomes),
        winner=_winner(sweep, ranked, best, command),
        samples=_samples(directory, sweep, ranked),
        coordinates=_coordinates(sweep, outcomes, objective, looks),
        curves=_curves(sweep, outcomes, looks),
        importances=_importances(importances, ranked),
        table=_table(directory, sweep, outcomes, ranked, looks),
    )
    # Whatever encoding it is written in, it is the one that it declares.
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


# Axes: where a value lies, from 0 at the bottom to 1 at the top, and what is written beside it.


class _Numbers(NamedTuple):
    low: float
    high: float
    log: bool

    @property
    def slack(self) -> float:
        """A number has one place."""
        return 0.0

    def place(self, value: Any) -> float | None:
        """None for what cannot lie on it."""
        if not _drawable(value) or (self.log and value <= 0):
            return None
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers."""
        values = self._powers() if self.log else []
        if len(values) < 3:
            step = 10.0 ** math.floor(math.log10((self.high - self.low) / 5))
            step *= next(k for k in (1, 2, 5, 10) if (self.high - self.low) / (k * step) <= 5)
            first, last = math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6)
            values = [i * step for i in range(first, last + 1)]
        places = [(self.place(value), _number(value)) for value in values]
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


_Axis = _Numbers | _Names


def _drawable(value: Any) -> bool:
    """Whether it is a number, and no sum or ratio of two like it is infinite."""
    return isinstance(value, int | float) and abs(value) < 1e100


def _fit(values: list[Any], ratio: float, low: float | None = None) -> _Numbers:
    """An axis that holds some numbers; logarithmic where they span more than a ratio."""
    low = float(min(values, default=0) if low is None else low)
    high = float(max(values, default=1))
    if high - low <= max(1e-9 * abs(low), 1e-100):
        margin = abs(low) / 10 or 0.5
        return _Numbers(low - margin, high + margin, False)
    return _Numbers(low, high, low > 1e-100 and high / low > ratio)


def _axis(dimension: Dimension, values: list[Any]) -> _Axis:
    """A dimension's, stretched to values that lie outside of it."""
    if isinstance(dimension, Uniform | Integer):
        values = [value for value in values if _drawable(value)]
        low, high = min([dimension.low, *values]), max([dimension.high, *values])
        log = isinstance(dimension, Uniform) and dimension.log and low > 0
        return _Numbers(float(low), float(high), log)
    texts = [_text(value) for value in (*(dimension.levels() or ()), *values)]
    return _Names(tuple(dict.fromkeys(texts)))


# Lines.


class _Look(NamedTuple):
    """Of a trial's lines: 0, as good as the best, to 15, as bad as the worst; None is grey."""

    level: int | None
    best: bool

    def __str__(self) -> str:
        return ("grey" if self.level is None else f"c{self.level}") + " best" * self.best

    @property
    def order(self) -> tuple[bool, int]:
        """What is good lies above what is not."""
        return self.best, -_LEVELS if self.level is None else -self.level


def _looks(
    outcomes: list[Outcome], ranked: list[Outcome], best: Outcome | None, objective: _Numbers
) -> dict[int, _Look]:
    places = {outcome.number: objective.place(outcome.value) for outcome in ranked}
    drawn = [place for place in places.values() if place is not None]
    looks = {}
    for outcome in outcomes:
        place, level = places.get(outcome.number), None
        if place is not None:
            span = abs(drawn[-1] - drawn[0]) or 1.0
            level = round((_LEVELS - 1) * abs(place - drawn[0]) / span)
        looks[outcome.number] = _Look(level, best is not None and outcome.number == best.number)
    return looks


def _svg(below: str, lines: dict[int, list[tuple[float, float]]], looks: dict[int, _Look]) -> str:
    """A drawing: some paths, and over them the lines of trials, by places from 0 to 1."""
    drawn = "".join(
        f'<polyline class="{looks[number]}" data-trial="{number}" '
        f'points="{" ".join(_at(*point) for point in lines[number])}"/>'
        for number in sorted(lines, key=lambda number: looks[number].order)
    )
    return f'<svg viewBox="0 0 2000 1000" preserveAspectRatio="none">{below}{drawn}</svg>'


def _at(x: float, y: float) -> str:
    return f"{round(2000 * x)},{round(1000 * (1 - y))}"


def _path(look: str, drawing: str) -> str:
    return f'<path class="{look}" d="{drawing}"/>'


# Words.


def _number(value: int | float, digits: int = 4) -> str:
    """So many significant digits; "nan" and "inf" are what they are."""
    text = f"{value:,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.{digits}g}"
    return re.sub(r"e\+?(-?)0*", r"e\1", text)


def _text(value: Any) -> str:
    """A value of a dimension; a list is a tuple that has been through JSON."""
    if isinstance(value, list | tuple):
        return f"({', '.join(_text(entry) for entry in value)})"
    return _number(value) if isinstance(value, float) else str(value)


def _name(name: str) -> str:
    """A dotted name, to be broken where a person would."""
    return html.escape(name).replace(".", ".<wbr>")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + "s" * (number != 1)


def _score(outcome: Outcome) -> str:
    if outcome.value is None:
        return ""
    spread = "" if outcome.spread is None else f" <small>± {_number(outcome.spread, 2)}</small>"
    return _number(outcome.value) + spread


def _point(outcome: Outcome) -> str:
    entries = (
        f"<div><dt>{_name(name)}</dt><dd>{html.escape(_text(value))}</dd></div>"
        for name, value in outcome.point.items()
    )
    return f"<dl>{''.join(entries)}</dl>"


def _note(text: str) -> str:
    return f'<p class="note">{text}</p>'


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
        _count(len(outcomes), "trial"),
        _count(len(sweep.space), "dimension"),
        f"{html.escape(sweep.sampler.replace('_', '-'))} sampler",
    ]
    if sweep.seeds > 1:
        about.append(f"{sweep.seeds} seeds each")
    if sweep.pruning is not None:
        about.append(f"pruned from step {sweep.pruning.first:,} on")
    return (
        f"<header><h1>{name}</h1><p>{' · '.join(about)}</p>"
        f'<div class="bar">{bar}</div><ul>{chips}</ul></header>'
    )


def _winner(sweep: Sweep, ranked: list[Outcome], best: Outcome | None, command: str) -> str:
    if best is None:
        return _note("No trial is done yet.")
    facts = [f"trial {best.number}", html.escape(best.phase), f"step {best.step:,}"]
    if len(best.seeds) > 1:
        facts.append(f"{len(best.seeds)} seeds")
    again = [float(outcome.value) for outcome in ranked if outcome.phase == _REPEAT]
    if again:
        spread = f" ± {_number(statistics.stdev(again), 2)}" if len(again) > 1 else ""
        mean = f"<b>{_number(statistics.fmean(again))}{spread}</b>"
        facts.append(f"repeated with {_count(len(again), 'new seed')}: {mean}")
    # A line breaks between words alone: a browser takes the "--" of a flag for a place too.
    words = " ".join(f"<span>{html.escape(word)}</span>" for word in command.split(" "))
    return (
        f'<div class="winner"><div><p class="score">{_score(best)} '
        f"<small>{html.escape(sweep.metric)}</small></p>{_note(' · '.join(facts))}</div>"
        f'{_point(best)}</div><div class="command"><pre><code>{words}</code></pre>'
        '<button type="button">Copy</button></div>'
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
    note = _note(f"The last ones of the best trials, with their {html.escape(sweep.metric)}.")
    return f'<section><h2>Samples</h2>{note}<div class="samples">{"".join(figures)}</div></section>'


def _picture(run: pathlib.Path) -> str | None:
    """A run's newest picture that can be read, as a small PNG in base64."""
    try:
        paths = sorted(run.glob("samples/step_*.png"), reverse=True)
    except OSError:  # it goes while it is read
        return None
    for path in paths:
        try:
            with Image.open(path) as file:
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
    sweep: Sweep, outcomes: list[Outcome], objective: _Numbers, looks: dict[int, _Look]
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
        return _note("No trial has begun yet.")
    words = "".join(
        f'<span class="{"tick last" if axis is objective else "tick"}" '
        f'style="left:{100 * x:.2f}%;top:{100 * (1 - place):.2f}%">{html.escape(word)}</span>'
        for x, axis in zip(across, axes, strict=True)
        for place, word in axis.ticks()
    )
    drawing = _path("axis", "".join(f"M{_at(x, 1.0)}V1000" for x in across))
    if judged:
        heights = [i / _LEVELS for i in range(_LEVELS + 1)]
        if sweep.maximize:
            heights.reverse()
        drawing += "".join(
            _path(f"scale c{i}", f"M{_at(across[-1], low)}L{_at(across[-1], high)}")
            for i, (low, high) in enumerate(itertools.pairwise(heights))
        )
    heads = "".join(f"<span>{_name(name)}</span>" for name in names)
    note = _note(
        "A line is a trial, coloured by what it came to; at a choice, lines lie in that order too. "
        "Grey ones were pruned, failed, diverged or are not done: they end before the last axis."
    )
    return (
        f'{note}<div class="box"><div style="min-width:{115 * len(axes)}px">'
        f'<div class="names">{heads}</div>'
        f'<div class="plot coordinates">{_svg(drawing, lines, looks)}{words}</div></div></div>'
    )


def _curves(sweep: Sweep, outcomes: list[Outcome], looks: dict[int, _Look]) -> str:
    most = max(_POINTS // max(len(outcomes), 1), 8)
    curves = {}
    for outcome in outcomes:
        points = [(step, value) for step, value in outcome.curve if _drawable(value)]
        if points:  # thinned from its end, which is drawn in any case
            curves[outcome.number] = points[:: -math.ceil(len(points) / most)][::-1]
    if not curves:
        return _note("No trial has been evaluated yet.")
    # One that goes off does not set the scale for the others.
    calm = [o.number for o in outcomes if o.status not in (DIVERGED, FAILED) and o.number in curves]
    x = _fit([step for points in curves.values() for step, _ in points], math.inf, low=0.0)
    values = [value for number in calm or curves for _, value in curves[number]]
    y = _fit(values, math.inf if sweep.maximize else 10.0)  # what falls is told apart at its end
    lines = {
        number: [(x.place(step), _inside(y.place(value))) for step, value in points]
        for number, points in curves.items()
    }
    ends = "".join(
        _path(f"end {looks[outcome.number]}", f"M{_at(*lines[outcome.number][-1])}h0")
        for outcome in outcomes
        if outcome.number in lines and outcome.status in (PRUNED, DIVERGED, FAILED)
    )
    rules = "".join(f"M{_at(0.0, place)}H2000" for place, _ in y.ticks())
    words = "".join(
        f'<span class="value" style="top:{100 * (1 - place):.2f}%">{word}</span>'
        for place, word in y.ticks()
    ) + "".join(
        f'<span class="step" style="left:{100 * place:.2f}%">{word}</span>'
        for place, word in x.ticks()
    )
    note = _note(
        f"{html.escape(sweep.metric)} by step{', logarithmic' * y.log}. "
        "A dot is where a trial was given up."
    )
    drawing = _svg(_path("rule", rules) + ends, lines, looks)
    return f'{note}<div class="plot curves">{drawing}{words}</div>'


def _inside(place: float | None) -> float:
    """Just out of sight for what is far outside, and for what has no logarithm."""
    return -0.5 if place is None else min(max(place, -0.5), 1.5)


def _importances(importances: dict[str, float], ranked: list[Outcome]) -> str:
    shares = {name: max(share, 0) for name, share in importances.items() if _drawable(share)}
    if not shares:
        done = f"{_count(len(ranked), 'trial')} {'is' if len(ranked) == 1 else 'are'} done"
        return _note(f"Not shown: it cannot be told yet ({done}).")
    longest = max(shares.values()) or 1.0
    bars = "".join(
        f'<div class="share"><span>{_name(name)}</span><b>{share:.2f}</b>'
        f'<i style="width:{100 * share / longest:.1f}%"></i></div>'
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
    )
    return _note("How much each dimension decides, by the trials that are done.") + bars


def _table(
    directory: pathlib.Path,
    sweep: Sweep,
    outcomes: list[Outcome],
    ranked: list[Outcome],
    looks: dict[int, _Look],
) -> str:
    if not outcomes:
        return _note("No trial has begun yet.")
    titles = {"trial": "trial", "value": sweep.metric, "status": "status", "phase": "phase"}
    columns = [*titles.items(), ("step", "step"), *((name, name) for name in sweep.space)]
    if any(outcome.message for outcome in outcomes):
        columns.append(("message", "message"))
    direction = "descending" if sweep.maximize else "ascending"
    heads = "".join(
        f'<th data-key="{html.escape(key)}"'
        + f' aria-sort="{direction}" data-first="{direction}"' * (i == 1)
        + f'><button type="button">{_name(title)}</button></th>'
        for i, (key, title) in enumerate(columns)
    )
    done = {outcome.number for outcome in ranked}
    rows = []
    for outcome in [*ranked, *(o for o in outcomes if o.number not in done)]:
        number, status = outcome.number, html.escape(outcome.status)
        there = (directory / outcome.folder).is_dir()
        cells = [
            _cell(number, f'<a href="{outcome.folder}/">{number}</a>' if there else f"{number}"),
            _cell(outcome.value, _score(outcome)),
            f'<td><i class="dot {status}"></i>{status}</td>',
            f"<td>{html.escape(outcome.phase)}</td>",
            _cell(outcome.step, f"{outcome.step:,}"),
        ]
        for name in sweep.space:
            value = outcome.point.get(name, "")
            text = html.escape(_text(value))
            numeric = isinstance(value, int | float)
            cells.append(_cell(value, text) if numeric else f"<td>{text}</td>")
        if len(columns) > len(cells):
            cells.append(f'<td class="message">{html.escape(outcome.message)}</td>')
        classes = " ".join(["done"] * (number in done) + ["best"] * looks[number].best)
        rows.append(f'<tr data-trial="{number}" class="{classes}">{"".join(cells)}</tr>')
    files = '<a href="trials.csv">trials.csv</a> has all of their metrics.'
    return (
        f'{_note(files)}<div class="box rows"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(value: int | float | None, text: str) -> str:
    """A number, with what it is sorted by; nothing where it is not finite."""
    key = f"{value:.9g}" if value is not None and math.isfinite(value) else ""
    return f'<td data-sort="{key}">{text}</td>'


def _palette() -> str:
    """The colours of the levels, strong ones first, on white and on black."""
    light, dark = _VIRIDIS[:_LEVELS], _VIRIDIS[::-1][:_LEVELS]
    rules = (
        "".join(f".c{i}{{color:#{colour}}}" for i, colour in enumerate(colours))
        for colours in (light, dark)
    )
    return "{}@media(prefers-color-scheme:dark){{{}}}".format(*rules)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
<script>addEventListener("error", e => document.documentElement.dataset.error = e.message)</script>
</head>
<body>
{header}
<section><h2>Best trial</h2>{winner}</section>
{samples}
<section><h2>What was tried</h2>{coordinates}</section>
<div class="pair">
<section><h2>Learning curves</h2>{curves}</section>
<section><h2>Importance</h2>{importances}</section>
</div>
<section><h2>Trials</h2>{table}</section>
<div id="tip" hidden></div>
<script>{script}</script>
</body>
</html>
"""

_STYLE = """
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#1b2130;--soft:#667085;
--line:#e3e6ec;--grey:#c3c8d2;--accent:#3565c9;--hot:#e0442e;--tint:#eef3fd;--done:#2a9d6f;
--pruned:#a3abba;--diverged:#d9480f;--failed:#b3124c;--running:#3565c9;--waiting:#dfe3ea}
@media(prefers-color-scheme:dark){:root{--page:#10131a;--card:#181c25;--ink:#e7eaf1;--soft:#98a2b5;
--line:#2a303c;--grey:#3f4757;--accent:#86abff;--hot:#ff7a63;--tint:#1f2a41;
--done:#3fbf8a;--pruned:#6b7485;--diverged:#ff8a4c;--failed:#ff5c8d;--running:#86abff;--waiting:#343b49}}
*{box-sizing:border-box}
body{margin:0 auto;padding:clamp(12px,3vw,36px);max-width:1280px;background:var(--page);
color:var(--ink);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
h1{margin:0;font-size:26px;line-height:1.2;letter-spacing:-.01em}
h2{margin:0 0 4px;font-size:15px}
p,ul,dl,dd,figure,pre{margin:0;padding:0}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
small{color:var(--soft);font-weight:400}
header{margin:4px 0 20px}
header p{margin:4px 0 14px;color:var(--soft)}
header p b{color:var(--ink)}
.bar{display:flex;gap:2px;height:6px;border-radius:3px;overflow:hidden}
header ul{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:8px;list-style:none;color:var(--soft)}
header li b{color:var(--ink)}
.dot{display:inline-block;width:8px;height:8px;margin-right:6px;border-radius:50%}
.bar i,.dot{background:var(--grey)}
i.done{background:var(--done)}
i.pruned{background:var(--pruned)}
i.diverged{background:var(--diverged)}
i.failed{background:var(--failed)}
i.running{background:var(--running)}
i.waiting{background:var(--waiting)}
section{margin-bottom:16px;padding:16px 18px;background:var(--card);border:1px solid var(--line);
border-radius:12px;min-width:0}
.note{color:var(--soft);font-size:13px}
.winner{display:flex;flex-wrap:wrap;align-items:flex-end;gap:12px 40px}
.score{font-size:34px;font-weight:650;line-height:1.2;letter-spacing:-.02em}
.score small{font-size:15px;letter-spacing:0}
.winner dl{display:flex;flex-wrap:wrap;gap:8px 28px}
.winner dt{color:var(--soft);font-size:12px}
.winner dd{font-weight:600}
.command{display:flex;gap:8px;align-items:flex-start;margin-top:14px;padding:8px 8px 8px 12px;
background:var(--page);border-radius:8px}
.command pre{flex:1;min-width:0;padding:4px 0;white-space:pre-wrap;
font:12.5px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
.command span{display:inline-block;max-width:100%;white-space:pre-wrap;word-break:break-all}
.command button{padding:4px 12px;border:1px solid var(--line);border-radius:6px;
background:var(--card);color:inherit;font:inherit;font-size:13px;cursor:pointer}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(164px,1fr));gap:14px;
margin-top:12px}
.samples figure{border-radius:8px;outline:2px solid transparent;outline-offset:4px}
.samples img{display:block;width:100%;border-radius:6px}
.samples p{display:flex;justify-content:space-between;gap:8px;margin:6px 0 2px}
.samples dl{color:var(--soft);font-size:12px;line-height:1.4}
.samples dl div{display:flex;justify-content:space-between;gap:8px}
.samples dd{color:var(--ink);white-space:nowrap}
.box{overflow-x:auto}
.names{display:grid;grid-auto-flow:column;grid-auto-columns:1fr;align-items:end;margin-top:12px;
text-align:center;font-size:12px;line-height:1.3}
.names span{padding:0 6px}
.plot{position:relative}
.plot svg{display:block;width:100%;height:100%;overflow:visible}
.plot span{position:absolute;color:var(--soft);font-size:11px;line-height:1;white-space:nowrap;
pointer-events:none}
.coordinates{height:340px;margin:14px 0 12px}
.curves{height:320px;margin:16px 20px 28px 54px}
.curves svg{clip-path:inset(0 -6px)}
.plot .tick{max-width:110px;padding:2px 3px;overflow:hidden;text-overflow:ellipsis;
border-radius:3px;background:color-mix(in srgb,var(--card) 82%,transparent);
transform:translate(calc(-100% - 5px),-50%)}
.plot .last{transform:translate(8px,-50%)}
.plot .value{right:calc(100% + 8px);transform:translateY(-50%)}
.plot .step{top:calc(100% + 8px);transform:translateX(-50%)}
path,polyline{fill:none;stroke:currentColor;stroke-width:1.4;vector-effect:non-scaling-stroke;
stroke-linejoin:round}
polyline{opacity:.75}
.grey{color:var(--grey);stroke-width:1}
.axis{color:var(--soft);stroke-width:1}
.rule{color:var(--line);stroke-width:1}
.scale{stroke-width:7}
.end{stroke-width:5;stroke-linecap:round}
.best{opacity:1;stroke-width:3.2}
.dim polyline,.dim .end{opacity:.12}
.dim .over{opacity:1}
.over{color:var(--hot);stroke-width:3;stroke-linecap:round}
.pair{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,1fr);gap:0 16px}
.share{display:grid;grid-template-columns:1fr auto;gap:0 12px;margin-top:12px;font-size:13px}
.share i{grid-column:1/-1;height:8px;min-width:2px;border-radius:4px;background:var(--accent)}
.rows{max-height:640px;margin:10px -18px -16px;overflow:auto;border-radius:0 0 12px 12px;
overflow-wrap:normal}
table{width:100%;border-collapse:separate;border-spacing:0}
th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
tr:last-child td{border-bottom:0}
td:first-child{padding-left:18px}
th{position:sticky;top:0;z-index:1;padding:0;background:var(--card);vertical-align:bottom}
th button{width:100%;padding:6px 10px;border:0;background:none;color:var(--soft);font:inherit;
font-size:12px;font-weight:600;line-height:1.3;text-align:inherit;white-space:normal;cursor:pointer}
th:first-child button{padding-left:18px}
th button:hover,th[aria-sort] button{color:var(--ink)}
th[aria-sort] button::after{content:"\\a0\\2191"}
th[aria-sort=descending] button::after{content:"\\a0\\2193"}
tbody td:nth-child(2){font-weight:600}
tbody tr:not(.done) td:nth-child(2){color:var(--soft);font-weight:400}
.message{color:var(--soft);white-space:normal;min-width:200px}
tr.best td{background:var(--tint)}
tr.hot td{background:color-mix(in srgb,var(--hot) 14%,var(--card))}
figure.hot{outline-color:var(--hot)}
#tip{position:fixed;z-index:2;left:0;top:0;max-width:min(380px,100vw - 16px);padding:8px 12px;
background:var(--card);border:1px solid var(--line);border-radius:8px;box-shadow:0 6px 20px #0003;
font-size:12px;overflow-wrap:break-word;pointer-events:none}
#tip div{display:flex;justify-content:space-between;gap:16px}
#tip span{min-width:0;color:var(--soft)}
@media(max-width:760px){.pair,.command{display:block}.samples{grid-template-columns:1fr 1fr}
section{padding:14px}.rows{margin:10px -14px -14px}.score{font-size:28px}
th:first-child,td:first-child{position:sticky;left:0;background:var(--card)}
th:first-child{z-index:2}}
"""

_SCRIPT = """"use strict"
const root = document.documentElement, tip = document.getElementById("tip")
const table = document.querySelector("table"), heads = table ? [...table.tHead.rows[0].cells] : []
const rows = table ? [...table.tBodies[0].rows] : []
const rowOf = new Map(rows.map(row => [row.dataset.trial, row]))

// Sorting: what is empty comes last, and so do values of trials that are not done.
function keyOf(row, column) {
  const cell = row.cells[column], sort = cell.dataset.sort
  const text = sort === undefined ? cell.textContent : sort
  if (text === "" || (heads[column].dataset.first && !row.classList.contains("done"))) return null
  return sort === undefined ? text : Number(text)
}
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b
  return String(a).localeCompare(String(b), "en", {numeric: true})
}
function sort(column, direction) {
  const sign = direction === "descending" ? -1 : 1
  const keys = new Map(rows.map(row => [row, keyOf(row, column)]))
  rows.sort((a, b) => {
    const x = keys.get(a), y = keys.get(b)
    if (x === null || y === null) return (x === null) - (y === null)
    return sign * compare(x, y)
  })
  table.tBodies[0].append(...rows)
  for (const head of heads) head.removeAttribute("aria-sort")
  heads[column].setAttribute("aria-sort", direction)
}
const opposite = {ascending: "descending", descending: "ascending"}
heads.forEach((head, column) => head.addEventListener("click", () => {
  const first = head.dataset.first || "ascending", now = head.getAttribute("aria-sort")
  const direction = now ? opposite[now] : first
  sort(column, direction)
  const wanted = (direction === first ? "" : "-") + head.dataset.key
  history.replaceState(null, "", "#" + new URLSearchParams({sort: wanted}))
}))
// The address keeps it over a reload: #sort=step, #sort=-step.
const wanted = new URLSearchParams(location.hash.slice(1)).get("sort") || ""
const at = heads.findIndex(head => [head.dataset.key, "-" + head.dataset.key].includes(wanted))
if (at >= 0) {
  const first = heads[at].dataset.first || "ascending"
  sort(at, wanted === heads[at].dataset.key ? first : opposite[first])
}

// Pointing at a trial anywhere shows it everywhere.
const plots = [...document.querySelectorAll(".plot svg")].map(svg => {
  const lines = [...svg.querySelectorAll("polyline")].map(line => ({
    trial: line.dataset.trial,
    points: line.getAttribute("points").split(" ").map(point => point.split(",").map(Number)),
  }))
  const over = document.createElementNS(svg.namespaceURI, "polyline")
  over.setAttribute("class", "over")
  svg.append(over)
  return {svg, lines, over}
})
function show(trial) {
  for (const node of document.querySelectorAll(".hot")) node.classList.remove("hot")
  for (const {svg, lines, over} of plots) {
    const line = lines.find(line => line.trial === trial)
    svg.classList.toggle("dim", Boolean(line))
    over.setAttribute("points", line ? line.points.join(" ") : "")
  }
  if (trial === null) tip.hidden = true
  else for (const node of document.querySelectorAll(`tr[data-trial="${trial}"],` +
    `figure[data-trial="${trial}"]`)) node.classList.add("hot")
}
// Squared distance of a point from a line, all in pixels.
function distance(points, x, y, sx, sy) {
  let least = Infinity
  for (let i = 0; i < points.length; i++) {
    const [ax, ay] = points[Math.max(i - 1, 0)], [bx, by] = points[i]
    const dx = (bx - ax) * sx, dy = (by - ay) * sy, px = x - ax * sx, py = y - ay * sy
    const t = Math.min(Math.max((px * dx + py * dy) / (dx * dx + dy * dy || 1), 0), 1)
    least = Math.min(least, (px - t * dx) ** 2 + (py - t * dy) ** 2)
  }
  return least
}
function describe(row, x, y) {
  tip.replaceChildren()
  heads.forEach((head, column) => {
    if (!row.cells[column].textContent) return
    const line = document.createElement("div"), name = document.createElement("span")
    name.textContent = head.textContent
    line.append(name, row.cells[column].textContent)
    tip.append(line)
  })
  tip.hidden = false
  const left = x + 16 + tip.offsetWidth > innerWidth ? x - 16 - tip.offsetWidth : x + 16
  const top = Math.min(y + 16, innerHeight - tip.offsetHeight - 8)
  tip.style.transform = `translate(${Math.max(left, 8)}px,${Math.max(top, 8)}px)`
}
for (const {svg, lines} of plots) {
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect()
    const x = event.clientX - box.left, y = event.clientY - box.top
    let nearest = null, least = 20 ** 2
    for (const line of lines) {
      const away = distance(line.points, x, y, box.width / 2000, box.height / 1000)
      if (away < least) [nearest, least] = [line.trial, away]
    }
    show(nearest)
    if (nearest === null) return
    const row = rowOf.get(nearest), list = table.parentElement
    list.scrollTop = row.offsetTop - list.clientHeight / 2
    describe(row, event.clientX, event.clientY)
  })
  svg.addEventListener("pointerleave", () => show(null))
}
for (const node of document.querySelectorAll("tr[data-trial],figure[data-trial]")) {
  node.addEventListener("pointerenter", () => show(node.dataset.trial))
  node.addEventListener("pointerleave", () => show(null))
}

const button = document.querySelector(".command button")
if (button) button.addEventListener("click", async () => {
  const code = document.querySelector(".command code")
  try {
    await navigator.clipboard.writeText(code.textContent)
  } catch {  // no permission, or served without encryption
    getSelection().selectAllChildren(code)
    document.execCommand("copy")
  }
  button.textContent = "Copied"
  setTimeout(() => button.textContent = "Copy", 1500)
})
root.dataset.ready = "true"
"""
