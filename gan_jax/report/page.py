"""The page of a run: one file that needs no network, written while the run trains.

Python draws all of it; the script moves the slider over the pictures and tells the numbers under
the pointer, so that a viewer without scripts shows all but older pictures. What was read stays in
memory and pictures are encoded once, so that the page of a run with 5,000 rows and 200 pictures
takes .05 s of a CPU core to write again (the first time .9 s).
"""

import html
import json
import logging
import pathlib
import re
import shlex
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from gan_jax import workdir
from gan_jax.config import METRICS, Config, from_dict, walk
from gan_jax.errors import UsageError, first_line
from gan_jax.evaluate import rows
from gan_jax.evaluate.rows import Row
from gan_jax.report import album, charts, document, figures, style
from gan_jax.report import run as runs
from gan_jax.report.album import Album, Picture
from gan_jax.report.curves import Curves
from gan_jax.report.document import dotted, note, number
from gan_jax.report.run import Run

_LOGGER = logging.getLogger(__name__)
NAME = "index.html"
_SECONDS = 10.0  # between two writings, while the run trains
_SHARE = 0.02  # of the time, that writing takes at most
_CLASSES = 30  # whose names are shown


class Page:
    """The page of one run, from what its directory holds.

    Args:
      directory: the run's.
      step: behind the run, where it trains now: pictures of later steps are those of a session that
        was killed, and not shown before they are made again. None: all are shown.
      seconds: that `refresh` lets pass between two writings.
    """

    def __init__(self, directory: pathlib.Path, step: int | None = None, seconds: float = _SECONDS):
        self._directory, self._step, self._seconds = directory, step, seconds
        self._curves = Curves(directory / "metrics.jsonl")
        self._album = Album(directory / "samples")
        self._real: Picture | None = None
        self._due, self._said = 0.0, ""

    def refresh(self, step: int) -> None:
        """Writes the page if it is time to, with what there is by now.

        Args:
          step: behind the run.

        That it cannot be written ends no run. It is warned of, but for a disk that is full,
        read-only or gone: of that the run tells itself.
        """
        self._step = step
        if time.monotonic() >= self._due:
            self.finish()

    def finish(self) -> None:
        """Writes the page for the last time; warns as `refresh` does, of the same thing once."""
        try:
            self.write()
        except Exception as error:  # what is damaged on disk can make a reader raise anything
            why = first_line(error)
            if not workdir.is_the_disks(error) and why != self._said:  # else the run tells itself
                _LOGGER.warning("%s: not written (%s)", self._directory / NAME, why)
            self._said = why
            self._due = time.monotonic() + self._seconds

    def write(self) -> pathlib.Path:
        """Writes the page; returns where."""
        began = time.monotonic()
        path = self._directory / NAME
        workdir.write_shared_text(path, self._render())
        now = time.monotonic()
        self._due = now + max(self._seconds, (now - began) / _SHARE)
        return path

    def _render(self) -> str:
        self._curves.update()
        last = float("inf") if self._step is None else self._step
        if self._real is None:  # it is drawn at the start, and does not change
            self._real = album.real(self._directory / "samples")
        pictures = self._album.pictures(last)
        return render(runs.read(self._directory), self._curves, pictures, self._real)


def render(run: Run, curves: Curves, pictures: list[Picture], real: Picture | None) -> str:
    """HTML in ASCII, with all that it shows inside.

    Args:
      run: what its directory says.
      curves: of its metrics.jsonl, up to date.
      pictures: in the order of steps.
      real: the sheet of real examples.
    """
    warnings = _warnings(run)
    marks = [(step, str(i)) for i, (step, _) in enumerate(warnings, 1)]
    training, drawn = _training(figures.of_training(curves.of), marks)
    evaluations, more = _evaluations(run, marks)
    body = f"""{_header(run, curves.last)}
<div class="pair halves">
<div>{_samples(pictures)}{_real(real)}</div>
<div>{_told(run.problem, warnings)}{_score(run)}{_commands(run)}</div>
</div>
{training}
{evaluations}
{_made(run)}
{_settings(run)}
{_data(pictures, drawn + more)}"""
    scripts = (style.TIP, _SCRIPT, style.COPY)
    return document.document(run.name, body, css=_STYLE, scripts=scripts)


