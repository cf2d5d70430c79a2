"""Tells the person at the terminal how far the run is and how the two players stand."""

import contextlib
import os
import sys
import time

from tqdm import tqdm

from gan_jax.errors import printable

_SIZE = {"ncols": 80, "nrows": 24}  # of a terminal that does not tell

# What a stream raises that cannot be written, or was closed: the run goes on in silence.
_LOST = (AttributeError, OSError, ValueError)


class Progress:
    """A bar where there is a terminal, plain lines where there is none; to be closed at the end."""

    def __init__(self):
        self._done = self._steps = 0
        self._first: tuple[int, float] | None = None
        self._bar = None

    def begin(self, start: int, steps: int) -> None:
        """At `start` of `steps` steps."""
        self._done, self._steps = start, steps
        with contextlib.suppress(*_LOST):
            if sys.stderr.isatty():
                size = {"dynamic_ncols": True} if _columns() else _SIZE
                self._bar = tqdm(initial=start, total=steps, unit="step", **size)

    def close(self) -> None:
        """Ends the bar."""
        with contextlib.suppress(*_LOST):
            if self._bar is not None:
                self._bar.close()

    def show(self, step: int, values: dict[str, float]) -> None:
        """Reports a logged step; `values` are a row of metrics."""
        with contextlib.suppress(*_LOST):
            self._show(step, values)

    def _show(self, step: int, values: dict[str, float]) -> None:
        now = time.perf_counter()
        words = (
            f"d_loss {values['d_loss']:.3f}  g_loss {values['g_loss']:.3f}  "
            f"D right on real {values['d_accuracy_real']:.0%}, "
            f"fake {values['d_accuracy_fake']:.0%}  "
            f"{values['images_per_second']:,.0f} images/s"
        )
        if self._bar is not None:
            self._bar.set_postfix_str(words, refresh=False)
            self._bar.update(step - self._done)
        else:
            if self._first is None:  # what came before it was compiling
                self._first = (step, now)
            else:
                first, began = self._first
                seconds = (now - began) / (step - first) * (self._steps - step)
                words += f"  {_clock(seconds)} left"
            print(f"step {step}/{self._steps}  {words}", file=sys.stderr)
        self._done = step

    def say(self, line: str) -> None:
        """Prints a line without disturbing the bar."""
        with contextlib.suppress(*_LOST):
            tqdm.write(printable(line), file=sys.stderr)


class Silence(Progress):
    """Says nothing: of several runs at once, their sweep tells."""

    def begin(self, start: int, steps: int) -> None:
        """Nothing."""

    def show(self, step: int, values: dict[str, float]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


def _columns() -> int:
    """Return how wide the terminal says it is; 0 where it does not know, as under `script`."""
    return os.get_terminal_size(sys.stderr.fileno()).columns


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02d}"
