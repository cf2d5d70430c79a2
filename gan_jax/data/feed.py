"""Brings real batches to the devices, the same ones in the same order by either of two ways.

A resident data set lies on every device as it is, and a step is sent the indices of its batches; a
streamed one is decoded by Grain's threads or processes while the devices compute.
"""

import dataclasses
import functools
import hashlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import grain
import numpy as np
from jaxtyping import Array, Int32, PyTree

from gan_jax import parallel
from gan_jax.config import Boost, Config
from gan_jax.data import decoded, images, order
from gan_jax.data.images import DamagedImage
from gan_jax.data.sources import Arrays, Example, Source, cache_key

Batch = dict[str, Array]

_CHUNK = 256  # examples that a thread reads at a time
_WORTH_KEEPING_SECONDS = 1.0


class Feed(NamedTuple):
    """How a run gets its real batches.

    Attributes:
      constant: what every step is given, replicated on the devices.
      items: (seed, first step) -> what its call and each one after it are given, leaves
        [devices, steps, ...], spread over the devices.
      assemble: (constant, one step of one device's share of an item) -> its batch, leaves
        [k, B, ...]; pure.
    """

    constant: PyTree[Array]
    items: Callable[[int, int], Iterator[PyTree[Array]]]
    assemble: Callable[[Any, Any], Batch]


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which examples this process feeds at which step.

    Attributes:
      size: of the data set.
      batch_size: of the global batch.
      rows: [begin, end) of each global batch that this process feeds.
      devices: of this process; they share its rows equally.
      d_steps: batches per step (k).
      boost: the steps that have more.
      steps_per_call: steps that are fed together.
    """

    size: int
    batch_size: int
    rows: tuple[int, int]
    devices: int
    d_steps: int
    boost: Boost = dataclasses.field(default_factory=Boost)
    steps_per_call: int = 1

    def at(self, seed: int, step: int) -> Int32[np.ndarray, "devices k per_device"]:
        """The examples of a step (0, 1, ...)."""
        begin, end = self.rows
        k, before = self.boost.at(step, self.d_steps), self.boost.before(step, self.d_steps)
        starts = [(before + i) * self.batch_size for i in range(k)]
        batches = [order.examples(seed, self.size, start + begin, start + end) for start in starts]
        indices = np.stack(batches).reshape(k, self.devices, -1)
        return np.ascontiguousarray(indices.swapaxes(0, 1))

    def call(self, seed: int, step: int) -> Int32[np.ndarray, "devices steps k per_device"]:
        """The examples of the steps that begin with this one and share a call."""
        return np.stack([self.at(seed, step + i) for i in range(self.steps_per_call)], axis=1)


def open_feed(config: Config, source: Source) -> Feed:
    """The feed of a run: resident where the data set fits, streamed where it does not.

    Args:
      config: reads batch_size, d_steps, d_boost and dataset.
      source: the data.
    """
    dataset, rows = config.dataset, parallel.batch_rows(config.batch_size)
    plan = plan_of(config, len(source), rows, parallel.local_devices())
    bytes_each = math.prod(source.shape) * (1 if len(source.shape) == 3 else 4)
    if len(source) * bytes_each <= dataset.resident_mb * 1e6:
        return resident(source, plan)
    return streamed(source, plan, dataset.workers)


def plan_of(config: Config, size: int, rows: tuple[int, int], devices: int) -> Plan:
    """The plan of a run for a process that feeds some rows of each batch to some devices."""
    return Plan(
        size, config.batch_size, rows, devices, config.d_steps, config.d_boost,
        config.steps_per_call,
    )  # fmt: skip


def resident(source: Source, plan: Plan) -> Feed:
    """Reads the whole source now; each step gathers its batches on the device."""

    def items(seed: int, first: int) -> Iterator[Array]:
        step = first
        while True:
            yield parallel.shard(plan.call(seed, step))
            step += plan.steps_per_call

    def gather(constant: Batch, indices: Array) -> Batch:
        return {name: leaf[indices] for name, leaf in constant.items()}

    return Feed(parallel.replicate(read_all(source)), items, gather)


def streamed(source: Source, plan: Plan, workers: int) -> Feed:
    """Reads each call's examples shortly before it, by threads or by `workers` processes."""

    def items(seed: int, first: int) -> Iterator[Batch]:
        steps = grain.MapDataset.range(first, 2**31, plan.steps_per_call)
        calls = steps.map(_ReadCall(source, plan, seed))
        batches = calls.to_iter_dataset(grain.ReadOptions(num_threads=4, prefetch_buffer_size=4))
        if workers:
            options = grain.MultiprocessingOptions(num_workers=workers)
            end = functools.partial(_end_with, os.getpid())
            batches = batches.mp_prefetch(options, worker_init_fn=end)
        for batch in batches:
            yield parallel.shard(batch)

    return Feed((), items, lambda constant, batch: batch)


def _end_with(parent: int, worker: int, workers: int) -> None:
    """A worker process outlives no kill of its parent, not one before it is up either.

    Ctrl-C, and a terminal that hangs up, it leaves to the parent.
    """
    del worker, workers
    for which in (signal.SIGINT, signal.SIGHUP):
        signal.signal(which, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def read_all(source: Source) -> Example:
    """Read every example, on all cores: {"image": [N, ...], "label": [N]}.

    What took long to decode is kept in the user's cache directory for the next start.

    Raises:
      UsageError: if images cannot be decoded; it names the first ones.
    """
    if isinstance(source, Arrays):
        return {"image": source.images, "label": source.labels}
    key = hashlib.sha256(f"{cache_key(source)} {source.shape}".encode()).hexdigest()
    if (found := decoded.recall(key)) is not None:
        return found
    began = time.perf_counter()
    dtype = np.uint8 if len(source.shape) == 3 else np.float32
    examples = {
        "image": np.empty((len(source), *source.shape), dtype),
        "label": np.empty(len(source), np.int32),
    }

    errors: list[DamagedImage] = []

    def read(places: np.ndarray) -> None:
        try:
            for name, part in source.read(places).items():
                examples[name][places] = part
        except DamagedImage as error:
            if len(places) == 1:
                errors.append(error)
            else:  # find all of them
                for place in places:
                    read(np.array([place]))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        chunks = np.array_split(np.arange(len(source)), -(-len(source) // _CHUNK))
        for _ in pool.map(read, chunks):
            pass
    if errors:
        raise errors[0] if len(errors) == 1 else images.several(errors, len(source))
    if time.perf_counter() - began > _WORTH_KEEPING_SECONDS:
        decoded.keep(key, examples)
    return examples


@dataclasses.dataclass(frozen=True)
class _ReadCall(grain.transforms.Map):
    """First step of a call -> its batches; a class, since worker processes are sent no closure."""

    source: Source
    plan: Plan
    seed: int

    def map(self, step: int) -> Example:
        """Leaves [devices, steps, k, B, ...]."""
        indices = self.plan.call(self.seed, step)
        examples = self.source.read(indices.ravel())
        return {
            name: leaf.reshape(*indices.shape, *leaf.shape[1:]) for name, leaf in examples.items()
        }
