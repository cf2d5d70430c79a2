"""Whole runs in real processes: started, killed, stopped, diverged, continued."""

import contextlib
import json
import os
import pathlib
import pty
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from support import ROOT, TINY_FLAGS, json_lines, kill, saved_from, wait_for

RUN = (
    *TINY_FLAGS,
    "--config.checkpoint_every=10",
    "--config.sample_every=10",
    "--config.log_every=5",
)


def flags(workdir, steps, *more):
    return (*RUN, f"--workdir={workdir}", f"--config.steps={steps}", *more)


def digests(workdir):
    return json_lines(workdir / "digests.jsonl")


def status(workdir):
    return json.loads((workdir / "manifest.json").read_text())["status"]


def saving(workdir):
    return list((workdir / "checkpoints").glob("*orbax-checkpoint-tmp*"))


def saved(workdir, step):
    return (workdir / "checkpoints" / f"{step:08d}").is_dir()


@pytest.fixture(scope="module")
def undisturbed(launch, tmp_path_factory):
    """40 steps in one go."""
    workdir = tmp_path_factory.mktemp("undisturbed")
    ended = launch(*flags(workdir, 40))
    assert ended.returncode == 0, ended.stderr
    return workdir


def test_a_run_leaves_what_the_readme_lists(undisturbed):
    names = {path.name.split(".out.")[0] for path in undisturbed.iterdir()} - {".lock"}
    assert names == {
        "config.json", "manifest.json", "metrics.jsonl", "digests.jsonl", "checkpoints", "samples",
        "events", "index.html",
    }  # fmt: skip
    rows = json_lines(undisturbed / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(5, 41, 5))
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert {"d_loss", "g_loss", "images_per_second", "d_accuracy_real"} <= set(rows[0])
    assert [row["step"] for row in digests(undisturbed)] == [10, 20, 30, 40]
    assert len({row["sha256"] for row in digests(undisturbed)}) == 4
    pictures = sorted((undisturbed / "samples").glob("*.png"))
    steps = [f"step_{step:08d}.png" for step in range(0, 41, 10)]
    assert [path.name for path in pictures] == ["real.png", *steps]
    shown = [np.asarray(Image.open(path)) for path in pictures]
    assert all(picture.std() > 0 for picture in shown)
    assert not np.array_equal(shown[1], shown[-1])
    with Image.open(undisturbed / "samples" / "timelapse.gif") as gif:
        assert gif.n_frames == 5
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    assert manifest["status"] == "done"
    assert manifest["step"] == 40
    assert manifest["packages"]["jax"]
    assert manifest["seconds_to_first_step"] > 0


def test_tensorboard_events_hold_scalars_and_pictures(undisturbed):
    from tensorboardX.proto.event_pb2 import Event

    (path,) = undisturbed.glob("events.*")
    data, tags = path.read_bytes(), {}
    while data:  # TFRecord: length, its checksum, the record, its checksum
        length = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + length])
        for value in event.summary.value:
            tags.setdefault(value.tag, []).append(event.step)
        data = data[16 + length :]
    assert tags["d_loss"] == list(range(5, 41, 5))
    assert tags["samples"] == [0, 10, 20, 30, 40]


def test_running_a_finished_run_again_changes_nothing(launch, undisturbed):
    before = digests(undisturbed)
    ended = launch(*flags(undisturbed, 40))
    assert ended.returncode == 0, ended.stderr
    assert digests(undisturbed) == before
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    assert (manifest["status"], manifest["step"]) == ("done", 40)
    assert manifest["earlier"][0]["seconds_to_first_step"] > 0


def test_fewer_steps_than_are_behind_a_run_are_refused(launch, undisturbed):
    before = (undisturbed / "config.json").read_text()
    ended = launch(*flags(undisturbed, 20))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "config.steps=20: the run in" in ended.stderr
    assert "40 steps behind it" in ended.stderr
    assert (undisturbed / "config.json").read_text() == before


