"""Whole runs, made again in real processes: as they were, changed, damaged, under way."""

import json
import re
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from gan_jax import checkpoint, workdir
from gan_jax import verify as mode
from gan_jax.errors import UsageError
from gan_jax.program import Program
from support import TINY_FLAGS, json_lines, kill, saved_from, wait_for

RUN = (
    *TINY_FLAGS, "--config.steps=40", "--config.checkpoint_every=10", "--config.sample_every=40",
    "--config.log_every=5",
)  # fmt: skip
SGD = tuple(
    f"--config.{player}.optimizer.{setting}"
    for player in ("generator", "discriminator")
    for setting in ("name=sgd", "learning_rate=0.05")
)


def train(launch, folder, *more, **options):
    ended = launch(*RUN, f"--workdir={folder}", *more, **options)
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module")
def trained(launch, tmp_path_factory):
    """40 steps; checkpoints of 20, 30 and 40 are kept."""
    return train(launch, tmp_path_factory.mktemp("trained") / "run")


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture(scope="module")
def other(launch, tmp_path_factory):
    """The same of another seed."""
    return train(launch, tmp_path_factory.mktemp("other") / "run", "--config.seed=1")


@pytest.fixture
def verify(launch):
    """Checks a run, which that leaves as it is; returns the exit code and what was said."""

    def check(folder, *more, **options):
        before = snapshot(folder)
        ended = launch("--mode=verify", f"--workdir={folder}", *more, **options)
        assert snapshot(folder) == before
        assert "Traceback" not in ended.stderr, ended.stderr
        if ended.returncode:
            *_, last = ended.stderr.splitlines()
            assert last.startswith("error: "), ended.stderr
            return ended.returncode, last.removeprefix("error: "), ended
        return 0, ended.stdout.splitlines()[-1], ended

    return check


def snapshot(folder):
    """Every file and directory, with all that a write would change."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in [folder, *folder.rglob("*")]
    }


def change_row(path, at, /, **values):
    """Gives a row of a file other values."""
    rows = json_lines(path)
    (row,) = [row for row in rows if row["step"] == at]
    row |= values
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def swap(run, other, step):
    """Puts the checkpoint of another run in place of one's own; it is whole."""
    place = run / "checkpoints" / f"{step:08d}"
    shutil.rmtree(place)
    shutil.copytree(other / "checkpoints" / place.name, place)


@pytest.fixture(scope="module")
def apart(trained, other):
    """step -> what is to be said of the other run's checkpoint: its first parameter by the path."""
    template = Program(workdir.own_config(trained)).template()

    def words(step):
        states = [checkpoint.read(run / "checkpoints", step, template) for run in (other, trained)]
        there, here = (state.generator.params["BatchNorm_0"]["bias"] for state in states)
        off = np.abs(there - here).max()
        return (
            f"first generator.params['BatchNorm_0']['bias'], by at most {off:.2g} "
            f"(relative {off / np.abs(there).max():.2g})"
        )

    return words


def test_a_run_made_again_is_identical(verify, run):
    code, said, ended = verify(run)
    assert (code, said) == (
        0,
        "identical through step 40: 8 rows of metrics (to step 40), 4 digests (to step 40), "
        "3 checkpoints (to step 40), from the seed",
    )
    assert "makes steps 1 to 40 again" in ended.stderr
    assert "step 40/40" in ended.stderr


def test_a_run_of_several_sessions_on_other_machines(launch, verify, tmp_path):
    """Begun on 4 devices, gone on with on 1: identical from there on, not from the seed."""
    folder = train(launch, tmp_path / "run", "--config.steps=20", *SGD, devices=4)
    train(launch, folder, *SGD)
    code, said, ended = verify(folder, "--from=20")
    assert code == 0, said
    assert "devices" not in ended.stdout
    code, said, ended = verify(folder)
    assert "the run changed midway, at step 20: devices: 4 x cpu before, 1 x cpu after" in (
        ended.stdout.splitlines()
    )
    assert "from step 0 on: devices: 4 x cpu then, 1 x cpu now" in ended.stdout.splitlines()
    assert code == 4
    assert "in the checkpoint of step 20, first generator.params" in said
    # 1e-5 is too little: rounding grows to 1.2e-5 of D's first kernel in these steps.
    code, said, ended = verify(folder, "--tolerance=1e-3")
    assert code == 0, said
    assert said == (
        "equal within 0.001 through step 40: 8 rows of metrics (to step 40), "
        "3 checkpoints (to step 40), from the seed"
    )


