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

from gan_jax import prng, startup
from gan_jax.config import Config
from gan_jax.data import toys
from gan_jax.data.sources import Source
from gan_jax.errors import UsageError, first_line
from gan_jax.evaluate import subjects, summary
from gan_jax.evaluate.features import Extractor, open_extractor
from gan_jax.evaluate.manifold import Manifold
from gan_jax.evaluate.scores import compare
from gan_jax.evaluate.subjects import Subject
from gan_jax.evaluate.summary import Summary, summarize

_LOGGER = logging.getLogger(__name__)
_FEWEST = 10  # the Inception score has as many parts


class Evaluator:
    """Scores against one data set; what that takes is trained, loaded or counted at the first.

    Args:
      config: reads seed, eval, dataset and, for FIDs of each class, conditional.
      source: the real data.
    """

    def __init__(self, config: Config, source: Source):
        self._config, self._source = config, source
        self._last_truth: tuple[Summary | None, Manifold | None] = (None, None)

    def open(self) -> None:
        """Does what the first score would do first, and would be too late to refuse then.

        Raises:
          UsageError: if there are no features for these data, or their weights are not usable.
        """
        _ = self._extractor

    def score(self, subject: Subject) -> dict[str, Any]:
        """What eval.jsonl says of a set, but for the step that it belongs to.

        Raises:
          UsageError: if there are no features for these data, their weights are not usable, or one
            side has too few examples.
        """
        return self._score(subject, self._reference, "")

    def floor(self) -> dict[str, Any]:
        """The score of one random half of the data against the other: no G does better."""
        words = prng.host_bits(0, "evaluation halves", 0, len(self._source))
        seen, made = np.array_split(np.argsort(words, kind="stable"), 2)
        real = self._summarize(subjects.of_source(self._source, "real", seen))
        return self._score(subjects.of_source(self._source, "real", made), real, "half")

    def protocol(self, subject: Subject) -> str:
        """Return the protocol that `score` would give a set, without scoring it."""
        real, kept = self._reference, min(subject.count, self._config.eval.kept)
        k = min(self._config.eval.neighbours, min(len(real.features), kept) - 1)
        return self._protocol(subject, real.moments.count, k, "")

    def _score(self, subject: Subject, real: Summary, part: str) -> dict[str, Any]:
        began = time.perf_counter()
        made = self._summarize(subject)
        most = min(len(real.features), len(made.features)) - 1
        k = min(self._config.eval.neighbours, most)
        row = compare(real, made, self._truth(real, k), seed=0)
        if self._config.dataset.name in toys.MODES:
            centres, std = toys.MODES[self._config.dataset.name]
            row |= toys.coverage(made.features, centres(), std)._asdict()
        return {
            "protocol": self._protocol(subject, real.moments.count, k, part),
            "num_samples": subject.count,
            **row,
            "seconds": round(time.perf_counter() - began, 3),
        }

    def _truth(self, real: Summary, k: int) -> Manifold:
        """Of real features; the last one is kept: finding it takes as long as all the rest."""
        known, truth = self._last_truth
        if known is not real or truth.k != k:
            truth = Manifold(real.features, k)
            self._last_truth = real, truth
        return truth

    def _protocol(self, subject: Subject, real: int, k: int, part: str) -> str:
        settings, dataset = self._config.eval, self._config.dataset
        resized = settings.resize if self._extractor.name.startswith("inception") else "none"
        split = "_".join(filter(None, (dataset.split, part)))
        shape = "x".join(map(str, self._source.shape))
        fields = (
            f"fid{_short(subject.count)}_{split}",
            f"features={self._extractor.name}",
            f"resize={resized}",
            subject.name,
            f"seed={subject.seed}",
            f"real={real}",
            f"kept={settings.kept}",
            f"k={k}",
            f"data={self._source.fingerprint()[:8]}-{shape}",
        )
        return ";".join(fields)

    @functools.cached_property
    def _extractor(self) -> Extractor:
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
            self._extractor,
            count=subject.count,
            kept=settings.kept,
            num_classes=subject.num_classes if self._config.conditional else 0,
        )

    @functools.cached_property
    def _reference(self) -> Summary:
        """Of the data, kept in the user's cache directory from one run to the next."""
        source, cache = self._source, startup.cache_directory()
        config = self._config
        about = (
            f"{source.fingerprint()} {source.shape} {self._extractor.name} {config.eval.resize} "
            + (f"{config.eval.kept} {config.conditional}")
        )
        name = hashlib.sha256(about.encode()).hexdigest()[:16]
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
