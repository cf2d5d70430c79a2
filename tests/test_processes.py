"""Several processes, one run: real ones, which speak to each other over sockets (gloo)."""

import importlib.util
import json
import re
import shutil
import signal
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

from support import ROOT, TINY_FLAGS, has_lines, json_lines, kill, wait_for
from test_parallel import restored

SGD = (
    "--config.generator.optimizer.name=sgd", "--config.generator.optimizer.learning_rate=.05",
    "--config.discriminator.optimizer.name=sgd",
    "--config.discriminator.optimizer.learning_rate=.05",
)  # fmt: skip
EVERY_FIVE = ("--config.log_every=1", "--config.sample_every=5", "--config.checkpoint_every=5")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Group:
    """The processes of a run, started together."""

    def __init__(self, launch, count, *arguments, devices, own=(), base=TINY_FLAGS):
        address = f"--coordinator_address=127.0.0.1:{free_port()}"
        self.members = [
            launch.start(
                *base, *arguments, *(own[i] if own else ()), address,
                f"--num_processes={count}", f"--process_id={i}", devices=devices,
            )
            for i in range(count)
        ]  # fmt: skip

    def end(self, seconds=120):
        """(exit code, stderr) of each."""
        said = [member.communicate(timeout=seconds)[1] for member in self.members]
        return [(m.returncode, err) for m, err in zip(self.members, said, strict=True)]


def train(launch, count, *arguments, **options):
    for code, said in Group(launch, count, *arguments, **options).end():
        assert code == 0, said


@pytest.fixture(scope="module")
def ten_steps(launch, tmp_path_factory):
    """Ten SGD steps of one process with 4 devices and of two with 2 each."""
    folder = tmp_path_factory.mktemp("processes")
    for count in (1, 2):
        own = (*SGD, *EVERY_FIVE, "--config.steps=10", f"--workdir={folder / str(count)}")
        train(launch, count, *own, devices=4 // count)
    return folder


def losses(directory):
    rows = json_lines(directory / "metrics.jsonl")
    speeds = ("images_per_second", "seconds")
    return [[value for name, value in row.items() if name not in speeds] for row in rows]


def assert_close(first, second, step):
    """Two runs hold the same state, to rounding."""
    leaves = [jax.tree.leaves(restored(run, step)) for run in (first, second)]
    for one, other in zip(*leaves, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_two_processes_train_what_one_does(ten_steps):
    """The same data and latents, and the same numbers to the rounding of a sum over sockets."""
    np.testing.assert_allclose(
        losses(ten_steps / "2"), losses(ten_steps / "1"), rtol=1e-4, atol=1e-6
    )
    assert_close(ten_steps / "1", ten_steps / "2", 10)


def test_processes_that_slurm_has_started_find_each_other(launch, tmp_path):
    """SLURM itself was not at hand: these are the variables that its manual has srun set."""
    arguments = (*TINY_FLAGS, "--config.steps=2", f"--workdir={tmp_path}")
    job = {"SLURM_JOB_ID": str(free_port()), "SLURM_STEP_NODELIST": "localhost"}
    job |= {"SLURM_STEP_NUM_NODES": "1", "SLURM_NTASKS": "2"}
    members = [
        launch.start(
            *arguments, "--coordinator_address=auto",
            environment=job | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)},
        )
        for i in range(2)
    ]  # fmt: skip
    for member in members:
        _, said = member.communicate(timeout=120)
        assert member.returncode == 0, said
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["processes"], manifest["step"]) == (2, 2)


def test_process_0_alone_keeps_the_record(ten_steps):
    names = {path.name.partition(".")[0] for path in (ten_steps / "2").iterdir()}
    assert names == {path.name.partition(".")[0] for path in (ten_steps / "1").iterdir()}
    rows = json_lines(ten_steps / "2" / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 11))
    assert len(list((ten_steps / "2").glob("events*"))) == 1


def test_two_processes_twice_are_bit_for_bit_the_same(launch, ten_steps, tmp_path):
    train(launch, 2, *SGD, *EVERY_FIVE, "--config.steps=10", f"--workdir={tmp_path}", devices=2)
    digests = json_lines(tmp_path / "digests.jsonl")
    assert digests == json_lines(ten_steps / "2" / "digests.jsonl")
    assert [row["step"] for row in digests] == [5, 10]


def test_two_processes_verify_what_two_have_made(launch, ten_steps):
    request = ("--mode=verify", f"--workdir={ten_steps / '2'}")
    for code, said in Group(launch, 2, *request, devices=2, base=()).end():
        assert code == 0, said


