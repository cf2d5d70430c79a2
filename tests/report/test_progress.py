import contextlib
import fcntl
import os
import pty
import select
import struct
import sys
import termios

import pytest

from gan_jax.report.progress import Progress

VALUES = {
    "d_loss": 1.25, "g_loss": 0.5, "d_accuracy_real": 0.75, "d_accuracy_fake": 1.0,
    "images_per_second": 12345.6,
}  # fmt: skip


def report():
    with contextlib.closing(Progress()) as progress:
        progress.begin(10, 100)
        progress.say("hello")
        progress.show(20, VALUES)
        progress.show(100, VALUES)


def test_plain_lines_without_a_terminal(capsys):
    report()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "hello"
    assert lines[1].startswith("step 20/100  d_loss 1.250  g_loss 0.500  ")
    assert "real 75%, fake 100%" in lines[1]
    assert lines[1].endswith("12,346 images/s")
    assert lines[2].endswith("0:00 left")


@pytest.mark.parametrize("columns", [160, 0])
def test_a_bar_in_a_terminal(monkeypatch, columns):
    """One of 0 columns does not tell how many it has, as under `script`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24 * bool(columns), columns, 0, 0))
    with contextlib.closing(os.fdopen(theirs, "w")) as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        report()
        terminal.flush()
        shown = b""
        while select.select([ours], [], [], 0.2)[0]:
            shown += os.read(ours, 100_000)
    os.close(ours)
    shown = shown.decode()
    assert "hello" in shown
    assert "100/100" in shown
    assert "d_loss 1.250" in shown
    assert "%|" in shown


@pytest.mark.parametrize("stream", ["closed", "full", "none", "ascii"])
def test_a_stream_that_cannot_be_written(monkeypatch, tmp_path, stream):
    if stream == "none":
        monkeypatch.setattr(sys, "stderr", None)
        report()
        return
    path = "/dev/full" if stream == "full" else tmp_path / "err"
    file = open(path, "w", buffering=1, encoding="ascii")  # noqa: SIM115
    if stream == "closed":
        file.close()
    monkeypatch.setattr(sys, "stderr", file)
    with contextlib.closing(Progress()) as progress:
        progress.say("caf\udce9")
    report()
    with contextlib.suppress(OSError):
        file.close()
