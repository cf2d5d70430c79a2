"""launch.py as a user meets it: real processes, one clear line for each mistake."""

import concurrent.futures
import json
import subprocess
import sys

import pytest

from gan_jax import command
from gan_jax.config import validate
from gan_jax.errors import UsageError
from support import ROOT, TINY_FLAGS

DIGITS = "--config=experiments/digits_dcgan.py"

# Name: (flags, devices, what the one line says).
MISTAKES = {
    "no config": ((), 1, "--config: missing; name an experiment file, experiments/digits_dcgan.py"),
    "unknown file": (
        ("--config=experiments/digits_dcgn.py",), 1,
        "no such file; did you mean experiments/digits_dcgan.py?",
    ),
    "unknown field": (
        (DIGITS, "--config.batchsize=3"), 1,
        "--config.batchsize: no such setting in experiments/digits_dcgan.py; "
        "did you mean config.batch_size?",
    ),
    "unknown nested field": (
        (DIGITS, "--config.generator.optimizer.learning_rat=3"), 1,
        "did you mean config.generator.optimizer.learning_rate?",
    ),
    "a group": ((DIGITS, "--config.latent=3"), 1, "--config.latent: a group of settings"),
    "wrong type": ((DIGITS, "--config.seed=2.5"), 1, "config.seed='2.5': takes a whole number"),
    "no number": (
        (DIGITS, "--config.generator.optimizer.learning_rate=fast"), 1,
        "config.generator.optimizer.learning_rate='fast': takes a number",
    ),
    "k = 0": ((DIGITS, "--config.d_steps=0"), 1, "config.d_steps=0: takes numbers of at least 1"),
    "indivisible batch": (
        (DIGITS, "--config.batch_size=10"), 3,
        "config.batch_size=10: 3 devices share a batch equally; take a multiple of 3, "
        "such as 9 or 12",
    ),
    "unknown loss": ((DIGITS, "--config.loss=minmax"), 1, "did you mean minimax?"),
    "unknown data set": (
        (DIGITS, "--config.dataset.name=digit"), 1,
        "config.dataset.name='digit': takes digits | stacked_mnist | gaussian_1d | ring_2d",
    ),
    "unprepared": (
        (DIGITS, "--config.dataset.name=tfds:mnist", "--config.dataset.data_dir=/nowhere"), 1,
        "prepare it once with: python launch.py --mode=prepare",
    ),
    "unmakeable size": (
        (DIGITS, "--config.dataset.image_size=30"), 1,
        "config.dataset.image_size: dcgan with base=1 cannot make 30x30; it makes 2, 4, 8, 16, 32",
    ),
    "wrong family": (
        (DIGITS, "--config.dataset.name=ring_2d"), 1, "take the family mlp",
    ),
    "unwritable": ((DIGITS, "--workdir=LICENSE/x"), 1, "--workdir=LICENSE/x: cannot be written"),
    "unknown mode": (
        (DIGITS, "--mode=trian"), 1,
        "takes train | check | evaluate | verify | sweep | prepare | page | sample | inter",
    ),
    "unknown flag": ((DIGITS, "--wokdir=x"), 1, "wokdir"),
    "stray word": ((DIGITS, "train"), 1, "'train': unexpected"),
    "no value": ((DIGITS, "--config.seed"), 1, "Missing value for flag --config.seed"),
    "nothing to prepare": ((DIGITS, "--mode=prepare"), 1, "needs no preparation"),
    "not finite": (
        (DIGITS, "--config.generator.optimizer.learning_rate=inf"), 1,
        "config.generator.optimizer.learning_rate=inf: takes finite numbers",
    ),
    "two channels": (
        (DIGITS, "--config.dataset.channels=2"), 1, "config.dataset.channels=2: takes 0 | 1 | 3",
    ),
    "a version that is none": (
        (DIGITS, "--config.dataset.name=tfds:mnist:9.9.9"), 1, "TFDS cannot open it",
    ),
    "unknown variant": (
        ("--config=experiments/ring_2d.py:packings",), 1,
        "experiments/ring_2d.py has plain | packing | minibatch_std; did you mean packing?",
    ),
    "a variant of a file that has none": (
        ("--config=experiments/gaussian_1d.py:fast",), 1,
        "experiments/gaussian_1d.py has no variants",
    ),
    "BatchNorm under a penalty": (
        (DIGITS, "--config.penalty.name=wgan_gp"), 1,
        "config.penalty.name='wgan_gp': is about D's gradient at one sample, and BatchNorm",
    ),
    "unknown augmentation": ((DIGITS, "--config.augment=colour"), 1, "did you mean color?"),
    "two averages": ((DIGITS, "--config.ema.half_life=100"), 1, "set one of the two"),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(launch):
    """How each mistake ends; two processes at a time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        started = {
            name: pool.submit(launch, *arguments, devices=devices)
            for name, (arguments, devices, _) in MISTAKES.items()
        }
        return {name: answer.result() for name, answer in started.items()}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_line_and_exit_2(answers, name):
    ended, said = answers[name], MISTAKES[name][2]
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert said in ended.stderr
    assert ended.stdout == ""


# Flags beside --config=experiments/digits_dcgan.py: what the one line says. Of flags that are taken
# it is the command line as it is read.
ANSWERS = {
    "--config.lr=3": "did you mean config.generator.optimizer.learning_rate or "
    "config.discriminator.optimizer.learning_rate?",
    "--config.generator.optimizer.lr=3": "did you mean config.generator.optimizer.learning_rate?",
    "--config.batchsize=3": "did you mean config.batch_size?",
    "--config.output_dir=x": "no such setting in experiments/digits_dcgan.py; type --workdir=x",
    "--config.foo=1": "no such setting in experiments/digits_dcgan.py (--help lists all)",
    "--batch_size=64": "--batch_size: no such flag; type --config.batch_size=64\n",
    "--batch_size 64": "type --config.batch_size=64\n",
    "--batch-size=64": "type --config.batch_size=64\n",
    "batch_size=64": "'batch_size=64': unexpected; type --config.batch_size=64\n",
    "config.batch_size=64": "type --config.batch_size=64\n",
    "--lr=1e-3": "type --config.generator.optimizer.learning_rate=1e-3 "
    "--config.discriminator.optimizer.learning_rate=1e-3\n",
    "--epochs=100": "type --config.steps=..., which counts updates of G\n",
    "--resume": "--resume: no such flag; the same command continues the run that --workdir holds",
    "--resume=latest": "the same command continues the run that --workdir holds",
    "--dry_run": "type --mode=check, which reads all the data and trains nothing\n",
    "--dry-run=true": "type --mode=check",
    "--out_dir=x": "type --workdir=x\n",
    "'--output_dir=my runs'": "type '--workdir=my runs'\n",
    "--outdir x": "type --workdir=x\n",
    "--logdir=x": "type --workdir=x\n",
    "--log_dir=x": "--log_dir: no such flag; type --workdir=x\n",
    "--work_dir=x": "type --workdir=x\n",
    "--wokdir=x": "type --workdir=x\n",
    "--gpus=2": "CUDA_VISIBLE_DEVICES=0 or JAX_PLATFORMS=cpu before the command",
    "--eval": "type --mode=evaluate\n",
    "--do_train": "type --mode=train\n",
    "eval": "'eval': unexpected; type --mode=evaluate\n",
    "experiments/ring_2d.py:packing": "type --config=experiments/ring_2d.py:packing\n",
    "--data=/data/cats": "type --config.dataset.name=folder:/data/cats\n",
    "--dataset=mnist": "type --config.dataset.name=tfds:mnist\n",
    "--lambda_gp=10": "type --config.penalty.name=... --config.penalty.weight=10\n",
    "--mirror": "type --config.dataset.flip=true\n",
    "--fp16": "type --config.precision=bfloat16\n",
    "--loss=lsgan": "type --config.loss=least_squares\n",
    "--foo=x": "--foo: no such flag\n",
    "--storge=postgresql://me:secret@here/x": "type --storage=...\n",
    "postgresql://me:secret@here/x": "a URL without a flag",
    "--mode=sample --outdir=x": "type --out=x\n",
    "--mode=sample --n_samples=9": "type --num_samples=9\n",
    "--mode=sample --seeds=3": "type --seed=3\n",
    "--mode=sample --trunc=0.7": "type --psi=0.7\n",
    "--config.steps=1e4": "--config.steps=10000\n",
    "--config.steps 1e4": "--config.steps 10000\n",
    "--config.steps=10_000": "--config.steps=10_000\n",
    "--config.seed=5e2": "--config.seed=500\n",
    "--config.steps=1.5": "config.steps='1.5': takes a whole number\n",
    "--config.steps=1e-4": "config.steps='1e-4': takes a whole number\n",
    "--config.steps=1e400": "config.steps='1e400': takes a whole number\n",
    "--config.steps=nan": "config.steps='nan': takes a whole number\n",
    "--config.ema.decay=1e-1": "--config.ema.decay=1e-1\n",
    "--num_samples=1e4": "--num_samples=10000\n",
    "--num_samples=1.5": "--num_samples='1.5': takes whole numbers of at least 0 and at most 100,",
    "--trials=-1": "--trials='-1': takes whole numbers of at least 0\n",
    "--tolerance=small": "--tolerance='small': takes numbers of at least 0",
    "--config=experiments/ring_2d.py '--config.generator.hidden=(1e2, 64)'": "hidden=(100, 64)\n",
}
_ASK = """
import os, shlex, sys
import launch
from gan_jax import command

for line in sys.stdin:
    sys.argv = ["launch.py", *shlex.split(line)]
    if os.fork():
        _, status = os.wait()
        print(os.waitstatus_to_exitcode(status), file=sys.stderr)
    else:
        print(*command.parser("")(sys.argv), file=sys.stderr)
        os._exit(0)
"""


@pytest.fixture(scope="module")
def answered():
    """What launch.py makes of each command line of ANSWERS, and the exit code."""
    ended = subprocess.run(
        [sys.executable, "-c", _ASK], cwd=ROOT, text=True, capture_output=True, check=True,
        input="".join(f"{DIGITS} {line}\n" for line in ANSWERS),
    )  # fmt: skip
    said = ended.stderr.splitlines(keepends=True)
    return dict(zip(ANSWERS, zip(said[::2], map(int, said[1::2]), strict=True), strict=True))


@pytest.mark.parametrize("line", ANSWERS)
def test_what_is_meant_is_proposed_or_taken(answered, line):
    said, code = answered[line]
    assert ANSWERS[line] in said
    assert code == (2 if said.startswith("error: ") else 0)
    assert "secret" not in said


def test_help_is_readable_and_lists_every_setting(launch):
    ended = launch("--help")
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert "python launch.py --config=experiments/digits_dcgan.py" in ended.stdout
    for word in ("Exit codes", "--config.batch_size=64", "generator updates", "prepare"):
        assert word in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 110


def test_help_shows_the_settings_of_an_experiment(launch):
    ended = launch("--config=experiments/ring_2d.py", "--help")
    assert ended.returncode == 0
    assert "--config.dataset.name=ring_2d" in ended.stdout
    assert "--config.generator.hidden=(128, 128)" in ended.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ndef get_config(:", r"broken\.py: SyntaxError: .*\(broken\.py, line 2\)"),
        ("def get_config():\n    return nothing", r"broken\.py: line 2: NameError: name 'nothing'"),
        ("import sys\nsys.exit('no')", r"line 2: SystemExit: no"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("import gan_jax.config as c\ndef get_config(): return c.Config(size=3)", "'size'"),
        ("x = 1", "get_config"),
        ("def get_config(): return {}", "not a Config"),
    ],
)  # fmt: skip
def test_a_broken_experiment_file_is_refused(tmp_path, text, said):
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(UsageError, match=said):
        command.load(str(tmp_path / "broken.py"))


FUTURE = """
from __future__ import annotations

import dataclasses
from typing import ClassVar

from beside import STEPS
from gan_jax.config import MLP, Config, Dataset, Latent, section, setting


@dataclasses.dataclass
class Sizes:
    kind: ClassVar[str] = "plain"
    width: int = 16


@dataclasses.dataclass(kw_only=True, slots=True)
class Group:
    rank: int = setting(4, "a number of its own", at_least=1)


@dataclasses.dataclass(kw_only=True, slots=True)
class Mine(MLP):
    hidden: tuple[int, ...] = setting((8,), "as MLP's", at_least=1)
    group: Group = section(Group, "of its own")


def get_config() -> Config:
    return Config(
        steps=STEPS, dataset=Dataset(name="ring_2d"), latent=Latent(dim=2),
        generator=Mine(hidden=(Sizes().width,)), discriminator=MLP(),
    )
"""


def test_an_experiment_file_may_leave_its_annotations_strings(launch, tmp_path):
    (tmp_path / "beside.py").write_text("STEPS = 7")
    file = tmp_path / "future.py"
    file.write_text(FUTURE)
    config = command.load(str(file))
    validate(config)
    assert (config.steps, config.generator.hidden) == (7, (16,))
    config.generator.group.rank = 1.5
    with pytest.raises(UsageError, match=r"generator\.group\.rank=1\.5: takes a whole number"):
        validate(config)
    ended = launch(
        f"--config={file}", "--config.generator.hidden=(32, 8)", "--config.generator.group.rank=x"
    )
    assert (ended.returncode, ended.stderr) == (
        2, "error: config.generator.group.rank='x': takes a whole number\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("trials", "it is for sweep"), ("storage", "it is for sweep"), ("start", "--from: of no"),
        ("tolerance", "it is for verify"), ("checkpoint", "it is for evaluate, sample"),
    ],
)  # fmt: skip
def test_a_flag_that_the_mode_would_pass_over_is_refused(capsys, flag, said):
    usual = type(getattr(command.Request(None, ""), flag))
    with pytest.raises(SystemExit) as ended:
        command.run("train", command.Request(None, "")._replace(**{flag: usual("9")}))
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_overrides_reach_the_run(launch, tmp_path):
    ended = launch(
        *TINY_FLAGS, f"--workdir={tmp_path}", "--config.steps=1", "--config.seed", "7",
        "--config.loss=least_squares", "--config.generator.optimizer.b1=0",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    saved = json.loads((tmp_path / "config.json").read_text())
    assert (saved["seed"], saved["loss"]) == (7, "least_squares")
    assert saved["generator"]["optimizer"]["b1"] == 0.0
    assert saved["discriminator"]["optimizer"]["b1"] == 0.5  # each player has its own


def test_a_variant_has_a_run_of_its_own(launch, tmp_path):
    config = ("--config.steps=1", "--config.batch_size=8", "--config.num_samples=4")
    ended = launch(
        f"--config={ROOT}/experiments/ring_2d.py:packing", *config, folder=tmp_path,
        program=ROOT / "launch.py",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    saved = json.loads((tmp_path / "runs" / "ring_2d-packing" / "config.json").read_text())
    assert saved["packing"] == 2


def test_the_experiment_is_the_last_that_config_names():
    assert command.experiment_of(["launch.py"]) is None
    assert command.experiment_of(["launch.py", "--config=a.py", "--config", "b.py"]) == "b.py"
    assert command.experiment_of(["launch.py", "-config=a.py", "--config.seed=3"]) == "a.py"
