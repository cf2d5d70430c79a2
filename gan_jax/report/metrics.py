"""Writes the numbers and pictures of a run where tools find them: JSON lines and TensorBoard."""

import pathlib

import numpy as np
from jaxtyping import UInt8
from tensorboardX import SummaryWriter

from gan_jax import workdir


class Metrics:
    """Writer of metrics.jsonl and of TensorBoard's events, to be closed at the end.

    Args:
      directory: the run's directory.
      start: the step that the run goes on from; rows later than it, left by a run that was killed,
        are dropped, for the run writes them again.
    """

    def __init__(self, directory: pathlib.Path, start: int):
        self._path = directory / "metrics.jsonl"
        workdir.keep_lines(self._path, start)
        self._events = SummaryWriter(str(directory), purge_step=start + 1 if start else 0)

    def close(self) -> None:
        """Flushes the events."""
        self._events.close()

    def write(self, step: int, values: dict[str, float]) -> None:
        """Adds a row: the step and the values."""
        workdir.append_line(self._path, {"step": step, **values})
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def write_scores(self, step: int, scores: dict[str, float]) -> None:
        """Adds an evaluation to TensorBoard; its row in eval.jsonl is `evaluate.record`'s."""
        for name, value in scores.items():
            self._events.add_scalar(f"eval/{name}", value, step)

    def write_picture(self, step: int, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
        """Adds a picture to TensorBoard."""
        self._events.add_image("samples", pixels, step, dataformats="HWC")
        self._events.flush()
