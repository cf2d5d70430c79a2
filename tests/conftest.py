"""Strict JAX, four fake devices, real processes and, where there are any, real data."""

import gc
import os
import pathlib

# The tests compile much and compute little: without LLVM's optimizations they take half the time.
# What they launch is compiled as a user's run is.
# On a machine that is busy a fake device may wait long for the others; XLA would end the process.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_collective_call_terminate_timeout_seconds=600",
)

import jax
import pytest
from absl import flags

import browser as browsers
from support import Launcher

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()  # Grain reads a flag of its own


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """The user's cache directory, where a test's classifiers and statistics are kept."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "gan_jax"


@pytest.fixture(scope="module", autouse=True)
def forget_programs():
    """Each compiled program holds some of the 65,530 maps that Linux gives a process.

    All of the suite's together are more, and XLA then ends the process with a segmentation fault.
    """
    yield
    assert jax.config.jax_compilation_cache_dir is None, (
        "startup.prepare was called in this process"
    )
    jax.clear_caches()
    gc.collect()


@pytest.fixture(scope="session")
def launch(tmp_path_factory):
    """Runs launch.py; the processes share XLA's cache."""
    return Launcher(tmp_path_factory.mktemp("xla"))


@pytest.fixture(autouse=True)
def no_process_outlives_its_test(request):
    launcher = request.getfixturevalue("launch") if "launch" in request.fixturenames else None
    yield
    if launcher is not None:
        launcher.end_all()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A real browser; tests that look at pages in one are skipped where there is none."""
    if browsers.program() is None:
        pytest.skip(browsers.MISSING)
    tab = browsers.Browser(tmp_path_factory.mktemp("profile"))
    yield tab
    tab.close()


@pytest.fixture(scope="session")
def real_data():
    """The real data that $GAN_JAX_DATA names; tests that want them are skipped without."""
    where = os.environ.get("GAN_JAX_DATA")
    if not where:
        pytest.skip("$GAN_JAX_DATA is not set")
    return pathlib.Path(where)
