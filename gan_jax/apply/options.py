"""What the flags ask of a mode that uses a trained run, and which mode takes which."""

import math
import os
import pathlib
from typing import NamedTuple

from gan_jax import synonyms
from gan_jax.config import nearest
from gan_jax.data.class_names import directory_name, label_of
from gan_jax.errors import UsageError

_SHOWN = 5  # classes that a line names


class Options(NamedTuple):
    """The flags, as they are where they were not given.

    Attributes:
      out: a file or a directory; its ending says what is written. Empty: in the run's directory.
      num_samples: how many, of whatever the mode makes; 0: as many as it usually does.
      seed: of what is random; the same gives the same, on any number of devices.
      label: classes by their names or numbers, as "cat", "cat,dog" or "0,1,2"; empty: all of them
        in turn.
      truncation: normal coordinates of z lie within +- this; one or several, as "0.5" or "0.2,1";
        empty: z as in training.
      psi: z is multiplied by this, one or several as above; empty: z as in training.
      params: ema | live; empty: the average where the run keeps one.
      statistics: of G's BatchNorms: running | standing | batch.
      method: of a walk: spherical | linear.
      between: what a walk goes between: seeds | labels.
      frames: of a walk, from one place to the next; 0: as many as suit what is written.
      images: a file, a directory or a zip; empty: the run's data.
      split: of the run's TFDS data set or folder; empty: the one that it trained on.
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
# What a training run is given in the place of some of these.
_IN_TRAINING = {
    "seed": ("seed", int),
    "num_samples": ("num_samples", int),
    "images": ("dataset.name", str),
    "split": ("dataset.split", str),
}


def taken(mode: str) -> set[str]:
    """Return the names of the flags that mean something to a mode."""
    return TAKES.get(mode, _EVALUATE if mode == "evaluate" else set())


def check(mode: str, options: Options) -> None:
    """Refuses flags that mean nothing to a mode, or have no such value.

    Raises:
      UsageError: names the first of them.
    """
    takes = taken(mode)
    for name, value, default in zip(options._fields, options, Options(), strict=True):
        if value != default and name not in takes:
            of = ["evaluate"] * (name in _EVALUATE)
            of += [mode for mode, names in TAKES.items() if name in names]
            instead = "leave it out"
            if name in _IN_TRAINING and mode in ("train", "sweep", "check"):
                path, kind = _IN_TRAINING[name]
                instead = synonyms.as_settings(name, str(value), {path: kind})
            raise UsageError(
                f"--{name}: of no use to --mode={mode}; it is for {', '.join(of)}; {instead}"
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


def labels(options: Options, classes: tuple[str, ...]) -> list[int]:
    """Return the labels of the classes that are asked for, by name or by number.

    Names are separated by commas. Where a name has commas of its own, the longest name that fits
    is taken.

    Args:
      options: `label` is read.
      classes: the names of those that G is told of, in the order of the labels; empty: none.

    Returns:
      The labels in the order in which they are asked for, all of them if none is; [0] if G is told
      of no classes.

    Raises:
      UsageError: if there is no such class.
    """
    if not classes:
        if options.label:
            raise UsageError(
                f"--label={options.label}: the run's generator is told of no classes "
                "(config.conditional=False); leave it out"
            )
        return [0]
    if not options.label:
        return list(range(len(classes)))
    names = {*classes, *map(directory_name, classes)}
    most = 1 + max(name.count(",") for name in names)
    parts, found = options.label.split(","), []
    while parts:
        joined = {size: ",".join(parts[:size]) for size in range(min(most, len(parts)), 0, -1)}
        fits = [(size, name) for size, text in joined.items() for name in (text, text.strip())]
        size, name = next((fit for fit in fits if fit[1] in names), (1, parts[0].strip()))
        found.append(label_of(name, classes, f"--label={options.label!r}"))
        parts = parts[size:]
    return found


def named(labels: list[int], classes: tuple[str, ...]) -> str:
    """Return " of classes cat, dog", those of some labels, for a line; empty if there are none."""
    names = [classes[label] for label in labels[:_SHOWN]] if classes else []
    more = f" and {len(labels) - _SHOWN:,} more" * (len(labels) > _SHOWN)
    return f" of class{'es' * (len(labels) > 1)} {', '.join(names)}{more}" if names else ""


def target(options: Options, directory: pathlib.Path, name: str) -> pathlib.Path:
    """Where to write: --out, or that name in the run's directory."""
    return pathlib.Path(os.path.expanduser(options.out)) if options.out else directory / name
