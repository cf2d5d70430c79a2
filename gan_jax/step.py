"""The train step: D k times, then G, then the moving average.

    for i in 0 .. k-1:  D <- D - optimizer(grad_D loss_D(D(real_i), D(G(z_i))) + penalty)
                        G <- G - optimizer(grad_G loss_G(D(real), D(G(z'))))
                      ema <- decay * ema + (1 - decay) * G

What codebases do differently without saying so, and what is done here: each update has latents of
its own and each D update real images of its own; D sees real and fake in two passes, each
normalised by its own batch; G sees the D that was just updated; a network's state (running
statistics, vectors of spectral norm) moves in its own update alone, D's by the real pass and then
by the fake one. Fake images have the classes of the real ones of the same update, G's those of D's
last.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, Float, Int, Key, PyTree

from gan_jax import latents, parallel, penalties, prng, schedules
from gan_jax.augment import make_augment
from gan_jax.config import Config, Dataset, pick
from gan_jax.losses import LOSSES
from gan_jax.penalties import PENALTIES, Shown
from gan_jax.state import Average, GANState, Models, Player, make_optimizer

Samples = Float[Array, "batch ..."]
Metrics = dict[str, Float[Array, ""]]
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
      (shares of real and of fake images on the right side of the loss's boundary) and both gradient
      norms; D's are those of the last of its k updates, and of that on fakes where real and fake
      have updates of their own.

    Raises:
      UsageError: if there is no such loss, penalty or augmentation.
    """
    loss = pick(LOSSES, config.loss, "config.loss")
    penalty = pick(PENALTIES, config.penalty.name, "config.penalty.name")
    augment = make_augment(config.augment)
    g_optimizer = make_optimizer(config.generator.optimizer)
    d_optimizer = make_optimizer(config.discriminator.optimizer)
    generate, discriminate = (_training_pass(module) for module in models)

    def judge(params, model_state, samples, label, keys):
        """D's logits of samples as it is shown them: distorted and packed."""
        return discriminate(
            params, model_state, pack(augment(samples, keys), config.packing), label
        )

    def discriminator_loss(
        params, model_state, *, real, fake, label, keys, penalty_state, step, part
    ):
        def critic(samples):
            return judge(params, model_state, samples, label, keys("augment penalty"))[0]

        real_logits, moved = judge(params, model_state, real, label, keys("augment real"))
        fake_logits, moved = judge(params, moved, fake, label, keys("augment fake"))
        value = loss.discriminator(
            jax.lax.stop_gradient(real_logits) if part == "fake" else real_logits,
            jax.lax.stop_gradient(fake_logits) if part == "real" else fake_logits,
        )
        metrics = {
            "d_loss": value,
            "d_real": jnp.mean(real_logits),
            "d_fake": jnp.mean(fake_logits),
            "d_accuracy_real": jnp.mean(real_logits > loss.boundary, dtype=jnp.float32),
            "d_accuracy_fake": jnp.mean(fake_logits <= loss.boundary, dtype=jnp.float32),
        }
        if config.penalty.name != "none":
            shown = Shown(
                critic, real, fake, real_logits, fake_logits, penalty_state, keys("penalty"),
                axis_name,
            )  # fmt: skip
            metrics["penalty"] = _every(config.penalty.every, step, lambda: penalty(shown))
            weight = schedules.penalty_weight(
                config.schedule, config.steps, step, penalty_state.weight
            )
            value += config.penalty.every * weight * metrics["penalty"]
        if config.discriminator.orthogonal:
            value += config.discriminator.orthogonal * penalties.orthogonality(params)
        return value, (moved, metrics)

    def generator_loss(
        params, model_state, *, discriminator, z, label, keys, real, real_label, real_keys
    ):
        fake, moved = generate(params, model_state, z, label)
        d = discriminator.params, discriminator.model_state
        fake_logits, _ = judge(*d, fake, label, keys("augment fake"))
        real_logits, _ = judge(*d, real, real_label, real_keys("augment real"))
        value = loss.generator(real_logits, fake_logits)
        metrics = {"g_loss": value}
        if config.generator.orthogonal:
            value += config.generator.orthogonal * penalties.orthogonality(params)
        return value, (moved, metrics)

    def update(player, optimizer, moment, loss_function, **inputs):
        """One optimizer step of a player on a loss that takes its params and model state first."""
        gradient = jax.grad(loss_function, has_aux=True)
        grads, (model_state, metrics) = gradient(player.params, player.model_state, **inputs)
        grads = parallel.mean(grads, axis_name)
        start = player.opt_state.hyperparams
        now = schedules.hyperparameters(config.schedule, config.steps, moment, start)
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

        def keys_of(i: Int[Array, ""] | int, count: int) -> Callable[[str], Key[Array, "count"]]:
            """Purpose -> a key for each example of D's update i of this step; i = k is G's."""
            ids = parallel.example_ids(count, axis_name)
            return lambda name: prng.per_example(prng.stream(key, name, state.step, i), ids)

        def update_discriminator(carry, inputs):
            discriminator, penalty_state = carry
            i, images, label = inputs
            keys = keys_of(i, per_device)
            real = prepare(images, config.dataset, keys)
            z = latents.draw(config.latent, keys("latent"))
            generator = state.generator
            fake, _ = generate(generator.params, generator.model_state, z, label)
            for part in ("real", "fake") if config.d_updates == "separate" else ("both",):
                discriminator, metrics, norm = update(
                    discriminator, d_optimizer, state.step, discriminator_loss,
                    real=real, fake=fake, label=label, keys=keys,
                    penalty_state=penalty_state, step=state.step, part=part,
                )  # fmt: skip
                if config.penalty.clip:
                    clipped = penalties.clip(discriminator.params, config.penalty.clip)
                    discriminator = discriminator.replace(params=clipped)
            if config.penalty.name == "lecam":
                penalty_state = penalty_state.move(metrics["d_real"], metrics["d_fake"], state.step)
            return (discriminator, penalty_state), metrics | {"d_grad_norm": norm}

        (discriminator, penalty_state), every_metrics = _repeat(
            update_discriminator,
            (state.discriminator, state.penalty),
            (jnp.arange(k, dtype=jnp.int32), batch["image"], batch["label"]),
        )
        d_metrics = jax.tree.map(lambda leaf: leaf[-1], every_metrics)

        g_keys = keys_of(k, per_device * config.g_batch_ratio)
        z = latents.draw(config.latent, g_keys("latent"))
        real_label = batch["label"][-1]
        label = jnp.repeat(real_label, config.g_batch_ratio)  # keeps to example ids on N devices
        real = prepare(batch["image"][-1], config.dataset, keys_of(k - 1, per_device))
        generator = state.generator
        for _ in range(config.g_steps):
            generator, g_metrics, g_norm = update(
                generator, g_optimizer, state.step, generator_loss,
                discriminator=discriminator, z=z, label=label, keys=g_keys,
                real=real, real_label=real_label, real_keys=keys_of(k, per_device),
            )  # fmt: skip

        state = GANState(
            step=state.step + 1,
            generator=generator,
            discriminator=discriminator,
            ema=_move_average(state.ema, generator, state.step, config.ema.start),
            penalty=penalty_state,
        )
        return state, d_metrics | g_metrics | {"g_grad_norm": g_norm}

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


