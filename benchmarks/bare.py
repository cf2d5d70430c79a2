"""The bare step of an experiment on its own data: no log, no pictures, no checkpoints."""

import itertools
import time

import jax

from gan_jax import parallel, prng
from gan_jax.config import Config
from gan_jax.data.feed import open_feed
from gan_jax.step import make_call
from gan_jax.train import build


class BareRun:
    """An experiment in training, its first call made."""

    def __init__(self, config: Config):
        run, key = build(config), prng.root(config.seed)
        self._feed = open_feed(config, run.source)
        self._call = parallel.parallelize(make_call(run.step, self._feed.assemble))
        self._state, self._key = parallel.replicate(run.initial(key)), parallel.replicate(key)
        self._items, self._steps_per_call = self._feed.items(0), config.steps_per_call
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
