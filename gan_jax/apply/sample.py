"""--mode=sample: new images, as a grid, as files or as arrays."""

import contextlib
import pathlib
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from gan_jax import workdir
from gan_jax.apply import options as flags
from gan_jax.apply import output
from gan_jax.apply.options import Options
from gan_jax.apply.sampler import Draw, Made, Sampler
from gan_jax.apply.trained import Trained, open_trained
from gan_jax.config import Config
from gan_jax.errors import UsageError
from gan_jax.report import pictures

_USUAL = 64


def sample(config: Config, directory: pathlib.Path, which: str, options: Options) -> None:
    """Makes samples, and says where they are.

    The ending of `options.out` says what is written: .png: one grid, or a sheet with a row for each
    of several truncations or psis; .npz: arrays image, label and z; none: a directory of PNG files,
    with one of their own for each class where there are classes.

    Args:
      config: the run's.
      directory: the run's.
      which: of its checkpoints.
      options: what to make.

    Raises:
      UsageError: if there is no such checkpoint, class or way to write.
    """
    target = flags.target(options, directory, "sample.png")
    draws = _draws(options)
    trained = open_trained(config, directory, which, options.params)
    labels = flags.labels(options, trained.num_classes)
    count = options.num_samples or _USUAL
    kind = _check_target(target, trained, len(draws))
    samplers = [Sampler(trained, options.seed, labels, draw, options.statistics) for draw in draws]
    output.make_parent(target)
    if kind == ".png" and len(draws) > 1:
        count = options.num_samples or 10
        rows = np.concatenate([sampler.some(count).image for sampler in samplers])
        pictures.save(pictures.tile(rows, columns=count), target)
    elif kind == ".png":
        images = np.concatenate([made.image for made in _told(samplers[0], count)])
        pictures.save(pictures.tile(images), target)
    elif kind == ".npz":
        made = Made(*map(np.concatenate, zip(*_told(samplers[0], count), strict=True)))
        output.save_arrays(target, made._asdict())
    else:
        _save_files(_told(samplers[0], count), target, bool(trained.num_classes))
    output.say(f"{count * len(draws)} samples of step {trained.step} ({trained.params})", target)


def _draws(options: Options) -> list[Draw]:
    """One for each truncation or psi that is asked for."""
    truncations, psis = flags.numbers(options, "truncation"), flags.numbers(options, "psi")
    if len(truncations) > 1 and len(psis) > 1:
        raise UsageError("--truncation, --psi: both have several values; give one of them one")
    return [Draw(cut, psi) for cut in truncations or [0.0] for psi in psis or [1.0]]


def _check_target(target: pathlib.Path, trained: Trained, draws: int) -> str:
    """The ending of a path that can be written so."""
    kind = target.suffix
    if kind not in ("", ".png", ".npz"):
        raise UsageError(
            f"--out={target}: takes FILE.png for a grid, FILE.npz for arrays, or a directory"
        )
    if len(trained.shape) == 1 and kind != ".npz":
        raise UsageError(
            f"--out={target}: the run in {trained.directory} makes points; take FILE.npz"
        )
    if draws > 1 and kind != ".png":
        raise UsageError(
            f"--out={target}: several truncations or psis make a sheet, FILE.png; give one"
        )
    output.check_free(target)
    return kind


def _told(sampler: Sampler, count: int) -> Iterator[Made]:
    """The samples, with a bar at a terminal."""
    with tqdm(total=count, unit="sample", disable=None) as bar:
        for made in sampler.batches(count):
            yield made
            bar.update(len(made.label))


def _save_files(batches: Iterator[Made], folder: pathlib.Path, by_class: bool) -> None:
    number = 0
    with contextlib.closing(batches):
        for made in batches:
            for image, label in zip(made.image, made.label, strict=True):
                place = folder / str(label) if by_class else folder
                with workdir.writing(place):
                    place.mkdir(parents=True, exist_ok=True)
                output.save_image(image, place / f"{number:06d}.png")
                number += 1
