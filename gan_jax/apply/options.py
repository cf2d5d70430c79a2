"""What the flags ask of a mode that uses a trained run, and which mode takes which."""

import math
import os
import pathlib
from typing import NamedTuple

from gan_jax.config import nearest
from gan_jax.errors import UsageError


class Options(NamedTuple):
    """The flags, as they are where they were not given.

    Attributes:
      out: a file or a directory; its ending says what is written. Empty: in the run's directory.
      num_samples: how many, of whatever the mode makes; 0: as many as it usually does.
      seed: of what is random; the same gives the same, on any number of devices.
      label: classes, as "3" or "0,1,2"; empty: all of them in turn.
      truncation: normal coordinates of z lie within +- this; one or several, as "0.5" or "0.2,1";
        empty: z as in training.
      psi: z is multiplied by this, one or several as above; empty: z as in training.
      params: ema | live; empty: the average where the run keeps one.
      statistics: of G's BatchNorms: running | standing | batch.
      method: of a walk: spherical | linear.
      between: what a walk goes between: seeds | labels.
      frames: of a walk, from one place to the next; 0: as many as suit what is written.
      images: a file, a directory or a zip; empty: the run's data.
      split: of the run's TFDS data set; empty: the one that it trained on.
      fit: crop, resize and convert images that are not of the run's size and mode.
      mask: center | random | left | grid | lowres | an image file, white where it is to be filled.
      preset: of a completion.
      iterations: of a search for latents; 0: as many as its preset has.
      restarts: of a search, the best of which is taken; 0: as many as its preset has.
    """

    out: str = ""
    num_samples: int = 0
    seed: int = 0
    label: str = ""
    truncation: str = ""
    psi: str = ""
    params: str = ""
    statistics: str = "running"
    method: str = "spherical"
    between: str = "seeds"
    frames: int = 0
    images: str = ""
    split: str = ""
    fit: bool = False
    mask: str = "center"
    preset: str = ""
    iterations: int = 0
    restarts: int = 0


_SAMPLES = {"out", "num_samples", "seed", "label", "truncation", "psi", "params", "statistics"}
_SEARCH = {
    "out", "num_samples", "seed", "label", "params", "images", "split", "fit", "iterations",
    "restarts",
}  # fmt: skip
TAKES: dict[str, set[str]] = {
    "sample": _SAMPLES,
    "interpolate": _SAMPLES | {"method", "between", "frames"},
    "neighbors": _SAMPLES,
    "invert": _SEARCH,
    "complete": _SEARCH | {"mask", "preset"},
    "export": {"out", "params"},
}
_EVALUATE = {"images", "fit"}


def check(mode: str, options: Options) -> None:
    """Refuses flags that mean nothing to a mode, or have no such value.

    Raises:
      UsageError: names the first of them.
    """
    takes = TAKES.get(mode, _EVALUATE if mode == "evaluate" else set())
    for name, value, default in zip(options._fields, options, Options(), strict=True):
        if value != default and name not in takes:
            of = ["evaluate"] * (name in _EVALUATE)
            of += [mode for mode, names in TAKES.items() if name in names]
            raise UsageError(
                f"--{name}: of no use to --mode={mode}; it is for {', '.join(of)}; leave it out"
            )
    choices = {
        "params": ("", "ema", "live"),
        "statistics": ("running", "standing", "batch"),
        "method": ("spherical", "linear"),
        "between": ("seeds", "labels"),
    }
    for name, accepted in choices.items():
        value = getattr(options, name)
        if value not in accepted:
            listed = " | ".join(filter(None, accepted))
            raise UsageError(f"--{name}={value!r}: takes {listed}{nearest(value, accepted)}")


def numbers(options: Options, name: str) -> list[float]:
    """The positive numbers of a flag that takes one or several.

    Raises:
      UsageError: if they are something else.
    """
    text = getattr(options, name)
    try:
        found = [float(part) for part in text.split(",")] if text else []
    except ValueError:
        found = [-1.0]
    if any(not (math.isfinite(value) and value > 0) for value in found):
        raise UsageError(f"--{name}={text!r}: takes numbers above 0, such as 0.7 or 0.2,0.5,1")
    return found


def number(options: Options, name: str, usual: float) -> float:
    """As `numbers`, of a mode that takes one value.

    Raises:
      UsageError: if there are more.
    """
    found = numbers(options, name)
    if len(found) > 1:
        raise UsageError(f"--{name}={getattr(options, name)}: this mode takes one value")
    return found[0] if found else usual


def labels(options: Options, num_classes: int) -> list[int]:
    """The classes that are asked for, all where none is; [0] where G is told of none.

    Args:
      options: reads `label`.
      num_classes: that G is told of; 0: none.

    Raises:
      UsageError: if there is no such class.
    """
    if not num_classes:
        if options.label:
            raise UsageError(
                f"--label={options.label}: the run's generator is told of no classes "
                "(config.conditional=False); leave it out"
            )
        return [0]
    if not options.label:
        return list(range(num_classes))
    parts = [part.strip() for part in options.label.split(",")]
    if any(not (part.isdecimal() and int(part) < num_classes) for part in parts):
        raise UsageError(
            f"--label={options.label!r}: takes classes from 0 to {num_classes - 1}, such as 3 or "
            "0,1,2"
        )
    return [int(part) for part in parts]


def target(options: Options, directory: pathlib.Path, name: str) -> pathlib.Path:
    """Where to write: --out, or that name in the run's directory."""
    return pathlib.Path(os.path.expanduser(options.out)) if options.out else directory / name
