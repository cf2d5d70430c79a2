"""Finds out how a folder of images is meant: its splits, its classes, and what is left out."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32

from gan_jax.data.images import SUFFIXES, UNREAD_SUFFIXES
from gan_jax.errors import UsageError

# The names that folders of splits have, by the name that config.dataset.split takes.
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval"),
}
# Images beside folders of classes are strays if they are at most one, or this share of all.
_STRAYS = 0.1
_LABELS_FILE = "dataset.json"  # of StyleGAN's dataset_tool.py


class Layout(NamedTuple):
    """How a folder is read.

    Attributes:
      names: the images that are used, in order.
      labels: the class of each; 0 where there are no classes.
      classes: the name of each class, in the order of the labels; empty where there are none.
      structure: where the classes come from, or why there are none, in a few words.
      warnings: what its owner may not have meant, one sentence each.
      left_out: why images and other files are not used, and how many for each reason.
    """

    names: list[str]
    labels: Int32[np.ndarray, "n"]
    classes: tuple[str, ...]
    structure: str
    warnings: list[str]
    left_out: Counter


def arrange(
    files: list[str], split: str, labels: str, labels_file: tuple[str, bytes] | None
) -> Layout:
    """Arrange the files of a folder as its owner means them.

    Args:
      files: paths relative to the folder, in order.
      split: which of the folders train/, val/ and test/ to take where there are such: one of their
        names, several as "train+test", or "all".
      labels: auto | folders: each first-level folder is a class | none: there are no classes.
      labels_file: the path and the contents of StyleGAN's dataset.json; None where there is none.

    Raises:
      UsageError: if there is no image, no such split, or a labels file that does not fit.
    """
    images, left_out = _images(files)
    if not images:
        return Layout([], np.zeros(0, np.int32), (), "no images", [], left_out)
    warnings: list[str] = []
    structure, splits = "", 0
    if labels != "folders":
        images, structure, splits = _of_split(images, split, left_out, warnings)
    names, of_each = images, None
    if labels == "none":
        reason = "no classes, by config.dataset.labels=none"
    elif labels_file is not None and labels == "auto":
        of_each, reason = _by_labels_file(images, *labels_file, warnings)
    else:
        depth = len(_common(images)) + (splits > 1)  # the classes are below the splits
        always = labels == "folders"
        names, of_each, reason = _by_folders(images, depth, always, left_out, warnings)
    classes = tuple(sort_names(set(of_each))) if of_each is not None else ()
    place = {name: label for label, name in enumerate(classes)}
    numbers = [place[name] for name in of_each] if classes else [0] * len(names)
    return Layout(
        names,
        np.array(numbers, np.int32),
        classes,
        "; ".join(filter(None, (structure, reason))),
        warnings,
        left_out,
    )


def labels_file_of(files: list[str]) -> str | None:
    """Return the path of the dataset.json that belongs to the images, or None."""
    images = _images(files)[0]
    folders = _common(images) if images else []
    places = ["/".join([*folders[:depth], _LABELS_FILE]) for depth in range(len(folders) + 1)]
    return next((place for place in places if place in files), None)


def sort_names(names: Iterable[str]) -> list[str]:
    """Return names in the order of their text, or of their values where all are whole numbers."""
    listed = list(names)
    if all(re.fullmatch(r"-?[0-9]{1,18}", name) for name in listed):
        return sorted(listed, key=lambda name: (int(name), name))
    return sorted(listed)


def _images(files: list[str]) -> tuple[list[str], Counter]:
    """Return those files that are images by their endings, and count the others by theirs."""
    images, left_out = [], Counter()
    for name in files:
        suffix = os.path.splitext(name)[1].lower()
        if suffix in SUFFIXES:
            images.append(name)
        elif suffix in UNREAD_SUFFIXES:
            left_out[f"{suffix} (a format that is not read)"] += 1
        elif name.rpartition("/")[2] != _LABELS_FILE:
            left_out[f"{suffix} files" if suffix else "files without an ending"] += 1
    return images, left_out


def _common(names: list[str]) -> list[str]:
    """Return the folders that all files lie in, from the root on."""
    first = names[0].split("/")[:-1]
    for depth, folder in enumerate(first):
        if not all(_folder(name, depth) == folder for name in names):
            return first[:depth]
    return first


def _folder(name: str, depth: int) -> str:
    """Return the folder of a file at a depth; '' where the file lies above it."""
    parts = name.split("/")
    return parts[depth] if len(parts) > depth + 1 else ""


def _of_split(
    images: list[str], split: str, left_out: Counter, warnings: list[str]
) -> tuple[list[str], str, int]:
    """Take the images of a split, where the folder has splits; count the folders taken."""
    depth = len(_common(images))
    folders = Counter(_folder(name, depth) for name in images)
    known = {alias: name for name, aliases in _SPLITS.items() for alias in aliases}
    kinds = {folder: known[folder.lower()] for folder in folders if folder.lower() in known}
    found = set(kinds.values())
    only = set(kinds) == set(folders) - {""}
    if len(found) < 2 or not ("train" in found or only):
        if split != "train":
            raise UsageError(
                f"config.dataset.split={split!r}: the folder has no train/, val/ or test/ to "
                "choose from; leave it out"
            )
        return images, "", 0
    listed = ", ".join(f"{folder}/" for folder in sorted(kinds))
    wanted = set()
    for part in split.split("+"):
        asked = known.get(part.strip().lower())
        chosen = {
            folder
            for folder, kind in kinds.items()
            if part == "all" or kind == asked or folder == part
        }
        if not chosen:
            raise UsageError(
                f"config.dataset.split={split!r}: the folder has {listed}; takes their names, "
                "such as train or train+test, or all"
            )
        wanted |= chosen
    for folder, count in folders.items():
        if folder and folder not in wanted:
            left_out[f"images in {folder}/"] += count
        elif not folder:
            left_out["images beside the splits"] += count
            warnings.append(
                f"{count} images lie beside {listed}, such as {_first(images, depth)}, and are "
                "left out"
            )
    kept = [name for name in images if _folder(name, depth) in wanted]
    taken = ", ".join(f"{folder}/" for folder in sorted(wanted))
    return kept, f"split {split} ({taken})", len(wanted)


def _first(images: list[str], depth: int) -> str:
    return next(name for name in images if not _folder(name, depth))


def _by_labels_file(
    images: list[str], path: str, text: bytes, warnings: list[str]
) -> tuple[list[str] | None, str]:
    """Return the class of each image by StyleGAN's dataset.json, if that has labels."""
    remedy = "repair it, or give --config.dataset.labels=none or folders"
    try:
        pairs = json.loads(text)["labels"]
    except (ValueError, KeyError, TypeError, RecursionError):
        warnings.append(
            f'{_LABELS_FILE} is not one of StyleGAN\'s, which hold "labels", and gives no classes'
        )
        return None, "no classes"
    if pairs is None:
        return None, f"no classes in {_LABELS_FILE}"
    try:
        given = {str(name).replace("\\", "/"): label for name, label in pairs}
    except (TypeError, ValueError) as error:
        raise UsageError(
            f'config.dataset.name: {_LABELS_FILE}: "labels" is not a list of [file, class] '
            f"pairs; {remedy}"
        ) from error
    strange = [name for name, label in given.items() if type(label) not in (int, str)]
    if strange:
        raise UsageError(
            f"config.dataset.name: {_LABELS_FILE}: the label of {strange[0]} is "
            f"{given[strange[0]]!r:.40}; classes are whole numbers or names; {remedy}"
        )
    root = path.removesuffix(_LABELS_FILE)
    of_each = [given.get(name.removeprefix(root)) for name in images]
    without = [name for name, label in zip(images, of_each, strict=True) if label is None]
    if without:
        raise UsageError(
            f"config.dataset.name: {_LABELS_FILE} has no label for {len(without)} of the "
            f"{len(images)} images, such as {without[0]}; {remedy}"
        )
    return [str(label) for label in of_each], f"classes by {_LABELS_FILE}"