def prepare(images: Array, dataset: Dataset, keys: Callable[[str], Key[Array, "batch"]]) -> Samples:
    """Real pixels as the networks take them; float data pass as they are.

    Args:
      images: uint8 [B, H, W, C], or float32.
      dataset: reads pixel_range, flip and dequantize.
      keys: purpose -> a key for each example.
    """
    if images.dtype != jnp.uint8:
        return images
    pixels = images.astype(jnp.float32)
    if dataset.dequantize:
        noise = jax.vmap(lambda key: jax.random.uniform(key, pixels.shape[1:]))(keys("dequantize"))
        pixels = (pixels + noise) * (255 / 256)
    if dataset.flip:
        mirrored = jax.vmap(jax.random.bernoulli)(keys("flip"))
        pixels = jnp.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)
    return pixels / 127.5 - 1 if dataset.pixel_range == "signed" else pixels / 255


def pack(samples: Samples, size: int) -> Float[Array, "packs ..."]:
    """[B, ..., C] -> [B / size, ..., size C]: those that follow each other become one's channels.

    Lin et al. 2018 (PacGAN), section 3.
    """
    if size == 1:
        return samples
    packs = samples.reshape(-1, size, *samples.shape[1:])
    return jnp.moveaxis(packs, 1, -2).reshape(len(packs), *samples.shape[1:-1], -1)


def _repeat(update: Callable[[T, Any], tuple[T, Metrics]], carry: T, inputs: Any) -> tuple[T, Any]:
    """Runs an update on each of the inputs in turn; returns the carry and the metrics of all.

    A scan is compiled once for all of them, and runs no slower: `models.convolution` sees to that.
    """
    if len(jax.tree.leaves(inputs)[0]) > 1:
        return jax.lax.scan(update, carry, inputs)
    carry, metrics = update(carry, jax.tree.map(lambda leaf: leaf[0], inputs))
    return carry, jax.tree.map(lambda leaf: leaf[None], metrics)


def _every(interval: int, step: Int[Array, ""], compute: Callable[[], Array]) -> Array:
    """The value in each step that the interval divides, 0 in the others."""
    if interval == 1:
        return compute()
    return jax.lax.cond(step % interval == 0, compute, lambda: jnp.float32(0))


def _training_pass(module: nn.Module) -> Callable[..., tuple[Samples, PyTree]]:
    """(params, model state, inputs, label) -> (outputs, moved model state), by batch statistics."""

    def apply(params, model_state, inputs, label):
        variables = {"params": params, **model_state}
        label = label[:: len(label) // len(inputs)]  # of a pack, that of its first; unconditional
        return module.apply(variables, inputs, label, train=True, mutable=list(model_state))

    return apply


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
