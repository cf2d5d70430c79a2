"""What a step costs with its data on the device and with its data streamed.

  python -m benchmarks.input [--config=FILE] [--data_dir=DIR] [--workers=0,2]

The same run in one process, in turns of 200 steps: resident, then streamed by threads, then by so
many processes.
"""

import argparse
import itertools
import statistics
import time

from gan_jax import startup

startup.prepare()

import jax  # noqa: E402
from absl import flags  # noqa: E402

from gan_jax import command, parallel, prng  # noqa: E402
from gan_jax.config import Config  # noqa: E402
from gan_jax.data.feed import open_feed  # noqa: E402
from gan_jax.step import make_call  # noqa: E402
from gan_jax.train import build  # noqa: E402

_STEPS = 200


class Run:
    """A run whose data come by one of the two ways; `streams` says by which."""

    def __init__(self, config: Config, streams: bool, workers: int):
        config.dataset.resident_mb = 0 if streams else 10**6
        config.dataset.workers = workers
        run, key = build(config), prng.root(config.seed)
        self._feed = open_feed(config, run.source)
        self._call = parallel.parallelize(make_call(run.step, self._feed.assemble))
        self._state, self._key = parallel.replicate(run.initial(key)), parallel.replicate(key)
        self._items, self._steps_per_call = self._feed.items(0), config.steps_per_call
        self.milliseconds(config.steps_per_call)

    def milliseconds(self, steps: int = _STEPS) -> float:
        """Of one step, over so many."""
        began = time.perf_counter()
        for item in itertools.islice(self._items, steps // self._steps_per_call):
            self._state, metrics = self._call(self._state, self._key, self._feed.constant, item)
        jax.block_until_ready(metrics)
        return (time.perf_counter() - began) / steps * 1e3

    def close(self) -> None:
        """Ends the threads and processes that decode."""
        self._items.close()


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="experiments/digits_dcgan.py")
    parser.add_argument("--data_dir", default="", help="where TFDS keeps prepared data")
    parser.add_argument("--workers", default="0,2", help="processes that decode, each in turn")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    flags.FLAGS.mark_as_parsed()  # Grain reads a flag of its own

    ways = {"resident": (False, 0)}
    for workers in map(int, arguments.workers.split(",")):
        ways[f"streamed, {workers or 'no'} processes"] = (True, workers)
    runs = {}
    for name, way in ways.items():
        config = command.load(arguments.config)
        config.dataset.data_dir = arguments.data_dir
        runs[name] = Run(config, *way)
    times = {name: [] for name in runs}
    for _ in range(arguments.rounds):
        for name, run in runs.items():
            times[name].append(run.milliseconds())
    for run in runs.values():
        run.close()
    base = statistics.median(times["resident"])
    print("| input | ms/step | spread | over resident |\n| --- | ---: | ---: | ---: |")
    for name, values in times.items():
        median = statistics.median(values)
        spread = f"{min(values):.2f}-{max(values):.2f}"
        print(f"| {name} | {median:.2f} | {spread} | {median / base - 1:+.1%} |")


if __name__ == "__main__":
    main()
