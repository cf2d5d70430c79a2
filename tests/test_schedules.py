import jax.numpy as jnp
import pytest

from gan_jax import schedules
from gan_jax.config import Schedule

START = {"learning_rate": jnp.float32(2e-4), "b2": jnp.float32(0.9), "eps": jnp.float32(1e-8)}


def at(schedule, step, run_steps=100):
    return schedules.hyperparameters(schedule, run_steps, jnp.int32(step), START)


def test_a_constant_schedule_moves_nothing():
    assert at(Schedule(), 50) is START


@pytest.mark.parametrize(("step", "share"), [(0, 1), (50, 0.5), (75, 0.25), (100, 0), (200, 0)])
def test_linear_falls_to_zero_over_the_run(step, share):
    assert at(Schedule(name="linear", learning_rate=0.0), step)["learning_rate"] == pytest.approx(
        2e-4 * share
    )


def test_it_moves_from_its_beginning_over_its_steps():
    schedule = Schedule(name="linear", begin=40, steps=20, learning_rate=0.0)
    rates = [at(schedule, step)["learning_rate"] / 2e-4 for step in (0, 40, 50, 60, 90)]
    assert rates == pytest.approx([1, 1, 0.5, 0, 0])
    to_the_end = Schedule(name="linear", begin=40, learning_rate=0.0)
    assert at(to_the_end, 70)["learning_rate"] == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("step", "rate", "b2", "gamma"),
    [(0, 2e-4, 0.9, 0.05), (50, 1.25e-4, 0.945, 0.0275), (100, 5e-5, 0.99, 0.005),
     (1000, 5e-5, 0.99, 0.005), (25, 1.780330e-4, 0.9131802, 0.0434099)],
)  # fmt: skip
def test_r3gans_cosines(step, rate, b2, gamma):
    schedule = Schedule(name="cosine", steps=100, learning_rate=0.25, b2=0.99, penalty=0.1)
    now = at(schedule, step, run_steps=10**6)
    assert now["learning_rate"] == pytest.approx(rate, rel=1e-5)
    assert now["b2"] == pytest.approx(b2, rel=1e-5)
    assert now["eps"] == START["eps"]
    weight = schedules.penalty_weight(schedule, 10**6, jnp.int32(step), jnp.float32(0.05))
    assert weight == pytest.approx(gamma, rel=1e-4)


def test_sgd_has_no_b2_to_move():
    values = {"learning_rate": jnp.float32(1)}
    moved = schedules.hyperparameters(Schedule(name="cosine", b2=0.99), 10, jnp.int32(3), values)
    assert set(moved) == {"learning_rate"}
