"""Precision, recall, density and coverage against published code's numbers and the definitions."""

import numpy as np
import pytest

from gan_jax.evaluate import manifold
from gan_jax.evaluate.manifold import Manifold, Scores, compare, nearest_distances


def normal(seed, *shape):
    return np.random.RandomState(seed).standard_normal(shape)


def gauss8():
    return normal(10, 200, 8), normal(11, 200, 8) * 0.9 + 0.25


def two_of_four_modes():
    centers = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    real = np.repeat(centers, 50, axis=0) + 0.3 * normal(12, 200, 2)
    return real, np.repeat(centers[:2], 100, axis=0) + 0.3 * normal(13, 200, 2)


def scores(real, fake, k):
    return compare(Manifold(real, k), Manifold(fake, k))


def squares(x, y):
    return np.sum((x[:, None] - y[None]) ** 2, axis=2)


def naive(real, fake, k):
    """The definitions, with nothing done twice or in parts."""
    of_real = np.sort(squares(real, real), axis=1)[:, k]
    of_fake = np.sort(squares(fake, fake), axis=1)[:, k]
    between = squares(real, fake)
    in_real = between < of_real[:, None]
    return Scores(
        precision=in_real.any(axis=0).mean(),
        recall=(between < of_fake).any(axis=1).mean(),
        density=in_real.sum() / (k * len(fake)),
        coverage=in_real.any(axis=1).mean(),
    )


@pytest.mark.parametrize(
    ("k", "expected"),
    [(1, (0.62, 0.585, 0.93, 0.41)), (3, (0.85, 0.84, 0.9316666666666666, 0.805)),
     (5, (0.94, 0.895, 0.969, 0.94)), (10, (0.99, 0.96, 1.0165, 0.985))],
)  # fmt: skip
def test_it_equals_the_authors(k, expected):
    assert scores(*gauss8(), k) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(
    ("k", "expected"),
    [(3, (0.985, 0.46, 1.0483333333333333, 0.475)), (5, (0.995, 0.47, 1.0859999999999999, 0.48))],
)
def test_missing_modes_lower_recall_and_coverage_alone(k, expected):
    assert scores(*two_of_four_modes(), k) == pytest.approx(expected, abs=1e-14)


def test_swapped_sets_swap_precision_and_recall():
    real, fake = gauss8()
    assert scores(fake, real, 5) == pytest.approx((0.895, 0.94, 0.745, 0.88), abs=1e-14)


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("dim", [1, 8, 130])
def test_a_set_is_as_good_as_its_copy(dim, shift):
    """Every k-th neighbor lies on the rim of its ball, and does not count: k are left of k + 1."""
    real = normal(10, 150, dim) + shift
    assert scores(real, real.copy(), 5) == (1, 1, 1, 1)
    assert scores(real, real[::-1], 5) == pytest.approx((1, 1, 1, 1))


@pytest.mark.parametrize("block", [1, 500, 2**21])
@pytest.mark.parametrize("sizes", [(60, 90), (90, 60)])
def test_sets_of_unequal_sizes_in_blocks_of_any_size(monkeypatch, sizes, block):
    monkeypatch.setattr(manifold, "_BLOCK", block)
    real, fake = normal(0, sizes[0], 5), normal(1, sizes[1], 5) * 1.2
    assert scores(real, fake, 4) == pytest.approx(naive(real, fake, 4), abs=1e-14)


@pytest.mark.parametrize("k", [1, 2, 5, 11])
def test_ties_and_repetitions_are_as_in_the_definitions(k):
    """On a lattice most distances are equal, and many features are."""
    real, fake = (np.random.RandomState(seed).randint(0, 4, (80, 3)) + 0.0 for seed in (0, 1))
    assert scores(real, fake, k) == pytest.approx(naive(real, fake, k), abs=1e-14)
    expected = np.sqrt(np.sort(squares(real, real), axis=1)[:, k])
    assert np.array_equal(Manifold(real, k).radii, expected)
    # Far away, products lose the digits that tell the lattice's distances apart.
    assert np.array_equal(Manifold(real + 2.0**40, k).radii, expected)
    assert scores(real + 2.0**40, fake + 2.0**40, k) == scores(real, fake, k)