# The parts of the page.


def _header(run: Run, last: dict[str, Any]) -> str:
    status = html.escape(run.status or "nothing known")
    step = max(run.manifest.get("step", 0), last.get("step", 0))
    steps = run.steps or step
    facts = [f"step <b>{step:,}</b> of {steps:,}"]
    if seconds := run.seconds(last):
        facts.append(f"<b>{runs.clock(seconds)}</b> of training")
    if speed := last.get("images_per_second"):
        facts.append(f"<b>{number(speed, 3)}</b> images/s")
    now = time.gmtime()
    written = time.strftime("%Y-%m-%d %H:%M UTC", now)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", now)
    facts.append(f'written <time datetime="{stamp}">{written}</time>')
    ahead = max(steps - step, 0)
    bar = f'<i class="{status}" style="flex:{step or 0.001}"></i>' + (
        f'<i style="flex:{ahead}"></i>' * bool(ahead)
    )
    names = {
        "data": "dataset.name", "loss": "loss", "G": "generator.name", "D": "discriminator.name",
        "batch": "batch_size", "k": "d_steps", "seed": "seed",
    }  # fmt: skip
    chips = [(name, run.setting(path)) for name, path in names.items()]
    chips.append(("on", _listed(run.manifest.get("devices", []))))
    listed = "".join(
        f"<li>{name} <b>{html.escape(str(value))}</b></li>"
        for name, value in chips
        if value not in ("", None)
    )
    return (
        f"<header><h1>{html.escape(run.name)}</h1>"
        f'<p><i class="dot {status}"></i><b>{status}</b> &middot; {" &middot; ".join(facts)}</p>'
        f'<div class="bar">{bar}</div><ul>{listed}</ul></header>'
    )


def _warnings(run: Run) -> list[tuple[int, str]]:
    """(step, text) of each."""
    found = run.manifest.get("warnings", [])
    return [(warning["step"], warning["text"]) for warning in found]


def _told(problem: str, warnings: list[tuple[int, str]]) -> str:
    if not warnings and not problem:
        return ""
    listed = f"<li>{html.escape(problem)}</li>" * bool(problem) + "".join(
        f"<li><b>Step {step:,}.</b> {html.escape(text)}</li>" for step, text in warnings
    )
    return f'<section class="warnings"><h2>Warnings</h2><ol>{listed}</ol></section>'


def _samples(pictures: list[Picture]) -> str:
    if not pictures:
        return _section("Samples", note("No picture is drawn yet."))
    newest = pictures[-1]
    width, height = newest.size
    return _section(
        "Samples",
        f'<figure class="timeline"><img alt="what G makes" width="{width}" height="{height}" '
        f'data-step="{newest.step}" src="{newest.uri}">'
        f'<figcaption><button type="button" hidden>Play</button>'
        f'<input type="range" min="0" max="{len(pictures) - 1}" value="{len(pictures) - 1}" '
        f'aria-label="which picture" hidden><output>step {newest.step:,}</output></figcaption>'
        "</figure>",
    )


def _real(picture: Picture | None) -> str:
    if picture is None:
        return ""
    width, height = picture.size
    return _section(
        "Real examples",
        f'<img class="real" alt="real examples, as the networks see them" width="{width}" '
        f'height="{height}" src="{picture.uri}">',
    )


def _score(run: Run) -> str:
    """The best evaluation by the run's own measure, by the protocol that most have."""
    own, metric = run.own(), run.setting("eval.best")
    if not own:
        return ""
    metric = metric if metric in METRICS else ""  # config.json may be damaged
    protocol = runs.usual_protocol(own)
    best = rows.best(own, metric, protocol) or runs.by_protocol(own)[protocol][-1]
    others = [name for name in runs.metrics([best]) if name != metric and best[name] is not None]
    entries = "".join(
        f"<div><dt>{_title(name)}</dt><dd>{_shown(best[name])}</dd></div>" for name in others
    )
    big = ""
    if best.get(metric) is not None:
        about = f"{_title(metric)}, the best, at step {best['step']:,}"
        big = f'<p class="score">{number(best[metric])} <small>{about}</small></p>'
    protocol = f'<p class="protocol">{html.escape(best["protocol"])}</p>'
    return _section("Scores", f'{big}<dl class="entries">{entries}</dl>{protocol}')


