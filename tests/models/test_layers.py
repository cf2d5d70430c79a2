import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gan_jax.models import layers


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def test_batch_norm_normalizes_over_all_devices():
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


def test_the_running_variance_is_the_batches_own_unlike_pytorchs():
    norm = layers.batch_norm(train=True, axis_name=None, dtype=jnp.float32, decay=0.0)
    x = jnp.array([[1.0], [2.0], [6.0]])
    _, moved = norm.apply(norm.init(jax.random.key(0), x), x, mutable=["batch_stats"])
    assert moved["batch_stats"]["var"] == pytest.approx(14 / 3)  # PyTorch keeps 14 / 2


W = jnp.array([[1.0, 2.0, -1.0], [0.5, -1.5, 3.0], [2.0, 0.0, 1.0], [-1.0, 1.0, 0.5]])
U = jnp.array([[0.3, -0.2, 0.9, 0.1]])
SIGMAS = {1: 2.5744470819532834, 2: 2.6678193, 5: 3.8948922, 20: 3.9756973}


class Normalized(nn.Module):
    """A spectrally normalized dense layer without bias."""

    @nn.compact
    def __call__(self, x, train):
        return layers.normalized(nn.Dense(4, use_bias=False), True, train)(x)


def normalized_variables():
    module = Normalized()
    variables = module.init(jax.random.key(0), jnp.zeros((1, 3)), train=True)
    stats = {"Dense_0/kernel/u": U, "Dense_0/kernel/sigma": jnp.float32(1)}
    assert variables["batch_stats"]["SpectralNorm_0"].keys() == stats.keys()
    variables = {
        "params": {"Dense_0": {"kernel": W.T}}, "batch_stats": {"SpectralNorm_0": stats}
    }  # fmt: skip
    return module, variables


@pytest.mark.parametrize("passes", SIGMAS)
def test_spectral_norm_makes_one_power_iteration_in_every_training_pass(passes):
    """From a u that is not normalized: the sigma of PyTorch's and of BigGAN's code."""
    module, variables = normalized_variables()
    for _ in range(passes):
        out, moved = module.apply(variables, jnp.eye(3), train=True, mutable=["batch_stats"])
        variables |= moved
    stats = variables["batch_stats"]["SpectralNorm_0"]
    assert stats["Dense_0/kernel/sigma"] == pytest.approx(SIGMAS[passes], rel=1e-5)
    assert np.allclose(out, W.T / SIGMAS[passes], rtol=1e-4)
    exact = np.linalg.svd(W, compute_uv=False)[0]
    assert exact == pytest.approx(SIGMAS[20], rel=1e-6)


def test_spectral_norm_in_evaluation_moves_nothing():
    module, variables = normalized_variables()
    _, moved = module.apply(variables, jnp.eye(3), train=False, mutable=["batch_stats"])
    same = jax.tree.map(np.array_equal, moved, {"batch_stats": variables["batch_stats"]})
    assert jax.tree.all(same)


def test_the_gradient_of_spectral_norm_passes_sigma_and_not_u_and_v():
    module, variables = normalized_variables()
    weights = jnp.array(
        [[1.0, 0.0, 2.0], [0.0, 1.0, 0.0], [-1.0, 0.5, 0.0], [0.25, 0.0, 1.0]]
    )  # fmt: skip

    def objective(params):
        variables_now = {**variables, "params": params}
        out, _ = module.apply(variables_now, jnp.eye(3), train=True, mutable=["batch_stats"])
        return jnp.sum(weights.T * out)

    value, grads = jax.value_and_grad(objective)(variables["params"])
    assert value == pytest.approx(-1.6508399142449812, rel=1e-5)
    assert np.allclose(
        grads["Dense_0"]["kernel"].T[:2],
        [[0.7834491816314373, 0.2079032950697991, 0.787261006751128],
         [-0.041040650455336995, 0.36683257865390484, -0.001080017117245709]],
        atol=1e-5,
    )  # fmt: skip


