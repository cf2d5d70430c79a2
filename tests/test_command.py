"""launch.py as a user meets it: real processes, one clear line for each mistake."""

import concurrent.futures
import json

import pytest

from gan_jax import command
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
    "classes for a family without": (
        (DIGITS, "--config.conditional=true"), 1, "the family dcgan of config.generator knows no",
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
        ("def get_config(:", "SyntaxError"),
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