def _commands(run: Run) -> str:
    """What to type, to go on with the run and to use it."""
    here, made = f"--workdir={run.directory}", str(run.manifest.get("command", ""))
    best = "best" if any(run.directory.glob("best/[0-9]*")) else "latest"
    shape = (run.manifest.get("sample") or {}).get("shape")
    points = isinstance(shape, list) and len(shape) == 1
    own = _experiment(run, made)
    modes = {
        "Make it again, and compare it bit for bit": ["--mode=verify"],
        "Score a checkpoint": ["--mode=evaluate", f"--checkpoint={best}"],
        "Draw samples": ["--mode=sample", *([f"--out={run.directory}/sample.npz"] * points)],
    }
    listed = []
    if made:
        listed.append(f"<h3>Train it, or continue it</h3>{document.command(_placed(made, here))}")
    listed += [
        f"<h3>{what}</h3>{document.command(document.launch(*flags, *own, here))}"
        for what, flags in modes.items()
    ]
    again = note("With another --workdir the first line trains the same run anew.") if made else ""
    return _section("Commands", again + "".join(listed), "commands")


def _words(made: str) -> list[str]:
    """Return the words of the command that made a run; none where it is not launch.py's."""
    try:
        words = shlex.split(made)
    except ValueError:  # of a damaged manifest.json
        return []
    return words if any(pathlib.Path(word).name == "launch.py" for word in words) else []


def _placed(made: str, here: str) -> str:
    """Return the command that made a run with the directory that it is in now."""
    words = [word for word in _words(made) if not re.match("--?workdir=", word)]
    return shlex.join([*words, here]) if words and "--workdir" not in words else made


def _experiment(run: Run, made: str) -> list[str]:
    """Return the flags that name a run's experiment, where its networks are not gan_jax's own."""
    try:
        from_dict(run.config)
    except UsageError:
        return [word for word in _words(made) if re.match(r"--?config(=|\..*=)", word)]
    return []


def _training(
    shown: list[figures.Figure], marks: list[tuple[int, str]]
) -> tuple[str, list[dict[str, Any]]]:
    if not shown:
        return _section("Training", note("No row is logged yet.")), []
    drawings, data = figures.draw(shown, marks)
    about = note(
        "Pale lines are the rows with all their extremes, strong ones over them are means. "
        "Press on a curve for the picture of that step."
    )
    return _section("Training", about + drawings), data


def _evaluations(run: Run, marks: list[tuple[int, str]]) -> tuple[str, list[dict[str, Any]]]:
    """Curves and a table for each protocol: rows of two are not to be compared."""
    if not run.evaluations:
        return "", []
    own = runs.by_protocol(run.own())
    parts, data = [], []
    for protocol, group in runs.by_protocol(run.evaluations).items():
        parts.append(f'<p class="protocol">{html.escape(protocol)}</p>')
        if shown := figures.of_scores(own.get(protocol, [])):
            drawings, numbers = figures.draw(shown, marks)
            parts.append(drawings)
            data += numbers
        parts.append(_table(sorted(group, key=lambda row: row["step"])))
    about = note("Rows compare where they have one protocol: each has its own table.")
    return _section("Evaluations", about + "".join(parts)), data


def _table(group: list[Row]) -> str:
    names = runs.metrics(group) + ["note"] * any(row.get("note") for row in group)
    heads = "".join(f"<th>{_title(name)}</th>" for name in ("step", "checkpoint", *names))
    protocol = group[0]["protocol"]
    best = {name: rows.best(group, name, protocol) for name in ("fid", "kid")}
    lines = []
    for row in group:
        cells = "".join(
            f"<td>{'<b>' * (best.get(name) is row)}{_shown(row.get(name))}"
            f"{'</b>' * (best.get(name) is row)}</td>"
            for name in names
        )
        checkpoint = html.escape(str(row.get("checkpoint", "")))
        lines.append(f"<tr><td>{row['step']:,}</td><td>{checkpoint}</td>{cells}</tr>")
    return document.table(heads, f"<tbody>{''.join(lines)}</tbody>")