def test_a_digest_that_was_changed(verify, run):
    """The checkpoint of that step shows that the state itself is the one made again."""
    changes = {"generator.params": "0" * 64, "sha256": "1" * 64}
    change_row(run / "digests.jsonl", 30, **changes)
    code, said, _ = verify(run)
    assert (code, said) == (
        4,
        "identical through step 25, differs at step 30: generator.params; "
        "the checkpoint of step 30 does not",
    )


def test_a_checkpoint_of_another_run(verify, run, other, apart):
    swap(run, other, 30)
    code, said, _ = verify(run)
    assert code == 4
    assert said == (
        "identical through step 25, differs at step 30: checkpoints/00000030; in the checkpoint of "
        f"step 30, {apart(30)}"
    )
    code, said, _ = verify(run, "--tolerance=0.01")
    assert code == 4
    assert said == (
        "equal within 0.01 through step 25, differs by more than 0.01 at step 30: "
        "checkpoints/00000030; in the checkpoint of step 30, " + apart(30)
    )
    code, said, _ = verify(run, "--from=30")
    assert code == 4
    assert said.startswith("differs at step 30: generator.params, generator.opt_state, ")
    assert said.endswith("checkpoints/00000030 is not the state that digests.jsonl records")


def test_a_bit_of_a_parameter_that_was_turned(verify, run):
    """It is named, though the digest that lies beside it tells already that it was changed."""
    folder, template = run / "checkpoints", Program(workdir.own_config(run)).template()
    state = checkpoint.read(folder, 30, template)
    kernel = state.discriminator.params["Conv_0"]["kernel"]
    before = kernel.flat[7]
    kernel.view(np.uint32).flat[7] ^= 1
    shutil.rmtree(folder / "00000030")
    with checkpoint.Checkpoints(run, keep=9) as checkpoints:
        recorded = next(row for row in json_lines(run / "digests.jsonl") if row["step"] == 30)
        checkpoints.save(state, recorded)
    code, said, _ = verify(run)
    assert code == 4
    off = np.abs(kernel.flat[7] - before)
    assert said == (
        "identical through step 25, differs at step 30: checkpoints/00000030; in the checkpoint of "
        f"step 30, first discriminator.params['Conv_0']['kernel'], by at most {off:.2g} "
        f"(relative {off / np.abs(kernel).max():.2g})"
    )
    code, said, _ = verify(run, "--from=30")
    assert code == 4
    assert said.startswith("differs at step 30: discriminator.params; checkpoints/00000030 is not")


def test_the_runs_own_experiment_may_be_given(verify, run):
    """As must be, where its networks are the user's own."""
    code, said, _ = verify(run, *RUN, "--from=30")
    assert code == 0, said


def test_another_version_of_a_package_is_said_first(verify, run):
    manifest = json.loads((run / "manifest.json").read_text())
    here = manifest["packages"]["optax"]
    manifest["packages"]["optax"] = "0.0.1"
    (run / "manifest.json").write_text(json.dumps(manifest))
    code, said, ended = verify(run)
    assert code == 0, said
    assert ended.stdout.splitlines()[0] == f"optax: 0.0.1 then, {here} now"


def test_a_run_under_anothers_config(verify, trained, other, apart, tmp_path):
    """All of it is of one piece, and none of it what its seed makes."""
    folder = shutil.copytree(other, tmp_path / "run")
    shutil.copy(trained / "config.json", folder)
    code, said, ended = verify(folder)
    assert code == 2
    assert "config.json" in said
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["config_sha256"]  # as of older versions
    (folder / "manifest.json").write_text(json.dumps(manifest))
    code, said, ended = verify(folder)
    then, now = (json_lines(run / "metrics.jsonl")[0] for run in (other, trained))
    assert code == 4
    assert said.startswith("differs at step 5: ")
    name, recorded, word, here, _ = said.removeprefix("differs at step 5: ").split(maxsplit=4)
    assert (recorded, word, here) == (str(then[name]), "then,", str(now[name]))
    assert said.endswith(f"; in the checkpoint of step 20, {apart(20)}")
    assert "; the checkpoint of step 20 will tell how much" in ended.stderr
    assert "step 25/40" not in ended.stderr
    shutil.rmtree(folder / "checkpoints")
    code, said, ended = verify(folder)
    assert code == 4
    assert said.endswith("no checkpoint of that step or a later one is kept whole")
    assert "step 5/40" not in ended.stderr


