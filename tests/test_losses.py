import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from gan_jax.losses import LOSSES

REAL = jnp.array([1.5, -0.3, 0.8, 2.2, -1.1], jnp.float32)
FAKE = jnp.array([-0.7, 0.4, -2.0, 1.3, 0.1], jnp.float32)

# The formulas in NumPy float64, which other implementations agree with to 1e-9.
VALUES = {
    "minimax": (1.3295644519, -0.7457068852),
    "non_saturating": (1.3295644519, 0.9257068852),
    "least_squares": (1.4180000000, 1.3150000000),
    "hinge": (1.7400000000, 0.1800000000),
    "wasserstein": (-0.8000000000, 0.1800000000),
    "relativistic_pairing": (0.6143477074, 1.4143477074),
}


@pytest.mark.parametrize("name", LOSSES)
def test_values_at_fixed_logits(name):
    loss = LOSSES[name]
    d_value, g_value = VALUES[name]
    assert loss.discriminator(REAL, FAKE) == pytest.approx(d_value, rel=1e-6)
    assert loss.generator(REAL, FAKE) == pytest.approx(g_value, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_finite_differences(name):
    for function in (LOSSES[name].discriminator, LOSSES[name].generator):
        check_grads(
            lambda real, fake, function=function: function(jnp.asarray(real), jnp.asarray(fake)),
            (REAL, FAKE), order=2, modes=["fwd", "rev"], rtol=2e-2, atol=2e-2,
        )  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_give_finite_values_and_gradients(name):
    real, fake = jnp.array([-200.0, 200.0]), jnp.array([200.0, -200.0])
    for function in (LOSSES[name].discriminator, LOSSES[name].generator):
        value, grads = jax.value_and_grad(function, argnums=(0, 1))(real, fake)
        assert np.isfinite(value)
        assert np.isfinite(grads).all()


@pytest.mark.parametrize("name", LOSSES)
def test_at_the_boundary_each_player_pulls_its_own_way(name):
    loss = LOSSES[name]
    undecided = jnp.full((3,), loss.boundary or 0.0)
    real, fake = jax.grad(loss.discriminator, argnums=(0, 1))(undecided, undecided)
    assert (real < 0).all()
    assert (fake > 0).all()
    assert (jax.grad(loss.generator, argnums=1)(undecided, undecided) < 0).all()


def test_the_gradient_of_g_vanishes_for_minimax_alone_once_d_wins():
    sure = jnp.full((4,), -20.0)
    saturated = jax.grad(LOSSES["minimax"].generator, argnums=1)(sure, sure)
    alive = jax.grad(LOSSES["non_saturating"].generator, argnums=1)(sure, sure)
    assert np.abs(saturated).max() < 1e-8
    assert np.allclose(alive, -1 / 4)


def test_the_boundary_is_where_d_is_undecided():
    for name in ("minimax", "non_saturating"):
        assert jax.nn.sigmoid(LOSSES[name].boundary) == 0.5
    for name in ("wasserstein", "relativistic_pairing"):  # a constant more changes nothing
        loss = LOSSES[name]
        assert loss.boundary is None
        assert loss.discriminator(REAL + 7, FAKE + 7) == pytest.approx(
            float(loss.discriminator(REAL, FAKE)), abs=1e-5
        )
    assert LOSSES["least_squares"].boundary == pytest.approx((0 + 1) / 2)


def test_certain_logits_count_as_saturated_right_or_wrong():
    real, fake = jnp.array([5.0, -5.0, 4.5, 0.0]), jnp.array([-4.7, 4.5, 99.0, -1.0])
    for name in ("minimax", "non_saturating"):
        assert LOSSES[name].saturated(real, fake) == 4 / 8
    certain = jax.nn.sigmoid(jnp.concatenate([real, fake]))
    assert np.mean(np.abs(certain - 0.5) > 0.49) == 4 / 8


def test_what_the_hinge_loss_calls_saturated_has_no_gradient():
    loss, real, fake = LOSSES["hinge"], jnp.array([1.5, 0.5, -3.0]), jnp.array([-2.0, -0.5, 3.0])
    gradients = jax.grad(loss.discriminator, argnums=(0, 1))(real, fake)
    assert loss.saturated(real, fake) == pytest.approx(2 / 6)
    assert np.mean(np.concatenate(gradients) == 0) == pytest.approx(2 / 6)


def test_pairs_saturate_by_their_difference():
    real, fake = jnp.array([100.0, 3.0, -5.0]), jnp.array([99.0, -3.0, 5.0])
    assert LOSSES["relativistic_pairing"].saturated(real, fake) == pytest.approx(2 / 3)


def test_losses_without_a_flat_part_call_nothing_saturated():
    assert {name for name, loss in LOSSES.items() if loss.saturated is None} == {
        "least_squares", "wasserstein"
    }  # fmt: skip
