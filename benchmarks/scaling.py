"""What an image costs by the number of devices and by the size of the batch.

  python -m benchmarks.scaling [--model=dcgan28] [--devices=1,2,4,8] [--batches=16,64,256,1024]

On a CPU the devices are fakes that share its cores: at the same global batch, what more of them
cost is what the mapped step adds. Each number of devices is a process of its own, and so is each
batch; they take turns.
"""

import argparse
import os
import statistics
import sys

from benchmarks.cases import CASES
from benchmarks.workers import Worker


def main() -> None:
    """Measures and prints both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=CASES, default="dcgan28")
    parser.add_argument("--devices", default="1,2,4,8")
    parser.add_argument("--batches", default="16,64,256,1024")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long a turn is")
    arguments = parser.parse_args()

    usual = CASES[arguments.model]().config.batch_size
    for title, settings in (
        ("devices", [(int(count), usual) for count in arguments.devices.split(",")]),
        ("batch", [(1, int(batch)) for batch in arguments.batches.split(",")]),
    ):
        print(f"| {arguments.model}, {title} | us/image | spread | over the first |")
        print("| --- | ---: | ---: | ---: |")
        for name, cost, low, high, ratio in _measure(arguments, title, settings):
            print(f"| {name} | {cost:.0f} | {low:.0f}-{high:.0f} | {ratio:.2f} |")
        print()


def _measure(arguments: argparse.Namespace, title: str, settings: list[tuple[int, int]]):
    unit = CASES[arguments.model]().config.steps_per_call
    workers = []
    for devices, batch in settings:
        command = [sys.executable, "-m", "benchmarks.ours", arguments.model]
        worker = Worker(
            str(devices if title == "devices" else batch),
            [*command, f"--batch_size={batch}"],
            os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)},
        )
        if not worker.wait(600):
            sys.exit(f"error: {devices} devices, batch {batch}: did not start within 600 s")
        worker.ask(str(unit))
        each = worker.ask(str(unit))["seconds"]
        workers.append((worker, unit * max(1, round(arguments.seconds / each)), batch))
    costs = {worker: [] for worker, _, _ in workers}
    for _ in range(arguments.rounds):
        for worker, steps, batch in workers:
            costs[worker].append(worker.ask(str(steps))["seconds"] / steps / batch * 1e6)
    first = statistics.median(costs[workers[0][0]])
    for worker, values in costs.items():
        worker.stop()
        median = statistics.median(values)
        yield worker.name, median, min(values), max(values), median / first


if __name__ == "__main__":
    main()
