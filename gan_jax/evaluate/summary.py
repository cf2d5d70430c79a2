"""What is kept of a set of images once it has passed by: sums over all, features of some.

Memory does not grow with the set: moments and class sums are streamed, and the features that KID
and the neighbors need are those of the first `kept` images.
"""

import os
import pathlib
import secrets
import shutil
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gan_jax.errors import UsageError
from gan_jax.evaluate.features import Extractor
from gan_jax.evaluate.frechet import Moments
from gan_jax.evaluate.inception_score import InceptionScore

# To be counted up whenever a summary of the same set becomes another: kept ones are not taken then.
RECIPE = 2
# Sets of more classes than this have no moments of each: they are `dim`^2 numbers.
_MOST_CLASSES = 100
_SPLITS = 10


class Summary(NamedTuple):
    """Of a set of images, in an extractor's features.

    Attributes:
      moments: of all.
      features: of the first ones, which stand for all: the order of a set is random.
      by_class: moments of the images of each label; empty without labels, or with too many.
      predicted: how often the extractor finds each of its classes; empty without classes.
      inception_score: (mean, standard deviation) over 10 parts; None without classes.
    """

    moments: Moments
    features: Float[np.ndarray, "kept dim"]
    by_class: dict[int, Moments]
    predicted: Int[np.ndarray, "classes"]
    inception_score: tuple[float, float] | None


def summarize(
    batches: Iterable[dict[str, np.ndarray]],
    extractor: Extractor,
    *,
    count: int,
    kept: int,
    num_classes: int,
) -> Summary:
    """Looks through a set once.

    Args:
      batches: {"image", "label"} in order; together `count` of them.
      extractor: finds the features.
      count: images in all.
      kept: images whose features are kept.
      num_classes: that the labels count; 0: they mean nothing.

    Raises:
      UsageError: if a feature is not finite.
    """
    moments, features, left = Moments(extractor.dim), [], kept
    by_class = {label: Moments(extractor.dim) for label in _classes(num_classes)}
    predicted = np.zeros(extractor.classes, np.int64)
    score = InceptionScore(extractor.classes, count, _SPLITS) if extractor.classes else None
    for batch in batches:
        found = extractor.find(batch["image"])
        if not np.isfinite(found.features).all():
            raise UsageError(
                f"config.eval.features: those of {extractor.name} are not finite for these "
                "examples; look at its weights and at the examples"
            )
        moments.add(found.features)
        for label, part in by_class.items():
            chosen = found.features[batch["label"] == label]
            if len(chosen):
                part.add(chosen)
        if left > 0:
            features.append(found.features[:left])
            left -= len(features[-1])
        if score is not None:
            score.add(found.probabilities)
            predicted += np.bincount(
                found.probabilities.argmax(axis=1), minlength=extractor.classes
            )
    return Summary(
        moments, np.concatenate(features), by_class, predicted, score.result() if score else None
    )


def save(summary: Summary, folder: pathlib.Path) -> None:
    """Writes it as a directory, whole or not at all."""
    draft = folder.with_name(f"{folder.name}.{secrets.token_hex(8)}")
    draft.mkdir(parents=True, exist_ok=True)
    summary.moments.save(draft / "all.npz")
    for label, moments in summary.by_class.items():
        moments.save(draft / f"class_{label}.npz")
    np.savez(
        draft / "kept.npz",
        features=summary.features,
        labels=np.array(list(summary.by_class), np.int64),
        predicted=summary.predicted,
        inception_score=summary.inception_score or (),
    )
    try:
        os.rename(draft, folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not folder.exists():  # else another process has written the same just now
            raise


def load(folder: pathlib.Path) -> Summary:
    """Reads what `save` wrote.

    Raises:
      Exception: of many kinds, if it is not that.
    """
    with np.load(folder / "kept.npz", allow_pickle=False) as file:
        features, predicted = file["features"], file["predicted"]
        score = tuple(map(float, file["inception_score"])) or None
        labels = file["labels"].tolist()
    by_class = {label: Moments.load(folder / f"class_{label}.npz") for label in labels}
    return Summary(Moments.load(folder / "all.npz"), features, by_class, predicted, score)


def _classes(num_classes: int) -> range:
    return range(num_classes if num_classes <= _MOST_CLASSES else 0)
