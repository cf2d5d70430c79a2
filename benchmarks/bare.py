"""The bare step of an experiment on its own data: no log, no pictures, no checkpoints."""

import itertools
import time

import jax

from gan_jax import parallel, prng
from gan_jax.config import Config
from gan_jax.program import Program


class BareRun:
    """An experiment in training, its first call made."""

    def __init__(self, config: Config):
        program = Program(config)
        self._feed, self._call = program.feed, program.call
        self._state = parallel.replicate(program.start(config))
        self._key = parallel.replicate(prng.root(config.seed))
        self._items = self._feed.items(config.seed, 0)
        self._steps_per_call = config.steps_per_call
        self.milliseconds(config.steps_per_call)

    def milliseconds(self, steps: int) -> float:
        """Of one step, over so many: whole calls."""
        began = time.perf_counter()
        for item in itertools.islice(self._items, steps // self._steps_per_call):
            self._state, metrics = self._call(self._state, self._key, self._feed.constant, item)
        jax.block_until_ready(metrics)
        return (time.perf_counter() - began) / steps * 1e3

    def close(self) -> None:
        """Ends the threads and processes that decode."""
        self._items.close()
