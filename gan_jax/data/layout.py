"""Finds out how a folder of images is meant: its splits, its classes, and what is left out."""

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32

from gan_jax.data.files import Listing
from gan_jax.data.images import SUFFIXES, UNREAD_SUFFIXES
from gan_jax.errors import UsageError

# The names that folders of splits have, by the name that config.dataset.split takes.
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval"),
}
_KINDS = {alias: name for name, aliases in _SPLITS.items() for alias in aliases}
# Images beside folders of classes are strays if they are at most one, or this share of all.
_STRAYS = 0.1
_LABELS_FILE = "dataset.json"  # of StyleGAN's dataset_tool.py
_REPAIR = "repair it, or give --config.dataset.labels=none or folders"
# Names that folders of splits, pairs and annotations have, rather than classes.
_ODD = re.compile(
    r"(train|training|val|valid|validation|test|testing)[ab0-9]?|images?|masks?|labels?"
    r"|annotations?|unlabell?ed"
)


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


def arrange(listing: Listing, split: str, labels: str, read: Callable[[str], bytes]) -> Layout:
    """Arrange the files of a folder as its owner means them.

    Args:
      listing: the files, in order.
      split: which of the folders train/, val/ and test/ to take where there are such: one of their
        names, several as "train+test", or "all".
      labels: auto | folders: each first-level folder is a class | none: there are no classes.
      read: path -> contents of a file.

    Raises:
      UsageError: if there is no such split, or a labels file that does not fit.
    """
    images, left_out = _images(listing.names)
    if not images:
        return Layout([], np.zeros(0, np.int32), (), "no images", [], left_out)
    warnings: list[str] = []
    structure, inner = "", {name: name for name in images}
    if labels != "folders" or split != "train":
        images, structure, inner = _of_split(images, split, left_out, warnings)
    names, of_each, reason = images, None, "no classes, by config.dataset.labels=none"
    if labels == "auto":
        of_each, reason = _by_labels_files(listing.names, images, read, left_out, warnings)
    if of_each is None and labels != "none":
        names, of_each, reason = _by_folders(inner, labels == "folders", left_out, warnings)
        if of_each is not None:
            _warn_of_folders(listing.folders, inner, set(of_each), warnings)
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
        else:
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
) -> tuple[list[str], str, dict[str, str]]:
    """Take the images of a split, where the folder has splits.

    Returns:
      The images, which folders were taken in words, and for each image its path inside its split.
    """
    above = _common(images)
    depth, inner = len(above), {name: name for name in images}
    folders = Counter(_folder(name, depth) for name in images)
    kinds = {folder: _KINDS[folder.lower()] for folder in folders if folder.lower() in _KINDS}
    found = set(kinds.values())
    only = set(kinds) == set(folders) - {""}
    if len(found) < 2 or not ("train" in found or only):
        _check_one_split([*above, *kinds], split, warnings)
        return images, "", inner
    listed = ", ".join(f"{folder}/" for folder in sorted(kinds))
    wanted = set()
    for part in split.split("+"):
        asked = _KINDS.get(part.strip().lower())
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
    inner = {name: "/".join(name.split("/")[depth + 1 :]) for name in kept}
    return kept, f"split {split} ({', '.join(f'{folder}/' for folder in sorted(wanted))})", inner


def _check_one_split(folders: list[str], split: str, warnings: list[str]) -> None:
    """Look at what is asked of a folder that has not several splits."""
    there = [folder for folder in folders if folder.lower() in _KINDS]
    asked = _KINDS.get(split.lower(), split)
    if split == "all" or any(_KINDS[folder.lower()] == asked for folder in there):
        return
    if split != "train":
        has = f"{there[0]}/ alone" if there else "no train/, val/ or test/"
        raise UsageError(f"config.dataset.split={split!r}: the folder has {has}; leave it out")
    if there:
        warnings.append(f"of train/, val/ and test/ there is {there[0]}/ alone, and it is taken")


def _first(images: Iterable[str], depth: int) -> str:
    return next(name for name in images if not _folder(name, depth))


def _by_labels_files(
    files: list[str],
    images: list[str],
    read: Callable[[str], bytes],
    left_out: Counter,
    warnings: list[str],
) -> tuple[list[str] | None, str]:
    """Return the class of each image by StyleGAN's dataset.json, if there are such with labels."""
    given: dict[str, str] = {}
    for path in files:
        root = path.removesuffix(_LABELS_FILE)
        own = path.rpartition("/")[2] == _LABELS_FILE
        if own and any(name.startswith(root) for name in images):
            pairs = _labels_of(path, read(path), warnings)
            given |= {root + name: label for name, label in pairs.items()}
            left_out[".json files"] -= 1
    left_out += Counter()  # drops what is 0
    if not given:
        return None, "no classes"
    if gone := given.keys() - set(images):
        warnings.append(
            f"{_LABELS_FILE} names {len(gone)} files that are not among the images, such as "
            f"{min(gone)}"
        )
    if without := [name for name in images if name not in given]:
        raise UsageError(
            f"config.dataset.name: {_LABELS_FILE} has no label for {len(without)} of the "
            f"{len(images)} images, such as {without[0]}; {_REPAIR}"
        )
    return [given[name] for name in images], f"classes by {_LABELS_FILE}"


