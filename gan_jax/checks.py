"""Refuses a config whose parts are each fine and that makes no sense as a whole."""

from collections.abc import Iterator

import jax

from gan_jax import parallel
from gan_jax.config import Config
from gan_jax.errors import UsageError
from gan_jax.penalties import OF_GRADIENTS
from gan_jax.state import GANState


def check(config: Config, sample_shape: tuple[int, ...], num_classes: int, state: GANState) -> None:
    """Refuses what the mathematics or the data forbid.

    Args:
      config: valid field by field.
      sample_shape: of one example of its data.
      num_classes: of its data; 0 where they have no labels.
      state: the shapes of its state.

    Raises:
      UsageError: names the field, why it cannot be, and what can.
    """
    images = len(sample_shape) == 3
    for problem in (
        *_of_the_critic(config, state),
        *_of_batches(config),
        *_of_data(config, images, num_classes),
    ):
        raise UsageError(f"config.{problem}")


def _of_the_critic(config: Config, state: GANState) -> Iterator[str]:
    penalty, variables = config.penalty, _variables(state)
    if penalty.name in OF_GRADIENTS and "mean" in variables:
        yield (
            f"penalty.name={penalty.name!r}: is about D's gradient at one sample, and BatchNorm "
            "makes D(x) depend on the whole batch; take a discriminator without "
            "(config.discriminator.batch_norm)"
        )
    lipschitz = penalty.name in {"wgan_gp", "dragan"} or penalty.clip or "sigma" in variables
    if config.loss == "wasserstein" and not lipschitz:
        yield (
            "loss='wasserstein': has no minimum unless D is Lipschitz; set config.penalty.name to "
            "wgan_gp, config.penalty.clip to 0.01, or take a discriminator with spectral_norm"
        )
    if config.d_updates == "separate" and penalty.name != "none":
        yield "d_updates='separate': goes with no penalty, which is about both halves"
    if config.loss == "relativistic_pairing" and config.d_updates == "separate":
        yield "d_updates='separate': relativistic_pairing compares real with fake in one update"
    if config.loss == "relativistic_pairing" and config.g_batch_ratio > 1:
        yield f"g_batch_ratio={config.g_batch_ratio}: relativistic_pairing pairs real with fake"


def _of_batches(config: Config) -> Iterator[str]:
    share = config.batch_size // parallel.device_count()
    for name, size in (
        ("packing", config.packing),
        ("discriminator.minibatch_std", getattr(config.discriminator, "minibatch_std", 0)),
    ):
        if size and share // (config.packing if name != "packing" else 1) % size:
            yield f"{name}={size}: does not divide a device's {share} examples of a batch"
    if config.packing > 1 and config.conditional:
        yield f"packing={config.packing}: D judges one class at a time, so not with conditional"
    if config.packing > 1 and config.dataset.name == "gaussian_1d":
        yield f"packing={config.packing}: gaussian_1d draws D over single points; take ring_2d"


def _of_data(config: Config, images: bool, num_classes: int) -> Iterator[str]:
    if config.conditional and not num_classes:
        yield f"conditional=True: {config.dataset.name} has no labels"
    for name, value in (
        ("augment", config.augment),
        ("dataset.flip", config.dataset.flip),
        ("dataset.dequantize", config.dataset.dequantize),
    ):
        if value and not images:
            yield f"{name}={value!r}: is for images, and {config.dataset.name} has vectors"
    if config.latent.truncation and config.latent.distribution == "uniform":
        yield "latent.truncation: is for the normal distribution, which has tails to cut"


def _variables(state: GANState) -> set[str]:
    """The last names of what D carries beside its parameters: mean, var, u, sigma."""
    leaves = jax.tree_util.tree_leaves_with_path(state.discriminator.model_state)
    return {path[-1].key.rsplit("/")[-1] for path, _ in leaves}
