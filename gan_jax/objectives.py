"""What each player minimizes in one update: its loss on a batch, with what keeps D smooth."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int, Key, PyTree

from gan_jax import diagnose, latents, penalties, schedules
from gan_jax.augment import make_augment
from gan_jax.config import Config, Dataset, pick
from gan_jax.losses import LOSSES, Loss
from gan_jax.penalties import PENALTIES, Shown
from gan_jax.state import Models

Samples = Float[Array, "batch ..."]
Metrics = dict[str, Float[Array, ""]]
Objective = Callable[..., tuple[Float[Array, ""], tuple[PyTree, Metrics]]]
# (places in the global batch) -> (purpose -> a key for each of these examples).
KeysOf = Callable[[Int[Array, "batch"]], Callable[[str], Key[Array, "batch"]]]


class Objectives(NamedTuple):
    """What the players minimize, as functions of their params and model state first.

    Both return (value, (moved model state, metrics)) and take a batch, whose leaves have the
    examples in front: "id" (places in the global batch), "label", and D's "image", as the feed
    gives it, or G's "real" with all three of the images that it is compared with.
    """

    discriminator: Objective
    generator: Objective


def make_objectives(config: Config, models: Models, axis_name: str | None) -> Objectives:
    """Does the static work.

    Args:
      config: the whole, but for names of data and what is about reports.
      models: the two networks, built with the same axis name.
      axis_name: the device axis over which batches are spread; None where there is none.

    Raises:
      UsageError: if there is no such loss, penalty or augmentation.
    """
    loss = pick(LOSSES, config.loss, "config.loss")
    penalty = pick(PENALTIES, config.penalty.name, "config.penalty.name")
    augment = make_augment(config.augment)
    generate, discriminate = (_training_pass(module) for module in models)

    def judge(params, model_state, samples, label, keys):
        """D's logits of samples as it is shown them: distorted and packed."""
        shown = pack(augment(samples, keys), config.packing)
        return discriminate(params, model_state, shown, label[:: config.packing])

    def imagine(params, model_state, label, keys):
        z = latents.draw(config.latent, keys("latent"))
        return generate(params, model_state, z, label)

    def discriminator_loss(
        params, model_state, batch, *, generator, penalty_state, step, keys_of, part
    ):
        label, keys = batch["label"], keys_of(batch["id"])
        real = prepare(batch["image"], config.dataset, keys)
        fake, _ = imagine(generator.params, generator.model_state, label, keys)

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
            **_accuracies(loss, real_logits, fake_logits),
            **diagnose.log_diversity(real, fake),
        }
        if loss.saturated is not None:
            metrics["d_saturated"] = loss.saturated(real_logits, fake_logits)
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

    def generator_loss(params, model_state, batch, *, discriminator, keys_of, real_keys_of):
        """`real_keys_of` are those with which D was shown the real images."""
        keys = keys_of(batch["id"])
        fake, moved = imagine(params, model_state, batch["label"], keys)
        compared = batch["real"]
        real = prepare(compared["image"], config.dataset, real_keys_of(compared["id"]))
        d, real_keys = (discriminator.params, discriminator.model_state), keys_of(compared["id"])
        fake_logits, _ = judge(*d, fake, batch["label"], keys("augment fake"))
        real_logits, _ = judge(*d, real, compared["label"], real_keys("augment real"))
        value = loss.generator(real_logits, fake_logits)
        metrics = {"g_loss": value}
        if config.generator.orthogonal:
            value += config.generator.orthogonal * penalties.orthogonality(params)
        return value, (moved, metrics)

    return Objectives(discriminator_loss, generator_loss)


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


def _accuracies(loss: Loss, real: Array, fake: Array) -> Metrics:
    """Shares of real and of fake logits on the right side, or of pairs in the right order."""
    if loss.boundary is None:
        right = jnp.mean(real > fake, dtype=jnp.float32)
        return {"d_accuracy_real": right, "d_accuracy_fake": right}
    return {
        "d_accuracy_real": jnp.mean(real > loss.boundary, dtype=jnp.float32),
        "d_accuracy_fake": jnp.mean(fake <= loss.boundary, dtype=jnp.float32),
    }


def _every(interval: int, step: Int[Array, ""], compute: Callable[[], Array]) -> Array:
    """The value in each step that the interval divides, 0 in the others."""
    if interval == 1:
        return compute()
    return jax.lax.cond(step % interval == 0, compute, lambda: jnp.float32(0))


def _training_pass(module: nn.Module) -> Callable[..., tuple[Any, PyTree]]:
    """(params, model state, inputs, label) -> (outputs, moved model state), by batch statistics."""

    def apply(params, model_state, inputs, label):
        variables = {"params": params, **model_state}
        return module.apply(variables, inputs, label, train=True, mutable=list(model_state))

    return apply