def _made(run: Run) -> str:
    manifest, data = run.manifest, run.manifest.get("data", {})
    packages = manifest.get("packages", {})
    sessions = len(manifest.get("earlier", [])) + 1
    facts = {
        "code": f"gan_jax {manifest.get('gan_jax', '')}",
        "commit": manifest.get("git"),
        "devices": _listed(manifest.get("devices", [])),
        "processes": manifest.get("processes"),
        "platform": manifest.get("platform"),
        "backend": manifest.get("platform_version"),
        "Python": manifest.get("python"),
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items()),
        "XLA flags": manifest.get("xla_flags"),
        "random numbers": manifest.get("prng"),
        "data": f"{data['examples']:,} examples, SHA-256 {data['sha256']}" if data else "",
        "classes": _classes(manifest.get("sample")),
        "sessions": sessions if sessions > 1 else "",
        "this session began": manifest.get("started"),
        "seconds to its first step": manifest.get("seconds_to_first_step"),
    }
    entries = "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(str(value))}</dd></div>"
        for name, value in facts.items()
        if value not in (None, "")
    )
    return _section("How it was made", f'<dl class="facts">{entries}</dl>')


def _classes(sample: Any) -> str:
    """Return the names of the classes of the data, some of them if they are many."""
    names = sample.get("classes") if isinstance(sample, dict) else None
    if not isinstance(names, list):
        return ""
    more = f", ... ({len(names):,} classes)" * (len(names) > _CLASSES)
    return ", ".join(map(str, names[:_CLASSES])) + more


def _settings(run: Run) -> str:
    """The config, folded, with what an experiment has set marked."""
    listed = list(_fields(run))
    if not listed:
        return ""
    lines, changed = [], 0
    for path, value, default, meaning in listed:
        differs = default is not None and value != default
        changed += differs
        before = html.escape(_word(default)) if differs else ""
        lines.append(
            f"<tr{' class=best' * differs}><td>{dotted(path)}</td>"
            f"<td>{html.escape(_word(value))}</td><td>{before}</td>"
            f'<td class="message">{html.escape(meaning)}</td></tr>'
        )
    heads = "".join(f"<th>{name}</th>" for name in ("setting", "value", "default", "meaning"))
    table = document.table(heads, f"<tbody>{''.join(lines)}</tbody>")
    about = f"{changed} of {document.count(len(listed), 'setting')} differ from the defaults"
    return (
        f'<section class="settings"><details><summary><h2>Config</h2> <small>{about}</small>'
        f"</summary>{table}</details></section>"
    )


def _fields(run: Run) -> Iterator[tuple[str, Any, Any, str]]:
    """(name, value, default, meaning) of each setting; default and meaning as far as known."""
    try:
        for path, field, value in walk(from_dict(run.config)):
            yield path.removeprefix("config."), value, field.default, field.metadata["meaning"]
        return
    except UsageError:  # of networks that are not gan_jax's own, or of another version of it
        pass
    known = {path: (field.default, field.metadata["meaning"]) for path, field, _ in walk(Config())}
    for path, value in _flat(run.config):
        yield path, value, *known.get(f"config.{path}", (None, ""))


