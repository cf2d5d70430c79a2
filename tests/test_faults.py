"""Whole runs whose surroundings fail: full, read-only and vanished disks, torn files, the clock.

The disks are real ones, small and mounted for a test; where nothing may be mounted it is skipped.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from gan_jax.errors import Unwritable
from gan_jax.report.metrics import Metrics
from support import ROOT, SMALL_EXPERIMENT, TINY_FLAGS, json_lines, pause, saved_from, wait_for

STEPS = 100
SECONDS = 100  # more than enough to end in, once something has failed
OFTEN = (
    *TINY_FLAGS,
    f"--config.steps={STEPS}",
    "--config.checkpoint_every=10",
    "--config.sample_every=10",
    "--config.log_every=5",
)


def mount(*arguments):
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture
def mounted(tmp_path):
    """Mounts at a place below the test's directory; unmounts all at the end."""
    places = []

    def at(name, *arguments):
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        done = mount(*arguments, place)
        if done.returncode:
            pytest.skip(f"may not mount here: {done.stderr.strip()}")
        places.append(place)
        return place

    yield at
    for place in reversed(places):
        subprocess.run(["umount", "-l", place], capture_output=True)
    assert str(tmp_path) not in (mount().stdout)


@pytest.fixture(scope="module")
def undisturbed(launch, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    ended = launch(*OFTEN, f"--workdir={workdir}")
    assert ended.returncode == 0, ended.stderr
    return workdir


def the_line(process_or_ended, err=None):
    """What a run that could not write says, after its data, its greeting and its steps."""
    err = process_or_ended.stderr if err is None else err
    assert process_or_ended.returncode == 74, err
    data, greeting, *steps, last = err.splitlines()
    assert data.startswith("digits: 1,797 images of 10 classes")
    assert "; starts of" in greeting or "; continues at" in greeting
    assert all(line.startswith("step ") for line in steps), err
    assert last.startswith("error: ")
    return last


def continues(launch, workdir, undisturbed):
    """The same command comes to the end of a run that nothing befell."""
    ended = launch(*OFTEN, f"--workdir={workdir}")
    assert ended.returncode == 0, ended.stderr
    last = [json_lines(path / "digests.jsonl")[-1] for path in (workdir, undisturbed)]
    assert last[0] == last[1]
    assert json.loads((workdir / "manifest.json").read_text())["status"] == "done"
    return ended


@contextlib.contextmanager
def held_up(launch, workdir, step):
    """A run that is stopped in its tracks once it has saved a step, and goes on after the block."""
    process = launch.start(*OFTEN, f"--workdir={workdir}")
    try:
        wait_for(lambda: saved_from(workdir, step), process)
        pause(process)
        yield process
        process.send_signal(signal.SIGCONT)
    except BaseException:
        process.kill()
        process.communicate()
        raise


def last_words(process):
    began = time.monotonic()
    _, err = process.communicate(timeout=SECONDS)
    assert time.monotonic() - began < SECONDS
    return the_line(process, err)


@pytest.mark.parametrize(
    ("size", "more"),
    [
        ("400k", ()),
        ("100k", ()),
        ("36k", ("--config.sample_every=1", "--config.log_every=1000")),
        ("16k", ()),
    ],
)
def test_a_full_disk(launch, mounted, undisturbed, size, more):
    """Whatever is written when it is full; with room it goes on as if nothing had been."""
    disk = mounted("disk", "-t", "tmpfs", "-o", f"size={size}", "tmpfs")
    process = launch.start(*OFTEN, f"--workdir={disk / 'run'}", *more)
    _, err = process.communicate(timeout=2 * SECONDS)
    line = the_line(process, err)
    print(line)
    assert f"error: {disk / 'run'}" in line
    assert "(No space left on device); free space and run the same command again; " in line
    steps = [int(path.name) for path in (disk / "run" / "checkpoints").glob("0*[0-9]")]
    saved = f"the run is saved up to step {max(steps)}" if steps else "no step is saved yet"
    assert line.endswith(saved)
    assert mount("-o", "remount,size=50m", disk).returncode == 0
    ended = continues(launch, disk / "run", undisturbed)
    if steps:
        assert f"continues at step {max(steps)}" in ended.stderr


def test_a_directory_that_becomes_read_only(launch, mounted, undisturbed, tmp_path):
    workdir = tmp_path / "run"
    with held_up(launch, workdir, 30) as process:
        mounted("run", "--bind", workdir)
        assert mount("-o", "remount,bind,ro", workdir).returncode == 0
    line = last_words(process)
    assert f"error: {workdir}" in line
    assert "(Read-only file system); make it writable and run the same command again" in line
    assert "the run is saved up to step" in line
    refused = launch(*OFTEN, f"--workdir={workdir}")
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        f"error: --workdir={workdir}: cannot be written (Read-only file system); name another "
        "directory"
    ]
    subprocess.run(["umount", workdir], check=True)
    continues(launch, workdir, undisturbed)


def test_a_new_run_in_a_read_only_directory_is_refused(launch, mounted):
    disk = mounted("disk", "-t", "tmpfs", "-o", "ro", "tmpfs")
    refused = launch(*OFTEN, f"--workdir={disk / 'run'}")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "cannot be written (Read-only file system)" in refused.stderr