@pytest.mark.skipif(not shutil.which("mpirun"), reason="Open MPI is not installed")
def test_open_mpi_starts_a_run_and_goes_on_with_it(launch, ten_steps, tmp_path):
    said = subprocess.run(["mpirun", "--version"], capture_output=True, text=True).stdout
    if "(Open MPI) 4" not in said and importlib.util.find_spec("mpi4py") is None:
        pytest.skip("Open MPI from 5 on needs mpi4py")
    command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", sys.executable]
    command += ["launch.py", *TINY_FLAGS, *SGD, *EVERY_FIVE, "--coordinator_address=auto"]
    for steps in (5, 10):
        process = subprocess.run(
            [*command, f"--workdir={tmp_path}", f"--config.steps={steps}"],
            cwd=ROOT, env=launch.environment(devices=2), capture_output=True, text=True,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
    digests = json_lines(tmp_path / "digests.jsonl")
    assert digests == json_lines(ten_steps / "2" / "digests.jsonl")


@pytest.mark.parametrize("counts", [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_processes(launch, ten_steps, tmp_path, counts):
    """And of devices: 4 in one process, then 1 in each of two, or the other way about."""
    own = (*SGD, *EVERY_FIVE, f"--workdir={tmp_path}")
    for count, steps in zip(counts, (5, 10), strict=True):
        train(launch, count, *own, f"--config.steps={steps}", devices=4 if count == 1 else 1)
    assert_close(tmp_path, ten_steps / "1", 10)


@pytest.mark.parametrize("told", [0, 1])
def test_sigterm_to_one_saves_on_all_at_the_same_step(launch, tmp_path, told):
    arguments = (*EVERY_FIVE, "--config.steps=100000", f"--workdir={tmp_path}")
    group = Group(launch, 2, *arguments, devices=1)
    wait_for(lambda: has_lines(tmp_path / "digests.jsonl"), group.members[0])
    group.members[told].send_signal(signal.SIGTERM)
    ended = group.end()
    assert [code for code, _ in ended] == [75, 75], ended
    steps = [
        re.findall(r"^error: stopped by .* at step (\d+), saved", err, re.M) for _, err in ended
    ]
    assert steps[0] == steps[1]
    assert json_lines(tmp_path / "digests.jsonl")[-1]["step"] == int(steps[0][0])


@pytest.mark.parametrize("lost", [0, 1])
def test_when_a_process_is_lost_the_others_end_and_the_run_continues(launch, tmp_path, lost):
    arguments = (*EVERY_FIVE, f"--workdir={tmp_path}")
    group = Group(launch, 2, *arguments, "--config.steps=100000", devices=1)
    wait_for(lambda: has_lines(tmp_path / "digests.jsonl"), group.members[0])
    kill(group.members[lost])
    left = group.members[1 - lost]
    said = left.communicate(timeout=90)[1].splitlines()
    assert left.returncode == 75, said
    assert said[-1].startswith("error: another process of this run has ended")
    saved = json_lines(tmp_path / "digests.jsonl")[-1]["step"]
    steps = saved + 5
    train(launch, 2, *arguments, f"--config.steps={steps}", devices=1)
    assert json_lines(tmp_path / "digests.jsonl")[-1]["step"] == steps


def test_processes_that_were_told_different_things_all_refuse(launch, tmp_path):
    own = (["--config.seed=1"], ["--config.seed=2"])
    group = Group(launch, 2, f"--workdir={tmp_path / 'run'}", devices=1, own=own)
    for code, said in group.end():
        assert code == 2, said
        assert "error: --config: not the same in all processes" in said
    assert not (tmp_path / "run").exists()


def test_a_refusal_by_one_ends_all(launch, ten_steps, tmp_path):
    """Process 0 finds another run's directory; the other one would wait for it."""
    shutil.copytree(ten_steps / "1", tmp_path / "run")
    group = Group(launch, 2, f"--workdir={tmp_path / 'run'}", "--config.seed=9", devices=1)
    (code, said), (other, _) = group.end()
    assert code == 2, said
    assert "holds a run of another config" in said
    assert other == 75


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--num_processes=2"], "--coordinator_address=: takes HOST:PORT"),
        (["--coordinator_address=here"], "--coordinator_address=here: takes HOST:PORT"),
        (["--coordinator_address=a:1"], "--num_processes=0: takes 1 or more"),
        (
            ["--coordinator_address=a:1", "--num_processes=2", "--process_id=2"],
            "--process_id=2: takes 0 to 1",
        ),
        (["--coordinator_address=auto", "--process_id=1"], "leave out --num_processes"),
        (["--coordinator_address=auto"], "); or name HOST:PORT, --num_processes and --process_id"),
        (["--coordinator_address=a:1", "--mode=evaluate"], "of no use to --mode=evaluate"),
    ],
)
def test_mistakes_are_refused_in_one_line(launch, tmp_path, arguments, line):
    ended = launch(*TINY_FLAGS, f"--workdir={tmp_path / 'run'}", *arguments)
    assert ended.returncode == 2, ended.stderr
    assert line in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


MIXED = """
from gan_jax.config import *

def get_config():
    def sgd():
        return Optimizer(name="sgd", learning_rate=0.001)

    return Config(
        steps=20, batch_size=32, d_steps=2, dataset=Dataset(name="digits"), latent=Latent(dim=8),
        generator=ResNetGenerator(channels=(8, 8), optimizer=sgd()),
        discriminator=ResNetDiscriminator(
            channels=(8, 8), down=1, spectral_norm=True, optimizer=sgd()
        ),
        loss="wasserstein", penalty=Penalty(name="wgan_gp"), ema=Ema(decay=0.9), num_samples=4,
        log_every=1, sample_every=20, checkpoint_every=20,
    )
"""


@pytest.fixture(scope="module")
def mixed(launch, tmp_path_factory):
    """20 steps of a GAN with BatchNorm, spectral norm, a gradient penalty and an average."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "mixed.py").write_text(MIXED)
    ended = launch(f"--config={folder / 'mixed.py'}", f"--workdir={folder / 'run'}")
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.parametrize(("count", "devices"), [(1, 8), (2, 2)])
def test_any_number_of_devices_and_processes_trains_the_same_gan(
    launch, mixed, tmp_path, count, devices
):
    """The penalty included; docs/reproducibility.md has the differences."""
    base = [f"--config={mixed / 'mixed.py'}"]
    train(launch, count, f"--workdir={tmp_path}", devices=devices, base=base)
    np.testing.assert_allclose(losses(tmp_path), losses(mixed / "run"), rtol=1e-4, atol=1e-4)
    assert_close(mixed / "run", tmp_path, 20)
