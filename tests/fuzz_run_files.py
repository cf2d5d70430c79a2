"""Damages the files of a finished run in many ways, and has every mode use what is left.

    python tests/fuzz_run_files.py --count=1000 --seed=0
    python tests/fuzz_run_files.py --only=17 --seed=0    one of them again

A mode must do its work, or refuse in one line. Where it does its work without a warning, what it
makes must be what it makes of the whole run. A tenth of the runs is of an older version, which has
recorded no digest of its config; what it then makes of another config is not compared.
"""

import argparse
import collections
import contextlib
import functools
import gc
import hashlib
import io
import json
import logging
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

sys.path.append(str(pathlib.Path(__file__).parent.parent))  # where pytest does not do that

from gan_jax import startup, workdir
from gan_jax.apply.complete import complete
from gan_jax.apply.export import export
from gan_jax.apply.interpolate import interpolate
from gan_jax.apply.invert import invert
from gan_jax.apply.neighbors import neighbors
from gan_jax.apply.options import Options
from gan_jax.apply.sample import sample
from gan_jax.config import Config
from gan_jax.errors import GanJaxError
from gan_jax.evaluate.mode import evaluate
from gan_jax.report import overview
from gan_jax.train import train
from gan_jax.verify import verify
from support import tiny_config

# What takes the place of a value in a JSON file.
VALUES = (
    None, "x", "", 3, 0, -1, True, 1.5, float("nan"), float("inf"), 1e300, 10**9, 10**18, 10**400,
    [], [None], ["x"], {}, {"a": 1}, [[[1]]], "</script>", "\ud800", "\0",
)  # fmt: skip
OBJECTS = ("config.json", "manifest.json")
LINES = ("metrics.jsonl", "digests.jsonl", "eval.jsonl")


def config_of(steps: int) -> Config:
    """The smallest run that has all kinds of files; more steps continue it."""
    config = tiny_config(
        steps=steps, log_every=1, sample_every=2, eval_every=2, checkpoint_every=2, num_samples=4
    )
    config.eval.num_samples = config.eval.kept = config.eval.batch_size = 40
    config.eval.features = "pixels"
    return config


def make_run(directory: pathlib.Path) -> pathlib.Path:
    """A finished run of two sessions."""
    for steps in (2, 4):
        train(config_of(steps), str(directory))
    return directory


# The modes: each returns what its work is compared by.


def _train(run: pathlib.Path) -> Any:
    train(config_of(6), str(run))
    return _last(run / "digests.jsonl")


def _evaluate(run: pathlib.Path) -> Any:
    evaluate(None, str(run), "latest", "")
    row = _last(run / "eval.jsonl")
    return {name: value for name, value in row.items() if name != "seconds"}


def _last(path: pathlib.Path) -> Any:
    """The last line of a file, which may have damaged ones."""
    return json.loads(path.read_bytes().splitlines()[-1])


def _verify(run: pathlib.Path) -> Any:
    verify(workdir.own_config(run), run, 0, 0.0)


def _use(
    mode: Callable[..., None], out: str, file: str = "", **options: Any
) -> Callable[[pathlib.Path], Any]:
    """A mode that uses a trained run and writes `out`; a file of that is compared."""

    def use(run: pathlib.Path) -> Any:
        target = run.parent.parent / out
        shutil.rmtree(target, ignore_errors=True)
        mode(workdir.own_config(run), run, "latest", Options(out=str(target), **options))
        return hashlib.sha256((target / file if file else target).read_bytes()).hexdigest()

    return use


def _page(run: pathlib.Path) -> Any:
    overview.page_of(str(run))


def _overview(run: pathlib.Path) -> Any:
    overview.page_of(str(run.parent))


_SEARCH = {"num_samples": 2, "iterations": 2, "restarts": 1}
CHEAP = {"page": _page, "overview": _overview}
MODES = {
    "train": _train,
    "evaluate": _evaluate,
    "verify": _verify,
    "sample": _use(sample, "out.npz", num_samples=4),
    "interpolate": _use(interpolate, "out.png", num_samples=2, frames=2),
    "neighbors": _use(neighbors, "neighbors", "neighbors.json", num_samples=2),
    "invert": _use(invert, "invert", "sheet.png", **_SEARCH),
    "complete": _use(complete, "complete", "sheet.png", **_SEARCH),
    "export": _use(export, "export", "samples.png"),
}


# The mutations: each changes a run, and returns what it has done in a few words.


def mutate(run: pathlib.Path, random: random.Random) -> str:
    """Damages one file of a run."""
    kinds = {
        _change_value: 8, _cut: 2, _flip: 4, _change_lines: 2, _remove: 1, _make_directory: 1,
        _damage_picture: 1, _damage_checkpoint: 2,
    }  # fmt: skip
    (kind,) = random.choices(list(kinds), list(kinds.values()))
    return kind(run, random)


