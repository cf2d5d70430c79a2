import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.test_util import check_grads

from gan_jax.models import convolution, layers
from gan_jax.models.convolution import conv, conv_transpose, xla_conv

# (kernel, stride, padding, side, in, out): what the models use, and what they could; few channels
# and many on either side, which go different ways.
CASES = [
    (4, 2, "SAME", 8, 3, 5),
    (4, 2, "SAME", 28, 1, 4),
    (4, 2, "SAME", 6, 16, 20),
    (5, 2, "SAME", 8, 2, 3),
    (5, 2, "SAME", 7, 16, 17),
    (5, 1, "VALID", 12, 2, 3),
    (5, 1, "VALID", 7, 16, 20),
    (3, 1, "SAME", 6, 4, 4),
    (3, 1, "SAME", 6, 18, 3),
    (3, 1, "SAME", 5, 16, 18),
    (3, 1, "SAME", 5, 3, 18),
    (3, 2, "SAME", 9, 16, 16),
    (3, 2, "VALID", 10, 16, 16),
    (3, 2, "VALID", 9, 2, 2),
    (4, 2, "SAME", 2, 16, 20),
    (3, 1, "SAME", 2, 16, 18),
    (1, 1, "SAME", 5, 3, 2),
    (1, 1, "SAME", 5, 17, 16),
    (4, 4, "VALID", 8, 16, 16),
    (4, 4, "VALID", 4, 16, 17),
    (2, 3, "VALID", 11, 2, 3),
    (2, 3, "VALID", 9, 16, 16),
    # By Winograd.
    (3, 1, "SAME", 8, 64, 70),
    (3, 1, "VALID", 14, 65, 64),
    (4, 2, "SAME", 16, 32, 128),
    (5, 2, "SAME", 16, 16, 64),
    (3, 2, "VALID", 17, 32, 129),
]
NAMES = ("size", "stride", "padding", "side", "channels", "features")


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def close(ours, theirs):
    assert ours.shape == theirs.shape
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize(NAMES, CASES)
def test_a_convolution_and_its_gradients_equal_xlas(
    size, stride, padding, side, channels, features
):
    """Of the value, then of a gradient norm, differentiated again: what gradient penalties do."""
    width = side + (4 * stride if channels * stride**2 >= 64 else 1)
    x = normal(0, 2, side, width, channels)
    kernel = normal(1, size, size, channels, features)
    close(conv(x, kernel, stride, padding), xla_conv(x, kernel, stride, padding))

    fan_in = size * size * channels

    def penalty_gradients(convolve):
        def value(x, kernel):
            return jnp.sum(jnp.tanh(convolve(x, kernel, stride, padding) / fan_in**0.5))

        def penalty(x, kernel):
            by_x, by_kernel = jax.grad(value, (0, 1))(x, kernel)
            return jnp.sum(jnp.square(by_x)) + jnp.sum(jnp.square(by_kernel))

        return jax.jit(jax.grad(penalty, (0, 1)))(x, kernel)

    for ours, theirs in zip(penalty_gradients(conv), penalty_gradients(xla_conv), strict=True):
        close(ours, theirs)


@pytest.mark.parametrize(NAMES, [case for case in CASES if case[2] == "SAME" and not case[3] % 2])
def test_the_transpose_is_that_of_xlas_convolution(size, stride, padding, side, channels, features):
    kernel = normal(0, size, size, channels, features)
    image = jax.ShapeDtypeStruct((2, side, side, channels), jnp.float32)
    y = normal(1, 2, side // stride, side // stride, features)
    (theirs,) = jax.linear_transpose(lambda x: xla_conv(x, kernel, stride, padding), image)(y)
    close(conv_transpose(y, kernel, stride, padding), theirs)


def test_gradients_of_every_map_are_those_of_finite_differences():
    check_grads(
        jax.jit(lambda x, k: jnp.tanh(conv(x, k, 2, "SAME"))),
        (normal(0, 1, 4, 4, 2), normal(1, 4, 4, 2, 3)),
        order=2, modes=["rev"], rtol=2e-2, atol=2e-2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(4, 2, "SAME"), (5, 2, "SAME"), (3, 1, "SAME"), (4, 1, "VALID"), (4, 2, "VALID")],
)
def test_the_transposed_layer_equals_flax(size, stride, padding):
    x = normal(0, 2, 4, 4, 3)
    theirs = nn.ConvTranspose(
        5, (size, size), (stride, stride), padding=padding, transpose_kernel=True
    )
    ours = layers.ConvTranspose(5, size, stride=stride, padding=padding)
    variables = theirs.init(jax.random.key(0), x)
    assert jax.tree.map(jnp.shape, ours.init(jax.random.key(0), x)) == jax.tree.map(
        jnp.shape, variables
    )
    assert np.allclose(ours.apply(variables, x), theirs.apply(variables, x), atol=1e-5)


