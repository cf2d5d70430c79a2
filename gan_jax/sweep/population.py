"""Trains several runs of one program side by side, each as if it were alone.

Members differ in traced settings and seeds, so one compiled program serves them all. How, depends
on what measures faster (docs/sweeps.md):

  Turns   on a CPU: the trainer's own compiled step, which each member has to itself until it is to
          write something. All devices share a member's batch, as they do when it trains alone, so a
          member's numbers are those of the run alone, bit for bit.
  Lanes   on accelerators: one dispatch makes a step of all members, mapped by `jax.vmap`; devices
          share the members. The numbers are those of the run alone on one device, to rounding.
"""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from gan_jax import parallel, prng
from gan_jax.config import Config
from gan_jax.data.feed import plan_of
from gan_jax.errors import Unwritable
from gan_jax.pace import Stopwatch
from gan_jax.program import Program
from gan_jax.report.progress import Silence
from gan_jax.session import open_session
from gan_jax.state import GANState, build_models
from gan_jax.step import make_call, make_train_step
from gan_jax.stopping import StopSignals


class Member:
    """A run in a population, its directory open from the start to `close`.

    Args:
      program: one that serves its config.
      config: the run's.
      path: its directory.
      writer: the thread that writes for all members.
      command: what trains it alone.

    Attributes:
      step: steps behind it.
      error: what ended it before its last step; None while all is well.
      session: its directory.

    Raises:
      UsageError: as `open_session` does.
    """

    def __init__(
        self,
        program: Program,
        config: Config,
        path: str,
        writer: ThreadPoolExecutor,
        command: str = "",
    ):
        self.config, self.error = config, None
        self._stack = contextlib.ExitStack()
        self.session = self._stack.enter_context(
            open_session(program, config, path, Silence(), writer, command)
        )
        self.step = self.session.start
        self.key = prng.root(config.seed)

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to train."""
        return self.error is not None or self.step >= self.config.steps

    def settle(self) -> None:
        """Waits until all that was handed over is written, scores among it."""
        with self.guard():
            self.session.journal.settle()

    def finish(self) -> None:
        """Waits until all is written that its last step calls for."""
        with self.guard():
            self.session.journal.finish()

    def stop(self, state: GANState, signal: str) -> None:
        """Saves its state before its last step."""
        with self.guard():
            raise self.session.stop(self.step, state, signal)

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Within it, what goes wrong ends this member alone."""
        try:
            yield
        except Exception as error:
            self.error = error

    def close(self, error: Exception | None = None) -> None:
        """Closes its directory, whose manifest tells how it ended.

        Args:
          error: what ended it; None: its own, if it has one.
        """
        error = error or self.error
        if error is None:
            self._stack.close()
            return
        with contextlib.suppress(Unwritable):  # its own, told with what is saved, or a later one
            self._stack.__exit__(type(error), error, error.__traceback__)


class Turns:
    """Members that have the devices one after another.

    Args:
      program: of all of them.
      places: how many there are at most.
      signals: what ends a turn early.
    """

    def __init__(self, program: Program, places: int, signals: StopSignals):
        self._program, self.places, self._signals = program, places, signals
        self._states: dict[Member, GANState] = {}
        self._items: dict[Member, Any] = {}

    def members(self) -> list[Member]:
        """Who has a place."""
        return list(self._states)

    def enter(self, member: Member) -> None:
        """Gives it a place."""
        self._states[member] = member.session.take_state()
        self._items[member] = self._program.feed.items(member.config.seed, member.step)
        member.key = parallel.replicate(member.key)

    def leave(self, member: Member) -> None:
        """Frees its place."""
        del self._states[member]
        self._items.pop(member).close()

    def state(self, member: Member) -> GANState:
        """Its state, on the devices."""
        return self._states[member]

    def advance(self, members: list[Member]) -> None:
        """Trains each to its next step that something is written of."""
        for member in members:
            with member.guard():
                self._turn(member)

    def _turn(self, member: Member) -> None:
        call, constant = self._program.call, self._program.feed.constant
        session, watch = member.session, Stopwatch()
        end, first = session.next_due(member.step), member.step == session.start
        while member.step < end and not self._signals.received:
            state = self._states[member]
            item = next(self._items[member])
            self._states[member], metrics = call(state, member.key, constant, item)
            member.step += member.config.steps_per_call
            session.add(member.step, metrics, timed=False)
            if first:  # it may have compiled, and the directory was opened
                session.journal.go_on(member.step)
                watch, first = Stopwatch(), False
        if member.step == end:
            jax.block_until_ready(self._states[member])
            session.journal.took(member.step, *watch.lap())
            member.session.keep(end, self._states[member])


