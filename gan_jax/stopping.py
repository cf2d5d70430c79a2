"""Notices that the run is asked to stop, so that it can save first."""

import signal
import types

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """While in its block, SIGTERM, SIGINT and SIGHUP are noted in `received` rather than obeyed.

    A second SIGINT interrupts at once, for who does not want to wait. SIGHUP, which comes when a
    terminal's connection drops, stays ignored where it was, as under nohup.

    Attributes:
      received: the signal's name, or None.
    """

    def __init__(self):
        self.received: str | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopSignals":
        for which in SIGNALS:
            if which == signal.SIGHUP and signal.getsignal(which) == signal.SIG_IGN:
                continue
            self._before[which] = signal.signal(which, self._note)
        return self

    def __exit__(self, *_) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        if number == signal.SIGINT and self.received == "SIGINT":
            raise KeyboardInterrupt
        self.received = signal.Signals(number).name
