"""The train step: D k times, then G, then the moving average.

    for i in 0 .. k-1:  D <- D - optimizer(grad_D loss_D(D(real_i), D(G(z_i))) + penalty)
                        G <- G - optimizer(grad_G loss_G(D(real), D(G(z'))))
                      ema <- decay * ema + (1 - decay) * G

What codebases do differently without saying so, and what is done here: each update has latents of
its own and each D update real images of its own; D sees real and fake in two passes, each
normalized by its own batch; G sees the D that was just updated; a network's state (running
statistics, vectors of spectral norm) moves in its own update alone, D's by the real pass and then
by the fake one. Fake images have the classes of the real ones of the same update, G's those of D's
last. What an update minimizes is in `objectives`.

An accumulated update is one on the mean gradient of several smaller batches, which follow each
other on a device; BatchNorm and its kin see one of these at a time, so with them the numbers depend
on how many devices there are.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from gan_jax import parallel, penalties, prng, schedules
from gan_jax.config import Config
from gan_jax.objectives import KeysOf, Metrics, Objective, make_objectives
from gan_jax.state import Average, GANState, Models, Player, make_optimizer

Batch = dict[str, Array]
T = TypeVar("T")


def make_train_step(
    config: Config, models: Models, axis_name: str | None
) -> Callable[[GANState, Key[Array, ""], Batch], tuple[GANState, Metrics]]:
    """Does the static work and returns the step, a pure function for one device.

    Args:
      config: the whole, but for names of data and what is about reports.
      models: the two networks, built with the same axis name.
      axis_name: the device axis over which batches are spread; None where there is none.

    Returns:
      (state, root key, batch) -> (state, metrics). `batch` holds this device's share of the real
      batches, one for each update of D: "image" [k, B, ...], uint8 pixels, or float32 vectors as
      they are, and "label" [k, B]. Metrics are means over the global batch: both losses, the
      penalty without its weight (0 in a step that has none), D's mean logits, D's accuracies
      (shares of real and of fake images on the right side of the loss's boundary; of pairs in the
      right order where it has none), the share of its logits that the loss calls saturated, the
      diversity of the fake images it sees (`diagnose.log_diversity`, not as a logarithm) and both
      gradient norms; D's are those of the last of its k updates, and of that on fakes where real
      and fake have updates of their own.

    Raises:
      UsageError: if there is no such loss, penalty or augmentation.
    """
    objectives = make_objectives(config, models, axis_name)
    g_optimizer = make_optimizer(config.generator.optimizer)
    d_optimizer = make_optimizer(config.discriminator.optimizer)

    def update(player, optimizer, objective, batch, step, inputs):
        """One optimizer step of a player on its objective over a batch."""
        grads, model_state, metrics = _gradients(
            objective, player, batch, config.accumulate, inputs
        )
        grads = parallel.mean(grads, axis_name)
        start = player.opt_state.hyperparams
        now = schedules.hyperparameters(config.schedule, config.steps, step, start)
        with jax.numpy_dtype_promotion("standard"):  # optax raises the float b1 to the int count
            updates, opt_state = optimizer.update(
                grads, player.opt_state._replace(hyperparams=now), player.params
            )
        player = Player(
            params=optax.apply_updates(player.params, updates),
            opt_state=opt_state._replace(hyperparams=start),
            model_state=model_state,
        )
        return player, parallel.mean(metrics, axis_name), optax.tree.norm(grads)

    def step(state: GANState, key: Key[Array, ""], batch: Batch) -> tuple[GANState, Metrics]:
        k, per_device = batch["image"].shape[:2]

        def keys_at(i: Int[Array, ""] | int) -> KeysOf:
            """The keys of D's update i of this step; i = k is G's."""
            return lambda ids: (
                lambda name: prng.per_example(prng.stream(key, name, state.step, i), ids)
            )

        def update_discriminator(carry, inputs):
            discriminator, penalty_state = carry
            i, real = inputs
            real = real | {"id": parallel.example_ids(per_device, axis_name)}
            given = {
                "generator": state.generator,
                "penalty_state": penalty_state,
                "step": state.step,
                "keys_of": keys_at(i),
            }
            for part in ("real", "fake") if config.d_updates == "separate" else ("both",):
                discriminator, metrics, norm = update(
                    discriminator, d_optimizer, objectives.discriminator, real, state.step,
                    given | {"part": part},
                )  # fmt: skip
                if config.penalty.clip:
                    clipped = penalties.clip(discriminator.params, config.penalty.clip)
                    discriminator = discriminator.replace(params=clipped)
            if config.penalty.name == "lecam":
                penalty_state = penalty_state.move(metrics["d_real"], metrics["d_fake"], state.step)
            return (discriminator, penalty_state), metrics | {"d_grad_norm": norm}

        (discriminator, penalty_state), d_metrics = _repeat(
            update_discriminator,
            (state.discriminator, state.penalty),
            (jnp.arange(k, dtype=jnp.int32), batch),
        )
        d_metrics = jax.tree.map(lambda leaf: leaf[-1], d_metrics)

        real = {name: leaf[-1] for name, leaf in batch.items()}
        real["id"] = parallel.example_ids(per_device, axis_name)
        g_batch = {
            "id": parallel.example_ids(per_device * config.g_batch_ratio, axis_name),
            "label": jnp.repeat(real["label"], config.g_batch_ratio),  # fit the ids on N devices
            "real": real,
        }
        generator = state.generator
        given = {
            "discriminator": discriminator,
            "keys_of": keys_at(k),
            "real_keys_of": keys_at(k - 1),
        }
        for _ in range(config.g_steps):
            generator, g_metrics, g_norm = update(
                generator, g_optimizer, objectives.generator, g_batch, state.step, given
            )

        state = GANState(
            step=state.step + 1,
            generator=generator,
            discriminator=discriminator,
            ema=_move_average(state.ema, generator, state.step, config.ema.start),
            penalty=penalty_state,
        )
        metrics = d_metrics | g_metrics | {"g_grad_norm": g_norm}
        if "log_diversity" in metrics:
            metrics["diversity"] = jnp.exp(metrics.pop("log_diversity"))
        return state, metrics

    return step


def make_call(
    step: Callable[..., tuple[GANState, Metrics]], assemble: Callable[[Any, Any], Batch]
) -> Callable[..., tuple[GANState, dict[str, Float[Array, "steps"]]]]:
    """Several steps as one function: (state, root key, constant, items) -> (state, metrics).

    Args:
      step: as `make_train_step` returns it.
      assemble: (constant, item) -> the batch of one step.

    Returns:
      A function of items whose leaves have the steps in front, and so have its metrics.
    """

    def call(state: GANState, key: Key[Array, ""], constant: Any, items: Any):
        def one(state, item):
            return step(state, key, assemble(constant, item))

        return _repeat(one, state, items)

    return call


def _gradients(
    objective: Objective, player: Player, batch: PyTree, parts: int, inputs: dict[str, Any]
) -> tuple[PyTree, PyTree, Metrics]:
    """Gradients, moved model state and metrics over a batch, taken part by part and averaged."""
    gradient = jax.grad(objective, has_aux=True)
    if parts == 1:
        grads, (model_state, metrics) = gradient(player.params, player.model_state, batch, **inputs)
        return grads, model_state, metrics

    def add(carry, part):
        total, model_state = carry
        grads, (model_state, metrics) = gradient(player.params, model_state, part, **inputs)
        return (jax.tree.map(jnp.add, total, grads), model_state), metrics

    batches = jax.tree.map(lambda leaf: leaf.reshape(parts, -1, *leaf.shape[1:]), batch)
    zeros = jax.tree.map(jnp.zeros_like, player.params)
    (total, model_state), metrics = jax.lax.scan(add, (zeros, player.model_state), batches)
    grads = jax.tree.map(lambda leaf: leaf / parts, total)
    return grads, model_state, jax.tree.map(jnp.mean, metrics)


def _repeat(update: Callable[[T, Any], tuple[T, Metrics]], carry: T, inputs: Any) -> tuple[T, Any]:
    """Runs an update on each of the inputs in turn; returns the carry and the metrics of all.

    A scan is compiled once for all of them, and runs no slower: `models.convolution` sees to that.
    """
    if len(jax.tree.leaves(inputs)[0]) > 1:
        return jax.lax.scan(update, carry, inputs)
    carry, metrics = update(carry, jax.tree.map(lambda leaf: leaf[0], inputs))
    return carry, jax.tree.map(lambda leaf: leaf[None], metrics)


def _move_average(average: Average, generator: Player, step: Int[Array, ""], start: int) -> Average:
    """The decay grows as (1 + step) / (10 + step) up to its value, as in TensorFlow's average.

    Without that, a thousand steps would still show the generator that the run was born with. An
    average that starts later needs none: before the step `start` the decay is 0.
    """
    moment = step.astype(jnp.float32)
    decay = jnp.minimum(average.decay, (1 + moment) / (10 + moment))
    if start:
        decay = jnp.where(step < start, 0.0, average.decay)
    params, model_state = optax.incremental_update(
        (generator.params, generator.model_state),
        (average.params, average.model_state),
        1 - decay,
    )
    return average.replace(params=params, model_state=model_state)