def test_sigma_of_a_convolution_is_that_of_its_matrix_of_patches():
    kernel = np.random.RandomState(20).standard_normal((4, 3, 3, 3))
    module = nn.SpectralNorm(layers.Conv(4, 3, use_bias=False), n_steps=100)
    x = jnp.zeros((1, 4, 4, 3))
    variables = module.init(jax.random.key(0), x, update_stats=True)
    hwio = jnp.asarray(kernel.transpose(2, 3, 1, 0), jnp.float32)
    variables["params"] = jax.tree.map(lambda _: hwio, variables["params"])
    _, moved = module.apply(variables, x, update_stats=True, mutable=["batch_stats"])
    (sigma,) = (
        leaf for path, leaf in jax.tree_util.tree_leaves_with_path(moved) if leaf.shape == ()
    )
    assert sigma == pytest.approx(7.51003520512756, rel=1e-4)


GAMMA = np.array([[1.0, 0.5, 2.0], [0.8, 1.2, 1.0], [1.5, -0.5, 0.3]], np.float32)
BETA = np.array([[0.0, 0.1, -0.2], [0.3, 0.0, 0.0], [-1.0, 0.5, 0.25]], np.float32)


def by_hand(x, scale, shift):
    """BatchNorm with a scale and a shift for each example, in NumPy."""
    x, scale, shift = (np.asarray(part) for part in (x, scale, shift))
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) / np.sqrt(var + 1e-5) * scale[:, None, None] + shift[:, None, None]


def test_conditional_batch_norm_looks_scale_and_shift_up_by_class():
    x, labels = normal(0, 4, 2, 2, 3) * 2 + 1, jnp.array([0, 2, 1, 2])
    module = layers.ConditionalBatchNorm(3)
    variables = module.init(jax.random.key(0), x, labels, train=True)
    fresh, _ = module.apply(variables, x, labels, train=True, mutable=["batch_stats"])
    gain = variables["params"]["gain"]["embedding"]
    assert np.allclose(fresh, by_hand(x, 1 + gain[labels], np.zeros((4, 3))), atol=1e-5)
    variables["params"] = {"gain": {"embedding": GAMMA - 1}, "bias": {"embedding": BETA}}
    out, moved = module.apply(variables, x, labels, train=True, mutable=["batch_stats"])
    assert np.allclose(out, by_hand(x, GAMMA[labels], BETA[labels]), atol=1e-5)
    stats = moved["batch_stats"]["BatchNorm_0"]
    assert np.allclose(stats["mean"], 0.1 * x.mean((0, 1, 2)), atol=1e-5)
    assert np.allclose(stats["var"], 0.9 + 0.1 * x.var((0, 1, 2)), atol=1e-5)


def test_conditional_batch_norm_maps_a_shared_embedding_linearly():
    x, y = normal(0, 4, 2, 2, 3), normal(1, 4, 5)
    module = layers.ConditionalBatchNorm(7)
    variables = module.init(jax.random.key(0), x, y, train=True)
    gain, bias = np.asarray(normal(2, 5, 3)), np.asarray(normal(3, 5, 3))
    assert variables["params"]["gain"]["kernel"].shape == gain.shape
    variables["params"] = {"gain": {"kernel": gain}, "bias": {"kernel": bias}}
    out, _ = module.apply(variables, x, y, train=True, mutable=["batch_stats"])
    assert np.allclose(out, by_hand(x, 1 + y @ gain, y @ bias), atol=1e-4)


def test_self_attention_equals_the_published_block():
    """Values of BigGAN's and mimicry's blocks for these weights."""
    rng = np.random.RandomState(42)
    x = jnp.asarray(rng.standard_normal((2, 8, 4, 4)).transpose(0, 2, 3, 1), jnp.float32)
    theta, phi, g, o = (
        (0.5 * rng.standard_normal(shape)).T.astype(np.float32)
        for shape in ((1, 8), (1, 8), (4, 8), (8, 4))
    )
    kernels = {"theta": theta, "phi": phi, "g": g, "o": o}
    params = {name: {"kernel": kernel} for name, kernel in kernels.items()}
    module = layers.SelfAttention()
    fresh = module.init(jax.random.key(0), x, train=True)["params"]
    assert fresh["gamma"] == 0
    out = module.apply({"params": params | {"gamma": jnp.float32(0.7)}}, x, train=True)
    assert np.mean(out) == pytest.approx(0.25362298073968015, rel=1e-5)
    assert np.linalg.norm(out) == pytest.approx(17.919665305442972, rel=1e-5)
    head = [0.7080164107575491, 0.10983487899546882, 0.8424035565946442, 1.721820169764173]
    assert np.allclose(out[0, 0, :, 0], head, atol=1e-5)


