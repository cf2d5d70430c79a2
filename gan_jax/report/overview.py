"""The overview of runs: one file beside them that says which there are and compares them.

Scores of different protocols are never set side by side: the table has a part for each protocol,
which sorts by itself, and so do the curves.
"""

import datetime
import html
import logging
import math
import os
import pathlib
import statistics
import string
import urllib.parse
from collections.abc import Iterator
from typing import Any, NamedTuple

from gan_jax import workdir
from gan_jax.errors import UsageError, first_line
from gan_jax.evaluate import rows
from gan_jax.evaluate.rows import Row
from gan_jax.report import album, charts, document, figures, style
from gan_jax.report import run as runs
from gan_jax.report.album import Picture
from gan_jax.report.charts import Point
from gan_jax.report.curves import Curves
from gan_jax.report.document import note, number
from gan_jax.report.page import NAME, Page
from gan_jax.report.run import Run

_LOGGER = logging.getLogger(__name__)
_SIDE = 96  # pixels of the small pictures
_ROWS = 200  # of a metrics.jsonl that are looked at
_POINTS = 6_000  # of all lines of a drawing together
_TREND = 50  # of a line of training
_COLOURS = 8


class Entry(NamedTuple):
    """A run in the overview.

    Attributes:
      run: what its directory says.
      curves: a glance at its metrics.jsonl.
      picture: the newest, small; None where there is none.
      changed: when it last wrote a row or ended, in seconds since 1970; 0: not known.
      protocol: by which most of its checkpoints are scored, but for the seed; empty: by none.
      best: the row of the least FID by that; None where there is none.
    """

    run: Run
    curves: Curves
    picture: Picture | None
    changed: float
    protocol: str
    best: Row | None


def page_of(path: str) -> pathlib.Path:
    """Writes the page of the run that a directory holds, or the overview of the runs; says where.

    Raises:
      UsageError: if it holds neither.
      Unwritable: if it cannot be written.
    """
    directory = pathlib.Path(os.path.expanduser(path))
    if path and (directory / "config.json").exists():
        if problem := runs.read(directory).problem:
            _LOGGER.warning("%s", problem)
        return Page(directory).write()
    if path and find(directory):
        return write(directory)
    raise UsageError(
        f"--workdir={path}: holds no run and no runs (no config.json); name the directory of a "
        "run, or the one where several lie"
    )


def refresh(run: pathlib.Path) -> None:
    """Writes the overview of the directory `runs` that a run lies in; elsewhere nothing.

    That it cannot be written is warned of: the runs beside it are no matter of the run's.
    """
    folder = run.absolute().parent
    if folder.name != "runs":
        return
    try:
        write(folder)
    except Exception as error:  # what others have left there can make a reader raise anything
        _LOGGER.warning("%s: not written (%s)", folder / NAME, first_line(error))


def write(directory: pathlib.Path) -> pathlib.Path:
    """Writes the overview of the runs below a directory; returns where."""
    path = directory / NAME
    text = render(directory, list(_entries(directory)))
    workdir.write_shared_text(path, text)
    return path


def _entries(directory: pathlib.Path) -> Iterator[Entry]:
    """Of the runs whose directory can be read; of the others it is warned."""
    for run in find(directory):
        try:
            yield read(run)
        except Exception as error:  # what is damaged there can make a reader raise anything
            _LOGGER.warning("%s: left out (%s)", run, first_line(error))


def find(directory: pathlib.Path) -> list[pathlib.Path]:
    """The runs in a directory and in the directories there, by name."""
    found = [*directory.glob("*/config.json"), *directory.glob("*/*/config.json")]
    exported = "generator.jax"  # an export holds a config, too
    return sorted(file.parent for file in found if not (file.parent / exported).exists())


def read(directory: pathlib.Path) -> Entry:
    """Reads a run's directory, whatever is missing there."""
    run, curves = runs.read(directory), Curves(directory / "metrics.jsonl")
    curves.update(_ROWS)
    own = [row | {"protocol": rows.without_seed(row["protocol"])} for row in run.own()]
    protocol = runs.usual_protocol([row for row in own if charts.drawable(row.get("fid"))])
    files = (directory / name for name in ("metrics.jsonl", "manifest.json"))
    changed = max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
    picture = album.newest(directory / "samples", _SIDE)
    best = rows.best(own, "fid", protocol)
    return Entry(run, curves, picture, changed, protocol, best)


def render(directory: pathlib.Path, entries: list[Entry]) -> str:
    """HTML in ASCII, with all that it shows inside.

    Args:
      directory: where the page will lie, above the runs.
      entries: the runs, in the order of the list without scores.
    """
    name = directory.resolve().name
    letters = _letters(entries)
    body = f"""{_header(name, entries)}
<section><h2>Runs</h2>{_table(directory, entries, letters)}</section>
<section><h2>Curves</h2>{_curves(entries, letters)}</section>"""
    scripts = (style.TIP, style.SORT, 'const kind = "run"', style.POINT, _SCRIPT)
    return document.document(name, body, css=_STYLE, scripts=scripts)


