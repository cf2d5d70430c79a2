"""Converts pytorch-fid's weights of the FID Inception, once, to a file that holds no code.

    python -m gan_jax.evaluate.convert pt_inception-2015-12-05-6726825d.pth inception.safetensors

Needs PyTorch; nothing else does. The .pth is among the releases of github.com/mseitzer/pytorch-fid
(tag fid_weights); its sha256 begins with the eight digits in its name.
"""

import hashlib
import pathlib
import sys
from typing import Any

import numpy as np
import safetensors.numpy

from gan_jax.errors import UsageError, first_line
from gan_jax.evaluate import inception

PUBLISHED = "6726825d"


def main(arguments: list[str]) -> int:
    """Runs the command; returns its exit code, 2 after one line about what is wrong."""
    try:
        if len(arguments) != 2:
            raise UsageError("usage: python -m gan_jax.evaluate.convert FILE.pth FILE.safetensors")
        convert(pathlib.Path(arguments[0]), pathlib.Path(arguments[1]))
    except UsageError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def convert(source: pathlib.Path, target: pathlib.Path) -> None:
    """Writes `target`, in PyTorch's layouts, from the state dict in `source`, and says so.

    Raises:
      UsageError: if PyTorch is missing, `source` is not the weights or `target` is there already.
    """
    if target.exists():
        raise UsageError(f"{target}: exists already; remove it or give another name")
    state = _arrays(source)
    try:
        inception.from_state_dict(state)
    except ValueError as error:
        raise UsageError(f"{source}: not the FID Inception: {first_line(error)}") from error
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    data = safetensors.numpy.save(state, {"source_sha256": sha256})
    try:
        with target.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written ({error.strerror})") from error
    which = "the published file" if sha256.startswith(PUBLISHED) else "NOT the published file"
    print(f"{source}: {which}, sha256 {sha256}")
    print(f"{target}: {len(state)} arrays, sha256 {hashlib.sha256(data).hexdigest()}")


def _arrays(source: pathlib.Path) -> dict[str, np.ndarray]:
    """The tensors of a .pth; BatchNorm's counters, which only training reads, are left out."""
    try:
        import torch
    except ImportError as error:
        raise UsageError(
            "the conversion needs PyTorch, once, on any machine; run: pip install torch"
        ) from error
    try:
        state: Any = torch.load(source, map_location="cpu", weights_only=True)
        tensors = {key: value for key, value in state.items() if "num_batches" not in key}
        return {key: np.ascontiguousarray(value.numpy()) for key, value in tensors.items()}
    except OSError as error:
        raise UsageError(f"{source}: cannot be read ({error.strerror})") from error
    except Exception as error:  # whatever PyTorch meets in a file that is not one of its own
        raise UsageError(
            f"{source}: no state dict of PyTorch that is read without running code "
            f"({type(error).__name__})"
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
