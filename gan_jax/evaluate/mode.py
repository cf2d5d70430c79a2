"""--mode=evaluate: scores what the command line names, prints it, and adds it to eval.jsonl."""

import contextlib
import logging
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from gan_jax import checkpoint, parallel, prng, provenance, workdir
from gan_jax.config import Config
from gan_jax.data import identity
from gan_jax.data.class_names import label_of
from gan_jax.data.folder import Folder
from gan_jax.data.sources import Example, Source, announce, open_source
from gan_jax.errors import UsageError
from gan_jax.evaluate import rows, subjects
from gan_jax.evaluate.evaluator import Evaluator
from gan_jax.report.page import Page
from gan_jax.state import build_models, init_state

_LOGGER = logging.getLogger(__name__)
_WORDS = ("latest", "best", "all", "real", "noise")


def evaluate(
    config: Config | None, path: str, which: str, images: str, *, fit: bool = False
) -> None:
    """Scores checkpoints, images or bounds.

    Args:
      config: the experiment's, with the settings of `eval` to take; None: the run's own.
      path: the run's directory; with a config and `images` there need be none.
      which: latest | best | all | a step | real: a part of the data against the rest | noise.
      images: a directory or a zip to score in their stead; empty: none.
      fit: crop, resize and convert images that are of another size or mode than the data.

    Raises:
      UsageError: if there is no such run, checkpoint or folder, or nothing to compare by.
    """
    if fit and not images:
        raise UsageError("--fit: of no use without --images; leave it out")
    directory = pathlib.Path(os.path.expanduser(path))
    config = _config(config, directory, bool(images))
    source = open_source(config.dataset)
    if manifest := provenance.read(directory):
        identity.check(source, manifest.get("data", {}), directory)
    announce(source, config.dataset.name)
    evaluator = Evaluator(config, source)
    if images:
        row = _score_images(images, fit, config, evaluator, source)
        scored = [{"step": 0, "checkpoint": images} | row]
    else:
        scored = _score_run(which, config, directory, evaluator, source)
    of_run = (directory / "config.json").exists()
    for row in scored:
        if of_run:
            row = rows.append(directory, row)
        print(rows.table(row), flush=True)
    if of_run:
        Page(directory).finish()


def _config(given: Config | None, directory: pathlib.Path, images: bool) -> Config:
    """The one given, which must be the run's where there is a run; else the run's own."""
    if given is not None and images and workdir.saved_config(directory) is None:
        return given
    return workdir.run_config(directory, given)


def _score_images(
    path: str, fit: bool, config: Config, evaluator: Evaluator, source: Source
) -> dict[str, Any]:
    if len(source.shape) == 1:
        raise UsageError(f"--images={path}: the run's data are points, not images")
    height, width, _ = source.shape
    if height != width:
        raise UsageError(f"--images={path}: the data are {height}x{width}; only squares are read")
    # The classes mean something to a score where G is told of them.
    classes = source.classes if config.conditional else ()
    try:
        folder = _open_images(path, source, classes, config.dataset.max_megapixels, fit)
    except UsageError as error:
        raise _of_images(error) from error
    announce(folder, f"--images={path}")
    known = classes if folder.classes else ()
    labels = np.array(_labels(folder.classes, known, path), np.int32) if known else None
    subject = subjects.of_source(folder, "images", None, labels, len(known))

    def batches(size: int) -> Iterator[Example]:
        try:
            yield from subject.batches(size)
        except UsageError as error:
            raise _of_images(error) from error

    fitted = "center_crop_lanczos" if fit else ""
    return evaluator.score(subject._replace(batches=batches, fit=fitted))


def _open_images(
    path: str, source: Source, classes: tuple[str, ...], max_megapixels: int, fit: bool
) -> Folder:
    """Open a folder of images, its folders as classes where the data have classes of their names.

    A folder of one class, or of classes whose names look like something else, is read so, too.
    """
    size, channels = source.shape[1:]
    options = {"max_megapixels": max_megapixels, "exact": not fit}
    folder = Folder(path, size, channels, **options)
    by_folders = Folder(path, size, channels, labels="folders", **options)
    if classes and by_folders.classes and len(by_folders) >= len(folder):
        with contextlib.suppress(UsageError):
            _labels(by_folders.classes, classes, path)
            return by_folders
    return folder


def _of_images(error: UsageError) -> UsageError:
    return UsageError(str(error).replace("config.dataset.name", "--images"))


def _labels(folders: tuple[str, ...], classes: tuple[str, ...], path: str) -> list[int]:
    """Return the label of the data's class that each of the folders of some images is named by.

    Folders are named by classes or, all of them, by labels, as those of older versions' samples.

    Raises:
      UsageError: If a folder is named by neither.
    """
    where = f"--images={path}"
    by_name = not all(name.isdecimal() for name in folders)
    for name in folders:
        if by_name and name.isdecimal() and name not in classes:
            raise UsageError(
                f"{where}: no class is called {name!r}; where a folder has the name of a class, "
                "all need one"
            )
    return [label_of(name, classes, where) for name in folders]


def _score_run(
    which: str, config: Config, directory: pathlib.Path, evaluator: Evaluator, source: Source
) -> Iterator[dict[str, Any]]:
    if which == "real":
        yield {"step": 0, "checkpoint": "real"} | evaluator.floor()
        return
    if which == "noise":
        noise = subjects.noise(source, config.eval.num_samples)
        yield {"step": 0, "checkpoint": "noise"} | evaluator.score(noise)
        return
    wanted = _wanted(which, directory)
    models = build_models(config, source.shape, parallel.AXIS, source.num_classes)
    key = prng.root(config.seed)
    initial = jax.jit(lambda key: init_state(config, models, source.shape, key))
    template = jax.eval_shape(initial, key)
    samples = subjects.make_samples(config, models, source.num_classes)
    unread = []
    for name in wanted:
        try:
            step, state = checkpoint.load(directory, name, template, _WORDS)
        except UsageError as error:
            if which != "all":
                raise
            _LOGGER.warning("checkpoint %s is not scored: %s", name, error)
            unread.append(name)
            continue
        state = initial(key) if state is None else state
        yield {"step": step, "checkpoint": name} | evaluator.score(samples(state, config.seed))
    if unread == wanted:
        raise UsageError(f"--checkpoint=all: none of {', '.join(unread)} could be read (see above)")


def _wanted(which: str, directory: pathlib.Path) -> list[str]:
    """One name for each checkpoint; what does not exist is refused before anything is built."""
    if which == "all":
        if steps := checkpoint.all_steps(directory):
            return list(map(str, steps))
        raise UsageError(f"--checkpoint=all: {directory} has no checkpoint yet")
    checkpoint.find(directory, which, _WORDS)
    return [which]
