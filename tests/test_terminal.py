"""What becomes of a process whose terminal is closed, full, not read or of another encoding."""

import os
import subprocess
import sys

import pytest

from support import ROOT

PRINTS = """
import os, sys
from gan_jax import terminal
terminal.outlive()
for _ in range(3):
    print("to stdout", flush=True)
    print("to stderr: \\udce9 \\u4e2d", file=sys.stderr)
file = open(sys.argv[1], "w")
print("not in the file", file=sys.stderr)
os.write(2, b"nor this")
file.write(str(file.fileno()))
sys.exit(7)
"""


def run(tmp_path, shell, **environment):
    """Runs the program by a line of shell; returns its exit code and what it wrote to its file."""
    (tmp_path / "prints.py").write_text(PRINTS)
    told = tmp_path / "told"
    ended = subprocess.run(
        ["bash", "-c", shell.format(run=f"{sys.executable} {tmp_path / 'prints.py'} {told}")],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)} | environment, capture_output=True,
    )  # fmt: skip
    assert b"Traceback" not in ended.stderr
    assert b"Exception ignored" not in ended.stderr
    return ended, told.read_text()


@pytest.mark.parametrize(
    "shell",
    [
        "{run} 2>&-",
        "{run} >&-",
        "{run} <&- >&- 2>&-",
        "{run} 2>/dev/full",
        "{run} >/dev/full",
        "{run} 2>&1 | true; exit ${{PIPESTATUS[0]}}",
        "{run} 2>&1 | head -1; exit ${{PIPESTATUS[0]}}",
    ],
)
def test_a_process_outlives_its_terminal(tmp_path, shell):
    """It ends with the exit code of its work, and nothing that it prints comes into its files."""
    ended, told = run(tmp_path, shell)
    assert ended.returncode == 7
    assert int(told) > 2


def test_a_result_that_could_not_be_printed_is_told_on_stderr(tmp_path):
    ended, _ = run(tmp_path, "{run} >/dev/full")
    assert ended.stderr.decode().count("warning: stdout cannot be written (No space left") == 1


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {}])
def test_a_terminal_that_cannot_encode_a_name_shows_it_escaped(tmp_path, environment):
    ended, _ = run(tmp_path, "{run}", **environment)
    assert ended.returncode == 7
    assert b"to stderr: \\udce9 " in ended.stderr