def test_a_generator_that_makes_one_image():
    real, _ = gauss8()
    fake = np.repeat(real[:1] + 1e-3, 200, axis=0)
    assert np.all(Manifold(fake, 5).radii == 0)
    found = scores(real, fake, 5)
    assert found == pytest.approx(naive(real, fake, 5), abs=1e-14)
    assert (found.precision, found.recall) == (1, 0)
    assert found.coverage < 0.1
    assert scores(fake, fake, 5) == (0, 0, 0, 0)


def test_order_rotation_translation_and_scale_do_not_matter():
    real, fake = gauss8()
    expected = scores(real, fake, 3)
    rotation, _ = np.linalg.qr(normal(5, 8, 8))
    assert scores(real[::-1], fake[::-1], 3) == pytest.approx(expected, abs=1e-14)
    for change in (lambda x: x @ rotation, lambda x: x + 1000, lambda x: 1e-6 * x):
        assert scores(change(real), change(fake), 3) == pytest.approx(expected, abs=1e-14)


def test_radii_are_distances_to_the_kth_neighbor():
    features = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert Manifold(features, 1).radii.tolist() == [1, 1, 2, 4]
    assert Manifold(features, 3).radii.tolist() == [7, 6, 4, 7]
    assert Manifold(features.astype(np.float32), 2).radii.tolist() == [3, 2, 3, 6]


def test_nearest_references():
    queries, references = normal(0, 70, 9), normal(1, 110, 9)
    distances, nearest = nearest_distances(queries, references)
    assert np.array_equal(nearest, squares(queries, references).argmin(axis=1))
    expected = np.sqrt(squares(queries, references).min(axis=1))
    assert np.allclose(distances, expected, rtol=1e-14)


@pytest.mark.parametrize("block", [1, 700, 2**21])
def test_copies_are_found_at_no_distance_and_the_first_of_them(monkeypatch, block):
    monkeypatch.setattr(manifold, "_BLOCK", block)
    references = np.tile(normal(0, 40, 6) + 1e4, (2, 1))
    distances, nearest = nearest_distances(references[::-1], references)
    assert np.all(distances == 0)
    assert nearest.tolist() == [*range(39, -1, -1)] * 2
    distances, nearest = nearest_distances(references, references, exclude_self=True)
    assert np.all(distances == 0)
    assert nearest.tolist() == [*range(40, 80), *range(40)]


@pytest.mark.parametrize("block", [1, 700, 2**21])
def test_no_feature_is_its_own_neighbor(monkeypatch, block):
    monkeypatch.setattr(manifold, "_BLOCK", block)
    features = normal(0, 60, 4)
    between = squares(features, features)
    np.fill_diagonal(between, np.inf)
    distances, nearest = nearest_distances(features, features, exclude_self=True)
    assert np.array_equal(nearest, between.argmin(axis=1))
    assert np.allclose(distances, Manifold(features, 1).radii, rtol=1e-15)
    some, of_them = nearest_distances(features[:25], features, exclude_self=True)
    assert np.array_equal(some, distances[:25])
    assert np.array_equal(of_them, nearest[:25])


def test_bad_input_is_refused():
    real, fake = gauss8()
    for k in (0, 200):
        with pytest.raises(ValueError, match=f"k={k} neighbors among 200 features"):
            Manifold(real, k)
    bad = real.copy()
    bad[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        Manifold(bad, 3)
    with pytest.raises(ValueError, match="features of 8 and of 7 numbers"):
        scores(real, fake[:, 1:], 3)
    with pytest.raises(ValueError, match="neighbor 3 and to neighbor 5"):
        compare(Manifold(real, 3), Manifold(fake, 5))


def test_bad_queries_and_references_are_refused():
    real, fake = gauss8()
    bad = real.copy()
    bad[0, 0] = np.inf
    for queries, references in ((bad, real), (real, bad)):
        with pytest.raises(ValueError, match="infs"):
            nearest_distances(queries, references)
    with pytest.raises(ValueError, match="features of 8 and of 7 numbers"):
        nearest_distances(real, fake[:, 1:])
    with pytest.raises(ValueError, match="no references"):
        nearest_distances(real, fake[:0])
    for several, others in ((real, real[:9]), (real[:1], real[:1])):
        with pytest.raises(ValueError, match="are not the first of"):
            nearest_distances(several, others, exclude_self=True)
