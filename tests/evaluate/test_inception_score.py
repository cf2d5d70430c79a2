"""The Inception score against closed forms and torch-fidelity's numbers."""

import numpy as np
import pytest
from scipy import special

from gan_jax.evaluate.inception_score import InceptionScore

PROBABILITIES = special.softmax(np.random.RandomState(5).standard_normal((200, 10)) * 2, axis=1)


def score(probabilities, splits=10, batch=None):
    count, classes = probabilities.shape
    found = InceptionScore(classes, count, splits)
    for begin in range(0, count, batch or count):
        found.add(probabilities[begin : begin + (batch or count)])
    return found.result()


def naive(probabilities, splits):
    scores = []
    for i in range(splits):
        count = len(probabilities)
        part = probabilities[i * count // splits : (i + 1) * count // splits]
        divergences = np.sum(part * (np.log(part) - np.log(part.mean(axis=0))), axis=1)
        scores.append(np.exp(divergences.mean()))
    return np.mean(scores), np.std(scores)


def test_it_equals_torch_fidelitys():
    assert score(PROBABILITIES, 1) == (pytest.approx(2.5885858651060403, rel=1e-12), 0)
    expected = [2.4342020467170538, 0.15250165866225376]
    assert score(PROBABILITIES) == pytest.approx(expected, rel=1e-11)
    order = np.random.RandomState(2020).permutation(200)
    expected = [2.4661201662171983, 0.20890064864133692]
    assert score(PROBABILITIES[order]) == pytest.approx(expected, rel=1e-11)


def test_at_its_best_it_is_the_number_of_classes_and_at_its_worst_one():
    assert score(np.tile(np.eye(10), (20, 1))) == pytest.approx((10, 0))
    assert score(np.full((200, 10), 0.1)) == pytest.approx((1, 0))
    assert score(np.tile(np.eye(10)[3], (200, 1))) == pytest.approx((1, 0))


def test_by_hand():
    """Half the images are surely of class 0, the others of either: H(p(c)) - E H(p(c | x))."""
    p = np.array([[1.0, 0.0], [0.5, 0.5]])
    marginal = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert score(p, 1)[0] == pytest.approx(np.exp(marginal - np.log(2) / 2))


@pytest.mark.parametrize(("count", "splits"), [(200, 7), (23, 10), (10, 10), (199, 3)])
def test_splits_that_do_not_divide_the_count_are_the_authors(count, splits):
    expected = naive(PROBABILITIES[:count], splits)
    assert score(PROBABILITIES[:count], splits) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("batch", [1, 7, 64, 199])
def test_batches_of_any_size_give_the_same_bit_for_bit(batch):
    assert score(PROBABILITIES, 7, batch) == score(PROBABILITIES, 7)


def test_the_order_within_a_split_and_of_the_classes_does_not_matter():
    swapped = PROBABILITIES.reshape(10, 20, 10)[:, ::-1, ::-1].reshape(200, 10)
    assert score(swapped) == pytest.approx(score(PROBABILITIES), rel=1e-12)


def test_float32_is_added_up_in_float64():
    found = score(PROBABILITIES.astype(np.float32))
    assert found == pytest.approx(score(PROBABILITIES), rel=1e-6)


@pytest.mark.parametrize("splits", [0, 6])
def test_splits_without_samples_are_refused(splits):
    with pytest.raises(ValueError, match="splits of 5 samples: it takes 1 to 5"):
        InceptionScore(10, 5, splits)


def test_bad_input_is_refused_and_changes_nothing():
    found = InceptionScore(10, 200)
    found.add(PROBABILITIES[:150])
    bad = PROBABILITIES[150:].copy()
    bad[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        found.add(bad)
    with pytest.raises(ValueError, match="a softmax"):
        found.add(np.log(PROBABILITIES[150:]))
    with pytest.raises(ValueError, match="a softmax"):
        found.add(2 * PROBABILITIES[150:])
    with pytest.raises(ValueError, match="9 probabilities a sample, not 10"):
        found.add(PROBABILITIES[150:, 1:])
    with pytest.raises(ValueError, match="201 samples, 200 were announced"):
        found.add(PROBABILITIES[149:])
    with pytest.raises(ValueError, match="150 samples, 200 were announced"):
        found.result()
    found.add(PROBABILITIES[150:])
    assert found.result() == score(PROBABILITIES)
