"""Writes the numbers and pictures of a run where tools find them: JSON lines and TensorBoard."""

import contextlib
import pathlib
import time

import numpy as np
from jaxtyping import UInt8
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from gan_jax import workdir

_FLUSH_SECONDS = 120.0


class Metrics:
    """Writer of metrics.jsonl and of TensorBoard's events, to be closed at the end.

    The events are written by who calls, for tensorboardX's own thread takes an error with it: the
    queue to it then fills, and the next event waits for ever. A disk that is full makes such an
    error, and so does a clock that is set back by a month.

    Args:
      directory: the run's directory.
      start: the step that the run goes on from; rows later than it, left by a run that was killed,
        are dropped, for the run writes them again.

    Raises:
      Unwritable: if the system refuses to write, as all methods do.
    """

    def __init__(self, directory: pathlib.Path, start: int):
        self._path = directory / "metrics.jsonl"
        workdir.keep_lines(self._path, start)
        self._file, self._start = directory / "events", start
        self._events: EventsWriter | None = None
        self._flushed = time.perf_counter()

    def close(self) -> None:
        """Flushes the events; once."""
        events, self._events = self._events, None
        if events is None:
            return
        with workdir.writing(self._file):
            try:
                events.close()
            except OSError:
                # It has left its file open, which Python from 3.13 on would complain of at the end.
                with contextlib.suppress(OSError):
                    events._py_recordio_writer.close()
                raise

    def write(self, step: int, values: dict[str, float]) -> None:
        """Adds a row to metrics.jsonl: the step and the values."""
        workdir.append_line(self._path, {"step": step, **values})

    def write_scalars(self, step: int, values: dict[str, float], prefix: str = "") -> None:
        """Adds values to TensorBoard, with a prefix to their names."""
        for name, value in values.items():
            self._write_event(step, summary=summary.scalar(prefix + name, value))
        if time.perf_counter() - self._flushed > _FLUSH_SECONDS:
            self._flush()

    def write_picture(self, step: int, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
        """Adds a picture to TensorBoard."""
        self._write_event(step, summary=summary.image("samples", pixels, dataformats="HWC"))
        self._flush()

    def _write_event(self, step: int, **what: object) -> None:
        with workdir.writing(self._file):
            if self._events is None:
                self._open()
            self._events.write_event(Event(step=step, wall_time=time.time(), **what))

    def _open(self) -> None:
        """Makes the file, and has TensorBoard drop the events that are later than the start."""
        self._events = EventsWriter(str(self._file))
        first = self._start + 1 if self._start else 0
        session = SessionLog(status=SessionLog.START)
        self._events.write_event(Event(step=first, wall_time=time.time(), session_log=session))
        self._flush()

    def _flush(self) -> None:
        with workdir.writing(self._file):
            self._events.flush()
        self._flushed = time.perf_counter()
