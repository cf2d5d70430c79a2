"""Measures how fast a run makes its steps, apart from all that is done before and beside them."""

import threading
import time
from collections.abc import Callable

# Calls from a standstill, or a disturbance, until the wait for one takes as long as one does: few
# are under way ahead of the devices (`parallel.Backlog`).
_CALLS = 3


class Beside:
    """Notes what a process computes beside the steps of its runs: pictures, scores, saves."""

    def __init__(self):
        self._lock, self._begun, self._under_way = threading.Lock(), 0, 0

    def begin(self) -> None:
        """Note that something begins."""
        with self._lock:
            self._begun += 1
            self._under_way += 1

    def end(self) -> None:
        """Note that something has ended."""
        with self._lock:
            self._under_way -= 1

    def sign(self) -> int | None:
        """Return what is the same at two moments with nothing in between; None amid something."""
        with self._lock:
            return None if self._under_way else self._begun


BESIDE = Beside()  # of this process, whose runs share its devices


class Stopwatch:
    """Takes the time from its making on, and whether anything else was computed meanwhile."""

    def __init__(self):
        self._began, self._sign = time.perf_counter(), BESIDE.sign()

    def lap(self) -> tuple[float, bool]:
        """Return the seconds since the last lap and whether nothing ran beside; begin the next."""
        now, sign = time.perf_counter(), BESIDE.sign()
        found = now - self._began, sign is not None and sign == self._sign
        self._began, self._sign = now, sign
        return found


class Pace:
    """Counts the images of a run and the seconds of its steps.

    Args:
      images: step -> real images behind it.
      step: the one that the run goes on from.
    """

    def __init__(self, images: Callable[[int], int], step: int):
        self._images = images
        self._calm = self._own = (0.0, 0.0)
        self.restart(step)

    def restart(self, step: int) -> None:
        """Begin to take the time: the devices are idle, and the next call follows this step."""
        self._step, self._calls, self._watch = step, 0, Stopwatch()

    def note(self, step: int) -> None:
        """Take that a call was sent which ends with this step, or that its end was waited for."""
        seconds, calm = self._watch.lap()
        self._calls = self._calls + 1 if calm else 0
        steady = step > self._step and self._calls > _CALLS
        self._count(step, seconds, steady)

    def took(self, step: int, seconds: float, calm: bool) -> None:
        """Take that the steps up to this one took so long.

        Args:
          step: the last of them.
          seconds: from a standstill to the next.
          calm: whether nothing else was computed meanwhile.
        """
        self._count(step, seconds, calm)

    def speed(self) -> float:
        """Return the images per second of late: each time this is asked, what is older counts half.

        Steps that something else was computed beside count only while no others are known.
        """
        (images, seconds), (all_images, all_seconds) = self._calm, self._own
        self._calm, self._own = (images / 2, seconds / 2), (0.0, 0.0)
        if images:
            return images / seconds
        return all_images / all_seconds if all_images else 0.0

    def _count(self, step: int, seconds: float, calm: bool) -> None:
        images = self._images(step) - self._images(self._step)
        self._own = (self._own[0] + images, self._own[1] + seconds)
        if calm:
            self._calm = (self._calm[0] + images, self._calm[1] + seconds)
        self._step = step
