"""Reads metrics.jsonl as it grows, and keeps of each metric what a drawing of it can show."""

import functools
import os
import pathlib
from typing import Any, NamedTuple

from gan_jax import workdir
from gan_jax.errors import UsageError
from gan_jax.report.charts import Point, drawable

_MOST = 200  # buckets of a curve


class Bucket(NamedTuple):
    """Rows on end.

    Attributes:
      low: the point of the least value.
      high: of the largest.
      steps: sum of their steps.
      values: sum of their values.
      rows: how many.
    """

    low: Point
    high: Point
    steps: int | float
    values: int | float
    rows: int

    def with_(self, later: "Bucket") -> "Bucket":
        """These and the next."""
        return Bucket(
            min(self.low, later.low, key=_value),
            max(self.high, later.high, key=_value),
            *(mine + its for mine, its in zip(self[2:], later[2:], strict=True)),
        )


class Curve:
    """A metric over steps, thinned so that no extreme is lost.

    A bucket holds so many rows on end. Two and two become one when they are too many: what is kept
    depends on the rows alone, not on when they were read, and takes as much room for a long run as
    for a short one.

    Args:
      most: buckets at most, an even number.
    """

    def __init__(self, most: int = _MOST):
        self._most, self._width = most, 1
        self._buckets: list[Bucket] = []
        self._ends: list[Point] = []

    def add(self, step: int, value: Any) -> None:
        """The value of a later step than those before it; one that cannot be drawn is left out."""
        if not drawable(value):
            return
        point = (step, value)
        self._ends = [*self._ends[:1], point]
        bucket = Bucket(point, point, step, value, 1)
        if self._buckets and self._buckets[-1].rows < self._width:
            self._buckets[-1] = self._buckets[-1].with_(bucket)
            return
        if len(self._buckets) == self._most:
            self._buckets = _merged(self._buckets, 2)
            self._width *= 2
        self._buckets.append(bucket)

    def points(self) -> list[Point]:
        """(step, value) in the order of steps: the extremes, the first and the last."""
        found = {point for bucket in self._buckets for point in (bucket.low, bucket.high)}
        return sorted(found.union(self._ends))

    def trend(self, most: int) -> list[Point]:
        """Means over about so many equal parts of the rows, each at its mean step."""
        parts = _merged(self._buckets, max(len(self._buckets) // most, 1))
        if len(parts) > 1 and 2 * parts[-1].rows < parts[0].rows:  # too few to say much
            parts[-2:] = [parts[-2].with_(parts[-1])]
        return [(part.steps / part.rows, part.values / part.rows) for part in parts]


class Curves:
    """The curves of a file of JSON lines; one that is replaced or has shrunk is read anew.

    Args:
      file: metrics.jsonl of a run; there need be none yet.

    Attributes:
      of: the curve of each name, but for the step's.
      last: the numbers of the last row; empty where there is none.
    """

    def __init__(self, file: pathlib.Path):
        self._file = file
        self._forget(None)

    def update(self, most: int | None = None) -> None:
        """Reads the lines that were added; half-written ones are passed over.

        Args:
          most: lines to look at, evenly spread, the last among them; None: all. A glance at a few
            of many is cheap, and may miss extremes.
        """
        try:
            with self._file.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._inode or found.st_size < self._read:
                    self._forget(found.st_ino)
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            self._forget(None)
            return
        except OSError as error:
            raise UsageError(
                f"{self._file}: cannot be read ({error.strerror}); set that right"
            ) from error
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].splitlines()
        if most is not None and len(lines) > most:
            lines = [lines[-1 - i * len(lines) // most] for i in reversed(range(most))]
        for line in lines:
            self._take(line)
        self._read += whole

    def _forget(self, inode: int | None) -> None:
        self._inode, self._read = inode, 0
        self.of: dict[str, Curve] = {}
        self.last: dict[str, Any] = {}

    def _take(self, line: bytes) -> None:
        row = workdir.parse_row(line)
        if row is None or row["step"] <= self.last.get("step", -1):
            return
        self.last = {name: value for name, value in row.items() if drawable(value)}
        for name, value in self.last.items():
            if name != "step":
                self.of.setdefault(name, Curve()).add(row["step"], value)


def _merged(buckets: list[Bucket], width: int) -> list[Bucket]:
    """So many of them at a time made one."""
    return [
        functools.reduce(Bucket.with_, buckets[i : i + width])
        for i in range(0, len(buckets), width)
    ]


def _value(point: Point) -> int | float:
    return point[1]