def _json_paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            found += _json_paths(value, (*path, key))
    return found


def _change_value(run: pathlib.Path, random: random.Random) -> str:
    name = random.choice(OBJECTS + LINES)
    text = (run / name).read_text()
    lines = [text] if name in OBJECTS else text.splitlines(keepends=True)
    place = random.randrange(len(lines))
    tree = json.loads(lines[place])
    *groups, last = random.choice(_json_paths(tree))
    node = functools.reduce(lambda node, key: node[key], groups, tree)
    where = ".".join(map(str, (*groups, last)))
    what = random.choice(("value", "value", "value", "value", "removed", "renamed"))
    if what == "value":
        node[last] = random.choice(VALUES)
        what = repr(node[last])[:30]
    else:
        value = node.pop(last)
        if what == "renamed" and isinstance(node, dict):
            node[f"{last}_"] = value
    lines[place] = json.dumps(tree) + "\n"
    (run / name).write_text("".join(lines))
    return f"{name}, line {place}: {where}: {what}"


def _cut(run: pathlib.Path, random: random.Random) -> str:
    path = run / random.choice(OBJECTS + LINES)
    data = path.read_bytes()
    size = random.choice((0, random.randrange(len(data))))
    path.write_bytes(data[:size])
    return f"{path.name}: cut at {size} of {len(data)} bytes"


def _flip(run: pathlib.Path, random: random.Random) -> str:
    path = run / random.choice(OBJECTS + LINES)
    data = bytearray(path.read_bytes())
    place, bit = random.randrange(len(data)), random.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"{path.name}: bit {bit} of byte {place}"


def _change_lines(run: pathlib.Path, random: random.Random) -> str:
    path = run / random.choice(LINES)
    lines = path.read_text().splitlines(keepends=True)
    place = random.randrange(len(lines))
    what = random.choice(("removed", "twice", "first", "no text", "no object", "empty"))
    line = lines.pop(place)
    if what == "twice":
        lines[place:place] = [line, line]
    if what == "first":
        lines.insert(0, line)
    lines = [line.encode() for line in lines]
    odd = {"no text": b"\xff\xfe\0\n", "no object": b"[3]\n", "empty": b"\n"}
    lines[place:place] = [odd[what]] if what in odd else []
    path.write_bytes(b"".join(lines))
    return f"{path.name}: line {place}: {what}"


def _remove(run: pathlib.Path, random: random.Random) -> str:
    path = run / random.choice((*OBJECTS, *LINES, "samples", "checkpoints", "best"))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return f"{path.name}: removed"


def _make_directory(run: pathlib.Path, random: random.Random) -> str:
    """A directory in place of a file, or the other way round."""
    path = run / random.choice((*OBJECTS, *LINES, "samples", "checkpoints", "best", "index.html"))
    if path.is_dir():
        shutil.rmtree(path)
        path.write_text("no directory")
        return f"{path.name}: a file"
    path.unlink()
    path.mkdir()
    return f"{path.name}: a directory"


def _damage_picture(run: pathlib.Path, random: random.Random) -> str:
    return _damage(run, random, sorted((run / "samples").glob("*.png")))


def _damage_checkpoint(run: pathlib.Path, random: random.Random) -> str:
    newest = [max((run / name).glob("0*")) for name in ("checkpoints", "best")]
    files = [path for folder in newest for path in folder.rglob("*") if path.is_file()]
    # Orbax gives them random names.
    return _damage(run, random, sorted(files, key=lambda path: (path.stat().st_size, path)))


def _damage(run: pathlib.Path, random: random.Random, files: list[pathlib.Path]) -> str:
    path = random.choice(files)
    data = bytearray(path.read_bytes())
    what = random.choice(("cut", "flipped", "removed", "emptied"))
    if what == "removed":
        path.unlink()
    elif what == "flipped" and data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        path.write_bytes(data)
    else:
        path.write_bytes(data[: random.randrange(len(data))] if what == "cut" and data else b"")
    return f"{path.relative_to(run)}: {what}"


def make_old(run: pathlib.Path) -> None:
    """Takes from a run what older versions have not recorded."""
    manifest = json.loads((run / "manifest.json").read_text())
    for session in (manifest, *manifest["earlier"]):
        session.pop("config_sha256", None)
    (run / "manifest.json").write_text(json.dumps(manifest))
    config = json.loads((run / "config.json").read_text())
    config.pop("schema_version", None)
    (run / "config.json").write_text(json.dumps(config))


# The check.


class Outcome(NamedTuple):
    """What became of one mode.

    Attributes:
      kind: same | warned | refused: as it should be; traceback | lines | silent: a fault.
      made: what its work is compared by.
      said: the last line, or the traceback.
    """

    kind: str
    made: Any
    said: str


