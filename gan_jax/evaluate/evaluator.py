"""Scores sets of images against a data set, each score with the protocol that it needs.

A protocol says all that changes a score: how many samples, against which real images, by which
features, of which parameters, from which seed. Two scores are comparable where theirs are equal,
but for the seed.
"""

import functools
import hashlib
import logging
import shutil
import time
from typing import Any

import numpy as np

from gan_jax import startup
from gan_jax.config import Config
from gan_jax.data import toys
from gan_jax.data.sources import Source, cache_key
from gan_jax.errors import UsageError, first_line
from gan_jax.evaluate import rows, subjects, summary
from gan_jax.evaluate.features import Extractor, open_extractor
from gan_jax.evaluate.manifold import Manifold
from gan_jax.evaluate.scores import compare
from gan_jax.evaluate.subjects import Subject
from gan_jax.evaluate.summary import Summary, summarize

_LOGGER = logging.getLogger(__name__)
_FEWEST = 10  # the Inception score has as many parts
# Total variation distance from which the classes' shares are told to differ; MNIST's are at 0.02
# from equal ones.
_UNLIKE = 0.05


class Evaluator:
    """Scores against one data set; what that takes is trained, loaded or counted at the first.

    Args:
      config: reads seed, eval, dataset and, for FIDs of each class, conditional.
      source: the real data.
      extractor: finds the features; None: the one that config.eval names.
    """

    def __init__(self, config: Config, source: Source, extractor: Extractor | None = None):
        self._config, self._source = config, source
        if extractor is not None:
            self.extractor = extractor
        self._last_truth: tuple[Summary | None, Manifold | None] = (None, None)

    def open(self) -> None:
        """Does what the first score would do first, and would be too late to refuse then.

        Raises:
          UsageError: if there are no features for these data, their weights are not usable, or
            there are too few of them.
        """
        if (count := len(self._source)) < _FEWEST:
            raise UsageError(
                f"config.eval_every={self._config.eval_every}: {count} examples are too few for a "
                f"score, which takes {_FEWEST}; --config.eval_every=0 trains without"
            )
        _ = self.extractor

    def score(self, subject: Subject) -> dict[str, Any]:
        """What eval.jsonl says of a set, but for the step that it belongs to.

        Raises:
          UsageError: if there are no features for these data, their weights are not usable, or one
            side has too few examples.
        """
        return self._score(subject, self._reference, "")

    def floor(self) -> dict[str, Any]:
        """Score a random part of the data against the rest of them: no G does better.

        The part has as many examples as G makes for a score, or half of the data where there are
        not twice as many.
        """
        order = subjects.by_content(self._source)
        count = min(self._config.eval.num_samples, len(order) // 2)
        real = self._summarize(subjects.of_source(self._source, "real", order[count:]))
        made = subjects.of_source(self._source, "real", order[:count])
        return self._score(made, real, "rest")

    def protocol(self, subject: Subject) -> str:
        """Return the protocol that `score` would give a set, without scoring it."""
        real, kept = self._reference, min(subject.count, self._config.eval.kept)
        k = self._neighbors(len(real.features), kept)
        return self._protocol(subject, real.moments.count, k, "")

    def _score(self, subject: Subject, real: Summary, part: str) -> dict[str, Any]:
        began = time.perf_counter()
        made = self._summarize(subject)
        k = self._neighbors(len(real.features), len(made.features))
        row = compare(real, made, self._truth(real, k), seed=0)
        if self._config.dataset.name in toys.MODES:
            centers, std = toys.MODES[self._config.dataset.name]
            row |= toys.coverage(made.features, centers(), std)._asdict()
        notes = self._notes(subject, real, made, k)
        return {
            "kind": subject.name if subject.name in rows.KINDS else "checkpoint",
            "protocol": self._protocol(subject, real.moments.count, k, part),
            "num_samples": subject.count,
            **row,
            **({"features_accuracy": accuracy} if (accuracy := self.extractor.accuracy) else {}),
            **({"note": "; ".join(notes)} if notes else {}),
            "seconds": round(time.perf_counter() - began, 3),
        }

    def _neighbors(self, *kept: int) -> int:
        """Return the k that sets of so many features allow."""
        return min(self._config.eval.neighbours, min(kept) - 1)

    def _notes(self, subject: Subject, real: Summary, made: Summary, k: int) -> list[str]:
        """Return what a reader of the row must know who would compare it with a checkpoint's."""
        settings, size = self._config.eval, len(self._source)
        usual = self._neighbors(*(min(n, settings.kept) for n in (size, settings.num_samples)))
        found = {
            "samples": (subject.count, settings.num_samples),
            "real images": (real.moments.count, size),
            "k": (k, usual),
        }
        differ = [f"{name} {now}, not {then}" for name, (now, then) in found.items() if now != then]
        notes = [f"not comparable with checkpoints: {', '.join(differ)}"] if differ else []
        classes = [label for label, moments in real.by_class.items() if moments.count]
        seen = [label for label, moments in made.by_class.items() if moments.count]
        if seen and (missing := len(set(classes) - set(seen))):
            notes.append(f"samples of {len(classes) - missing} of {len(classes)} classes")
        elif seen and subject.name not in rows.KINDS:  # G makes the classes in turn
            shares = (
                np.array([moments.count for moments in side.by_class.values()]) / side.moments.count
                for side in (real, made)
            )
            if np.abs(np.subtract(*shares)).sum() / 2 > _UNLIKE:
                notes.append("samples of all classes in equal shares, unlike the data")
        return notes

    def _truth(self, real: Summary, k: int) -> Manifold:
        """Of real features; the last one is kept: finding it takes as long as all the rest."""
        known, truth = self._last_truth
        if known is not real or truth.k != k:
            truth = Manifold(real.features, k)
            self._last_truth = real, truth
        return truth

    def _protocol(self, subject: Subject, real: int, k: int, part: str) -> str:
        settings, dataset = self._config.eval, self._config.dataset
        resized = settings.resize if self.extractor.name.startswith("inception") else "none"
        split = "_".join(filter(None, (dataset.split, part)))
        shape = "x".join(map(str, self._source.shape))
        # Versions that kept the first ones in the order of their paths said "kept" alone.
        chosen = real > settings.kept or subject.name in ("images", "real")
        fields = (
            f"fid{_short(subject.count)}_{split}",
            f"features={self.extractor.name}",
            f"resize={resized}",
            *filter(None, [subject.fit and f"fit={subject.fit}"]),
            subject.name,
            f"seed={subject.seed}",
            f"real={real}",
            f"kept={settings.kept}" + "_random" * chosen,
            f"k={k}",
            f"data={self._source.fingerprint()[:8]}-{shape}",
        )
        return ";".join(fields)

    @functools.cached_property
    def extractor(self) -> Extractor:
        """What finds the features."""
        return open_extractor(self._config.eval, self._source)

    def _summarize(self, subject: Subject) -> Summary:
        settings = self._config.eval
        if subject.count < _FEWEST:
            raise UsageError(
                f"{subject.count} examples ({subject.name}) are too few for a score; it takes "
                f"{_FEWEST} of either side, and more to mean anything"
            )
        return summarize(
            subject.batches(settings.batch_size),
            self.extractor,
            count=subject.count,
            kept=settings.kept,
            num_classes=subject.num_classes if self._config.conditional else 0,
        )

    @functools.cached_property
    def _reference(self) -> Summary:
        """Of the data, kept in the user's cache directory from one run to the next."""
        source, cache, settings = self._source, startup.cache_directory(), self._config.eval
        decides = (
            summary.RECIPE, cache_key(source), source.shape, source.classes, source.num_classes,
            self.extractor.name, settings.resize, settings.kept, self._config.conditional,
        )  # fmt: skip
        name = hashlib.sha256(repr(decides).encode()).hexdigest()[:16]
        folder = cache and cache / "references" / name
        if folder is not None and folder.exists():
            try:
                return summary.load(folder)
            except Exception as error:  # a damaged file can make a reader raise anything
                _LOGGER.warning("%s is damaged (%s); made again", folder, first_line(error))
                shutil.rmtree(folder, ignore_errors=True)
        real = self._summarize(subjects.of_source(source, "real"))
        if folder is not None:
            try:
                summary.save(real, folder)
            except OSError as error:
                _LOGGER.warning("%s cannot be written (%s)", folder, first_line(error))
        return real


def _short(count: int) -> str:
    return f"{count // 1000}k" if count % 1000 == 0 else str(count)
