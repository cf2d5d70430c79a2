import gc
import weakref

import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.evaluate import summary
from gan_jax.evaluate.features import Extractor, Found
from gan_jax.evaluate.summary import summarize


def find(images):
    """The mean of each channel, and a class by the first of them."""
    features = images.reshape(len(images), -1, 3).mean(axis=1).astype(np.float32)
    classes = (features[:, 0] > 127).astype(int)
    return Found(features, np.eye(2, dtype=np.float32)[classes])


EXTRACTOR = Extractor("means", 3, 2, find)


class Batch(dict):
    """One that can be watched."""


def batches(count, size, alive=None):
    rng = np.random.default_rng(0)
    for begin in range(0, count, size):
        n = min(size, count - begin)
        batch = Batch(image=rng.integers(0, 256, (n, 4, 4, 3), np.uint8), label=np.arange(n) % 3)
        if alive is not None:
            alive.add(batch)
        yield batch


def summarized(count, size, kept=50, num_classes=3, alive=None):
    return summarize(
        batches(count, size, alive), EXTRACTOR, count=count, kept=kept, num_classes=num_classes
    )


class Alive:
    """How many batches are held at the same time, at most."""

    def __init__(self):
        self._references, self.most = [], 0

    def add(self, batch):
        gc.collect()
        self._references.append(weakref.ref(batch))
        self.most = max(self.most, sum(r() is not None for r in self._references))


@pytest.mark.parametrize("count", [100, 500])
def test_what_is_kept_does_not_grow_with_the_set(count):
    alive = Alive()
    found = summarized(count, 10, alive=alive)
    assert alive.most <= 2
    assert found.features.shape == (50, 3)
    assert (found.moments.count, found.predicted.sum()) == (count, count)


def test_the_first_ones_are_kept():
    images = next(batches(200, 200))["image"]
    np.testing.assert_array_equal(summarized(200, 200).features, find(images).features[:50])
    np.testing.assert_array_equal(summarized(200, 200, kept=500).features, find(images).features)


def test_each_class_has_its_moments():
    found = summarized(90, 90)
    whole = next(batches(90, 90))
    for label, moments in found.by_class.items():
        features = find(whole["image"]).features[whole["label"] == label]
        assert moments.count == 30
        np.testing.assert_allclose(moments.mean, features.mean(axis=0), rtol=1e-5)
    assert summarized(90, 90, num_classes=0).by_class == {}
    assert summarized(90, 90, num_classes=1000).by_class == {}


def test_a_summary_is_read_as_it_was_saved(tmp_path):
    found = summarized(100, 30)
    summary.save(found, tmp_path / "it")
    again = summary.load(tmp_path / "it")
    np.testing.assert_array_equal(again.features, found.features)
    np.testing.assert_array_equal(again.predicted, found.predicted)
    np.testing.assert_array_equal(again.moments.covariance, found.moments.covariance)
    assert again.by_class.keys() == found.by_class.keys()
    assert again.inception_score == found.inception_score
    assert [path.name for path in tmp_path.iterdir()] == ["it"]
    (tmp_path / "it" / "class_1.npz").unlink()
    with pytest.raises(FileNotFoundError):  # else a FID of each class would miss one
        summary.load(tmp_path / "it")


def test_features_that_are_not_finite_are_refused():
    broken = EXTRACTOR._replace(
        find=lambda images: Found(np.full((len(images), 3), np.nan, np.float32), None), classes=0
    )
    with pytest.raises(UsageError, match="those of means are not finite"):
        summarize(batches(20, 10), broken, count=20, kept=10, num_classes=0)