def _flat(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield path + name, tuple(value) if isinstance(value, list) else value


def _data(pictures: list[Picture], drawn: list[dict[str, Any]]) -> str:
    """What the script shows: the older pictures and the numbers of the curves."""
    older = [{"step": picture.step, "src": picture.uri} for picture in pictures[:-1]]
    text = json.dumps({"frames": older, "charts": drawn}, separators=(",", ":"))
    text = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="data">{text}</script>'


# Words.


def _section(title: str, inner: str, kind: str = "") -> str:
    return f'<section class="{kind}"><h2>{title}</h2>{inner}</section>'


def _title(name: str) -> str:
    return html.escape(figures.title(name))


def _shown(value: Any) -> str:
    return number(value) if charts.drawable(value) else html.escape(str(value or ""))


def _word(value: Any) -> str:
    """As it is typed in an experiment file, but for the quotes."""
    return value or '""' if isinstance(value, str) else str(value)


def _listed(devices: list[str]) -> str:
    return ", ".join(f"{many} x {kind}" for kind, many in Counter(devices).items())


_STYLE = """
.halves{grid-template-columns:minmax(0,1fr) minmax(0,1fr);align-items:start}
h3{margin:12px 0 0;font-size:13px;font-weight:600}
.score{font-size:34px;font-weight:650;line-height:1.2;letter-spacing:-.02em}
.score small{font-size:15px;letter-spacing:0}
.entries{display:grid;grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:8px 16px;
margin:8px 0}
dt{color:var(--soft);font-size:12px}
.entries dd{font-weight:600}
.protocol{margin-top:10px;color:var(--soft);
font:12px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(280px,100%),1fr));
gap:10px 24px;margin-top:8px}
.warnings{border-color:var(--warn)}
.warnings ol{margin:6px 0 0;padding-left:20px}
.warnings li{padding-left:4px}
.warnings li+li{margin-top:6px}
.timeline{margin-top:10px}
.timeline img,.real{display:block;width:100%;height:auto;border-radius:6px}
.real{margin-top:10px}
.timeline figcaption{display:flex;align-items:center;gap:12px;margin-top:10px}
.timeline input{flex:1;min-width:0;accent-color:var(--accent)}
.timeline output{color:var(--soft);white-space:nowrap}
.timeline button{padding:4px 12px;border:1px solid var(--line);border-radius:6px;min-width:64px;
background:var(--card);color:inherit;font:inherit;font-size:13px;cursor:pointer}
[hidden]{display:none!important}
.commands h3{color:var(--soft);font-size:12px}
.commands .command{margin-top:4px}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(330px,100%),1fr));
gap:18px 28px;margin-top:8px}
.figures figure{display:flex;flex-direction:column;justify-content:flex-end;min-width:0}
figcaption span{color:var(--soft);font-size:12px;white-space:nowrap}
figcaption span b{color:var(--ink)}
.figures figcaption{display:flex;flex-wrap:wrap;align-items:baseline;gap:0 12px}
.figures h3{flex:1;margin:0}
figcaption i{display:inline-block;width:10px;height:3px;margin:0 5px 3px 0;border-radius:2px;
background:currentColor}
.chart{height:150px;margin:10px 8px 24px 46px;touch-action:pan-y;cursor:crosshair}
.chart svg{clip-path:inset(-2px -6px)}
.chart polyline{opacity:1}
.chart .pale{opacity:.3;stroke-width:1}
.trend{stroke-width:2}
.point{stroke-width:5;stroke-linecap:round}
.chart .value{right:calc(100% + 6px)}
.chart .step{top:calc(100% + 7px)}
.s0{color:var(--s0)}
.s1{color:var(--s1)}
.s2{color:var(--s2)}
.mark{color:var(--warn);stroke-width:1;stroke-dasharray:3 3}
.flag{position:absolute;top:-7px;transform:translateX(-50%);padding:1px 4px;border-radius:4px;
background:var(--warn);color:#fff;font-size:10px;line-height:1.2;pointer-events:none}
.shown,.here{position:absolute;top:0;bottom:0;width:1px;display:none;pointer-events:none}
.shown{left:calc(100%*var(--shown));background:var(--accent)}
.here{left:calc(100%*var(--here));background:var(--soft)}
[data-shown]>.shown,[data-here]>.here{display:block}
.rows th{padding:6px 10px;color:var(--soft);font-size:12px;font-weight:600}
.rows th:first-child{padding-left:18px}
section>.rows{margin:8px -18px 0}
.settings>details>.rows{margin:10px -18px -16px}
summary{cursor:pointer}
summary h2{display:inline}
:root{--s0:#2f6fd0;--s1:#e0662e;--s2:#2a9d6f;--warn:#c2410c}
i.stopped{background:var(--pruned)}
@media(prefers-color-scheme:dark){:root{--s0:#7aa5ff;--s1:#ff9a66;--s2:#3fbf8a;--warn:#e8793f}}
@media(max-width:760px){.score{font-size:28px}section>.rows{margin:8px -14px 0}
.settings>details>.rows{margin:10px -14px -14px}.command button{margin-top:6px}}
"""

_SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent)
const plots = [...document.querySelectorAll(".chart")]
const figures = plots.map((plot, i) => ({plot, ...data.charts[i]}))
const commas = step => step.toLocaleString("en-US")

