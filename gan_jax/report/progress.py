"""Tells the person at the terminal how far the run is and how the two players stand."""

import sys
import time

from tqdm import tqdm


class Progress:
    """A bar where there is a terminal, plain lines where there is none; to be closed at the end."""

    def __init__(self):
        self._done = self._steps = 0
        self._first: tuple[int, float] | None = None
        self._bar = None

    def begin(self, start: int, steps: int) -> None:
        """At `start` of `steps` steps."""
        self._done, self._steps = start, steps
        if sys.stderr.isatty():
            self._bar = tqdm(initial=start, total=steps, unit="step", dynamic_ncols=True)

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()

    def show(self, step: int, values: dict[str, float]) -> None:
        """Reports a logged step; `values` are a row of metrics."""
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
        tqdm.write(line, file=sys.stderr)


class Silence(Progress):
    """Says nothing: of several runs at once, their sweep tells."""

    def begin(self, start: int, steps: int) -> None:
        """Nothing."""

    def show(self, step: int, values: dict[str, float]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02d}"
