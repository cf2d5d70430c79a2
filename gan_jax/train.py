"""The loop: build, restore, then step, log, draw and save until the last step."""

import contextlib
import time

from gan_jax import diagnose, parallel, prng
from gan_jax.config import Config
from gan_jax.program import Program
from gan_jax.report.progress import Progress
from gan_jax.session import Follower, Session, open_session
from gan_jax.stopping import StopSignals


def train(config: Config, path: str, began: float | None = None) -> None:
    """Trains, or continues, the run that a directory holds.

    Args:
      config: the experiment.
      path: the run's directory; made if need be.
      began: when the run's start began, by `time.perf_counter`; None: now.

    Raises:
      UsageError: if config, data or directory are not usable. What the directory holds is left as
        it is, unless an image proves damaged when a streamed run comes to it.
      Diverged: if a loss, a gradient or the state is no longer finite.
      Stopped: after SIGTERM, SIGINT or SIGHUP, with the state saved.
    """
    began = time.perf_counter() if began is None else began
    program = Program(config)
    with (
        StopSignals() as signals,
        open_session(program, config, path, Progress(), began=began) as session,
    ):
        _loop(program, session, signals)


def _loop(program: Program, session: Session | Follower, signals: StopSignals) -> None:
    config, start, consensus = program.config, session.start, parallel.Consensus()
    key = parallel.replicate(prng.root(config.seed))
    state = session.take_state()
    with contextlib.suppress(Exception):  # it is the journal's to tell, and ends no run
        diagnose.spectral_norms(state)  # compiles, which shall not count as time of a step
    ends = range(start + config.steps_per_call, config.steps + 1, config.steps_per_call)
    with contextlib.closing(program.feed.items(config.seed, start)) as items:
        for step in ends:
            state, metrics = program.call(state, key, program.feed.constant, next(items))
            session.add(step, metrics)
            session.keep(step, state)
            if consensus.reached(bool(signals.received)) and step < config.steps:
                raise session.stop(step, state, signals.received or "another process's signal")
    for step, folder in session.unscored():
        session.score(step, folder)
        if signals.received:
            raise session.stop(start, state, signals.received)
    session.finish()