// A line across all curves that reach a step; null: none.
function mark(name, step) {
  for (const {plot, x} of figures) {
    const place = (step - x[0]) / (x[1] - x[0])
    plot.style.setProperty("--" + name, place)
    if (step !== null && place <= 1) plot.dataset[name] = step
    else delete plot.dataset[name]
  }
}

// The pictures.
const picture = document.querySelector(".timeline img"), frames = data.frames
const slider = document.querySelector(".timeline input")
const button = document.querySelector(".timeline button")
let playing = null
function show(i) {
  const {step, src} = frames[i], newest = i === frames.length - 1
  picture.src = src
  picture.dataset.step = step
  slider.value = i
  document.querySelector(".timeline output").textContent = "step " + commas(step)
  mark("shown", newest ? null : step)
  // The address keeps it over a reload.
  history.replaceState(null, "", newest ? location.pathname : "#step=" + step)
}
function nearest(values, wanted) {
  let best = 0
  values.forEach((value, i) => {
    if (Math.abs(value - wanted) < Math.abs(values[best] - wanted)) best = i
  })
  return best
}
function stop() {
  clearInterval(playing)
  playing = null
  button.textContent = "Play"
}
function play() {
  if (playing !== null) return stop()
  if (Number(slider.value) === frames.length - 1) show(0)
  button.textContent = "Pause"
  playing = setInterval(() => {
    show(Number(slider.value) + 1)
    if (Number(slider.value) === frames.length - 1) stop()
  }, 200)
}
if (picture) {
  frames.push({step: Number(picture.dataset.step), src: picture.src})
  button.hidden = slider.hidden = frames.length < 2
  slider.addEventListener("input", () => {
    stop()
    show(Number(slider.value))
  })
  button.addEventListener("click", play)
  const wanted = new URLSearchParams(location.hash.slice(1)).get("step")
  if (wanted) show(nearest(frames.map(frame => frame.step), Number(wanted)))
}

// The numbers under the pointer, and the picture of where it is pressed.
function stepAt({plot, x}, event) {
  const box = plot.getBoundingClientRect()
  const place = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1)
  return x[0] + place * (x[1] - x[0])
}
function entry(name, value) {
  const line = document.createElement("div"), label = document.createElement("span")
  label.textContent = name
  line.append(label, value)
  return line
}
function leave() {
  mark("here", null)
  tip.hidden = true
}
addEventListener("scroll", leave)
addEventListener("pointerdown", event => {
  if (!event.target.closest(".chart")) leave()
})
for (const figure of figures) {
  function point(event) {
    const [, steps] = figure.lines[0]
    const step = steps[nearest(steps, stepAt(figure, event))]
    tip.replaceChildren(entry("step", commas(step)))
    for (const [name, steps, values] of figure.lines) {
      const title = name || figure.plot.parentElement.querySelector("h3").textContent
      tip.append(entry(title, commas(values[nearest(steps, step)])))
    }
    mark("here", step)
    placeTip(event.clientX, event.clientY)
  }
  figure.plot.addEventListener("pointermove", point)
  figure.plot.addEventListener("pointerdown", point)
  figure.plot.addEventListener("pointerleave", event => {
    if (event.pointerType !== "touch") leave()  // a finger leaves as soon as it has tapped
  })
  figure.plot.addEventListener("click", event => {
    if (frames.length < 2) return
    stop()
    show(nearest(frames.map(frame => frame.step), stepAt(figure, event)))
  })
}

// How old the page is: one of a run that was killed says "running" for ever.
const written = document.querySelector("time")
const minutes = Math.round((Date.now() - new Date(written.dateTime)) / 60000)
if (minutes < 1) written.textContent = "just now"
else if (minutes < 120) written.textContent = minutes + " min ago"
"""
