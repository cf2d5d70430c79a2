"""What a config stands for: its data, its networks and all that is compiled for them.

Settings that are traced (`config.setting`) are numbers of the state and a seed is a key, so one
program serves every config that differs from its own in these alone.
"""

import functools
import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gan_jax import augment, checks, parallel, prng, startup
from gan_jax.config import Config, as_dict, validate, walk
from gan_jax.data.feed import Feed, open_feed
from gan_jax.data.sources import Source, open_source
from gan_jax.evaluate.evaluator import Evaluator
from gan_jax.evaluate.features import Extractor
from gan_jax.evaluate.subjects import make_samples
from gan_jax.preview import make_painter
from gan_jax.state import GANState, build_models, init_state, with_numbers
from gan_jax.step import make_call, make_train_step


class Program:
    """Everything that a config stands for; nothing is compiled, decoded or written to make it.

    Args:
      config: of the run, or of any of those that it serves.
      source: its data, where they are open already.
      extractor: what its samples are compared by, where that is open already.

    Attributes:
      config: as given.
      source: where the real data come from.
      settled: the config, with what depends on the number of examples decided.
      models: the two networks.
      initial: root key -> the state before the first step, with this config's own numbers.
      step: (state, root key, batch) -> (state, metrics), for one device.
      painter: how a state is drawn.
      samples: (state, seed) -> what its G makes, to be scored.
      evaluator: scores it.

    Raises:
      UsageError: names the field that is off.
    """

    def __init__(
        self, config: Config, source: Source | None = None, extractor: Extractor | None = None
    ):
        validate(config)
        parallel.check_batch_size(config.batch_size)
        self.config = config
        self.source = open_source(config.dataset) if source is None else source
        self.settled = augment.settled(config, len(self.source))
        shape, num_classes = self.source.shape, self.source.num_classes
        self.models = build_models(config, shape, parallel.AXIS, num_classes)
        self.initial = jax.jit(
            lambda key: init_state(config, self.models, shape, key),
            compiler_options=startup.options_of_what_runs_once(),
        )
        self.template()  # networks may refuse the shape
        self.check(config)
        self.step = make_train_step(self.settled, self.models, parallel.AXIS)
        self.painter = make_painter(config, self.models, num_classes)
        self.samples = make_samples(config, self.models, num_classes)
        self.evaluator = Evaluator(config, self.source, extractor)

    def check(self, config: Config) -> None:
        """Refuses a config whose numbers make no sense with the rest.

        Raises:
          UsageError: names the field that is off.
        """
        checks.check(config, self.source.shape, self.source.num_classes, self.template())

    def template(self) -> GANState:
        """The shapes and types of a state."""
        return jax.eval_shape(self.initial, prng.root(self.config.seed))

    def start(self, config: Config) -> GANState:
        """The state before the first step of a config that this program serves."""
        return with_numbers(self.initial(prng.root(config.seed)), config)

    @functools.cached_property
    def feed(self) -> Feed:
        """How the real batches come; reads the data, where they stay on the devices."""
        return open_feed(self.config, self.source)

    @functools.cached_property
    def call(self) -> Callable[..., tuple[GANState, dict[str, np.ndarray]]]:
        """(state, root key, feed.constant, item) -> (state, metrics), on all devices."""
        return parallel.parallelize(make_call(self.step, self.feed.assemble))


def static_part(config: Config) -> str:
    """What of a config is compiled: configs with equal ones share a program."""
    fields: dict[str, Any] = as_dict(config)
    for path, field, _ in walk(config):
        if field.metadata["traced"]:
            *groups, last = path.split(".")[1:]
            functools.reduce(dict.__getitem__, groups, fields).pop(last)
    return json.dumps(fields, sort_keys=True)
