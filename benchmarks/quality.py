"""The benchmark card: what experiments reach within one budget, as a table over seeds.

  python -m benchmarks.quality --experiments=mnist_mlp,mnist_dcgan [--budget=short] [--seeds=3]
      [--data_dir=DIR] [--folder=runs/quality] [--json=FILE]

The budget counts real images, so that batch sizes and k are compared fairly; an experiment's other
settings are its own. Each run is a directory of --folder: a second call goes on where one stopped,
and trains nothing again. Below the experiments of a data set stand the rows that bound them: a
part of the data against the rest, the generator before training, and noise.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
from typing import Any

from gan_jax import command
from gan_jax.config import Config
from gan_jax.evaluate import rows

_BUDGETS = {"smoke": 6_400, "short": 64_000, "long": 1_280_000, "full": 0}
_METRICS = {
    "fid": "{:.4g}", "kid": "{:.3g}", "precision": "{:.3f}", "recall": "{:.3f}",
    "density": "{:.3f}", "coverage": "{:.3f}", "modes": "{:.1f}", "reverse_kl": "{:.3f}",
    "high_quality": "{:.3f}", "nearest": "{:.2f}",
}  # fmt: skip


def main() -> None:
    """Trains, scores and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiments", required=True, help="names, VARIANT after a colon")
    parser.add_argument("--budget", choices=_BUDGETS, default="short", help="real images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--folder", default="runs/quality")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    table: dict[str, list[dict[str, Any]]] = {}
    bounds: dict[str, list[pathlib.Path]] = {}
    folder = pathlib.Path(arguments.folder)
    for name in arguments.experiments.split(","):
        file, _, variant = name.partition(":")
        path = f"experiments/{file}.py" + (f":{variant}" if variant else "")
        config = command.load(path)
        steps = _steps(config, _BUDGETS[arguments.budget])
        label = f"{name}, {steps:,} steps"
        for seed in range(arguments.seeds):
            run = folder / f"{file}{'-' if variant else ''}{variant}-{arguments.budget}-{seed}"
            _train(path, run, steps, seed, arguments.data_dir)
            table.setdefault(label, []).append(_scored(run, "latest", steps))
            bounds.setdefault(config.dataset.name, []).append(run)
    for name, runs in bounds.items():
        for which, label in (("real", "half against half"), ("0", "untrained"), ("noise", "noise")):
            table[f"{name}: {label}"] = [_scored(runs[0], which, 0)]
    print(_markdown(table))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(table, indent=2) + "\n")


def _steps(config: Config, images: int) -> int:
    """Of the budget; whole intervals of a call."""
    if not images:
        return config.steps
    steps = max(images // (config.batch_size * config.d_steps), 1)
    return -(-steps // config.steps_per_call) * config.steps_per_call


def _train(path: str, run: pathlib.Path, steps: int, seed: int, data_dir: str) -> None:
    _launch(
        f"--config={path}", f"--workdir={run}", f"--config.steps={steps}", f"--config.seed={seed}",
        f"--config.dataset.data_dir={data_dir}", "--config.sample_every=0",
        "--config.checkpoint_every=0",
    )  # fmt: skip


def _scored(run: pathlib.Path, which: str, step: int) -> dict[str, Any]:
    """The row of a run's checkpoint, or of what bounds it; scored if it is not yet."""
    for _ in range(2):
        for row in rows.read(run):
            if (row["checkpoint"], row["step"]) == (which, step):
                return row
        _launch("--mode=evaluate", f"--workdir={run}", f"--checkpoint={which}")
    raise RuntimeError(f"{run}: no row of {which} at step {step}")


def _launch(*arguments: str) -> None:
    subprocess.run([sys.executable, "launch.py", *arguments], check=True, stdout=subprocess.DEVNULL)


def _markdown(table: dict[str, list[dict[str, Any]]]) -> str:
    scores = [row for scored in table.values() for row in scored]
    used = [name for name in _METRICS if any(name in row for row in scores)]
    lines = [
        f"| | {' | '.join(used)} |",
        f"| --- |{' ---: |' * len(used)}",
        *(
            f"| {label} | {' | '.join(_cell(name, scored) for name in used)} |"
            for label, scored in table.items()
        ),
    ]
    protocols = sorted({row["protocol"] for row in scores})
    return "\n".join([*lines, "", *(f"    {protocol}" for protocol in protocols)])


def _cell(name: str, scored: list[dict[str, Any]]) -> str:
    values = [row[name] for row in scored if row.get(name) is not None]
    if not values:
        return ""
    text = _METRICS[name].format(statistics.mean(values))
    return f"{text} ± {_METRICS[name].format(statistics.stdev(values))}" if values[1:] else text


if __name__ == "__main__":
    main()
