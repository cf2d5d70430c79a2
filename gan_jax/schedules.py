"""How traced hyperparameters move over the steps: each from its own value to its end, by one curve.

What a state holds is the value at the start, which a sweep may vary; the curve is static.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gan_jax.config import Schedule

Scalar = Float[Array, ""]


def progress(schedule: Schedule, run_steps: int, step: Int[Array, ""]) -> Scalar:
    """0 until the schedule begins, 1 from its end: t, or (1 - cos(pi t)) / 2 for the cosine."""
    length = schedule.steps or max(run_steps - schedule.begin, 1)
    t = jnp.clip((step - schedule.begin).astype(jnp.float32) / length, 0.0, 1.0)
    return t if schedule.name == "linear" else 0.5 * (1 - jnp.cos(jnp.pi * t))


def hyperparameters(
    schedule: Schedule, run_steps: int, step: Int[Array, ""], values: dict[str, Array]
) -> dict[str, Array]:
    """An optimizer's hyperparameters at a step, from those at the start."""
    if schedule.name == "constant":
        return values
    p = progress(schedule, run_steps, step)
    rate = values["learning_rate"]
    moved = {"learning_rate": rate + p * (schedule.learning_rate - 1) * rate}
    if schedule.b2 and "b2" in values:
        moved["b2"] = values["b2"] + p * (schedule.b2 - values["b2"])
    return values | moved


def penalty_weight(
    schedule: Schedule, run_steps: int, step: Int[Array, ""], weight: Scalar
) -> Scalar:
    """The penalty's weight at a step, from that at the start."""
    if schedule.name == "constant":
        return weight
    return weight + progress(schedule, run_steps, step) * (schedule.penalty - 1) * weight
