"""What a population saves: a sweep against the same number of runs one after another.

  python -m benchmarks.sweep --case=mnist_mlp|digits_dcgan [--data_dir=DIR] [--rounds=3]
      [--json=FILE]

In turn: `launch.py --mode=sweep` with N trials, and N times `launch.py`, each with all that it
takes: starting, compiling (either side begins with an empty cache of programs), reading the data,
training, scoring, saving. Then, in one process and in turn, a step alone and a member's step in a
population of 8, in turns and in lanes. Medians of the rounds.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from benchmarks.bare import BareRun
from gan_jax import command, startup
from gan_jax.program import Program
from gan_jax.stopping import StopSignals
from gan_jax.sweep.population import Lanes, Member, Turns


class Case(NamedTuple):
    """An experiment, how many short runs of it, and their steps."""

    experiment: str
    trials: int
    steps: int


_CASES = {
    "mnist_mlp": Case("experiments/mnist_mlp.py", 16, 500),
    "digits_dcgan": Case("experiments/digits_dcgan.py", 8, 300),
}
_PLACES = 8
_SWEEP = """
from gan_jax import command
from gan_jax.sweep.space import LogUniform, Sweep

def get_config():
    return command.load({experiment!r})

def get_sweep():
    fields = ("generator.optimizer.learning_rate", "discriminator.optimizer.learning_rate")
    space = {{"rate": LogUniform(1e-4, 1e-3, fields=fields)}}
    return Sweep(space, sampler="random", trials={trials})
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", choices=_CASES, required=True)
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="where the result is also written")
    arguments = parser.parse_args()
    case = _CASES[arguments.case]
    startup.prepare(command.load(case.experiment))

    result = {"case": arguments.case, "trials": case.trials, "steps": case.steps}
    result |= _whole(case, arguments.data_dir, arguments.rounds)
    result |= _steps(case, arguments.data_dir, arguments.rounds)
    print(
        "{trials} runs of {steps} steps: alone {alone_s:.1f} s, as a sweep {sweep_s:.1f} s, ratio "
        "{ratio:.2f}\na step alone {alone_ms:.2f} ms; of a member in turns {turns_ms:.2f} "
        "ms, ratio {turns_ratio:.2f}; in lanes {lanes_ms:.2f} ms, ratio {lanes_ratio:.2f}".format(
            **result
        )
    )
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(result, indent=2) + "\n")


def _whole(case: Case, data_dir: str, rounds: int) -> dict[str, float]:
    """Seconds of whole processes, one round more than is counted: it fills the caches of scores."""
    settings = [
        f"--config.steps={case.steps}", f"--config.eval_every={case.steps}",
        "--config.sample_every=0", "--config.checkpoint_every=0", "--config.eval.num_samples=1000",
        "--config.eval.kept=1000", f"--config.dataset.data_dir={data_dir}",
    ]  # fmt: skip
    found: list[tuple[float, float]] = []
    for turn in range(rounds + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            file = folder / "experiment.py"
            file.write_text(_SWEEP.format(experiment=case.experiment, trials=case.trials))
            sweep = _seconds(
                [[f"--config={file}", "--mode=sweep", *settings, f"--workdir={folder}/sweep"]],
                folder / "cache of the sweep",
            )
            alone = _seconds(
                [
                    [f"--config={case.experiment}", *settings, f"--workdir={folder}/{seed}",
                     f"--config.seed={seed}"]
                    for seed in range(case.trials if turn else 1)
                ],
                folder / "cache of the runs",
            )  # fmt: skip
        if turn:
            found.append((alone, sweep))
            print(f"alone {alone:.1f} s, as a sweep {sweep:.1f} s", file=sys.stderr)
    return {
        "alone_s": statistics.median(alone for alone, _ in found),
        "sweep_s": statistics.median(sweep for _, sweep in found),
        "ratio": statistics.median(alone / sweep for alone, sweep in found),
    }


def _seconds(commands: list[list[str]], cache: pathlib.Path) -> float:
    """Of some calls of launch.py, one after another, that share a cache of programs."""
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "PYTHONPATH": ".",
    }
    began = time.perf_counter()
    for arguments in commands:
        subprocess.run(
            [sys.executable, "launch.py", *arguments],
            check=True, env=environment, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return time.perf_counter() - began


def _steps(case: Case, data_dir: str, rounds: int) -> dict[str, float]:
    """Milliseconds of a step, alone and of each of 8 members, in turns and in lanes."""
    config = command.load(case.experiment)
    config.dataset.data_dir = data_dir
    config.steps = 10**6
    config.log_every = config.sample_every = config.checkpoint_every = case.steps
    program, bare = Program(config), BareRun(config)
    found: list[dict[str, float]] = []
    with contextlib.ExitStack() as stack:
        stack.callback(bare.close)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        writer = stack.enter_context(ThreadPoolExecutor(1))
        signals = stack.enter_context(StopSignals())
        populations = {"turns": Turns(program, _PLACES, signals)}
        populations["lanes"] = Lanes(program, _PLACES, signals)
        for name, population in populations.items():
            for seed in range(_PLACES):
                own = dataclasses.replace(config, seed=seed)
                member = Member(program, own, f"{folder}/{name}/{seed}", writer)
                stack.callback(member.close)
                population.enter(member)
        for _ in range(rounds + 1):
            found.append({"alone": bare.milliseconds(case.steps)})
            for name, population in populations.items():
                found[-1][name] = _milliseconds(population, case.steps)
    found = found[1:]  # the first round compiles
    return {
        **{f"{name}_ms": statistics.median(turn[name] for turn in found) for name in found[0]},
        **{
            f"{name}_ratio": statistics.median(turn[name] / turn["alone"] for turn in found)
            for name in populations
        },
    }


def _milliseconds(population: Turns | Lanes, steps: int) -> float:
    """Of a member's step, all that it calls for written."""
    began = time.perf_counter()
    population.advance(population.members())
    for member in population.members():
        member.settle()
        if member.error:
            raise member.error
    return (time.perf_counter() - began) / (steps * _PLACES) * 1e3


if __name__ == "__main__":
    main()
