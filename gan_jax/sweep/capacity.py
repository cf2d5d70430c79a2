"""How many members a population holds on this machine."""

import os
import pathlib

import jax
import numpy as np

from gan_jax import parallel, prng
from gan_jax.program import Program
from gan_jax.state import build_models
from gan_jax.step import make_call, make_train_step

MOST_IN_TURNS, MOST_LANES = 8, 64
# Of the memory that is free; and copies of a state: in training, being written, being scored.
_SHARE, _COPIES = 0.5, 3


def places(program: Program, lanes: bool) -> int:
    """As many as half of the free memory takes; at most 64 in lanes on a device, or 8 in turns.

    In turns, one member at a time has working memory, and more of them do not train faster.
    """
    state = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(program.template()))
    if not lanes:
        return _fit(_COPIES * state, _free_on_host(), MOST_IN_TURNS)
    each = _COPIES * state + _working_memory(program)
    most = MOST_LANES * parallel.local_devices()
    return _fit(each, _free_on_devices() * parallel.local_devices(), most)


def _fit(each: int, free: int, most: int) -> int:
    return int(np.clip(_SHARE * free // each, 1, most))


def _working_memory(program: Program) -> int:
    """Bytes of a step of one member beside its state, as its compiler says."""
    config, source, feed = program.config, program.source, program.feed
    models = build_models(config, source.shape, None, source.num_classes)
    call = make_call(make_train_step(program.settled, models, None), feed.assemble)
    shape = (config.steps_per_call, config.d_steps, config.batch_size)
    item = jax.ShapeDtypeStruct(shape, np.int32)
    key = prng.root(config.seed)
    lowered = jax.jit(call).lower(program.template(), key, feed.constant, item)
    return lowered.compile().memory_analysis().temp_size_in_bytes


def _free_on_devices() -> int:
    """Bytes free on the fullest device of this process."""
    stats = [device.memory_stats() for device in jax.local_devices()]
    if not all(stats):
        return _free_on_host()
    return min(each["bytes_limit"] - each["bytes_in_use"] for each in stats)


def _free_on_host() -> int:
    """Bytes that the kernel could give, within a container's limit; not on Linux: all there are."""
    info = pathlib.Path("/proc/meminfo")
    if not info.exists():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    lines = info.read_text().splitlines()
    words = dict(line.split(":") for line in lines)
    free = int(words["MemAvailable"].split()[0]) * 1024
    group = pathlib.Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        return min(free, limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no container, or none with a limit
        return free