def test_a_metric_that_was_changed_in_its_last_digit(verify, run):
    value = json_lines(run / "metrics.jsonl")[2]["g_loss"]
    near = float(np.nextafter(value, 2))
    change_row(run / "metrics.jsonl", 15, g_loss=near)
    code, said, _ = verify(run)
    assert (code, said) == (
        4,
        f"identical through step 10, differs at step 15: g_loss {near} then, {value} now; "
        "the checkpoint of step 20 does not",
    )
    change_row(run / "metrics.jsonl", 15, g_loss=value * 1.002)
    code, said, _ = verify(run, "--tolerance=1e-3")
    assert code == 4
    assert "differs by more than 0.001 at step 15: g_loss " in said
    change_row(run / "metrics.jsonl", 40, score=1.0)
    code, said, _ = verify(run, "--tolerance=3e-3")
    assert code == 0
    assert said.endswith("from the seed; not compared, as one of the two lacks it: score")


RING = (
    "--config=experiments/ring_2d.py", "--config.batch_size=16", "--config.steps=40",
    "--config.checkpoint_every=10", "--config.sample_every=40", "--config.log_every=5",
    "--config.generator.hidden=(16,)", "--config.discriminator.hidden=(16,)",
    "--config.eval_every=0", "--config.num_samples=4",
)  # fmt: skip


def test_steps_that_share_calls_from_a_checkpoint_on(launch, verify, tmp_path):
    more = ("--config.steps_per_call=5", "--config.d_steps=2")
    ended = launch(*RING, *more, f"--workdir={tmp_path / 'run'}")
    assert ended.returncode == 0, ended.stderr
    code, said, ended = verify(tmp_path / "run", "--from=20")
    assert (code, said) == (
        0,
        "identical through step 40: 4 rows of metrics (to step 40), 2 digests (to step 40), "
        "2 checkpoints (to step 40), from the checkpoint of step 20",
    )
    assert "makes steps 21 to 40 again" in ended.stderr


def test_steps_with_more_updates_of_d(launch, verify, tmp_path):
    """Its only checkpoint but the last is the best, which counts as any other."""
    more = ("--config.d_boost.d_steps=3", "--config.d_boost.first=2", "--config.d_boost.every=7")
    folder = tmp_path / "run"
    ended = launch(*RING, *more, f"--workdir={folder}", "--config.checkpoint_keep=2")
    assert ended.returncode == 0, ended.stderr
    (folder / "best").mkdir()
    (folder / "checkpoints" / "00000030").rename(folder / "best" / "00000030")
    code, said, ended = verify(folder)
    assert code == 0, said
    assert said.endswith("4 digests (to step 40), 2 checkpoints (to step 40), from the seed")


def test_a_run_in_training_and_then_killed(launch, verify, tmp_path):
    folder = tmp_path / "run"
    process = launch.start(*RUN, f"--workdir={folder}", "--config.steps=1000000")
    wait_for(lambda: saved_from(folder, 20), process)
    ended = launch("--mode=verify", f"--workdir={folder}")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("identical through step ")
    assert int(ended.stdout.split("identical through step ")[1].split(":")[0]) >= 20
    assert process.poll() is None
    kill(process, signal.SIGKILL)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 99')
    last = checkpoint.saved_steps(folder / "checkpoints")[-2]
    code, said, ended = verify(folder, f"--from={last}")
    assert code == 0, said
    assert "metrics.jsonl: lines that are half-written or damaged, and passed over: 1" in (
        ended.stdout.splitlines()
    )


def damage(run, step, change):
    for file in (run / "checkpoints" / f"{step:08d}" / "state").rglob("*"):
        if file.is_file():
            file.write_bytes(change(file.read_bytes()))