def test_20_steps_a_kill_and_the_same_command_equal_40_steps(launch, undisturbed, tmp_path):
    process = launch.start(*flags(tmp_path, 40))
    wait_for(lambda: saved(tmp_path, 20), process)
    assert kill(process) == -signal.SIGKILL
    ended = launch(*flags(tmp_path, 40))
    assert ended.returncode == 0, ended.stderr
    assert "continues at step 20" in ended.stderr or "continues at step 30" in ended.stderr
    assert digests(tmp_path) == digests(undisturbed)
    assert without_times(tmp_path) == without_times(undisturbed)
    for path in (undisturbed / "samples").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "samples" / path.name).read_bytes()


def without_times(workdir):
    return [
        {name: row[name] for name in set(row) - {"seconds", "images_per_second"}}
        for row in json_lines(workdir / "metrics.jsonl")
    ]


def test_a_kill_in_the_middle_of_a_checkpoint(launch, undisturbed, tmp_path):
    """The save under way is found unfinished on disk after the kill, and nothing is lost by it."""
    for attempt in range(20):
        workdir = tmp_path / str(attempt)
        process = launch.start(*flags(workdir, 40, "--config.checkpoint_every=2"))
        wait_for(lambda: saved_from(workdir, 8) and saving(workdir), process)  # noqa: B023
        kill(process)
        if saving(workdir):
            break
    else:
        pytest.fail("no kill hit a checkpoint")
    ended = launch(*flags(workdir, 40))
    assert ended.returncode == 0, ended.stderr
    assert digests(workdir)[-1] == digests(undisturbed)[-1]
    assert not saving(workdir)


def test_20_kills_at_random_moments(launch, tmp_path):
    """Each restart is killed again, at any moment of start, training, drawing or saving."""
    steps, straight, killed = 150, tmp_path / "straight", tmp_path / "killed"
    often = (
        "--config.steps_per_call=3", "--config.log_every=6", "--config.checkpoint_every=6",
        "--config.sample_every=48",
    )  # fmt: skip
    for workdir in (tmp_path / "warms the compilation cache", straight):
        began = time.monotonic()
        ended = launch(*flags(workdir, steps, *often))
        assert ended.returncode == 0, ended.stderr
        whole = time.monotonic() - began

    def check():
        assert digests(killed)[-1] == digests(straight)[-1]
        assert without_times(killed) == without_times(straight)

    moments, kills, resumable, starts = random.Random(0), 0, 0, 0
    while kills < 20:
        starts += 1
        assert starts <= 60, "runs end before they are killed"
        process = launch.start(*flags(killed, steps, *often))
        try:
            _, err = process.communicate(timeout=moments.uniform(0.4, 0.95) * whole)
            assert process.returncode == 0, err
            check()
            shutil.rmtree(killed)  # it finished: start over, for the kills that are left
            whole *= 0.8  # the machine may be faster now than when the run was timed
        except subprocess.TimeoutExpired:
            kill(process)
            kills += 1
            saved_some = any((killed / "checkpoints").glob("0*"))
            resumable += saved_some
            whole *= 1 if saved_some else 1.1  # or slower
    ended = launch(*flags(killed, steps, *often))
    assert ended.returncode == 0, ended.stderr
    check()
    assert resumable >= 6, "most kills hit before anything was saved: they show little"


