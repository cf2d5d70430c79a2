"""What a step costs with its data on the device and with its data streamed.

  python -m benchmarks.input [--config=FILE] [--data_dir=DIR] [--workers=0,2]

The same run in one process, in turns of 200 steps: resident, then streamed by threads, then by so
many processes.
"""

import argparse
import statistics

from absl import flags

from benchmarks.bare import BareRun
from gan_jax import command, startup

_STEPS = 200


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
    startup.prepare(command.load(arguments.config))
    flags.FLAGS.mark_as_parsed()  # Grain reads a flag of its own

    ways = {"resident": (10**6, 0)}
    for workers in map(int, arguments.workers.split(",")):
        ways[f"streamed, {workers or 'no'} processes"] = (0, workers)
    runs = {}
    for name, way in ways.items():
        config = command.load(arguments.config)
        config.dataset.data_dir = arguments.data_dir
        config.dataset.resident_mb, config.dataset.workers = way
        runs[name] = BareRun(config)
    times = {name: [] for name in runs}
    for _ in range(arguments.rounds):
        for name, run in runs.items():
            times[name].append(run.milliseconds(_STEPS))
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
