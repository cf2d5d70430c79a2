"""What tells whether two runs are one: digests of their states, and how each was made."""

import functools
import hashlib
import os
import platform
import shlex
import subprocess
import sys
import time
from importlib import metadata
from typing import Any

import jax
import numpy as np
from jax.extend import backend
from jaxtyping import PyTree

import gan_jax
from gan_jax import prng, storage_url
from gan_jax.state import GANState

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def digest(state: GANState) -> dict[str, Any]:
    """A state's step and the SHA-256 of its bytes, as a whole and part by part.

    Every leaf counts with its path, type, shape and bytes, in the order of the tree's paths.

    Args:
      state: with leaves in host memory.

    Returns:
      {"step": whole number, "sha256": of everything, "generator.params": of that part, ...}.
    """
    hashes = {
        f"{group}.{name}": hash_tree(part)
        for group in vars(state)
        if group != "step"
        for name, part in vars(getattr(state, group)).items()
    }
    step = int(state.step)
    text = "".join(f"{name} {value}\n" for name, value in {"step": step, **hashes}.items())
    return {"step": step, "sha256": hashlib.sha256(text.encode()).hexdigest(), **hashes}


def manifest(seed: int) -> dict[str, Any]:
    """What this process runs on: command, versions, devices, code and seed, as JSON values."""
    devices = jax.devices()
    return {
        "command": shlex.join(storage_url.without_storage(sys.orig_argv)),
        "gan_jax": gan_jax.__version__,
        "git": _git_commit(),
        "python": platform.python_version(),
        "packages": packages(),
        "platform": platform.platform(),
        "backend": jax.default_backend(),
        "platform_version": backend.get_backend().platform_version,
        "devices": [device.device_kind for device in devices],
        "processes": jax.process_count(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "prng": prng.IMPLEMENTATION,
        "seed": seed,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def packages() -> dict[str, str]:
    """The versions of what computes and stores."""
    return {name: metadata.version(name) for name in _PACKAGES}


def hash_tree(tree: PyTree) -> str:
    """The SHA-256 of all leaves of a tree in host memory, as `digest` takes it of each part."""
    sha = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        sha.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}\n".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


@functools.cache
def _git_commit() -> str:
    """The commit of the code, '-dirty' where files differ from it; '' outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    folder = os.path.dirname(os.path.abspath(gan_jax.__file__))
    try:
        answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()