def test_minibatch_std_appends_the_spread_of_each_group():
    x = jnp.array([[0.0, 0.0], [2.0, 4.0], [5.0, 5.0], [5.0, 5.0]])
    out = layers.minibatch_std(x, 2)
    assert np.allclose(out[:, :2], x)
    assert np.allclose(out[:, 2], [1.5, 1.5, 1e-4, 1e-4], atol=1e-5)
    maps = layers.minibatch_std(normal(0, 6, 2, 2, 3), 3)
    assert maps.shape == (6, 2, 2, 4)
    assert len(np.unique(maps[:3, ..., 3])) == 1


def test_minibatch_std_of_equal_examples_has_finite_gradients():
    grads = jax.grad(lambda x: jnp.sum(layers.minibatch_std(x, 2)))(jnp.ones((2, 3)))
    assert np.isfinite(grads).all()


def mean_of_windows(x, window, strides):
    return nn.pooling.pool(x, 0.0, jax.lax.add, window, strides, "VALID") / 4


@pytest.mark.parametrize(
    ("ours", "theirs"), [("max_pool", nn.max_pool), ("mean_pool", mean_of_windows)]
)
def test_pools_equal_flax_with_gradients(ours, theirs):
    x = normal(0, 2, 4, 6, 3)

    def theirs_2x2(x):
        return theirs(x, (2, 2), (2, 2))

    for function in (
        lambda pool: pool(x),
        lambda pool: jax.grad(lambda x: jnp.sum(jnp.sin(pool(x))))(x),
    ):
        assert np.allclose(function(getattr(layers, ours)), function(theirs_2x2), atol=1e-6)


def test_upsampling_repeats_each_place():
    x = jnp.array([[0.0, 1.0], [2.0, 3.0]])[None, ..., None]
    expected = [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    assert layers.upsample(x)[0, ..., 0].tolist() == expected


def test_r3gans_resampling():
    """Values of the authors' resamplers, edges darkened by zeros beyond them."""
    x = jnp.arange(16.0).reshape(4, 4) ** 1.5
    up = layers.fir_upsample(x[None, ..., None])[0, ..., 0]
    row = [0.0, 0.1875, 0.5625, 1.0928300858899107, 1.7784902576697321, 2.565268836927226]
    assert np.allclose(up[0, :6], row, atol=1e-5)
    assert np.allclose(up[1, :2], [1.5, 2.386271242968684], atol=1e-5)
    down = layers.fir_downsample(x[None, ..., None])[0, ..., 0]
    expected = [[6.479752864490917, 9.98490565912051], [24.482423825228793, 30.30782591663914]]
    assert np.allclose(down, expected, atol=1e-4)
    channels = normal(0, 2, 4, 4, 3)
    assert np.allclose(
        layers.fir_downsample(channels)[..., 1:2],
        layers.fir_downsample(channels[..., 1:2]), atol=1e-6,
    )  # fmt: skip


def test_squash_gives_the_range_of_the_pixels():
    x = jnp.array([-50.0, 0.0, 50.0])
    assert layers.squash(x, "signed").tolist() == [-1, 0, 1]
    assert np.allclose(layers.squash(x, "unit"), [0, 0.5, 1])


@pytest.mark.parametrize(
    ("name", "std"),
    [("normal", 0.02), ("he_normal", (2 / 30) ** 0.5), ("lecun_normal", (1 / 30) ** 0.5),
     ("glorot_uniform", (2 * 2 / (30 + 500)) ** 0.5)],
)  # fmt: skip
def test_initializers_have_their_spread(name, std):
    weights = layers.initializer(name, gain=2**0.5)(jax.random.key(0), (30, 500), jnp.float32)
    assert np.std(weights) == pytest.approx(std, rel=0.05)


def test_orthogonal_weights_have_singular_values_of_one():
    weights = layers.initializer("orthogonal")(jax.random.key(0), (3, 3, 4, 20), jnp.float32)
    assert np.allclose(np.linalg.svd(weights.reshape(-1, 20), compute_uv=False), 1, atol=1e-5)
