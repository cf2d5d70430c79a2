"""--mode=sample: new images, as a grid, as files or as arrays."""

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
from gan_jax.data.class_names import directory_name
from gan_jax.errors import UsageError
from gan_jax.report import pictures

_USUAL = 64
_COLUMNS = 10  # of a sheet
_MOST = 10_000  # in a grid


def sample(config: Config, directory: pathlib.Path, which: str, options: Options) -> None:
    """Makes samples, and says where they are.

    The ending of `options.out` says what is written: .png: one grid, or a sheet with a row for each
    of several truncations or psis; .npz: arrays image, label and z, and the names of the classes
    where there are any; none: a directory of PNG files, with one for each class, by its name.

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
    labels = flags.labels(options, trained.classes)
    count = options.num_samples or _USUAL
    _check_target(target, trained, len(draws), count)
    samplers = [Sampler(trained, options.seed, labels, draw, options.statistics) for draw in draws]
    if len(draws) > 1:
        count = options.num_samples or _COLUMNS
        rows = np.concatenate([sampler.some(count).image for sampler in samplers])
        pictures.save(pictures.tile(rows, columns=count), target)
    else:
        write(samplers[0], count, target)
    said = f"{count * len(draws)} samples{flags.named(labels, trained.classes)}"
    output.say(f"{said} of step {trained.step} ({trained.params})", target)


def write(sampler: Sampler, count: int, target: pathlib.Path) -> None:
    """Writes samples 0 to count - 1 as `sample` says, by the ending of a path."""
    with tqdm(total=count, unit="sample", disable=None) as bar:
        batches = _counted(sampler.batches(count), bar)
        if target.suffix:
            made = Made(*map(np.concatenate, zip(*batches, strict=True)))
            if target.suffix == ".png":
                pictures.save(pictures.tile(made.image), target)
            else:
                names = {"classes": np.array(sampler.classes)} if sampler.classes else {}
                output.save_arrays(target, made._asdict() | names)
        else:
            _save_files(batches, target, sampler.classes)


def _draws(options: Options) -> list[Draw]:
    """One for each truncation or psi that is asked for."""
    truncations, psis = flags.numbers(options, "truncation"), flags.numbers(options, "psi")
    if len(truncations) > 1 and len(psis) > 1:
        raise UsageError("--truncation, --psi: both have several values; give one of them one")
    return [Draw(cut, psi) for cut in truncations or [0.0] for psi in psis or [1.0]]


def _check_target(target: pathlib.Path, trained: Trained, draws: int, count: int) -> None:
    """Refuses a path that cannot be written so."""
    kind = target.suffix
    if kind not in ("", ".png", ".npz"):
        raise UsageError(
            f"--out={target}: takes FILE.png for a grid, FILE.npz for arrays, or a directory, "
            "whose name has no ending"
        )
    if len(trained.shape) == 1 and kind != ".npz":
        raise UsageError(
            f"--out={target}: the run in {trained.directory} makes points; take FILE.npz"
        )
    if draws > 1 and kind != ".png":
        raise UsageError(
            f"--out={target}: several truncations or psis make a sheet, FILE.png; give one"
        )
    if kind == ".png" and count > _MOST:
        raise UsageError(
            f"--num_samples={count}: a grid holds at most {_MOST}; take FILE.npz or a directory"
        )
    if kind:
        output.claim_file(target, (".png", ".npz"))
    else:
        output.claim_folder(target)


def _counted(batches: Iterator[Made], bar: tqdm) -> Iterator[Made]:
    for made in batches:
        yield made
        bar.update(len(made.label))


def _save_files(batches: Iterator[Made], folder: pathlib.Path, classes: tuple[str, ...]) -> None:
    number = 0
    for made in batches:
        for image, label in zip(made.image, made.label, strict=True):
            place = folder / directory_name(classes[label]) if classes else folder
            with workdir.writing(place):
                place.mkdir(parents=True, exist_ok=True)
            output.save_image(image, place / f"{number:06d}.png")
            number += 1
