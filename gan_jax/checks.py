"""Refuses a config whose parts are each fine and that makes no sense as a whole."""

import math
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
        *_of_sizes(config, sample_shape, state),
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
    two_sided = penalty.name in {"wgan_gp", "dragan"} and penalty.weight > 0
    lipschitz = two_sided or penalty.clip or "sigma" in variables
    if config.loss == "wasserstein" and not lipschitz:
        yield (
            "loss='wasserstein': has no minimum unless D is Lipschitz; set config.penalty.name to "
            "wgan_gp, config.penalty.clip to 0.01, or take a discriminator with spectral_norm"
        )
    separate = config.d_updates == "separate"
    if separate and (penalty.name != "none" or config.discriminator.orthogonal):
        yield "d_updates='separate': goes with no penalty, which both updates would have"
    if separate and variables:
        yield "d_updates='separate': goes with no BatchNorm or spectral norm in D"
    if separate and config.loss == "relativistic_pairing":
        yield "d_updates='separate': relativistic_pairing compares real with fake in one update"
    if config.loss == "relativistic_pairing" and config.g_batch_ratio > 1:
        yield f"g_batch_ratio={config.g_batch_ratio}: relativistic_pairing pairs real with fake"


def _of_batches(config: Config) -> Iterator[str]:
    share, parts = config.batch_size // parallel.device_count(), config.accumulate
    if share % parts:
        yield f"accumulate={parts}: does not divide a device's {share} examples of a batch"
    share //= parts
    group = getattr(config.discriminator, "minibatch_std", 0)
    if share % config.packing:
        yield f"packing={config.packing}: does not divide a device's {share} examples of a batch"
    if group and share // config.packing % group:
        yield (
            f"discriminator.minibatch_std={group}: does not divide what D judges of a batch on a "
            f"device, {share // config.packing}"
        )
    if config.packing > 1 and config.conditional:
        yield f"packing={config.packing}: D judges one class at a time, so not with conditional"
    if (config.packing > 1 or group) and config.dataset.name == "gaussian_1d":
        yield "dataset.name='gaussian_1d': draws D over single points, and this D judges several"
    if config.ema.half_life and config.d_boost.d_steps:
        yield "ema.half_life: steps with d_boost see more images than others; give ema.decay"
    if config.steps_per_call > 1 and config.d_boost.d_steps:
        yield "steps_per_call: steps with d_boost are unlike others and share no call; give 1"
    for name in ("steps", "log_every", "sample_every", "checkpoint_every", "eval_every"):
        if getattr(config, name) % config.steps_per_call:
            yield (
                f"steps_per_call={config.steps_per_call}: does not divide {name}="
                f"{getattr(config, name)}; what happens between steps happens between calls"
            )
    if not config.d_boost.d_steps and (config.d_boost.first or config.d_boost.every):
        yield "d_boost.d_steps=0: says how many updates a boosted step has; give it"


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
    if config.augment and config.dataset.pixel_range == "unit":
        yield f"augment={config.augment!r}: its strengths are for dataset.pixel_range='signed'"
    if config.latent.truncation and config.latent.distribution == "uniform":
        yield "latent.truncation: is for the normal distribution, which has tails to cut"


def _of_sizes(config: Config, sample_shape: tuple[int, ...], state: GANState) -> Iterator[str]:
    """An array of 2^31 numbers is more than a device has room for, and than its indices count."""
    for side, player in (("generator", state.generator), ("discriminator", state.discriminator)):
        largest = max((leaf.size for leaf in jax.tree.leaves(player.params)), default=0)
        if largest >= 2**31:
            yield (
                f"{side}: has {largest:,} parameters in one array; take sizes that make fewer than "
                "2^31"
            )
    share = config.batch_size // parallel.device_count()
    for what, numbers in {
        "an example": math.prod(sample_shape),
        "config.latent.dim": config.g_batch_ratio * config.latent.dim,
    }.items():
        if share * numbers >= 2**31:
            yield (
                f"batch_size={config.batch_size}: a device's {share:,} examples, by the "
                f"{numbers:,} numbers of {what}, are more than 2^31; take a smaller batch"
            )


def _variables(state: GANState) -> set[str]:
    """The last names of what D carries beside its parameters: mean, var, u, sigma."""
    leaves = jax.tree_util.tree_leaves_with_path(state.discriminator.model_state)
    return {path[-1].key.rsplit("/")[-1] for path, _ in leaves}