def test_a_disk_that_is_unmounted_and_comes_back(launch, mounted, undisturbed, tmp_path):
    """As a network's directory goes: its place is there, and is another one."""
    there = tmp_path / "there"
    there.mkdir()
    disk = mounted("disk", "--bind", there)
    with held_up(launch, disk / "run", 30) as process:
        subprocess.run(["umount", "-l", disk], check=True)
    line = last_words(process)
    assert "cannot be written (No such file or directory); bring it back" in line
    assert looks_healthy(disk / "run") == []
    for path in disk.iterdir():  # a checkpoint under way, whose writing could not be called back
        shutil.rmtree(path)
    mounted("disk", "--bind", there)
    continues(launch, disk / "run", undisturbed)


def test_a_directory_that_is_removed(launch, tmp_path):
    with held_up(launch, tmp_path / "run", 30) as process:
        shutil.rmtree(tmp_path / "run")
    line = last_words(process)
    assert "cannot be written (No such file or directory); bring it back" in line
    assert looks_healthy(tmp_path / "run") == []


def looks_healthy(workdir):
    """The files by which a run is known."""
    names = ("config.json", "manifest.json", "metrics.jsonl", "digests.jsonl", ".lock")
    return [name for name in names if (workdir / name).exists()]


def test_torn_files_cost_what_was_torn_and_no_more(launch, undisturbed, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(undisturbed, workdir)
    shutil.rmtree(workdir / "checkpoints" / f"{STEPS:08d}")
    for name in ("manifest.json", "metrics.jsonl", "digests.jsonl"):
        data = (workdir / name).read_bytes()
        (workdir / name).write_bytes(data[:-20])
    (workdir / "config.json.draft").write_text('{"steps": ')
    ended = continues(launch, workdir, undisturbed)
    assert f"continues at step {STEPS - 10}" in ended.stderr
    for name in ("digests.jsonl", "metrics.jsonl"):
        found, whole = json_lines(workdir / name), json_lines(undisturbed / name)
        assert [row["step"] for row in found] == [row["step"] for row in whole]


def test_a_clock_that_jumps_changes_nothing(launch, undisturbed, tmp_path):
    """Back by a day, ahead by a year, from one look at it to the next."""
    program = tmp_path / "jumps.py"
    program.write_text(f"""
import random, runpy, sys, time
sys.path.insert(0, {str(ROOT)!r})
clock, jumps = time.time, random.Random(0)
time.time = lambda: clock() + jumps.choice((0, -86_400, 365 * 86_400))
sys.argv[0] = "launch.py"
runpy.run_path("launch.py", run_name="__main__")
""")
    workdir = tmp_path / "run"
    process = launch.start(*OFTEN, f"--workdir={workdir}", program=str(program))
    try:
        _, err = process.communicate(timeout=2 * SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert json_lines(workdir / "digests.jsonl") == json_lines(undisturbed / "digests.jsonl")
    rows = json_lines(workdir / "metrics.jsonl")
    assert all(0 < row["seconds"] < 80_000 for row in rows)
    assert all(0 < row["images_per_second"] < 1e7 for row in rows[1:])
    manifest = json.loads((workdir / "manifest.json").read_text())
    assert 0 < manifest["seconds_to_first_step"] < 80_000
    assert 0 < manifest["wall_seconds"] < 80_000


SWEEP = (
    SMALL_EXPERIMENT
    + """\
    return Sweep({"loss": Choice(("non_saturating", "hinge", "least_squares"))}, sampler="grid")
"""
)


def sweep(launch, tmp_path, workdir, *more):
    file = tmp_path / "small.py"
    file.write_text(SWEEP)
    arguments = ("--mode=sweep", f"--config={file}", f"--workdir={workdir}", "--population=1")
    return launch.start(*arguments, *more)


def test_a_full_disk_ends_a_sweep_and_fails_no_trial(launch, mounted, tmp_path):
    disk = mounted("disk", "-t", "tmpfs", "-o", "size=700k", "tmpfs")
    process = sweep(launch, tmp_path, disk / "sweep")
    _, err = process.communicate(timeout=2 * SECONDS)
    assert process.returncode == 74, err
    assert "Traceback" not in err
    *told, last = err.splitlines()
    assert not any("failed" in line for line in told)
    assert last.startswith(f"error: {disk / 'sweep'}")
    assert "(No space left on device); free space and run the same command again" in last
    assert mount("-o", "remount,size=50m", disk).returncode == 0
    process = sweep(launch, tmp_path, disk / "sweep")
    _, err = process.communicate(timeout=2 * SECONDS)
    assert process.returncode == 0, err
    assert "3 of 3 ended" in err
    assert "failed" not in err


def test_the_directory_of_a_trial_that_is_removed_fails_that_trial_alone(launch, tmp_path):
    workdir = tmp_path / "sweep"
    process = sweep(launch, tmp_path, workdir, "--config.checkpoint_every=1")
    trial = workdir / "trials" / "0001"
    wait_for(lambda: saved_from(trial, 10), process)
    pause(process)
    shutil.rmtree(trial)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=2 * SECONDS)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "trial 1 failed" in err
    assert "cannot be written (No such file or directory)" in err
    assert "3 of 3 ended; best: trial" in err


def test_tensorboards_events_on_a_full_disk(mounted):
    """Neither the write nor the end hangs."""
    disk = mounted("disk", "-t", "tmpfs", "-o", "size=16k", "tmpfs")
    metrics = Metrics(disk, 0)
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    with pytest.raises(Unwritable, match=r"events: cannot be written"):
        metrics.write_picture(1, noise)
    with contextlib.suppress(Unwritable):
        metrics.close()
    metrics.close()  # it has been