def test_a_damaged_checkpoint_does_not_pass(verify, run):
    damage(run, 30, lambda whole: whole[:100])
    code, said, ended = verify(run)
    assert code == 2
    assert said.startswith(f"{run}/checkpoints/00000030: damaged, or of another config (")
    assert "; all else is identical through step 40: " in said
    assert said.endswith(", 2 checkpoints (to step 40), from the seed")
    said = [line for line in ended.stderr.splitlines() if not line.startswith("step ")]
    assert [line.split(" ")[0] for line in said] == ["digits:", "makes", "warning:", "error:"]
    damage(run, 30, lambda whole: whole[::-1])
    code, said, ended = verify(run, "--from=30")
    assert code == 2
    assert len(ended.stderr.splitlines()) == 1


def test_by_how_much_is_told_by_the_next_whole_checkpoint(verify, run, other):
    change_row(run / "digests.jsonl", 10, sha256="0" * 64)
    damage(run, 20, lambda whole: b"")
    swap(run, other, 30)
    code, said, _ = verify(run)
    assert code == 4
    assert said.startswith(
        "identical through step 5, differs at step 10: sha256 of the whole, though of no part; "
        "in the checkpoint of step 30, first generator.params['BatchNorm_0']['bias'], by at most "
    )


def test_other_data_are_refused(launch, verify, tmp_path):
    photos, folder = tmp_path / "photos", tmp_path / "run"
    photos.mkdir()
    for number in range(64):
        Image.new("L", (8, 8), number).save(photos / f"{number:02d}.png")
    train(
        launch, folder, f"--config.dataset.name=folder:{photos}", "--config.dataset.image_size=8",
        "--config.dataset.channels=1", "--config.steps=10",
    )  # fmt: skip
    Image.new("L", (8, 8), 200).save(photos / "00.png")
    code, said, ended = verify(folder)
    assert code == 2
    assert said.startswith("config.dataset.name: the data are not those that the run in ")
    assert "1 file changed (00.png)" in said
    assert "makes steps" not in ended.stderr


def refused(run, start=0, tolerance=0.0):
    with pytest.raises(UsageError) as caught:
        mode.verify(workdir.own_config(run), run, start, tolerance)
    return str(caught.value)


def test_what_cannot_be_compared_is_refused(run):
    assert refused(run, 25) == "--from=25: takes 0, or a step that is saved: 20, 30, 40"
    assert "digests.jsonl records nothing after step 40 to compare with" in refused(run, 40)
    assert "the run records nothing after step 40" in refused(run, 40, 0.1)
    assert refused(run, 0, 1.5) == "--tolerance=1.5: takes a number from 0 to below 1"
    change_row(run / "metrics.jsonl", 40, step=10**9)
    assert "records step 1000000000, which a run of its config does not come to" in refused(run)
    (run / "digests.jsonl").unlink()
    assert "digests.jsonl records nothing after step 0" in refused(run)


def test_a_directory_without_a_run_is_refused(verify, tmp_path):
    code, said, ended = verify(tmp_path)
    assert code == 2
    assert said == (
        f"--workdir={tmp_path}: holds no run (no config.json); name the directory of one"
    )
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--from=-1",), "--from='-1': takes whole numbers of at least 0"),
        (("--tolerance=-1",), "--tolerance='-1': takes numbers of at least 0"),
        (("--tolerance=nan",), "--tolerance=nan: takes a number from 0 to below 1"),
        (("--config=experiments/digits_dcgan.py",), "holds a run of another config"),
        (("--config.seed=3",), "config.seed"),
    ],
)
def test_bad_requests_end_with_one_line(verify, run, flags, says):
    code, said, ended = verify(run, *flags)
    assert code == 2
    assert says in said
    assert len(ended.stderr.splitlines()) == 1


def test_sigterm_ends_it_with_75(launch, run):
    before = snapshot(run)
    process = launch.start("--mode=verify", f"--workdir={run}")
    assert process.stderr.readline().startswith("digits: 1,797 images")
    assert "makes steps 1 to 40 again" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert re.fullmatch(
        r"error: stopped by SIGTERM at step \d+; .*; a check saves nothing: "
        "the same command begins it again",
        err.splitlines()[-1],
    )
    assert snapshot(run) == before
