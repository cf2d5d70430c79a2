"""How one step runs on all devices of all processes; the one file that names pmap or a mesh.

State is replicated and never stacked: it goes in and comes out with axis None, so a checkpoint does
not know how many devices there were. Batches carry the devices of this process in front.
"""

import collections
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, PyTree

from gan_jax.errors import UsageError

AXIS = "devices"
_CALLS_AHEAD = 2
T = TypeVar("T")


def parallelize(step: Callable) -> Callable:
    """Maps a per-device step over all devices.

    `out_axes=None` believes that the outputs are equal on all devices without looking: a step that
    forgets a mean is silently wrong here, and raises under `jax.vmap` with the same axes (tests).

    Args:
      step: (state, key, constant, item) -> (state, metrics), pure, for one device; it knows the
        axis name `AXIS`.

    Returns:
      The same function of a replicated state (donated), key and constant, and an item whose leaves
      have this process's devices in front.
    """
    return jax.pmap(step, AXIS, in_axes=(None, None, None, 0), out_axes=None, donate_argnums=0)


def parallelize_by_shard_map(step: Callable) -> Callable:
    """`parallelize` without pmap, bit for bit the same, for the day that pmap goes.

    On one process: on several, the mesh would have to hold the devices of all of them.
    """

    def local(state, key, constant, item):
        return step(state, key, constant, jax.tree.map(lambda leaf: leaf[0], item))

    same = PartitionSpec()
    mapped = jax.shard_map(
        local,
        mesh=_mesh(),
        in_specs=(same, same, same, PartitionSpec(AXIS)),
        out_specs=same,
        check_vma=False,
    )
    return jax.jit(mapped, donate_argnums=0)


def populate(call: Callable) -> Callable:
    """Maps a call over the members of a population, each of them whole on one device.

    Args:
      call: (state, key, constant, item) -> (state, metrics), pure, with no device axis.

    Returns:
      The same, where states (donated), keys, items and metrics have [this process's devices,
      members on each] in front.
    """
    members = jax.vmap(call, in_axes=(0, 0, None, 0))
    return jax.pmap(members, in_axes=(0, 0, None, 0), donate_argnums=0)


def map_examples(function: Callable[..., T]) -> Callable[..., T]:
    """A function of examples, each by itself, on all devices of this process.

    Args:
      function: (tree, array with the examples in front) -> arrays with the examples in front; pure.

    Returns:
      The same for any number of examples, in host memory. Compiled once for each number.
    """
    begin = _spread(function)
    return lambda tree, examples: begin(tree, examples)()


def map_batches(
    function: Callable[..., T], *, whole: bool = False
) -> Callable[[PyTree, Iterable[np.ndarray]], Iterator[T]]:
    """`map_examples` for a stream of batches: the next one is computed while one is used.

    Args:
      function: as for `map_examples`.
      whole: it looks at a batch as a whole, which is therefore not spread over devices.

    Returns:
      (tree, batches) -> what the function makes of each, in host memory.
    """
    begin = _whole(function) if whole else _spread(function)

    def run(tree: PyTree, batches: Iterable[np.ndarray]) -> Iterator[T]:
        under_way = collections.deque()
        for batch in batches:
            under_way.append(begin(tree, batch))
            if len(under_way) > 1:
                yield under_way.popleft()()
        while under_way:
            yield under_way.popleft()()

    return run


def map_devices(function: Callable[..., T]) -> Callable[..., T]:
    """A function on all devices of this process, each with a share of its own.

    Args:
      function: (tree, share) -> tree, pure, for one device.

    Returns:
      The same, where shares and what is made of them have the devices in front and stay on them.
    """
    return jax.pmap(function, in_axes=(None, 0), devices=jax.local_devices())


def _spread(function: Callable[..., T]) -> Callable[..., Callable[[], T]]:
    """(tree, examples) -> what waits for the result, which all devices are at by then."""
    mapped = jax.pmap(function, in_axes=(None, 0), devices=jax.local_devices())

    def begin(tree: PyTree, examples: np.ndarray) -> Callable[[], T]:
        devices, count = local_devices(), len(examples)
        missing = -count % devices
        padded = np.concatenate([examples, np.repeat(examples[:1], missing, axis=0)])
        made = mapped(tree, padded.reshape(devices, -1, *padded.shape[1:]))

        def end() -> T:
            return jax.tree.map(
                lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:])[:count], made
            )

        return end

    return begin


