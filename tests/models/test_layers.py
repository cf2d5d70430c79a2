import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.test_util import check_grads

from gan_jax.models import layers

# (kernel, stride, padding, side, in, out): what the models use, and what they could.
CASES = [
    (4, 2, "SAME", 8, 3, 5),
    (4, 2, "SAME", 28, 1, 4),
    (5, 2, "SAME", 8, 2, 3),
    (5, 2, "SAME", 7, 2, 3),
    (5, 1, "VALID", 12, 2, 3),
    (3, 1, "SAME", 6, 4, 4),
    (3, 2, "SAME", 9, 2, 2),
    (3, 2, "VALID", 9, 2, 2),
    (1, 1, "SAME", 5, 3, 2),
    (4, 4, "VALID", 8, 2, 3),
    (2, 3, "VALID", 11, 2, 3),
]


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize(("size", "stride", "padding", "side", "channels", "features"), CASES)
def test_matmul_conv_equals_xla_conv(size, stride, padding, side, channels, features):
    x = normal(0, 2, side, side + 1, channels)
    kernel = normal(1, size, size, channels, features)
    ours = layers.matmul_conv(x, kernel, stride, padding)
    theirs = layers.xla_conv(x, kernel, stride, padding)
    assert ours.shape == theirs.shape
    assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("size", "stride", "padding", "side", "channels", "features"), CASES)
def test_gradients_of_matmul_conv_equal_those_of_xla_conv(
    size, stride, padding, side, channels, features
):
    x = normal(0, 2, side, side, channels)
    kernel = normal(1, size, size, channels, features)

    def penalty(conv):
        """A gradient norm, differentiated again: what gradient penalties do."""

        def value(x, kernel):
            return jnp.sum(jnp.tanh(conv(x, kernel, stride, padding)))

        return jax.grad(lambda k: jnp.sum(jnp.square(jax.grad(value)(x, k))))(kernel)

    assert np.allclose(penalty(layers.matmul_conv), penalty(layers.xla_conv), rtol=1e-3, atol=1e-3)


def test_matmul_conv_is_differentiable_twice_in_every_mode():
    kernel = normal(1, 4, 4, 2, 3)
    check_grads(
        lambda x, k: jnp.tanh(layers.matmul_conv(jnp.asarray(x), jnp.asarray(k), 2, "SAME")),
        (normal(0, 1, 4, 4, 2), kernel), order=2, rtol=2e-2, atol=2e-2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(4, 2, "SAME"), (5, 2, "SAME"), (3, 1, "SAME"), (4, 1, "VALID"), (4, 2, "VALID")],
)
def test_conv_transpose_equals_flax(size, stride, padding):
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


def test_conv_equals_flax():
    x = normal(0, 2, 8, 8, 3)
    theirs = nn.Conv(5, (4, 4), strides=2)
    ours = layers.Conv(5, 4, stride=2)
    variables = theirs.init(jax.random.key(0), x)
    variables["params"]["bias"] = jnp.arange(5.0)
    assert np.allclose(ours.apply(variables, x), theirs.apply(variables, x), atol=1e-5)


def test_other_platforms_get_xlas_convolution(monkeypatch):
    def text():
        return str(jax.make_jaxpr(lambda x, k: layers.conv(x, k, 2, "SAME"))(
            jnp.zeros((1, 8, 8, 3)), jnp.zeros((4, 4, 3, 5))
        ))  # fmt: skip

    assert "conv_general_dilated" not in text()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert "conv_general_dilated" in text()


def test_batch_norm_normalises_over_all_devices():
    norm = layers.batch_norm(train=True, axis_name="devices", dtype=jnp.float32)
    alone = layers.batch_norm(train=True, axis_name=None, dtype=jnp.float32)
    x = normal(0, 8, 3) * 5 + 2
    variables = alone.init(jax.random.key(0), x)
    expected, moved = alone.apply(variables, x, mutable=["batch_stats"])

    def local(x):
        return norm.apply(variables, x, mutable=["batch_stats"])

    spread, stats = jax.vmap(local, axis_name="devices")(x.reshape(4, 2, 3))
    assert np.allclose(spread.reshape(8, 3), expected, atol=1e-5)
    for device in range(4):
        mine = jax.tree.map(lambda leaf, device=device: leaf[device], stats)
        assert jax.tree.all(jax.tree.map(lambda a, b: np.allclose(a, b, atol=1e-5), mine, moved))
    assert np.allclose(moved["batch_stats"]["mean"], 0.1 * x.mean(0), atol=1e-5)
    assert np.allclose(moved["batch_stats"]["var"], 0.9 + 0.1 * x.var(0), atol=1e-4)
