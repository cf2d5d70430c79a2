import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.models import winograd
from gan_jax.models.convolution import conv


@pytest.mark.parametrize("taps", [2, 3])
def test_the_transforms_make_a_convolution_exactly(taps):
    """Of one tile on one axis, in float64: only rounding is left."""
    rng = np.random.default_rng(taps)
    x, w = rng.normal(size=winograd.TILE + taps - 1), rng.normal(size=taps)
    by = winograd.transforms(taps)
    y = by.features @ ((by.kernel @ w) * (by.image @ x))
    np.testing.assert_allclose(y, np.correlate(x, w, "valid"), rtol=1e-12)


def _error(size, stride, channels, features):
    """Root mean square of what a convolution is off by, of that of its result."""
    x = jax.random.normal(jax.random.key(0), (4, 16 * stride, 16 * stride, channels))
    kernel = jax.random.normal(jax.random.key(1), (size, size, channels, features))
    ours = np.asarray(conv(x, kernel, stride, "SAME"), np.float64)
    patches = jax.lax.conv_general_dilated_patches(
        x, (size, size), (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )  # channels first in each patch
    weights = np.asarray(kernel, np.float64).transpose(2, 0, 1, 3).reshape(-1, features)
    exact = np.asarray(patches, np.float64) @ weights
    return np.sqrt(np.mean(np.square(ours - exact)) / np.mean(np.square(exact)))


@pytest.mark.parametrize(
    ("size", "stride", "channels", "features"), [(3, 1, 128, 128), (4, 2, 64, 128)]
)
def test_the_error_is_a_few_times_that_of_plain_sums(size, stride, channels, features):
    by_winograd = _error(size, stride, channels, features)
    with jax.default_matmul_precision("highest"):
        plain = _error(size, stride, channels, features)
    assert plain < 5e-7 < by_winograd < 3e-6


def test_many_channels_take_fewer_products_unless_the_highest_precision_is_asked_for():
    def multiplications():
        x, kernel = jnp.zeros((2, 16, 16, 64)), jnp.zeros((3, 3, 64, 64))
        function = jax.jit(lambda x, kernel: conv(x, kernel, 1, "SAME"))
        return function.lower(x, kernel).compile().cost_analysis()["flops"] / 2

    plain = 2 * 16 * 16 * 64 * 9 * 64
    assert multiplications() < 0.4 * plain
    with jax.default_matmul_precision("highest"):
        assert 0.9 * plain < multiplications() <= plain


def test_an_example_is_convolved_alike_in_every_batch():
    x, kernel = jax.random.normal(jax.random.key(0), (8, 8, 8, 64)), jnp.ones((3, 3, 64, 64))
    whole = conv(x, kernel, 1, "SAME")
    np.testing.assert_allclose(conv(x[:1], kernel, 1, "SAME"), whole[:1], rtol=1e-6, atol=1e-5)
