"""Programs that take turns: each is a process that trains when asked, and says how long it took."""

import json
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping
from typing import Any


class Worker:
    """A program that prints a line about itself, then answers each line it is sent.

    Args:
      name: in the table.
      command: of the process.
      environment: of the process; its parent's where none is given.

    Attributes:
      about: what the program said of itself; None until it has.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str] | None = None):
        self.name, self.about = name, None
        self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115, as long as the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            env=environment,
        )

    def wait(self, seconds: float) -> bool:
        """Until the program is ready; False, and it is stopped, if that takes longer.

        Raises:
          RuntimeError: if it ended instead, with its last words.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self._process.stdout], [], [], 1)[0]:
                self.about = json.loads(self._line())
                return True
        self.stop()
        return False

    def ask(self, line: str) -> dict[str, Any]:
        """Sends a line and waits for the answer."""
        print(line, file=self._process.stdin, flush=True)
        return json.loads(self._line())

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._words.seek(0)
            words = self._words.read().strip().splitlines()
            raise RuntimeError(f"{self.name}: {words[-1] if words else 'ended without a word'}")
        return line