def _by_folders(
    images: list[str], depth: int, always: bool, left_out: Counter, warnings: list[str]
) -> tuple[list[str], list[str] | None, str]:
    """Return the images that are used and the class of each, by the folders at a depth."""
    if always and depth and not any(_folder(name, depth) for name in images):
        depth -= 1  # the one folder that holds all is the one class
    folders = Counter(_folder(name, depth) for name in images)
    strays = folders.pop("", 0)
    if not folders or (len(folders) == 1 and not always):
        if folders and strays:
            warnings.append(
                f"{strays} images lie beside the folder {next(iter(folders))}/, whose images are "
                "taken for the same kind: there are no classes"
            )
        return images, None, "no classes"
    if not always and all(re.fullmatch(r"\d{5}", folder) for folder in folders):
        warnings.append(
            f"the folders {min(folders)}/ to {max(folders)}/ are taken for parts of one set, as "
            "StyleGAN's tools write them, not for classes; --config.dataset.labels=folders makes "
            "them classes"
        )
        return images, None, "no classes"
    if strays > max(1, _STRAYS * len(images)) and not always:
        warnings.append(
            f"{strays} images lie beside {len(folders)} folders of images: there are no classes, "
            "and all images are used; --config.dataset.labels=folders makes classes of the "
            "folders and leaves these out"
        )
        return images, None, "no classes"
    if strays:
        left_out["images beside the folders of classes"] += strays
        warnings.append(
            f"{_first(images, depth)} lies beside the folders of classes and is left out"
            if strays == 1
            else f"{strays} images lie beside the folders of classes, such as "
            f"{_first(images, depth)}, and are left out"
        )
    if len(folders) >= 5 and 2 * len(folders) > sum(folders.values()):
        warnings.append(
            f"the {len(folders)} folders hold {sum(folders.values())} images, so many classes have "
            "one image alone; if they are not classes, give --config.dataset.labels=none"
        )
    used = [name for name in images if _folder(name, depth)]
    return used, [_folder(name, depth) for name in used], "classes by folders"
