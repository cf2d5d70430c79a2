"""Places to write to are looked at before the work is done, and what is told is one line."""

import os
import shutil

import pytest

from gan_jax.apply import output
from gan_jax.errors import UsageError


def test_what_is_told_can_be_printed(tmp_path, capsys):
    output.say("5 samples of b\udce9\n\x1b[31m", tmp_path / os.fsdecode(b"\xe9\r"))
    output.tell("one\ntwo\t")
    said = capsys.readouterr().out
    assert said == f"5 samples of b\\udce9\\n\\x1b[31m: {tmp_path}/\\udce9\\r\none\ntwo\\t\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.jpg", "takes FILE.png"),
        ("file/a.png", "is a file|cannot be made"),
        ("folder.png", "is a directory"),
        (f"{'a' * 300}.png", "File name too long"),
        (f"{'a' * 248}.png", "File name too long"),
        ("loop/a.png", "is a file|cannot be made"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused(tmp_path, name, said):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UsageError, match=rf"^--out=.*({said})"):
        output.claim_file(tmp_path / name, (".png",))
    assert (tmp_path / "file").read_text() == "mine"


def test_names_of_any_bytes_are_taken(tmp_path):
    for name in (b"\xe9.png", b"-y.png", b"a\nb.png", b"%d.png", b"CON.png"):
        output.claim_file(tmp_path / os.fsdecode(name), (".png",))
        output.claim_folder(tmp_path / os.fsdecode(name[:-4]) / "new")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file", "is a file"),
        ("file/a", "is a file|cannot be made"),
        ("full", "holds mine, which this mode has not written"),
        ("nowhere", "is a file|cannot be made"),
        ("loop", "is a file|cannot be made"),
        ("a" * 300, "File name too long"),
        ("/proc/nothing", "cannot be made"),
    ],
)
def test_a_folder_that_cannot_be_filled_is_refused(tmp_path, name, said):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone" / "further")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UsageError, match=rf"^--out=.*({said})"):
        output.claim_folder(tmp_path / name)


def test_a_folder_of_an_earlier_call_is_taken_by_its_mark(tmp_path):
    (tmp_path / "sheet.png").touch()
    with pytest.raises(UsageError, match="which this mode has not written"):
        output.claim_folder(tmp_path, "invert.json")
    (tmp_path / "invert.json").touch()
    output.claim_folder(tmp_path, "invert.json")


def test_a_terminal_that_takes_little_or_is_gone_ends_no_mode(launch, run, tmp_path):
    """The run's directory has a name that is no UTF-8, and the terminal knows ASCII alone."""
    directory = shutil.copytree(run, tmp_path / os.fsdecode(b"\xe9\n"))
    ascii_alone = {"PYTHONIOENCODING": "ascii"}
    flags = ("--mode=sample", f"--workdir={directory}")
    ended = launch(*flags, environment=ascii_alone)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"64 samples of step 6 (ema): {tmp_path}/\\udce9\\n/sample.png\n"
    gone = launch.start("--mode=export", f"--workdir={directory}", environment=ascii_alone)
    gone.stdout.close()  # as of "| head -1"
    with gone.stderr as said:
        assert said.read() == ""
    assert gone.wait(120) == 0
    assert (directory / "export" / "README.md").exists()