def _whole(function: Callable[..., T]) -> Callable[..., Callable[[], T]]:
    """As `_spread`, with no part of the examples left to another device."""
    compiled = jax.jit(function)

    def begin(tree: PyTree, examples: np.ndarray) -> Callable[[], T]:
        made = compiled(tree, examples)
        return lambda: jax.device_get(made)

    return begin


class Backlog:
    """Keeps few calls under way: enough to keep the devices busy, few enough to stop soon."""

    def __init__(self):
        self._sent: collections.deque[PyTree] = collections.deque()

    def add(self, outputs: PyTree) -> None:
        """Takes what a call returns, and waits for the last one but two."""
        self._sent.append(outputs)
        if len(self._sent) > _CALLS_AHEAD:
            jax.block_until_ready(self._sent.popleft())


class Consensus:
    """Has all processes of a run know at the same call that one of them is to stop.

    Each call sums over all devices what each process says. The answer is waited for a few calls
    later, when it is long there.
    """

    def __init__(self):
        self._asked: collections.deque[Array] = collections.deque()
        self._sum = jax.pmap(lambda said: jax.lax.psum(said, AXIS), AXIS, out_axes=None)

    def reached(self, stop: bool) -> bool:
        """Whether to stop now; to be called by all processes after each call of the step.

        Args:
          stop: whether this process is to.
        """
        if not several_processes():
            return stop
        self._asked.append(self._sum(shard(np.full(local_devices(), stop, np.int32))))
        return len(self._asked) > _CALLS_AHEAD and bool(int(self._asked.popleft()))


def broadcast(tree: T) -> T:
    """Process 0's tree of arrays, in host memory; shapes and types must be the same on all.

    It is sent as bytes: JAX adds zeros to numbers, which makes a -0 a 0.
    """
    leaves, structure = jax.tree.flatten(jax.device_get(tree))
    own = [np.ravel(leaf).view(np.uint8) for leaf in leaves]
    sent = multihost_utils.broadcast_one_to_all(own)
    got = [
        np.asarray(data).view(leaf.dtype).reshape(np.shape(leaf))
        for data, leaf in zip(sent, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, got)


def same_everywhere(text: str) -> bool:
    """Whether all processes have this text; to be called by all of them."""
    if not several_processes():
        return True
    own = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    return bool((multihost_utils.process_allgather(own) == own).all())


def several_processes() -> bool:
    """Whether the run has more than this one."""
    return jax.process_count() > 1


def is_primary() -> bool:
    """Whether this is the process that keeps the run's record."""
    return jax.process_index() == 0


def mean(tree: T, axis_name: str | None) -> T:
    """The mean over devices of every leaf; the tree itself where there is no axis."""
    return jax.lax.pmean(tree, axis_name) if axis_name else tree


def example_ids(per_device: int, axis_name: str | None) -> Int[Array, "per_device"]:
    """The places in the global batch of the examples that this device holds."""
    first = jax.lax.axis_index(axis_name) * per_device if axis_name else 0
    return first + jnp.arange(per_device, dtype=jnp.int32)


def replicate(tree: T) -> T:
    """Puts a copy of every leaf on each device of this process, ready to be donated."""
    return jax.device_put(tree, NamedSharding(_mesh(), PartitionSpec()))


def shard(tree: PyTree) -> PyTree[Array]:
    """Spreads leaves of shape [local devices, ...] over the devices of this process."""
    return jax.device_put(tree, NamedSharding(_mesh(), PartitionSpec(AXIS)))


def check_batch_size(batch_size: int) -> None:
    """Refuses a global batch that the devices cannot share equally.

    Raises:
      UsageError: with the numbers, and the nearest batch sizes that do.
    """
    devices = device_count()
    if batch_size % devices:
        low = batch_size // devices * devices
        fits = f"{low} or {low + devices}" if low else f"{devices}"
        raise UsageError(
            f"config.batch_size={batch_size}: {devices} devices share a batch equally; "
            f"take a multiple of {devices}, such as {fits}"
        )


def batch_rows(batch_size: int) -> tuple[int, int]:
    """The slice [begin, end) of each global batch that this process feeds."""
    per_process = batch_size // jax.process_count()
    begin = jax.process_index() * per_process
    return begin, begin + per_process


def local_devices() -> int:
    """Devices of this process."""
    return jax.local_device_count()


def device_count() -> int:
    """Devices of all processes."""
    return jax.device_count()


def _mesh() -> Mesh:
    return Mesh(np.array(jax.local_devices()), (AXIS,))
