"""What a process sets once, before anything is compiled, so that it starts and runs fast."""

import ctypes
import os
import pathlib

import jax
import jaxlib.version

from gan_jax.config import MLP, Config

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # glibc's malloc.h


def prepare(config: Config | None = None) -> None:
    """Does what follows as it suits a run; to be called before JAX computes anything.

    Args:
      config: the run's; None where it is not known yet: then its steps are taken to be large.
    """
    choose_kernels()
    keep_compiled()
    if config is not None and config.deterministic:
        ask_for_determinism()
    if config is None or has_large_steps(config):
        keep_memory()


def has_large_steps(config: Config) -> bool:
    """Whether a step works on tens of megabytes: maps of larger images than the digits' 8x8."""
    return not (config.dataset.name == "digits" or isinstance(config.generator, MLP))


def choose_kernels() -> None:
    """On a CPU, XLA takes its YNN library for reductions alone, and Eigen for all else.

    Measured: YNN's products and convolutions are slower, its reductions faster
    (docs/performance.md). The flag was tried with jaxlib 0.8.3, 0.10.2, 0.11.2 and 0.12.0; one
    beyond these keeps its own choice, for it might not know the flag and would then end the
    process. So does a user whose XLA_FLAGS speak of YNN.
    """
    version = jaxlib.version.__version_info__
    flags = os.environ.get("XLA_FLAGS", "")
    if (0, 8, 3) <= version < (0, 13) and "ynn" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_experimental_ynn_fusion_type=reduce".strip()


def ask_for_determinism() -> None:
    """GPUs leave out kernels whose sums depend on timing, and the trials that choose kernels.

    XLA then refuses a program that it has no such kernel for. A user whose XLA_FLAGS speak of this
    keeps their own.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "deterministic_ops" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()


def options_of_what_runs_once() -> dict[str, int]:
    """What `jax.jit` takes as `compiler_options` for a program that is called once in a run.

    On a CPU LLVM's passes for the last few percent are left out. Measured: the DCGAN's random init
    compiles in 1.1 s in place of 3.1, runs as long and makes the same bits. A user whose XLA_FLAGS
    speak of a level keeps it.
    """
    level = "xla_backend_optimization_level"
    if jax.default_backend() != "cpu" or level in os.environ.get("XLA_FLAGS", ""):
        return {}
    return {level: 1}


def keep_compiled() -> None:
    """Compiled programs are kept in $XDG_CACHE_HOME/gan_jax (~/.cache/gan_jax) for later starts.

    JAX's own settings win: JAX_COMPILATION_CACHE_DIR names another place, and
    JAX_ENABLE_COMPILATION_CACHE=false turns it off. A directory that cannot be made turns it off.
    """
    if jax.config.jax_compilation_cache_dir is not None:
        return
    directory = cache_directory()
    if directory is None:
        return
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def cache_directory() -> pathlib.Path | None:
    """$XDG_CACHE_HOME/gan_jax, or ~/.cache/gan_jax; None where it cannot be made."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    directory = pathlib.Path(base) / "gan_jax"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return directory


def keep_memory() -> None:
    """Has glibc keep what XLA frees: on a CPU every step takes its working memory anew.

    Otherwise each large step maps fresh pages, and the kernel fills them with zeros: measured at a
    sixth of it. A small one needs no new pages, and loses more by all threads sharing what the
    compiler has left in pieces (docs/performance.md). Elsewhere than with glibc it does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return
    mallopt(_M_MMAP_MAX, 0)  # large blocks come from the heap, too
    mallopt(_M_TRIM_THRESHOLD, -1)  # which is never given back
    mallopt(_M_ARENA_MAX, 1)  # and which all threads share
