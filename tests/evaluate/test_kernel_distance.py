"""KID against closed forms and the numbers that other implementations agree on."""

import numpy as np
import pytest

from gan_jax.evaluate import kernel_distance as module
from gan_jax.evaluate.kernel_distance import kernel_distance, squared_mmd


def normal(seed, *shape):
    return np.random.RandomState(seed).standard_normal(shape)


X = normal(0, 500, 16)
Y = normal(1, 500, 16) @ (np.eye(16) + normal(2, 16, 16) / 4) * 1.3 + 0.2


def test_whole_sets_equal_torch_fidelitys():
    assert squared_mmd(X, Y) == pytest.approx(2.990493496363113, rel=1e-11)
    assert squared_mmd(X, Y, unbiased=False) == pytest.approx(3.247940856280165, rel=1e-11)


def test_sets_of_unequal_sizes():
    assert squared_mmd(X, Y[:300]) == pytest.approx(3.100163752611658, rel=1e-11)
    assert squared_mmd(Y[:300], X) == pytest.approx(3.100163752611658, rel=1e-11)


def test_two_parts_of_one_set_may_be_below_zero():
    assert squared_mmd(X[:250], X[250:]) == pytest.approx(-0.0021731696763134245, abs=1e-12)


def test_subsets_equal_torch_fidelitys():
    mean, std = kernel_distance(X, Y, subsets=10, subset_size=100, seed=2020)
    assert mean == pytest.approx(2.917856791223219, rel=1e-11)
    assert std == pytest.approx(0.3962010703491041, rel=1e-11)
    mean, std = kernel_distance(X, Y, subsets=100, subset_size=100, seed=2020)
    assert mean == pytest.approx(2.985112162850856, rel=1e-11)
    assert std == pytest.approx(0.42178020481013195, rel=1e-11)


@pytest.mark.parametrize(("subset", "value"), [(0, 2.8694729157503085), (1, 3.138212494344533)])
def test_a_subset_is_drawn_from_x_and_then_from_y(subset, value):
    rng = np.random.RandomState(2020)
    for _ in range(subset + 1):
        x, y = (features[rng.choice(500, 100, replace=False)] for features in (X, Y))
    assert squared_mmd(x, y) == pytest.approx(value, rel=1e-11)


def test_by_hand():
    """In one dimension, k(x, y) = (x y + 1)^3."""
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [-1.0], [1.0]])
    between = (1 + 1 + 1 + 27 + 0 + 8) / 6
    within = 1.0, (-1 + 27 + 0) / 3
    assert squared_mmd(x, y) == pytest.approx(sum(within) - 2 * between)
    within = (1 + 1 + 1 + 8) / 4, (125 + 8 + 8 + 2 * (-1 + 27 + 0)) / 9
    assert squared_mmd(x, y, unbiased=False) == pytest.approx(sum(within) - 2 * between)


def test_a_set_is_at_no_biased_distance_from_itself():
    assert squared_mmd(X, X[::-1], unbiased=False) == pytest.approx(0, abs=1e-12)


def test_order_rotation_and_blocks_do_not_matter(monkeypatch):
    value = squared_mmd(X, Y)
    rotation, _ = np.linalg.qr(normal(5, 16, 16))
    assert squared_mmd(X[::-1], Y) == pytest.approx(value, rel=1e-11)
    assert squared_mmd(X @ rotation, Y @ rotation) == pytest.approx(value, rel=1e-11)
    monkeypatch.setattr(module, "_BLOCK", 1300)
    assert squared_mmd(X, Y) == pytest.approx(value, rel=1e-11)


def test_a_set_is_at_no_distance_from_its_copy():
    """Where subsets are drawn as well, and where rounding has moved the copies."""
    assert kernel_distance(X, X, subset_size=100) == (0, 0)
    assert kernel_distance(X, X * (1 + 1e-7), subset_size=100) == (0, 0)
    mean, std = kernel_distance(X, X[::-1], subset_size=100)
    assert mean == pytest.approx(0, abs=2 * std)
    assert kernel_distance(X, X + 1e-3, subset_size=100)[1] > 0
    large = X.copy()
    large[0] = 1e9  # must not hide what the others differ by
    assert kernel_distance(large, np.concatenate([large[:1], Y[1:]]))[0] != 0


def test_float32_is_added_up_in_float64():
    x, y = X.astype(np.float32), Y.astype(np.float32)
    exact = squared_mmd(x.astype(np.float64), y.astype(np.float64))
    assert squared_mmd(x, y) == exact


def test_a_seed_gives_the_same_subsets_each_time():
    sizes = {"subsets": 3, "subset_size": 50}
    assert kernel_distance(X, Y, **sizes) == kernel_distance(X, Y, **sizes, seed=0)
    assert kernel_distance(X, Y, **sizes) != kernel_distance(X, Y, **sizes, seed=1)


def test_a_subset_is_no_larger_than_the_smaller_set():
    mean, std = kernel_distance(X, Y[:300], subsets=5)
    assert mean == pytest.approx(squared_mmd(X, Y[:300]), abs=5 * std)
    mean, std = kernel_distance(X, Y, subsets=5)
    assert (mean, std) == (pytest.approx(squared_mmd(X, Y)), pytest.approx(0, abs=1e-12))


@pytest.mark.parametrize("distance", [squared_mmd, kernel_distance])
def test_bad_input_is_refused(distance):
    with pytest.raises(ValueError, match="features of 16 and of 15 numbers"):
        distance(X, Y[:, :15])
    with pytest.raises(ValueError, match="2 features or more, got 500 and 1"):
        distance(X, Y[:1])
    bad = X.copy()
    bad[3, 3] = np.inf
    with pytest.raises(ValueError, match="infs"):
        distance(bad, Y)


@pytest.mark.parametrize("sizes", [{"subsets": 0}, {"subset_size": 1}])
def test_subsets_of_nothing_are_refused(sizes):
    with pytest.raises(ValueError, match="it takes 1 or more, of 2 or more"):
        kernel_distance(X, Y, **sizes)