def _labels_of(path: str, text: bytes, warnings: list[str]) -> dict[str, str]:
    """Return the labels in a file of StyleGAN's; none where it has none, or is another's."""
    try:
        pairs = json.loads(text)["labels"]
    except (ValueError, KeyError, TypeError, RecursionError):
        warnings.append(
            f'{path} is not one of StyleGAN\'s, which hold "labels", and gives no classes'
        )
        return {}
    given: dict[str, str] = {}
    try:
        for name, label in pairs or []:
            if type(label) not in (int, str):
                raise UsageError(
                    f"config.dataset.name: {path}: the label of {name} is {label!r:.40}; classes "
                    f"are whole numbers or names; {_REPAIR}"
                )
            name = str(name).replace("\\", "/")
            if given.setdefault(name, str(label)) != str(label):
                raise UsageError(
                    f"config.dataset.name: {path}: {name} has the labels {given[name]} and "
                    f"{label}; {_REPAIR}"
                )
    except (TypeError, ValueError) as error:
        raise UsageError(
            f'config.dataset.name: {path}: "labels" is not a list of [file, class] pairs; {_REPAIR}'
        ) from error
    return given


def _by_folders(
    inner: dict[str, str], always: bool, left_out: Counter, warnings: list[str]
) -> tuple[list[str], list[str] | None, str]:
    """Return the images that are used and the class of each, by the first level of folders.

    Args:
      inner: for each image its path inside its split.
      always: make a class of each folder, whatever speaks against it.
      left_out: is added to.
      warnings: are added to.
    """
    paths = list(inner.values())
    depth = len(_common(paths))
    if always and depth and not any(_folder(path, depth) for path in paths):
        depth -= 1  # the one folder that holds all is the one class
    folders = Counter(_folder(path, depth) for path in paths)
    strays = folders.pop("", 0)
    if not folders or (len(folders) == 1 and not always):
        if folders and strays:
            warnings.append(
                f"{strays} images lie beside the folder {next(iter(folders))}/, whose images are "
                "taken for the same kind: there are no classes"
            )
        return list(inner), None, "no classes"
    if not always and all(re.fullmatch(r"\d{5}", folder) for folder in folders):
        warnings.append(
            f"the folders {min(folders)}/ to {max(folders)}/ are taken for parts of one set, as "
            "StyleGAN's tools write them, not for classes; where they are classes, put them in a "
            "folder of their own and give --config.dataset.labels=folders"
        )
        return list(inner), None, "no classes"
    if strays > max(1, _STRAYS * len(inner)) and not always:
        warnings.append(
            f"{strays} images lie beside {len(folders)} folders of images: there are no classes, "
            "and all images are used; --config.dataset.labels=folders makes classes of the "
            "folders and leaves these out"
        )
        return list(inner), None, "no classes"
    if strays:
        left_out["images beside the folders of classes"] += strays
        one = _first(paths, depth)
        warnings.append(
            f"{one} lies beside the folders of classes and is left out"
            if strays == 1
            else f"{strays} images lie beside the folders of classes, such as {one}, and are left "
            "out"
        )
    if len(folders) >= 5 and 2 * len(folders) > sum(folders.values()):
        warnings.append(
            f"the {len(folders)} folders hold {sum(folders.values())} images, so many classes have "
            "one image alone; if they are not classes, give --config.dataset.labels=none"
        )
    used = [name for name, path in inner.items() if _folder(path, depth)]
    return used, [_folder(inner[name], depth) for name in used], "classes by folders"


def _warn_of_folders(
    folders: list[str], inner: dict[str, str], classes: set[str], warnings: list[str]
) -> None:
    """Say which folders may not be the classes that they are taken for."""
    remedy = "if they are not, give --config.dataset.labels=none"
    odd = [name for name in sort_names(classes) if _ODD.fullmatch(name.lower())]
    if odd:
        warnings.append(f"{', '.join(f'{name}/' for name in odd)} are taken for classes; {remedy}")
    spelled: dict[str, str] = {}
    for name in sorted(classes):
        same = spelled.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if same != name:
            warnings.append(
                f"the classes {same} and {name} are spelled alike but for capitals or accents"
            )
    depth = len(_common(list(inner.values())))
    siblings = {_folder(f"{folder}/x", depth) for folder in folders}
    if empty := sort_names(siblings - classes - {""} - set(_KINDS)):
        warnings.append(f"no image is in the folders {', '.join(f'{name}/' for name in empty[:5])}")
