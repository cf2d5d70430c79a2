"""Keeps a process alive whatever becomes of its terminal: what is printed there only decorates."""

import contextlib
import io
import os
import sys
from typing import TextIO


def outlive() -> None:
    """Make stdout and stderr streams that never fail; to be called before anything is printed.

    What is behind them may be closed, full, a pipe that nobody reads any more, or a terminal whose
    encoding lacks a character of a file's name: the process goes on, and ends with the exit code of
    its work.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # One that was closed at the start would otherwise become the run's next file.
    os.close(opened)
    sys.stdout, sys.stderr = _outliving(sys.stdout, 1), _outliving(sys.stderr, 2)


def _outliving(stream: TextIO | None, number: int) -> TextIO:
    """Return a stream like the one given, or like one to /dev/null, whose writes never fail."""
    encoding = "utf-8" if stream is None else stream.encoding
    by_lines = number == 2 or os.isatty(number)
    with contextlib.suppress(OSError):
        if stream is not None:
            stream.flush()
    binary = io.BufferedWriter(_Descriptor(number))
    return io.TextIOWrapper(binary, encoding, "backslashreplace", line_buffering=by_lines)


class _Descriptor(io.RawIOBase):
    """A file descriptor of the process that takes whatever is written to it.

    Args:
      number: the descriptor; after the first write that fails it leads to /dev/null.
    """

    def __init__(self, number: int):
        self._number = number

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._number

    def isatty(self) -> bool:
        """Return whether it leads to a terminal."""
        return os.isatty(self._number)

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def write(self, data: bytes | memoryview) -> int:
        """Write as much as the system takes; after a failure, everything, to nowhere."""
        try:
            return os.write(self._number, data)
        except BlockingIOError:
            return len(data)  # a terminal that somebody has told not to wait: this much is lost
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._number)
            os.close(nowhere)
            if self._number == 1 and not isinstance(error, BrokenPipeError):
                print(f"warning: stdout cannot be written ({error.strerror})", file=sys.stderr)
            return len(data)
