"""Penalties against closed forms and the numbers that other implementations agree on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import penalties, prng
from gan_jax.config import Penalty
from gan_jax.penalties import PENALTIES, Shown

W = jnp.array([0.5, -1.0, 2.0, 0.25])
REAL = jnp.array([[1.0, 0.0, -1.0, 2.0], [0.5, 0.5, 0.5, 0.5], [2.0, -1.0, 0.0, 1.0]])
FAKE = jnp.array([[0.0, 1.0, 0.0, -1.0], [1.0, -0.5, 0.25, 0.0], [-1.0, 0.0, 1.0, 0.5]])
ALPHA = jnp.array([0.25, 0.5, 0.9])


def linear(x):
    return x @ W + 0.7


def tanh_params():
    def draws(seed, *shape):
        return np.random.RandomState(seed).standard_normal(shape)

    values = (0.7 * draws(30, 4, 5), 0.1 * draws(31, 5), draws(32, 5))
    return tuple(jnp.asarray(value, jnp.float32) for value in values)


def tanh_critic(params, x):
    w1, b1, w2 = params
    return jnp.tanh(x @ w1 + b1[None]) @ w2


def shown(critic, real=REAL, fake=FAKE, axis_name=None, averages=None, first=0):
    keys = prng.per_example(prng.root(0), first + jnp.arange(len(real), dtype=jnp.int32))
    averages = averages or penalties.init(Penalty())
    return Shown(critic, real, fake, critic(real), critic(fake), averages, keys, axis_name)


@pytest.mark.parametrize(
    ("name", "value"),
    [("none", 0), ("wgan_gp", 1.7027277713535562), ("dragan", 1.7027277713535562),
     ("r1", 5.3125 / 2), ("r2", 5.3125 / 2), ("r1_r2", 5.3125)],
)  # fmt: skip
def test_on_a_linear_critic_every_penalty_has_its_closed_form(name, value):
    """The gradient is w everywhere: |w| = 2.3048861, |w|^2 = 5.3125."""
    assert PENALTIES[name](shown(linear)) == pytest.approx(value, rel=1e-5)


def test_the_gradient_of_wgan_gp_in_w_has_its_closed_form():
    """2 (|w| - 1) w / |w|."""
    grads = jax.grad(lambda w: PENALTIES["wgan_gp"](shown(lambda x: x @ w)))(W)
    expected = [0.5661390843626877, -1.1322781687253753, 2.2645563374507507, 0.28306954218134384]
    assert np.allclose(grads, expected, rtol=1e-5)


def two_sided(params):
    """At the places between real and fake that the alphas of the vectors give."""
    places = REAL + ALPHA[:, None] * (FAKE - REAL)
    return penalties._two_sided(shown(lambda x: tanh_critic(params, x)), places)


def test_the_two_sided_penalty_equals_the_authors():
    assert two_sided(tanh_params()) == pytest.approx(0.2561837258400943, rel=1e-5)


def test_second_order_gradients_equal_pytorchs():
    w1, b1, w2 = jax.grad(two_sided)(tanh_params())
    expected = [-0.030035150322405, 0.15863583890940447, 0.1716016354957883]
    assert np.allclose(w1[0, :3], expected, atol=1e-5)
    expected = [0.05384224213145216, -0.6044277645333995, 0.21231264123178215,
                -0.0029402891704721763, 0.1460206309589207]  # fmt: skip
    assert np.allclose(b1, expected, atol=1e-5)
    assert w2[1] == pytest.approx(0.39752203797593916, rel=1e-4)


def test_wgan_gp_lies_between_real_and_fake_by_one_alpha_for_each_example():
    params = tanh_params()
    now = shown(lambda x: tanh_critic(params, x))
    alpha = jax.vmap(jax.random.uniform)(now.keys)[:, None]
    assert len(np.unique(alpha)) == 3
    expected = penalties._two_sided(now, REAL + alpha * (FAKE - REAL))
    assert PENALTIES["wgan_gp"](now) == pytest.approx(float(expected), rel=1e-6)


def test_r1_and_r2_equal_pytorchs_with_their_gradients():
    params = tanh_params()
    now = shown(lambda x: tanh_critic(params, x))
    assert 2 * PENALTIES["r1"](now) == pytest.approx(1.2628400694874837, rel=1e-5)
    assert 2 * PENALTIES["r2"](now) == pytest.approx(0.2844922672183337, rel=1e-5)
    grads = jax.grad(lambda p: 2 * PENALTIES["r1"](shown(lambda x: tanh_critic(p, x))))(params)
    expected = [-0.10925402901262869, -0.4416897533943142, 0.6548286321184094]
    assert np.allclose(grads[1][:3], expected, atol=1e-5)


def test_r3gans_loss_for_d_is_the_pairing_loss_and_both_penalties_at_gamma():
    from gan_jax.losses import LOSSES

    params = tanh_params()
    now = shown(lambda x: tanh_critic(params, x))
    loss = LOSSES["relativistic_pairing"].discriminator(now.real_logits, now.fake_logits)
    assert loss + 0.05 * PENALTIES["r1_r2"](now) == pytest.approx(0.574630415883478, rel=1e-5)


def test_dragan_stays_within_half_a_deviation_of_the_real_data():
    """With D(x) = x^2/2 in one dimension the gradient is the place itself."""
    real = jax.random.normal(jax.random.key(1), (500, 1)) * 3 + 10
    now = shown(lambda x: 0.5 * jnp.sum(x**2, axis=1), real, real)
    draws = jax.vmap(lambda key: jax.random.uniform(key, (2,)))(now.keys)
    delta = 0.5 * np.std(real) * draws[:, :1] * draws[:, 1:]
    assert (delta >= 0).all()
    assert delta.max() <= 0.5 * np.std(real)
    expected = np.mean((np.abs(real + delta) - 1) ** 2)
    assert PENALTIES["dragan"](now) == pytest.approx(expected, rel=1e-4)


def test_each_example_has_an_alpha_of_its_own():
    """D(x) = x^2/2 again: the penalty of each place differs as its alpha does."""
    real, fake = jnp.zeros((400, 1)), jnp.full((400, 1), 4.0)
    value = PENALTIES["wgan_gp"](shown(lambda x: 0.5 * jnp.sum(x**2, axis=1), real, fake))
    exact = ((4 - 1) ** 3 + 1) / (3 * 4)  # the mean of (x - 1)^2 over U(0, 4)
    assert value == pytest.approx(exact, rel=0.15)


@pytest.mark.parametrize("name", ["wgan_gp", "dragan", "r1_r2"])
def test_devices_share_a_penalty(name):
    """The mean over 3 devices of one example each is the penalty of the batch on one."""
    params = tanh_params()

    def critic(x):
        return tanh_critic(params, x)

    def local(index, real, fake):
        return PENALTIES[name](shown(critic, real, fake, "devices", first=index))

    each = jax.vmap(local, axis_name="devices")(
        jnp.arange(3, dtype=jnp.int32), REAL[:, None], FAKE[:, None]
    )
    assert np.mean(each) == pytest.approx(float(PENALTIES[name](shown(critic))), rel=1e-5)


def test_of_packed_samples_the_norm_is_that_of_the_whole_pack():
    def critic(x):
        return jnp.sum(x.reshape(-1, 4) * jnp.array([[3.0, 0.0, 0.0, 4.0]]), axis=1)

    norms = penalties.squared_norms(critic, jnp.ones((4, 2)))
    assert norms.tolist() == [25, 25]


@pytest.mark.parametrize("name", sorted(penalties.OF_GRADIENTS))
def test_at_a_flat_critic_gradients_are_finite(name):
    grads = jax.grad(lambda w: PENALTIES[name](shown(lambda x: x @ w)))(jnp.zeros(4))
    assert np.isfinite(grads).all()


def test_lecam_anchors_both_logits_at_the_others_average():
    averages = penalties.init(Penalty()).replace(real=jnp.float32(1.0), fake=jnp.float32(-0.5))
    now = shown(linear)._replace(
        real_logits=jnp.array([0.5, -2.0]), fake_logits=jnp.array([0.0, 3.0]), averages=averages
    )
    expected = np.mean([1.0**2, 0]) + np.mean([1.0**2, 0])
    assert PENALTIES["lecam"](now) == pytest.approx(expected)


def test_lecams_averages_follow_slowly_once_they_have_begun():
    averages = penalties.init(Penalty())
    early = averages.move(jnp.float32(2.0), jnp.float32(-2.0), jnp.int32(0))
    assert early.real == pytest.approx(0.9 * 2)
    late = early.move(jnp.float32(0.0), jnp.float32(0.0), jnp.int32(10**6))
    assert late.fake == pytest.approx(0.99 * early.fake)


def test_orthogonality_is_zero_for_orthogonal_columns_and_counts_products_twice():
    rotation = jnp.array([[0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]])
    skew = jnp.array([[1.0, 2.0], [0.0, 1.0]])
    params = {"a": {"kernel": 5 * rotation, "bias": jnp.ones(2)}}
    assert penalties.orthogonality(params) == 0
    params["b"] = {"kernel": skew.reshape(1, 1, 2, 2), "embedding": skew}
    assert penalties.orthogonality(params) == pytest.approx(2 * 2.0**2)


def test_clipping_bounds_every_parameter():
    params = {"kernel": jnp.array([-3.0, 0.001]), "bias": jnp.array([0.02])}
    clipped = penalties.clip(params, 0.01)
    assert np.allclose(clipped["kernel"], [-0.01, 0.001])
    assert np.allclose(clipped["bias"], [0.01])