def test_sigterm_saves_exits_75_and_the_same_command_continues(launch, undisturbed, tmp_path):
    process = launch.start(*flags(tmp_path, 40, "--config.checkpoint_every=0"))
    wait_for(lambda: (tmp_path / "samples" / "step_00000000.png").exists(), process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert "stopped by SIGTERM at step" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert status(tmp_path) == "stopped"
    (stopped,) = digests(tmp_path)
    assert 1 <= stopped["step"] < 40
    assert saved(tmp_path, stopped["step"])
    ended = launch(*flags(tmp_path, 40, "--config.checkpoint_every=0"))
    assert ended.returncode == 0, ended.stderr
    assert f"continues at step {stopped['step']}" in ended.stderr
    assert digests(tmp_path)[-1] == digests(undisturbed)[-1]


def test_a_terminal_that_hangs_up_saves_and_exits_75(launch, undisturbed, tmp_path):
    """The kernel sends SIGHUP to the foreground, and what is printed from there on is lost."""
    ours, theirs = pty.openpty()
    takes_it = (
        "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", takes_it, "launch.py", *flags(tmp_path, 10**6)],
        cwd=ROOT, env=launch.environment(1), stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        wait_for(lambda: saved_from(tmp_path, 20), process)
        os.close(ours)
        assert process.wait(timeout=120) == 75
    finally:
        process.kill()
    assert status(tmp_path) == "stopped"
    step = digests(tmp_path)[-1]["step"]
    assert saved(tmp_path, step)
    same = min(step // 10 * 10, 40)
    assert [row for row in digests(tmp_path) if row["step"] <= same and row["step"] % 10 == 0] == [
        row for row in digests(undisturbed) if row["step"] <= same
    ]


def test_a_pipe_that_nobody_reads_any_more_and_a_name_that_is_no_text(
    launch, undisturbed, tmp_path
):
    """As `2>&1 | head -1`, in an encoding that has neither the name nor the bar's blocks."""
    workdir = tmp_path / os.fsdecode(b"caf\xe9")
    process = launch.start(*flags(workdir, 40), environment={"PYTHONIOENCODING": "ascii"})
    assert process.stderr.readline().startswith("digits: ")
    assert process.stderr.readline().endswith("caf\\udce9\n")
    process.stderr.close()
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert status(workdir) == "done"
    assert digests(workdir) == digests(undisturbed)


def test_divergence_exits_3_names_the_step_and_keeps_what_was_saved(launch, tmp_path):
    """A learning rate that overflows: the steps before it are saved, none after it."""
    workdir = tmp_path / "run"
    arguments = flags(
        workdir, 40, "--config.checkpoint_every=1", "--config.loss=least_squares",
        "--config.generator.optimizer.name=sgd", "--config.generator.optimizer.learning_rate=5",
        "--config.discriminator.optimizer.name=sgd",
        "--config.discriminator.optimizer.learning_rate=5",
    )  # fmt: skip
    ended = launch(*arguments)
    assert ended.returncode == 3
    last = ended.stderr.splitlines()[-1]
    assert "error: diverged: " in last
    assert "is not finite at step" in last
    assert "Traceback" not in ended.stderr
    assert status(workdir) == "diverged"
    step = int(last.split("at step ")[1].split(";")[0])
    assert step > 1
    assert saved(workdir, step - 1)
    assert not saved(workdir, step)
    assert [row["step"] for row in digests(workdir)] == list(range(1, step))


def test_a_directory_in_use_or_of_another_config_exits_2(launch, tmp_path):
    process = launch.start(*flags(tmp_path, 10**6))
    wait_for(lambda: (tmp_path / "samples" / "step_00000000.png").exists(), process)
    second = launch(*flags(tmp_path, 10**6))
    assert second.returncode == 2
    assert "another process trains there" in second.stderr
    assert process.poll() is None
    kill(process)
    other = launch(*flags(tmp_path, 10**6, "--config.seed=9"))
    assert other.returncode == 2
    assert other.stderr.count("\n") == 1
    assert "config.seed: saved 0, now 9" in other.stderr


def test_a_damaged_newest_checkpoint_is_passed_over(launch, undisturbed, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(undisturbed, workdir)
    for path in (workdir / "checkpoints" / "00000040" / "state" / "d").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    ended = launch(*flags(workdir, 40))
    assert ended.returncode == 0, ended.stderr
    warning, data, greeting = ended.stderr.splitlines()[:3]
    assert warning.startswith("warning: checkpoint 40 is damaged")
    assert data.startswith("digits: ")
    assert "continues at step 30" in greeting
    assert "Traceback" not in ended.stderr
    assert digests(workdir) == digests(undisturbed)


def numbered_images(folder):
    folder.mkdir()
    for number in range(64):
        Image.new("L", (8, 8), number).save(folder / f"{number:02d}.png")
    return folder


def photo_flags(workdir, photos, steps, *more):
    return flags(
        workdir, steps, f"--config.dataset.name=folder:{photos}", "--config.dataset.image_size=8",
        "--config.dataset.channels=1", *more,
    )  # fmt: skip


def test_a_folder_that_changed_is_refused_and_one_that_came_back_is_not(launch, tmp_path):
    photos, workdir = numbered_images(tmp_path / "photos"), tmp_path / "run"
    assert launch(*photo_flags(workdir, photos, 10)).returncode == 0
    Image.new("L", (8, 8)).save(photos / "new.png")
    changed = launch(*photo_flags(workdir, photos, 20))
    assert changed.returncode == 2
    assert "1 file added (new.png)" in changed.stderr
    (photos / "new.png").unlink()
    again = launch(*photo_flags(workdir, photos, 20))
    assert again.returncode == 0, again.stderr
    assert "continues at step 10" in again.stderr


def test_a_run_inside_its_own_folder_of_images_is_refused(launch, tmp_path):
    photos = numbered_images(tmp_path / "photos")
    ended = launch(*photo_flags(photos / "run", photos, 10))
    assert ended.returncode == 2
    assert "lies in the folder of images" in ended.stderr


def test_workers_outlive_no_kill(launch, tmp_path):
    photos = numbered_images(tmp_path / "photos")
    streamed = ("--config.dataset.resident_mb=0", "--config.dataset.workers=2")
    process = launch.start(*photo_flags(tmp_path / "run", photos, 10**6, *streamed))
    wait_for(lambda: (tmp_path / "run" / "samples").exists(), process)
    wait_for(lambda: len(children(process.pid)) >= 2, process)
    workers = children(process.pid)
    kill(process)  # returns once nobody holds the run's pipes, workers neither
    deadline = time.monotonic() + 30
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker is left"
        time.sleep(0.1)


def children(pid):
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # of a thread that has ended
            found += map(int, path.read_text().split())
    return found


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("resident_mb", [0, 1])
def test_a_truncated_image_ends_the_run_in_one_line(launch, tmp_path, resident_mb):
    photos = numbered_images(tmp_path / "photos")
    victim = photos / "40.png"
    victim.write_bytes(victim.read_bytes()[:50])
    ended = launch(
        *flags(tmp_path / "run", 40, f"--config.dataset.name=folder:{photos}"),
        "--config.dataset.image_size=8", "--config.dataset.channels=1",
        f"--config.dataset.resident_mb={resident_mb}",
    )  # fmt: skip
    assert ended.returncode == 2
    assert f"error: config.dataset.name: {victim}: truncated or damaged" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_streamed_run_is_the_resident_run(launch, undisturbed, tmp_path):
    ended = launch(*flags(tmp_path, 40, "--config.dataset.resident_mb=0"))
    assert ended.returncode == 0, ended.stderr
    assert digests(tmp_path) == digests(undisturbed)


def test_neither_tensorflow_nor_torch_is_ever_imported(launch, tmp_path):
    program = tmp_path / "spy.py"
    program.write_text(f"""
import atexit, os, runpy, sys
sys.path.insert(0, {str(ROOT)!r})
import gan_jax

def report():
    found = sorted({{"tensorflow", "torch"}} & set(sys.modules))
    sys.stderr.write(f"imported: {{found}}\\n")

atexit.register(report)
sys.argv[0] = "launch.py"
runpy.run_path("launch.py", run_name="__main__")
""")
    process = launch.start(*flags(tmp_path / "run", 10), program=str(program))
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "imported: []" in err


def test_importing_the_package_is_light():
    code = "import sys, gan_jax; print(sorted({'tensorflow', 'torch', 'jax'} & set(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


def test_real_mnist_trains(launch, real_data, tmp_path):
    ended = launch(
        "--config=experiments/mnist_dcgan.py", f"--workdir={tmp_path}",
        f"--config.dataset.data_dir={real_data / 'tfds'}", "--config.dataset.split=test",
        "--config.steps=3", "--config.generator.width=4", "--config.discriminator.width=4",
        "--config.num_samples=4", "--config.batch_size=8",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert status(tmp_path) == "done"