class Lanes:
    """Members that are trained together; arguments as for `Turns`.

    The members' states are one tree with [devices, lanes] in front. A lane that nobody has goes on
    with what it holds, so that the program stays the same.
    """

    def __init__(self, program: Program, places: int, signals: StopSignals):
        config, source = program.config, program.source
        self._devices = parallel.local_devices()
        self._width = -(-places // self._devices)
        self.places = self._width * self._devices
        self._signals = signals
        self._plan = plan_of(config, len(source), (0, config.batch_size), devices=1)
        self._constant = program.feed.constant
        models = build_models(config, source.shape, None, source.num_classes)
        call = make_call(make_train_step(program.settled, models, None), program.feed.assemble)
        self._call = parallel.populate(call)
        self._calls_of_each = config.steps_per_call
        self._lanes: list[Member | None] = [None] * self.places
        self._compiled = False
        self._stack: PyTree = None
        self._keys: Any = None

    def members(self) -> list[Member]:
        """Who has a place."""
        return [member for member in self._lanes if member is not None]

    def enter(self, member: Member) -> None:
        """Gives it a place."""
        lane = self._lanes.index(None)
        self._lanes[lane] = member
        state, place = jax.device_get(member.session.take_state()), self._place(lane)
        data = jax.random.key_data(member.key)
        if self._stack is None:
            shape = (self._devices, self._width)

            def spread(leaf: Any) -> np.ndarray:
                return np.broadcast_to(leaf, shape + np.shape(leaf))

            self._stack = parallel.shard(jax.tree.map(spread, state))
            self._keys = spread(np.asarray(data)).copy()
            return
        self._stack = _put(self._stack, state, place)
        self._keys[place] = data

    def leave(self, member: Member) -> None:
        """Frees its place."""
        self._lanes[self._lanes.index(member)] = None

    def state(self, member: Member) -> GANState:
        """A copy of its state, on the devices as the trainer has it."""
        place = self._place(self._lanes.index(member))
        return parallel.replicate(jax.device_get(_take(self._stack, place)))

    def advance(self, members: list[Member]) -> None:
        """Trains all of them until something is to be written of one."""
        per_call = self._calls_of_each
        ahead = min(member.session.next_due(member.step) - member.step for member in members)
        keys = parallel.shard(jax.random.wrap_key_data(jnp.asarray(self._keys)))
        made, watch = [], Stopwatch()
        for i in range(ahead // per_call):
            if self._signals.received:
                break
            item = parallel.shard(self._item(i * per_call, members[0]))
            self._stack, metrics = self._call(self._stack, keys, self._constant, item)
            made.append(metrics)
        made = jax.device_get(made)
        seconds, calm = watch.lap()
        for member in members:
            place = self._place(self._lanes.index(member))
            due = member.session.next_due(member.step)
            with member.guard():
                for metrics in made:
                    member.step += per_call
                    own = {name: values[place] for name, values in metrics.items()}
                    member.session.add(member.step, own, timed=False)
                if made and self._compiled:
                    member.session.journal.took(member.step, seconds, calm)
                elif made:
                    member.session.journal.go_on(member.step)
                if member.step == due and made:
                    member.session.keep(member.step, self.state(member))
        self._compiled = self._compiled or bool(made)

    def _item(self, ahead: int, stand_in: Member) -> np.ndarray:
        """Indices of the real examples, [devices, lanes, steps, k, batch]."""
        lanes = [member or stand_in for member in self._lanes]
        items = [self._plan.call(m.config.seed, m.step + ahead)[0] for m in lanes]
        return np.stack(items).reshape(self._devices, self._width, *items[0].shape)

    def _place(self, lane: int) -> tuple[int, int]:
        return divmod(lane, self._width)


def goes_in_lanes(program: Program) -> bool:
    """Whether this machine trains members of a program together rather than in turns.

    They must have a step of one shape, and data that stay on the devices.
    """
    resident = bool(jax.tree.leaves(program.feed.constant))
    return jax.default_backend() != "cpu" and resident and not program.config.d_boost.d_steps


def _put(stack: PyTree, state: GANState, place: tuple[int, int]) -> PyTree:
    return jax.tree.map(lambda all_of, own: all_of.at[place].set(own), stack, state)


def _take(stack: PyTree, place: tuple[int, int]) -> GANState:
    """Of one place, from the device that holds it.

    Indexing the whole array would have all devices talk to each other for every leaf: many such
    programs at once can wait for each other, upon which XLA ends the process after 40 seconds.
    """
    device, lane = place

    def own(all_of: Array) -> Array:
        shards = {shard.device: shard.data for shard in all_of.addressable_shards}
        return shards[jax.local_devices()[device]][0, lane]

    return jax.tree.map(own, stack)
