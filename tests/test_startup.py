"""What a process sets before it compiles, each in a process of its own."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from gan_jax import command, startup
from support import ROOT, TINY_FLAGS


def run(code, **environment):
    """What a fresh Python prints, as JSON."""
    clean = {name: value for name, value in os.environ.items() if "JAX" not in name}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean | {"XLA_FLAGS": ""} | environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(answer.stdout)


PROGRAM = """
import json, os
from gan_jax import startup
startup.prepare()
import jax, jax.numpy as jnp
text = jax.jit(lambda a: a @ a).lower(jnp.ones((256, 256))).compile().as_text()
print(json.dumps({
    "cache": jax.config.jax_compilation_cache_dir, "flags": os.environ["XLA_FLAGS"],
    "product by YNN": "ynn" in text,
}))
"""


def test_programs_are_cached_in_the_users_cache_directory(tmp_path):
    answer = run(PROGRAM, XDG_CACHE_HOME=str(tmp_path))
    assert answer["cache"] == str(tmp_path / "gan_jax")
    assert list((tmp_path / "gan_jax").glob("jit_*"))


def test_a_cache_that_the_user_names_is_theirs(tmp_path):
    theirs = tmp_path / "theirs"
    answer = run(PROGRAM, XDG_CACHE_HOME=str(tmp_path), JAX_COMPILATION_CACHE_DIR=str(theirs))
    assert answer["cache"] == str(theirs)
    assert not (tmp_path / "gan_jax").exists()


def test_a_cache_directory_that_cannot_be_made_is_done_without(tmp_path):
    (tmp_path / "file").write_text("")
    assert run(PROGRAM, XDG_CACHE_HOME=str(tmp_path / "file"))["cache"] is None


def test_the_users_flags_are_kept_and_win(tmp_path):
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    other = run(PROGRAM, XLA_FLAGS="--xla_cpu_enable_fast_math=false", **cache)
    assert other["flags"].startswith("--xla_cpu_enable_fast_math=false --xla_cpu_experimental_ynn")
    assert not other["product by YNN"]
    flags = "--xla_cpu_experimental_ynn_fusion_type=individual_dot"
    theirs = run(PROGRAM, XLA_FLAGS=flags, **cache)
    assert theirs["flags"] == flags
    assert theirs["product by YNN"]


MEMORY = """
import json, resource
from gan_jax import startup
startup.KEEP and startup.keep_memory()
import jax, jax.numpy as jnp
f = jax.jit(lambda a: a + 1)
a = jnp.ones((4096, 4096))
def faults(calls):
    for _ in range(calls):
        f(a).block_until_ready()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
first = faults(30); print(json.dumps(faults(5) - first))
"""


HUGE_PAGES = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(sys.platform != "linux", reason="is about glibc")
@pytest.mark.skipif(
    HUGE_PAGES.exists() and "[always]" in HUGE_PAGES.read_text(), reason="64 MB are 32 huge pages"
)
def test_memory_that_was_freed_is_used_again():
    """Page faults of five calls that each take 64 MB anew: 16,384 pages.

    Results are freed a little late, so the first calls take new memory until there is enough.
    """
    kept, returned = (run(MEMORY.replace("startup.KEEP", keep)) for keep in ("True", "False"))
    assert returned > 16384
    assert kept < returned / 4


@pytest.mark.parametrize(
    ("experiment", "large"),
    [("mnist_dcgan", True), ("digits_dcgan", False), ("mnist_mlp", False), ("ring_2d", False)],
)
def test_memory_is_kept_for_large_steps_alone(experiment, large):
    """Measured both ways (docs/performance.md): small steps are slower with it."""
    config = command.load(f"{ROOT}/experiments/{experiment}.py")
    assert startup.has_large_steps(config) == large


DETERMINISTIC = """
import json, os
from gan_jax import startup
from gan_jax.config import Config
startup.prepare(Config(deterministic=True))
import jax
print(json.dumps([os.environ["XLA_FLAGS"], float(jax.numpy.ones(3).sum())]))
"""


def test_a_deterministic_run_asks_xla_for_it(tmp_path):
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    flags, total = run(DETERMINISTIC, **cache)
    assert "--xla_gpu_deterministic_ops=true" in flags
    assert total == 3
    theirs = run(DETERMINISTIC, XLA_FLAGS="--xla_gpu_deterministic_ops=false", **cache)[0]
    assert "--xla_gpu_deterministic_ops=true" not in theirs


INITIAL = """
import json
from absl import flags
from gan_jax import checkpoint, program, prng, reproduce
from support import tiny_config
flags.FLAGS.mark_as_parsed()
initial = program.Program(tiny_config()).initial
state = checkpoint.to_host(initial(prng.root(0)))
print(json.dumps(reproduce.digest(state)["sha256"]))
"""


def test_a_state_is_born_with_the_same_bits_however_well_it_is_compiled(tmp_path):
    environment = {"PYTHONPATH": "tests", "XDG_CACHE_HOME": str(tmp_path)}
    usual = run(INITIAL, **environment)
    environment["XLA_FLAGS"] = "--xla_backend_optimization_level=3"
    assert run(INITIAL, **environment) == usual


def test_the_second_start_of_a_run_comes_much_sooner_to_its_first_step(launch, tmp_path):
    """The default experiment at full size reaches a factor of 4 (docs/performance.md)."""
    seconds, programs = [], []
    for name in ("first", "second", "third"):
        environment = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}
        arguments = (*TINY_FLAGS, f"--workdir={tmp_path / name}", "--config.steps=1")
        ended = launch(*arguments, environment=environment)
        assert ended.returncode == 0, ended.stderr
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        seconds.append(manifest["seconds_to_first_step"])
        programs.append({path.name for path in (tmp_path / "cache").glob("*-cache")})
    assert programs[0]
    assert programs[0] == programs[1] == programs[2]
    assert min(seconds[1:]) < 0.7 * seconds[0]  # whatever else the machine does in one of them