def _letters(entries: list[Entry]) -> dict[str, str]:
    """A letter for each protocol, A, B, ..., Z, AA, ..."""
    protocols = dict.fromkeys(entry.protocol for entry in entries if entry.protocol)
    alphabet = string.ascii_uppercase
    return {
        protocol: (alphabet[i // 26 - 1] if i >= 26 else "") + alphabet[i % 26]
        for i, protocol in enumerate(protocols)
    }


def _header(name: str, entries: list[Entry]) -> str:
    states = [entry.run.status for entry in entries]
    chips = "".join(
        f'<li><i class="dot {html.escape(state)}"></i><b>{states.count(state)}</b> '
        f"{html.escape(state or 'nothing known')}</li>"
        for state in dict.fromkeys(sorted(states))
    )
    now = datetime.datetime.now(datetime.UTC)
    return (
        f"<header><h1>{html.escape(name)}</h1><p>{document.count(len(entries), 'run')} &middot; "
        f"written {now:%Y-%m-%d %H:%M} UTC</p><ul>{chips}</ul></header>"
    )


# The table: a body for each protocol, after one that names it.

_HEADS = {
    "run": "run", "fid": "best FID", "at": "at step", "status": "status", "step": "step",
    "steps": "of", "data": "data", "loss": "loss", "time": "time", "speed": "images/s",
    "changed": "last row, UTC",
}  # fmt: skip


def _table(directory: pathlib.Path, entries: list[Entry], letters: dict[str, str]) -> str:
    heads = "".join(
        document.head(key, title, first="ascending" * (key == "fid"), now=key == "fid")
        for key, title in _HEADS.items()
    )
    numbered = list(enumerate(entries))
    bodies = ""
    for protocol in [*letters, ""]:
        group = [(i, entry) for i, entry in numbered if entry.protocol == protocol]
        if not group:
            continue
        group.sort(key=lambda item: item[1].best["fid"] if item[1].best else 0)
        title = "not scored"
        if protocol:
            title = f"<b>{letters[protocol]}</b> {html.escape(protocol)}"
        leads = len(group) > 1 and bool(protocol)
        lines = "".join(
            _row(directory, i, entry, leads and place == 0)
            for place, (i, entry) in enumerate(group)
        )
        bodies += (
            f'<tbody class="group"><tr><th colspan="{len(_HEADS)}"><span>{title}</span></th></tr>'
            f"</tbody><tbody>{lines}</tbody>"
        )
    about = note(
        "Runs lie below the protocol by which they are scored, a protocol but for the seed of the "
        "latents, and sort among each other: FIDs of different protocols do not compare. "
        "A run that was killed still says &ldquo;running&rdquo;."
    )
    return about + document.table(heads, bodies)


def _row(directory: pathlib.Path, i: int, entry: Entry, best: bool) -> str:
    run, last = entry.run, entry.curves.last
    folder = run.directory.relative_to(directory)
    link = urllib.parse.quote(os.fsencode(folder.as_posix()))
    target = f"{link}/{NAME}" if (run.directory / NAME).exists() else f"{link}/"
    picture = f'<img alt="" src="{entry.picture.uri}">' if entry.picture else "<i></i>"
    named = f"{picture}<span>{document.dotted(folder.as_posix())}</span>"
    status = html.escape(run.status)
    step = max(run.manifest.get("step", 0), last.get("step", 0))
    steps, seconds = run.steps, run.seconds(last)
    curve = entry.curves.of.get("images_per_second")
    speeds = [value for _, value in curve.points()] if curve else []
    speed = statistics.median(speeds) if speeds else None
    fid, at = (entry.best["fid"], entry.best["step"]) if entry.best else (None, None)
    changed = datetime.datetime.fromtimestamp(entry.changed, datetime.UTC)
    cells = [
        f'<td class="name r{i % _COLOURS}"><a href="{target}">{named}</a></td>',
        document.cell(fid, "" if fid is None else number(fid)),
        document.cell(at, "" if at is None else f"{at:,}"),
        f'<td><i class="dot {status}"></i>{status}</td>',
        document.cell(step, f"{step:,}"),
        document.cell(steps, f"{steps:,}") if steps else "<td></td>",
        f"<td>{_text(run.setting('dataset.name'))}</td>",
        f"<td>{_text(run.setting('loss'))}</td>",
        document.cell(seconds, runs.clock(seconds) if seconds else ""),
        document.cell(speed, "" if speed is None else number(speed, 3)),
        document.cell(entry.changed, f"{changed:%Y-%m-%d %H:%M}" if entry.changed else ""),
    ]
    classes = " ".join(["done"] * (fid is not None) + ["best"] * best)
    return f'<tr data-run="{i}" class="{classes}">{"".join(cells)}</tr>'


def _text(value: Any) -> str:
    return html.escape(str("" if value is None else value))


# The curves: a drawing for each metric, of which the script shows one.


def _curves(entries: list[Entry], letters: dict[str, str]) -> str:
    drawings = {}
    for protocol, letter in letters.items():
        group = {i: entry for i, entry in enumerate(entries) if entry.protocol == protocol}
        scored = {i: _scores(entry) for i, entry in group.items()}
        names = runs.metrics([row for own in scored.values() for row in own])
        for name in names:
            lines = {
                i: [(row["step"], row[name]) for row in own if charts.drawable(row.get(name))]
                for i, own in scored.items()
            }
            drawings[f"{figures.title(name)}, protocol {letter}"] = lines
    for name in figures.in_order({name for entry in entries for name in entry.curves.of}):
        drawings[name] = {
            i: entry.curves.of[name].trend(_TREND)
            for i, entry in enumerate(entries)
            if name in entry.curves.of
        }
    drawings = {name: _drawable(lines) for name, lines in drawings.items()}
    shown = sorted(drawings, key=lambda name: len(drawings[name]) < 2)  # what compares comes first
    drawings = {name: drawings[name] for name in shown if drawings[name]}
    if not drawings:
        return note("No run has logged a row yet.")
    options = "".join(f"<option>{html.escape(name)}</option>" for name in drawings)
    plots = "".join(_plot(name, lines) for name, lines in drawings.items())
    about = note(
        "Of training, a line is the mean over parts of the rows. Point at one to see its run."
    )
    return f'{about}<p><select aria-label="metric" hidden>{options}</select></p>{plots}'


def _scores(entry: Entry) -> list[Row]:
    """The rows of its checkpoints by its protocol."""
    return [row for row in entry.run.own() if rows.without_seed(row["protocol"]) == entry.protocol]


def _drawable(lines: dict[int, list[Point]]) -> dict[int, list[Point]]:
    """Those that have two points, thinned where they are many; each keeps its last."""
    lines = {i: points for i, points in lines.items() if len(points) > 1}
    most = max(_POINTS // max(len(lines), 1), 8)
    return {i: points[:: -math.ceil(len(points) / most)][::-1] for i, points in lines.items()}


def _plot(name: str, lines: dict[int, list[Point]]) -> str:
    values = [value for points in lines.values() for _, value in points]
    x = charts.fit([step for points in lines.values() for step, _ in points], math.inf, low=0.0)
    y = charts.fit(values, 20.0)
    drawn = "".join(
        charts.polyline(
            f"r{i % _COLOURS}",
            [(x.place(step), charts.inside(y.place(value))) for step, value in points],
            f' data-run="{i}"',
        )
        for i, points in lines.items()
    )
    title = html.escape(name) + " <small>log</small>" * y.log
    return f"<figure><h3>{title}</h3>{charts.plot('curves', x, y, drawn)}</figure>"


_STYLE = """
h3{margin:14px 0 0;font-size:13px}
.curves{height:360px;margin:16px 12px 28px 54px}
.curves svg{clip-path:inset(0 -6px)}
section p select{margin-top:8px;max-width:100%;padding:6px 10px;border:1px solid var(--line);
border-radius:6px;background:var(--card);color:inherit;font:inherit}
[hidden]{display:none!important}
.group th{position:static;padding:14px 10px 6px 18px;font-weight:400;color:var(--soft);
white-space:normal;overflow-wrap:anywhere;
font:12px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
.group b{display:inline-block;min-width:20px;margin-right:6px;padding:0 5px;border-radius:4px;
background:var(--ink);color:var(--card);text-align:center}
.name a{display:flex;align-items:center;gap:10px;min-width:180px;white-space:normal}
.name span{min-width:0;overflow-wrap:anywhere}
.name{border-left:4px solid currentColor}
.name img,.name i{width:40px;height:40px;border-radius:4px;object-fit:cover;flex:none}
tr.best td:nth-child(2){font-weight:700}
.r0{color:#2f6fd0}.r1{color:#e0662e}.r2{color:#2a9d6f}.r3{color:#b0479e}
.r4{color:#c79a10}.r5{color:#6a5acd}.r6{color:#1c9bb5}.r7{color:#b8413b}
@media(max-width:760px){.name a{min-width:0;width:150px;gap:8px}.group th{padding-left:14px}
.group span{display:block;max-width:calc(100vw - 80px)}}
i.stopped{background:var(--pruned)}
@media(prefers-color-scheme:dark){.r0{color:#7aa5ff}.r1{color:#ff9a66}.r2{color:#3fbf8a}
.r3{color:#e58ad6}.r4{color:#e6c250}.r5{color:#a79bff}.r6{color:#52cbe4}.r7{color:#f4837d}}
"""

_SCRIPT = """
// One metric at a time, kept in the address: #metric=d_loss.
const choice = document.querySelector("select"), drawings = document.querySelectorAll("figure")
function choose(i) {
  drawings.forEach((drawing, j) => drawing.hidden = i !== j)
  choice.selectedIndex = i
}
if (choice) {
  choice.hidden = false
  const names = [...choice.options].map(option => option.text)
  const metric = new URLSearchParams(location.hash.slice(1)).get("metric")
  choose(Math.max(names.indexOf(metric), 0))
  choice.addEventListener("change", () => {
    choose(choice.selectedIndex)
    history.replaceState(null, "", "#" + new URLSearchParams({metric: choice.value}))
  })
}
"""
