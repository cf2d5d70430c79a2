"""The Frechet distance against closed forms and the numbers that other implementations agree on."""

import numpy as np
import pytest

from gan_jax.evaluate.frechet import Moments, frechet_distance


def normal(seed, *shape):
    return np.random.RandomState(seed).standard_normal(shape)


def gauss16():
    mixed = normal(1, 500, 16) @ (np.eye(16) + normal(2, 16, 16) / 4)
    return normal(0, 500, 16), mixed * 1.3 + 0.2


def moments(features, batch=None):
    found = Moments(features.shape[1])
    for begin in range(0, len(features), batch or len(features)):
        found.add(features[begin : begin + (batch or len(features))])
    return found


def distance(x, y):
    return frechet_distance(moments(x), moments(y))


def two_points(mean, variance):
    """Samples whose mean and unbiased covariance, a diagonal one, are exactly these."""
    dim = len(mean)
    offsets = np.concatenate([np.eye(dim), -np.eye(dim)]) * np.sqrt((2 * dim - 1) / 2)
    return np.array(mean) + offsets * np.sqrt(variance)


def test_it_equals_pytorch_fids_and_torch_fidelitys():
    assert distance(*gauss16()) == pytest.approx(19.519508367280835, rel=1e-12)


def test_between_diagonal_gaussians_it_has_a_closed_form():
    """|m1 - m2|^2 + sum (s1 - s2)^2 = 1.25 + 1 + 1."""
    x = two_points([0.0, 0.0, 0.0], [1.0, 4.0, 9.0])
    y = two_points([0.5, -1.0, 0.0], [4.0, 1.0, 9.0])
    assert np.allclose(moments(y).covariance, np.diag([4.0, 1.0, 9.0]), atol=1e-14)
    assert distance(x, y) == pytest.approx(3.25, rel=1e-12)


def test_covariances_of_fewer_samples_than_dimensions_are_exact():
    """Other ways give 78.9074183 to 78.9074190, and 78.9072 with 1e-6 on the diagonals."""
    x, y = normal(3, 20, 64), normal(4, 20, 64) + 0.1
    assert distance(x, y) == pytest.approx(78.90742019823438, rel=1e-12)


def test_moments_are_numpys():
    _, y = gauss16()
    found = moments(y, 7)
    assert found.count == 500
    assert np.allclose(found.mean, y.mean(axis=0), rtol=1e-13)
    assert np.allclose(found.covariance, np.cov(y, rowvar=False), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("batch", [1, 3, 128, 499])
def test_batches_of_any_size_give_the_same(batch):
    x, y = gauss16()
    found = frechet_distance(moments(x, batch), moments(y, batch))
    assert found == pytest.approx(distance(x, y), rel=1e-12)


def test_an_empty_batch_adds_nothing():
    x, _ = gauss16()
    found = moments(x)
    found.add(np.zeros((0, 16)))
    assert found.count == 500
    assert np.array_equal(found.covariance, moments(x).covariance)


def test_a_mean_far_from_zero_costs_no_digits():
    """Sums of squares would leave 16 - 2 * 7 digits here."""
    x, y = (2.0**-20 * np.round(2.0**20 * features) for features in gauss16())
    far = frechet_distance(moments(x + 2.0**24, 10), moments(y + 2.0**24, 10))
    assert far == pytest.approx(distance(x, y), rel=1e-7)


def test_float32_is_added_up_in_float64():
    x = np.float32(1000) + normal(0, 4000, 2).astype(np.float32)
    assert np.allclose(moments(x, 9).mean, x.astype(np.float64).mean(axis=0), rtol=1e-15)


def test_order_rotation_and_the_sets_places_do_not_matter():
    x, y = gauss16()
    value = distance(x, y)
    rotation, _ = np.linalg.qr(normal(5, 16, 16))
    assert distance(x[::-1], y) == pytest.approx(value, rel=1e-12)
    assert distance(x @ rotation, y @ rotation) == pytest.approx(value, rel=1e-12)
    assert distance(y, x) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("features", [gauss16()[0], normal(3, 20, 64), np.ones((5, 4))])
def test_a_set_is_at_no_distance_from_itself(features):
    assert 0 <= distance(features, features[::-1]) < 1e-9


def test_the_distance_to_a_constant_is_the_trace():
    x, _ = gauss16()
    expected = np.trace(np.cov(x, rowvar=False)) + np.sum((x.mean(axis=0) - 1) ** 2)
    assert distance(x, np.ones((10, 16))) == pytest.approx(expected, rel=1e-12)


def test_saved_moments_go_on_where_they_were(tmp_path):
    x, _ = gauss16()
    moments(x[:300]).save(tmp_path / "statistics")
    assert [path.name for path in tmp_path.iterdir()] == ["statistics"]
    found = Moments.load(str(tmp_path / "statistics"))
    expected = moments(x[:300])
    for each in (found, expected):
        each.add(x[300:])
    assert found.count == 500
    assert np.array_equal(found.mean, expected.mean)
    assert np.array_equal(found.covariance, expected.covariance)


def test_a_damaged_file_is_refused(tmp_path):
    """Whatever byte is another: it is noticed, or was none of the numbers'."""
    path = tmp_path / "statistics.npz"
    expected = moments(normal(0, 9, 3))
    expected.save(path)
    content = path.read_bytes()
    refused = 0
    for i in range(0, len(content), 3):
        path.write_bytes(content[:i] + bytes([content[i] ^ 0xFF]) + content[i + 1 :])
        try:
            found = Moments.load(path)
        except ValueError:
            refused += 1
        else:
            assert np.array_equal(found.covariance, expected.covariance)
    assert refused > len(content) / 6
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="no moments"):
        Moments.load(path)


def test_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "other.npz"
    pickled = {"count": np.array(None), "mean": np.zeros(2), "scatter": np.zeros((2, 2))}
    other_shape = {"count": 3, "mean": np.zeros(2), "scatter": np.zeros((3, 3))}
    infinite = {"count": 3, "mean": np.full(2, np.inf), "scatter": np.zeros((2, 2))}
    for arrays in ({"mean": np.zeros(2)}, pickled, other_shape, infinite):
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match="no moments"):
            Moments.load(path)
    for content in (b"", b"PK", b"text"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no moments"):
            Moments.load(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="no moments"):
        Moments.load(path)
    with pytest.raises(FileNotFoundError):
        Moments.load(tmp_path / "none.npz")


def test_bad_input_is_refused_and_changes_nothing():
    found = moments(normal(0, 5, 3))
    bad = normal(1, 5, 3)
    bad[2, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        found.add(bad)
    with pytest.raises(ValueError, match="features of 4 numbers, not of 3"):
        found.add(np.zeros((5, 4)))
    assert found.count == 5
    assert np.array_equal(found.covariance, moments(normal(0, 5, 3)).covariance)
    with pytest.raises(ValueError, match="2 samples or more, got 1"):
        frechet_distance(found, moments(np.zeros((1, 3))))
    with pytest.raises(ValueError, match="features of 3 and of 2 numbers"):
        frechet_distance(found, moments(np.zeros((5, 2))))
