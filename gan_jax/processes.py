"""Joins the processes of one run, and ends this one in a clear way when another is lost.

JAX connects them and watches that all live (`jax.distributed`). It meets the loss of one by ending
the others with an abort; here that abort becomes a line that says what to do, and an exit code.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

import jax

from gan_jax.errors import GanJaxError, Stopped, UsageError, first_line
from gan_jax.stopping import SIGNALS

_HEARTBEAT_SECONDS = 30  # after so long a silence JAX takes a process for lost
_CONNECT_SECONDS = 120
_HEADSTART_SECONDS = 2  # for the others to say what is wrong: they end as soon as process 0 does
_DAY = 24 * 60 * 60
_LOST = (
    "error: another process of this run has ended or cannot be reached, or this one was aborted "
    "(see above); what was saved is kept; run the same command on all of them to continue\n"
)

_AbortHandler = ctypes.CFUNCTYPE(None, ctypes.c_int)
_set_on_abort = ctypes.CDLL(None).signal
_set_on_abort.argtypes, _set_on_abort.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p


class Processes(NamedTuple):
    """Which processes a run has.

    Attributes:
      coordinator_address: HOST:PORT of process 0, as the others reach it; auto: as JAX finds it
        out of what SLURM, Open MPI, Cloud TPU or Kubernetes tell; empty: there is one process.
      num_processes: how many; 0 with auto.
      process_id: which one this is, from 0; -1 with auto.
    """

    coordinator_address: str = ""
    num_processes: int = 0
    process_id: int = -1


@contextlib.contextmanager
def joined(processes: Processes) -> Iterator[None]:
    """Within it, this process is one of the run's; to be entered before JAX computes anything.

    All that ends the block but `Stopped`, which all processes raise together, ends the process at
    once, so that the others do not wait for it.

    Raises:
      UsageError: if the processes do not add up, or cannot be reached.
    """
    if processes == Processes():
        yield
        return
    on_abort = _join(_checked(processes))
    try:
        _check_alike()
        yield
    except Stopped:
        _part(on_abort)
        raise
    except BaseException as error:
        _leave(error)
    _part(on_abort)


def _checked(processes: Processes) -> Processes:
    address, count, own = processes
    if address == "auto":
        if (count, own) != (0, -1):
            raise UsageError(
                "--coordinator_address=auto: JAX finds the number of processes and each one's own; "
                "leave out --num_processes and --process_id"
            )
        return processes
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise UsageError(
            f"--coordinator_address={address}: takes HOST:PORT of process 0, or auto under SLURM, "
            "Open MPI, Cloud TPU or Kubernetes"
        )
    if count < 1:
        raise UsageError(f"--num_processes={count}: takes 1 or more, with --coordinator_address")
    if not 0 <= own < count:
        raise UsageError(f"--process_id={own}: takes 0 to {count - 1}, another in each process")
    return processes


def _join(processes: Processes) -> int | None:
    """Returns what was done on an abort before."""
    # JAX would take SIGTERM for itself; the trainer has its own way to stop at one step.
    jax.config.update("jax_enable_preemption_service", False)
    named = processes._asdict()
    advice = "start all of them, with the same address and number, and leave that port free"
    if processes.coordinator_address == "auto":
        named = {}
        advice = "or name HOST:PORT, --num_processes and --process_id yourself"
    try:
        jax.distributed.initialize(
            **named,
            initialization_timeout=_CONNECT_SECONDS,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=_DAY,  # process 0 may have much to write at the end
        )
    except Exception as error:  # each cluster's detection raises what it likes
        raise UsageError(
            f"--coordinator_address={processes.coordinator_address}: the processes could not be "
            f"joined ({first_line(error)}); {advice}"
        ) from error
    return _set_on_abort(signal.SIGABRT, ctypes.cast(_on_abort, ctypes.c_void_p))


def _part(on_abort: int | None) -> None:
    """Waits for the others: process 0 may have much to write, which no signal shall cut short."""
    for which in SIGNALS:
        signal.signal(which, signal.SIG_IGN)
    jax.distributed.shutdown()
    _set_on_abort(signal.SIGABRT, on_abort)


def _check_alike() -> None:
    everywhere, here = jax.device_count(), jax.local_device_count()
    if everywhere != here * jax.process_count():
        raise UsageError(
            f"{everywhere} devices on {jax.process_count()} processes, {here} of them here: all "
            "need the same number"
        )


def _leave(error: BaseException) -> NoReturn:
    """Ends this process without a word to the others, who notice that it is gone."""
    code = 130
    if isinstance(error, KeyboardInterrupt):
        print("interrupted; what was saved is kept", file=sys.stderr)
    elif isinstance(error, GanJaxError):
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    elif isinstance(error, Exception):
        # Where a process is lost, its neighbors' next sum fails at once and JAX's watch sees it
        # later: it ends this process while it sleeps, and with that line.
        if isinstance(error, jax.errors.JaxRuntimeError):
            time.sleep(_HEARTBEAT_SECONDS + 5)
        traceback.print_exception(error)
        code = 1
    if jax.process_index() == 0:
        time.sleep(_HEADSTART_SECONDS)
    _end(code)


@_AbortHandler
def _on_abort(number: int) -> None:
    """Runs in the thread that JAX aborts in, after it has said why."""
    del number
    os.write(2, _LOST.encode())
    _end(Stopped.exit_code)


def _end(code: int) -> NoReturn:
    """Without the exit handlers, of which JAX's waits for the other processes."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