FAULTS = ("traceback", "lines", "silent")


class _Warnings(logging.Handler):
    """Keeps what gan_jax warns of."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def call(mode: Callable[[pathlib.Path], Any], run: pathlib.Path, expected: Any = None) -> Outcome:
    """Has a mode use a run.

    Args:
      mode: of `MODES` or `CHEAP`.
      run: the run's directory, which it may change.
      expected: what it makes of the whole run; None: whatever it makes is right.
    """
    warnings, logger, made, said = _Warnings(), logging.getLogger("gan_jax"), None, io.StringIO()
    logger.addHandler(warnings)
    kind, line = "same", ""
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            made = mode(run)
    except GanJaxError as error:
        kind, line = "refused", str(error)
        if len(line.splitlines()) != 1 or len(line) > 2000:
            kind = "lines"
    except Exception:
        kind, line = "traceback", traceback.format_exc()
    finally:
        logger.removeHandler(warnings)
    if kind == "same" and (warnings.lines or "warning" in said.getvalue()):
        kind, line = "warned", "; ".join(warnings.lines)
    if kind == "same" and expected is not None and made != expected:
        kind, line = "silent", f"{made} in place of {expected}"
    return Outcome(kind, made, line)


def fuzz(
    whole: pathlib.Path,
    folder: pathlib.Path,
    numbers: list[int],
    seed: int,
    modes: Callable[[int], list[str]],
    expected: dict[str, Any],
    tell: Callable[[str], None] = print,
) -> tuple[collections.Counter, list[str]]:
    """Mutates copies of a run.

    Args:
      whole: the run.
      folder: to work in.
      numbers: of the mutations; each is a function of its number and the seed.
      seed: of all.
      modes: the number of a mutation -> the modes that use it.
      expected: what modes make of the whole run.
      tell: of each fault.

    Returns:
      How often each (mode, kind of outcome) came, and the faults.
    """
    counts, faults = collections.Counter(), []
    for number in numbers:
        if number % 20 == 19:  # what was compiled holds memory, and is kept on disk
            jax.clear_caches()
            gc.collect()
        for name in modes(number):
            run = folder / "runs" / "run"
            shutil.rmtree(folder / "runs", ignore_errors=True)
            shutil.copytree(whole, run)
            draw = random.Random(f"{seed} {number}")
            if old := draw.random() < 0.1:
                make_old(run)
            what = mutate(run, draw)
            compared = None if old and "config" in what else expected.get(name)
            outcome = call((MODES | CHEAP)[name], run, compared)
            counts[name, outcome.kind] += 1
            if outcome.kind in FAULTS:
                age = "an older run's " if old else ""
                faults.append(f"{number}: {name} of {age}{what}: {outcome.kind}: {outcome.said}")
                tell(faults[-1])
    return counts, faults


def expectations(whole: pathlib.Path, folder: pathlib.Path, names: list[str]) -> dict[str, Any]:
    """What modes make of the whole run."""
    made = {}
    for name in names:
        run = folder / "runs" / "run"
        shutil.rmtree(folder / "runs", ignore_errors=True)
        shutil.copytree(whole, run)
        outcome = call((MODES | CHEAP)[name], run)
        assert outcome.kind == "same", (name, outcome)
        made[name] = outcome.made
    return made


def table(counts: collections.Counter) -> str:
    """Modes by outcomes."""
    kinds = ("same", "warned", "refused", *FAULTS)
    lines = [f"{'':12}" + "".join(f"{kind:>10}" for kind in kinds)]
    for name in [*CHEAP, *MODES]:
        row = [counts[name, kind] for kind in kinds]
        lines += [f"{name:12}" + "".join(f"{count:>10}" for count in row)] * any(row)
    return "\n".join(lines)


def main() -> None:
    """Runs the whole of it; ends with 1 where there are faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="mutations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one mutation, by every mode")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        os.environ.setdefault("XDG_CACHE_HOME", str(folder / "cache"))
        startup.prepare(config_of(4))
        logging.getLogger("gan_jax").propagate = False
        whole, heavy, began = make_run(folder / "whole"), list(MODES), time.monotonic()
        expected = expectations(whole, folder, heavy)

        def modes(number: int) -> list[str]:
            if arguments.only is not None:
                return [*CHEAP, *heavy]
            return [*CHEAP, heavy[number % len(heavy)]]

        numbers = range(arguments.count) if arguments.only is None else [arguments.only]
        counts, faults = fuzz(whole, folder, list(numbers), arguments.seed, modes, expected)
    print(table(counts))
    print(f"{len(faults)} faults in {len(numbers)} mutations, {time.monotonic() - began:.0f} s")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
