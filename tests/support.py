"""Small configs and real processes, for the tests."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from gan_jax.config import (
    DCGAN,
    MLP,
    Config,
    Dataset,
    Ema,
    Latent,
    Optimizer,
    ResNetDiscriminator,
    ResNetGenerator,
    as_dict,
)
from gan_jax.workdir import write_json

ROOT = pathlib.Path(__file__).parent.parent


def tiny_config(**changes) -> Config:
    """DCGAN with BatchNorm in both players and a moving average, at the least width."""
    settings = {
        "steps": 6,
        "batch_size": 16,
        "dataset": Dataset(name="digits"),
        "latent": Latent(dim=8),
        "generator": DCGAN(width=4, base=2, optimizer=Optimizer(learning_rate=1e-3)),
        "discriminator": DCGAN(width=4, base=2, optimizer=Optimizer(learning_rate=1e-3)),
        "ema": Ema(decay=0.9),
        "log_every": 2,
        "sample_every": 3,
        "num_samples": 4,
        "checkpoint_every": 2,
    }
    return Config(**(settings | changes))


def tiny_mlp_config(**changes) -> Config:
    """An MLP on points in the plane: the fastest thing that is a whole GAN."""

    def network() -> MLP:
        return MLP(hidden=(16,), optimizer=Optimizer(learning_rate=1e-3))

    settings = {
        "dataset": Dataset(name="ring_2d"),
        "latent": Latent(dim=2),
        "generator": network(),
        "discriminator": network(),
    }
    return tiny_config(**(settings | changes))


def conditional_config() -> Config:
    """A ResNet that is told of classes, at the least width."""
    config = tiny_config(
        conditional=True, ema=Ema(), steps=2, loss="hinge",
        generator=ResNetGenerator(channels=(4, 4), spectral_norm=True),
        discriminator=ResNetDiscriminator(channels=(4,), down=1, spectral_norm=True),
    )  # fmt: skip
    config.eval.features = "pixels"
    config.eval.batch_size = 40
    return config


def untrained_run(directory: pathlib.Path, classes: tuple[str, ...]) -> pathlib.Path:
    """A run that has not begun: of its checkpoints there is number 0, and its data are gone."""
    config = conditional_config()
    config.dataset.name, config.dataset.image_size = f"folder:{directory}/gone", 8
    directory.mkdir()
    write_json(directory / "config.json", as_dict(config))
    sample = {"shape": [8, 8, 1], "num_classes": len(classes), "classes": list(classes)}
    write_json(directory / "manifest.json", {"sample": sample})
    return directory


# Names of classes as users may have them.
CLASSES = (
    "airplane", "T-shirt/top", "..", "pick-up truck", "caf\u00e9", "CON", "a|b", "red, blue", "red",
    "<script>alert(1)</script>", "\u65e5\u672c", "b\udce9\n",
)  # fmt: skip


TINY_FLAGS = (
    "--config=experiments/digits_dcgan.py",
    "--config.batch_size=16",
    "--config.latent.dim=8",
    "--config.generator.width=4",
    "--config.discriminator.width=4",
    "--config.generator.base=2",
    "--config.discriminator.base=2",
    "--config.num_samples=4",
)


# An experiment file, to which a test adds its get_sweep(): 60 steps, scored every 20.
SMALL_EXPERIMENT = """
from gan_jax.config import MLP, Config, Dataset, Latent
from gan_jax.sweep.space import Choice, Halving, LogUniform, Sweep

def get_config():
    config = Config(
        steps=60, batch_size=16, dataset=Dataset(name="ring_2d"), latent=Latent(dim=2),
        generator=MLP(hidden=(16,)), discriminator=MLP(hidden=(16,)),
        log_every=20, sample_every=0, checkpoint_every=20, eval_every=20,
    )
    config.eval.num_samples = config.eval.kept = 100
    return config

def get_sweep():
"""


def ghostscript_stub(folder: pathlib.Path, monkeypatch) -> pathlib.Path:
    """Puts a program `gs` on the path; the file that this returns is there once it was started."""
    program, started = folder / "bin" / "gs", folder / "started"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch '{started}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    return started


class Launcher:
    """Runs launch.py as a user would, in a process of its own."""

    def __init__(self, cache_dir: pathlib.Path):
        self._started: list[subprocess.Popen] = []
        self._environment = os.environ | {
            "XLA_FLAGS": "",
            "JAX_COMPILATION_CACHE_DIR": str(cache_dir),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }

    def environment(self, devices: int) -> dict[str, str]:
        """What its processes find there."""
        return {**self._environment, "JAX_NUM_CPU_DEVICES": str(devices)}

    def start(
        self, *arguments, devices=1, program="launch.py", folder=ROOT, environment=()
    ) -> subprocess.Popen:
        command = [sys.executable, program, *map(str, arguments)]
        environment = {**self.environment(devices), **dict(environment)}
        process = subprocess.Popen(
            command, cwd=folder, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._started.append(process)
        return process

    def __call__(self, *arguments, **options) -> subprocess.CompletedProcess:
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def end_all(self) -> None:
        """Kills what a test that failed has left behind, so that it does not slow the next ones."""
        for process in self._started:
            if process.poll() is None:
                kill(process)
        self._started.clear()


_PARSE = """
import json, os, shlex, sys
import launch
from absl import flags
from gan_jax import command
from gan_jax.config import as_dict

for line in json.load(sys.stdin):
    sys.argv = shlex.split(line)[1:]
    if os.fork():
        os.wait()
    else:
        command.parser("")(sys.argv)
        print(json.dumps([flags.FLAGS.workdir, as_dict(flags.FLAGS.config)]), flush=True)
        os._exit(0)
"""


def as_pasted(commands: list[str]) -> list[tuple[str, dict]]:
    """What launch.py reads when each of some commands is pasted: --workdir, and the config."""
    done = subprocess.run(
        [sys.executable, "-c", _PARSE], cwd=ROOT, input=json.dumps(commands), text=True,
        capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def wait_for(condition, process: subprocess.Popen, seconds: float = 120) -> None:
    """Until the condition holds; fails if the process ends before it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.001)


def kill(process: subprocess.Popen, which: int = signal.SIGKILL) -> int:
    """Sends a signal and waits for the end; returns the exit status."""
    process.send_signal(which)
    process.communicate(timeout=120)
    return process.returncode


def pause(process: subprocess.Popen) -> None:
    """Stops a process in its tracks; all its threads stand still on return. SIGCONT: it goes on."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def saved_from(workdir: pathlib.Path, step: int) -> bool:
    """Whether a run has a checkpoint of that step or a later one."""
    names = (path.name for path in (workdir / "checkpoints").glob(8 * "[0-9]"))
    return any(int(name) >= step for name in names)


def has_lines(path: pathlib.Path) -> bool:
    """Whether a file has one whole line at least; it is there, and empty, a moment before."""
    return path.exists() and "\n" in path.read_text()


def json_lines(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
