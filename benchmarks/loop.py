"""What the training loop costs over its bare step, and whether memory grows.

  python -m benchmarks.loop [--rounds=5] [--config=FILE] [--json=FILE]

In one process, in turn: 450 bare steps, then 500 steps of a real run, which logs every 50 steps and
draws and saves at the end of them; each turn continues the run of the last. The loop's time is from
its first logged step to its end, 450 steps with all files written.
"""

import argparse
import contextlib
import gc
import io
import json
import pathlib
import statistics
import tempfile

import jax

from benchmarks.bare import BareRun
from gan_jax import command, startup
from gan_jax.config import Config
from gan_jax.train import train

_STEPS, _LOGGED = 500, 50


def loop_seconds(config: Config, directory: pathlib.Path) -> float:
    """Trains on to `config.steps`; seconds of the steps after the first that is logged."""
    with contextlib.redirect_stderr(io.StringIO()):
        train(config, str(directory))
    rows = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    first = next(row for row in rows if row["step"] == config.steps - _STEPS + _LOGGED)
    manifest = json.loads((directory / "manifest.json").read_text())
    return manifest["wall_seconds"] - first["seconds"]


def resident_bytes() -> int:
    """Memory of this process that is in RAM now (Linux)."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def main() -> None:
    """Measures and prints a line for each turn, then the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="experiments/digits_dcgan.py")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="where the result is also written")
    arguments = parser.parse_args()

    config = command.load(arguments.config)
    startup.prepare(config)
    config.log_every, config.sample_every, config.checkpoint_every = _LOGGED, _STEPS, _STEPS
    run, turns = BareRun(config), []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(arguments.rounds):
            bare = run.milliseconds(_STEPS - _LOGGED)
            config.steps = _STEPS * (turn + 1)
            loop = loop_seconds(config, pathlib.Path(folder) / "run")
            gc.collect()
            turns.append(
                {
                    "bare_ms": bare,
                    "loop_ms": loop / (_STEPS - _LOGGED) * 1e3,
                    "host_mb": resident_bytes() / 1e6,
                    "device_mb": sum(array.nbytes for array in jax.live_arrays()) / 1e6,
                }
            )
            print(
                "step {step}: bare {bare_ms:.2f} ms, loop {loop_ms:.2f} ms; host {host_mb:.0f} MB, "
                "arrays on devices {device_mb:.1f} MB".format(step=config.steps, **turns[-1])
            )
    bare, loop = (
        statistics.median(turn[name] for turn in turns) for name in ("bare_ms", "loop_ms")
    )
    cost = statistics.median(turn["loop_ms"] / turn["bare_ms"] for turn in turns) - 1
    print(f"medians: bare {bare:.2f} ms, loop {loop:.2f} ms; the loop costs {cost:+.1%}")
    if arguments.json:
        result = {"config": arguments.config, "cost": cost, "turns": turns}
        pathlib.Path(arguments.json).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
