import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax.evaluate.resize import antialiased, tf1_bilinear

# Computed by torch-fidelity's port of TensorFlow 1, in float64 with float32 weights.
THREE = [[0, 64, 255], [32, 128, 200], [255, 16, 8]]
THREE_AT_SEVEN = [
    [0.0, 27.428571701049805, 54.85714340209961, 118.57143101096153, 200.42857468128204,
     255.0, 255.0],
    [13.714285850524902, 47.02040868875932, 80.32653152699373, 131.428573344435,
     191.42857372335024, 231.42857119441032, 231.42857119441032],
    [27.428571701049805, 66.61224567646883, 105.79591965188786, 144.28571567790848,
     182.42857276541844, 207.85714238882065, 207.85714238882065],
    [95.71428856253624, 95.83673570958933, 95.95918285664243, 110.04081523175141,
     131.10203949286011, 145.14285469055176, 145.14285469055176],
    [191.28571808338165, 129.87755176303335, 68.46938544268505, 52.24489585234193,
     58.612242270489105, 62.857139587402344, 62.857139587402344],
    [255.0, 152.57142755389214, 50.14285510778427, 13.714285612106323, 10.285714149475098,
     8.0, 8.0],
    [255.0, 152.57142755389214, 50.14285510778427, 13.714285612106323, 10.285714149475098,
     8.0, 8.0],
]  # fmt: skip
NINE = [
    [99, 206, 239, 189, 230, 118, 144, 73, 8],
    [228, 231, 190, 155, 112, 158, 208, 7, 204],
    [143, 113, 181, 231, 80, 27, 44, 205, 203],
    [65, 175, 30, 212, 86, 125, 146, 254, 121],
    [137, 106, 41, 233, 190, 129, 210, 103, 144],
    [206, 5, 58, 0, 208, 132, 110, 164, 105],
    [179, 27, 31, 2, 68, 38, 105, 211, 147],
    [18, 113, 245, 135, 100, 108, 109, 158, 190],
    [11, 235, 67, 124, 193, 183, 131, 91, 78],
]
NINE_AT_FOUR = [
    [99.0, 226.5, 174.0, 90.75],
    [123.5, 164.0, 66.5, 180.3125],
    [171.5, 66.25, 164.75, 140.125],
    [58.25, 169.0625, 91.25, 155.4375],
]


def image(rows, dtype=np.uint8):
    return np.array(rows, dtype)[None, :, :, None]


def photo(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (2, height, width, 3)).astype(np.uint8)


def bicubic_matrix(size, out):
    """Each output pixel's weights, from the definition of the filter (Keys 1981, a = -1/2)."""
    scale = max(size / out, 1)
    center = (np.arange(out) + 0.5) * size / out
    x = np.abs((np.arange(size)[None] + 0.5 - center[:, None]) / scale)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("given", "size", "expected"), [(THREE, 7, THREE_AT_SEVEN), (NINE, 4, NINE_AT_FOUR)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_tf1_bilinear_is_torch_fidelitys(given, size, expected, dtype):
    result = tf1_bilinear(jnp.asarray(image(given, dtype)), size, size)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result[0, :, :, 0], expected, rtol=1e-6)


def test_tf1_bilinear_of_other_sides_and_channels():
    given = jnp.asarray(photo(6, 4))
    result = jax.jit(tf1_bilinear, static_argnums=(1, 2))(given, 3, 8)
    assert result.shape == (2, 3, 8, 3)
    every_second_row = given[:, ::2].astype(jnp.float32)
    np.testing.assert_array_equal(result[:, :, ::2], every_second_row)
    between = (every_second_row[:, :, 1:] + every_second_row[:, :, :-1]) / 2
    np.testing.assert_array_equal(result[:, :, 1:-1:2], between)
    np.testing.assert_array_equal(result[:, :, -1], every_second_row[:, :, -1])


@pytest.mark.parametrize(("height", "width"), [(4, 4), (7, 30), (9, 3), (23, 21)])
def test_antialiased_is_the_bicubic_filter(height, width):
    given = photo(9, 13)
    rows, columns = bicubic_matrix(9, height), bicubic_matrix(13, width)
    expected = np.einsum("yh,bhwc,xw->byxc", rows, given.astype(np.float64), columns)
    result = antialiased(given, height, width)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected.clip(0, 255), atol=1e-4)


def test_antialiased_clips_the_overshoot_once_both_axes_are_done():
    given = image(np.kron([[0, 255], [255, 0]], np.ones((3, 3))))
    weights = bicubic_matrix(6, 24)
    expected = weights @ given[0, :, :, 0].astype(np.float64) @ weights.T
    assert expected.min() < -10
    assert expected.max() > 265
    result = antialiased(given, 24, 24)[0, :, :, 0]
    np.testing.assert_allclose(result, expected.clip(0, 255), atol=1e-4)


def test_antialiased_is_not_rounded_to_whole_numbers():
    given = photo(32, 32) // 4 + 96
    result = antialiased(given, 299, 299)
    rounded = np.stack(
        [Image.fromarray(x).resize((299, 299), Image.Resampling.BICUBIC) for x in given]
    )
    difference = np.abs(result - rounded.astype(np.float32))
    assert 0.4 < difference.max() < 1.5


@pytest.mark.parametrize("resize", [tf1_bilinear, antialiased])
def test_the_same_size_changes_nothing(resize):
    given = photo(5, 8)
    convert = jnp.asarray if resize is tf1_bilinear else np.asarray
    np.testing.assert_array_equal(resize(convert(given), 5, 8), given.astype(np.float32))
