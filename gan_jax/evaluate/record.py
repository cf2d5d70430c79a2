"""Scores a run in training, and keeps the checkpoint that is best by the config's metric."""

import logging
import pathlib
from collections.abc import Callable
from typing import Any

from gan_jax import reproduce, workdir
from gan_jax.checkpoint import Checkpoints
from gan_jax.evaluate import rows
from gan_jax.evaluate.rows import Row
from gan_jax.state import GANState

_LOGGER = logging.getLogger(__name__)


class Record:
    """The scores of one run.

    Args:
      directory: the run's; what was scored after `start` is dropped, and scored again.
      start: the step that the run goes on from.
      metric: by which the best is the best.
      checkpoints: where the best is kept, alone.
      score: a state in host memory -> its row, but for the step.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        start: int,
        metric: str,
        checkpoints: Checkpoints,
        score: Callable[[GANState], dict[str, Any]],
    ):
        self._directory, self._metric = directory, metric
        self._checkpoints, self._score = checkpoints, score
        self._protocol: str | None = None
        workdir.keep_lines(directory / "eval.jsonl", start)

    def take(self, step: int, state: GANState) -> Row:
        """Scores a state and writes the row; the best is on disk by then."""
        row = {"step": step, "checkpoint": str(step), **self._score(state)}
        written = rows.read(self._directory)
        if self._protocol is None:
            self._warn_of_another(row, written)
        self._protocol = row["protocol"]
        if self._metric not in row:
            _LOGGER.warning(
                "config.eval.best=%r: is not among the metrics of %s; no best checkpoint is kept",
                self._metric, row["protocol"],
            )  # fmt: skip
        elif rows.best([*written, row], self._metric, row["protocol"]) is row:
            self._checkpoints.save(state, reproduce.digest(state))
            self._checkpoints.wait()
        return rows.append(self._directory, row)

    def best(self) -> Row | None:
        """Return the best row of a checkpoint, by the run's protocol; None where there is none.

        The run's protocol is that of the rows written here, or else of the last row of a
        checkpoint.
        """
        own = [row for row in rows.read(self._directory) if rows.of_checkpoint(row)]
        protocol = self._protocol or (own[-1]["protocol"] if own else "")
        return rows.best(own, self._metric, protocol)

    def _warn_of_another(self, row: Row, written: list[Row]) -> None:
        """Warn where the scores that the run begins with now have another protocol than before."""
        own = [old for old in written if old["checkpoint"] == str(old["step"])]
        before = own[-1]["protocol"] if own else row["protocol"]
        if before != row["protocol"]:
            _LOGGER.warning(
                "scores of this run do not compare with its earlier ones: they were by %s, and "
                "are by %s now", before, row["protocol"],
            )  # fmt: skip
