"""What the mapped step costs over plain `jax.jit`, on one device.

  python -m benchmarks.mapping [--config=FILE] [--data_dir=DIR] [--steps=200] [--rounds=9]

In one process and in turn: so many steps as the trainer makes them (pmap, means over one device),
and the same steps compiled without any axis. For data that stay on the device.
"""

import argparse
import itertools
import statistics
import time

import jax

from benchmarks.bare import BareRun
from gan_jax import command, prng, startup
from gan_jax.config import Config
from gan_jax.data.feed import plan_of
from gan_jax.program import Program
from gan_jax.state import build_models
from gan_jax.step import make_call, make_train_step


class PlainRun:
    """An experiment in training without a device axis, its first call made."""

    def __init__(self, config: Config):
        program = Program(config)
        models = build_models(config, program.source.shape, None, program.source.num_classes)
        call = make_call(make_train_step(program.settled, models, None), program.feed.assemble)
        self._call = jax.jit(call, donate_argnums=0)
        self._constant, self._steps_per_call = program.feed.constant, config.steps_per_call
        self._state, self._key = program.start(config), prng.root(config.seed)
        plan = plan_of(config, len(program.source), (0, config.batch_size), devices=1)
        self._items = (
            jax.device_put(plan.call(config.seed, step)[0])
            for step in itertools.count(0, config.steps_per_call)
        )
        self.milliseconds(config.steps_per_call)

    def milliseconds(self, steps: int) -> float:
        """Of one step, over so many."""
        began = time.perf_counter()
        for item in itertools.islice(self._items, steps // self._steps_per_call):
            self._state, metrics = self._call(self._state, self._key, self._constant, item)
        jax.block_until_ready(metrics)
        return (time.perf_counter() - began) / steps * 1e3


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="experiments/digits_dcgan.py")
    parser.add_argument("--data_dir", default="", help="where TFDS keeps prepared data")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    config = command.load(arguments.config)
    config.dataset.data_dir = arguments.data_dir
    startup.prepare(config)
    if jax.device_count() > 1:
        parser.error(f"{jax.device_count()} devices are in sight; leave one")
    mapped, plain = BareRun(config), PlainRun(config)
    found = [
        (mapped.milliseconds(arguments.steps), plain.milliseconds(arguments.steps))
        for _ in range(arguments.rounds)
    ]
    mapped.close()
    for name, times in zip(("mapped", "plain"), zip(*found, strict=True), strict=True):
        print(
            f"{name}: {statistics.median(times):.2f} ms a step ({min(times):.2f}-{max(times):.2f})"
        )
    ratio = statistics.median(ours / theirs for ours, theirs in found)
    print(f"mapped over plain: {ratio:.3f}")


if __name__ == "__main__":
    main()