def test_the_layer_equals_flax():
    x = normal(0, 2, 8, 8, 3)
    theirs = nn.Conv(5, (4, 4), strides=2)
    ours = layers.Conv(5, 4, stride=2)
    variables = theirs.init(jax.random.key(0), x)
    variables["params"]["bias"] = jnp.arange(5.0)
    assert np.allclose(ours.apply(variables, x), theirs.apply(variables, x), atol=1e-5)


def test_a_population_of_kernels_convolves_as_each_of_them():
    x, kernels = normal(0, 3, 2, 6, 6, 16), normal(1, 3, 4, 4, 16, 17)

    def gradients(x, kernel):
        return jax.grad(lambda x, k: jnp.sum(jnp.tanh(conv(x, k, 2, "SAME"))), (0, 1))(x, kernel)

    for ours, theirs in zip(
        jax.vmap(gradients)(x, kernels),
        jax.lax.map(lambda pair: gradients(*pair), (x, kernels)),
        strict=True,
    ):
        close(ours, theirs)


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, "SAME"), (4, 2, "SAME")])
def test_grouped_convolutions_agree(size, stride, padding):
    x, kernel = normal(0, 2, 6, 6, 8), normal(1, size, size, 2, 12)
    close(conv(x, kernel, stride, padding, 4), xla_conv(x, kernel, stride, padding, 4))
    grads = [
        jax.grad(lambda k, map=map: jnp.sum(jnp.tanh(map(x, k, stride, padding, 4))))(kernel)
        for map in (conv, xla_conv)
    ]
    assert np.allclose(*grads, rtol=1e-3, atol=1e-3)


def test_other_platforms_get_xlas_convolution(monkeypatch):
    def text():
        return str(jax.make_jaxpr(lambda x, k: conv(x, k, 2, "SAME"))(
            jnp.zeros((1, 8, 8, 3)), jnp.zeros((4, 4, 3, 5))
        ))  # fmt: skip

    assert "conv_general_dilated" not in text()
    monkeypatch.setattr(convolution.jax, "default_backend", lambda: "gpu")
    assert "conv_general_dilated" in text()


def test_what_is_traced_for_another_platform_gets_its_convolution():
    def text(platform):
        def map(x, k):
            with convolution.traced_for(platform):
                return conv(x, k, 2, "SAME")

        return str(jax.make_jaxpr(map)(jnp.zeros((1, 8, 8, 3)), jnp.zeros((4, 4, 3, 5))))

    assert "conv_general_dilated" not in text("cpu")
    assert "conv_general_dilated" in text("cuda")


@pytest.mark.parametrize(NAMES, CASES)
@pytest.mark.parametrize("platform", ["cpu", "cuda"])
def test_the_batch_may_have_any_size(platform, size, stride, padding, side, channels, features):
    """An exported program is traced for a batch of b."""

    def there_and_back(x, kernel):
        with convolution.traced_for(platform):
            y = conv(x, kernel, stride, padding)
            return y, conv_transpose(y, kernel, stride, padding)

    (b,) = jax.export.symbolic_shape("b")
    x = jax.ShapeDtypeStruct((b, side, side, channels), jnp.float32)
    kernel = jax.ShapeDtypeStruct((size, size, channels, features), jnp.float32)
    y, back = jax.eval_shape(there_and_back, x, kernel)
    assert (y.shape[0], y.shape[3]) == (b, features)
    assert (back.shape[0], back.shape[3]) == (b, channels)
