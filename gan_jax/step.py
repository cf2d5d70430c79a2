"""The train step: D k times, then G, then the moving average.

    for i in 0 .. k-1:  D <- D - optimizer(grad_D loss_D(D(real_i), D(G(z_i))))
                        G <- G - optimizer(grad_G loss_G(D(real), D(G(z'))))
                      ema <- decay * ema + (1 - decay) * G

What codebases do differently without saying so, and what is done here: each update has latents of
its own and each D update real images of its own; D sees real and fake in two passes, each
normalised by its own batch; G sees the D that was just updated; a network's running statistics move
in its own update alone, D's by the real pass and then by the fake one.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, Float, Int, Key, PyTree

from gan_jax import latents, parallel, prng
from gan_jax.config import Config, pick
from gan_jax.losses import LOSSES
from gan_jax.state import Average, GANState, Models, Player, make_optimizer

Samples = Float[Array, "batch ..."]
Metrics = dict[str, Float[Array, ""]]
Batch = dict[str, Array]


def make_train_step(
    config: Config, models: Models, axis_name: str | None
) -> Callable[[GANState, Key[Array, ""], Batch], tuple[GANState, Metrics]]:
    """Does the static work and returns the step, a pure function for one device.

    Args:
      config: reads d_steps, loss, latent and the two optimizers.
      models: the two networks, built with the same axis name.
      axis_name: the device axis over which batches are spread; None where there is none.

    Returns:
      (state, root key, batch) -> (state, metrics). `batch["image"]` holds this device's share of
      the k real batches, [k, B, ...]: uint8 pixels, or float32 vectors as they are. Metrics are
      means over the global batch: both losses, D's mean logits, D's accuracies (shares of real and
      of fake images on the right side of the loss's boundary) and both gradient norms; D's are
      those of the last of its k updates.

    Raises:
      UsageError: if there is no such loss.
    """
    loss = pick(LOSSES, config.loss, "config.loss")
    g_optimizer = make_optimizer(config.generator.optimizer)
    d_optimizer = make_optimizer(config.discriminator.optimizer)
    generate, discriminate = (_training_pass(module) for module in models)

    def discriminator_loss(params, model_state, real, fake):
        real_logits, model_state = discriminate(params, model_state, real)
        fake_logits, model_state = discriminate(params, model_state, fake)
        value = loss.discriminator(real_logits, fake_logits)
        metrics = {
            "d_loss": value,
            "d_real": jnp.mean(real_logits),
            "d_fake": jnp.mean(fake_logits),
            "d_accuracy_real": jnp.mean(real_logits > loss.boundary, dtype=jnp.float32),
            "d_accuracy_fake": jnp.mean(fake_logits <= loss.boundary, dtype=jnp.float32),
        }
        return value, (model_state, metrics)

    def generator_loss(params, model_state, discriminator, z, real):
        fake, model_state = generate(params, model_state, z)
        fake_logits, _ = discriminate(discriminator.params, discriminator.model_state, fake)
        real_logits, _ = discriminate(discriminator.params, discriminator.model_state, real)
        value = loss.generator(real_logits, fake_logits)
        return value, (model_state, {"g_loss": value})

    def update(player, optimizer, loss_function, *inputs):
        """One optimizer step of a player on a loss that takes its params and model state first."""
        gradient = jax.grad(loss_function, has_aux=True)
        grads, (model_state, metrics) = gradient(player.params, player.model_state, *inputs)
        grads = parallel.mean(grads, axis_name)
        with jax.numpy_dtype_promotion("standard"):  # optax raises the float b1 to the int count
            updates, opt_state = optimizer.update(grads, player.opt_state, player.params)
        params = optax.apply_updates(player.params, updates)
        metrics = parallel.mean(metrics, axis_name)
        player = Player(params=params, opt_state=opt_state, model_state=model_state)
        return player, metrics, optax.tree.norm(grads)

    def step(state: GANState, key: Key[Array, ""], batch: Batch) -> tuple[GANState, Metrics]:
        real = to_unit_range(batch["image"])
        ids = parallel.example_ids(real.shape[1], axis_name)

        def draw_latents(i: int) -> Float[Array, "batch dim"]:
            """Those of D's update i of this step; i = k is G's."""
            keys = prng.per_example(prng.stream(key, "latent", state.step, i), ids)
            return latents.draw(config.latent, keys)

        generator, discriminator = state.generator, state.discriminator
        for i in range(config.d_steps):  # not lax.scan: on a CPU, convolutions are 20x slower there
            fake, _ = generate(generator.params, generator.model_state, draw_latents(i))
            discriminator, d_metrics, d_norm = update(
                discriminator, d_optimizer, discriminator_loss, real[i], fake
            )
        generator, g_metrics, g_norm = update(
            generator, g_optimizer, generator_loss,
            discriminator, draw_latents(config.d_steps), real[-1],
        )  # fmt: skip

        metrics = d_metrics | g_metrics | {"d_grad_norm": d_norm, "g_grad_norm": g_norm}
        state = GANState(
            step=state.step + 1,
            generator=generator,
            discriminator=discriminator,
            ema=_move_average(state.ema, generator, state.step),
        )
        return state, metrics

    return step


def to_unit_range(images: Array) -> Float[Array, "..."]:
    """uint8 pixels to [-1, 1], 0 -> -1 and 255 -> 1; float data pass as they are."""
    if images.dtype == jnp.uint8:
        return images.astype(jnp.float32) / 127.5 - 1
    return images


def _training_pass(module: nn.Module) -> Callable[..., tuple[Samples, PyTree]]:
    """(params, model state, inputs) -> (outputs, moved model state), batch statistics in use."""

    def apply(params, model_state, inputs):
        variables = {"params": params, **model_state}
        return module.apply(variables, inputs, train=True, mutable=list(model_state))

    return apply


def _move_average(average: Average, generator: Player, step: Int[Array, ""]) -> Average:
    """The decay grows as (1 + step) / (10 + step) up to its value, as in TensorFlow's average.

    Without that, a thousand steps would still show the generator that the run was born with.
    """
    step = step.astype(jnp.float32)
    decay = jnp.minimum(average.decay, (1 + step) / (10 + step))
    params, model_state = optax.incremental_update(
        (generator.params, generator.model_state),
        (average.params, average.model_state),
        1 - decay,
    )
    return average.replace(params=params, model_state=model_state)
