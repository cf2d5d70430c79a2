"""DiffAugment (Zhao et al. 2020): what D sees, real and fake alike, is distorted at random.

Every distortion is differentiable in the image, so that G learns through it. Formulas and strengths
are those of the authors' code, for pixels in [-1, 1]; each example is distorted by its own key.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from gan_jax import prng
from gan_jax.config import Config, nearest
from gan_jax.errors import UsageError

Image = Float[Array, "height width channels"]
Images = Float[Array, "batch height width channels"]


def color(key: Key[Array, ""], image: Image) -> Image:
    """Brightness + U(-.5, .5), then saturation times U(0, 2), then contrast times U(.5, 1.5)."""
    brightness, saturation, contrast = jax.random.uniform(key, (3,))
    image = image + (brightness - 0.5)
    gray = jnp.mean(image, axis=2, keepdims=True)
    image = gray + (image - gray) * (2 * saturation)
    mean = jnp.mean(image)
    return mean + (image - mean) * (contrast + 0.5)


def translation(key: Key[Array, ""], image: Image) -> Image:
    """Shifts by up to an eighth of the side, either way on both axes; zeros come in."""
    shifted = image
    for axis, name in ((0, "rows"), (1, "columns")):
        side = image.shape[axis]
        reach = int(side / 8 + 0.5)
        shift = jax.random.randint(prng.stream(key, name), (), -reach, reach + 1)
        # A matrix of zeros and ones: gathers would differentiate to slow scatters.
        places = jnp.arange(side)
        move = (places[:, None] + shift == places[None]).astype(image.dtype)
        exact = jax.lax.Precision.HIGHEST  # pixels are moved, not rounded
        shifted = jnp.moveaxis(jnp.tensordot(move, shifted, (1, axis), precision=exact), 0, axis)
    return shifted


def cutout(key: Key[Array, ""], image: Image) -> Image:
    """Zeros in a square of half the side around a random place, cut off at the edges."""
    inside = []
    for axis, name in ((0, "rows"), (1, "columns")):
        side = image.shape[axis]
        cut = int(side / 2 + 0.5)
        center = jax.random.randint(prng.stream(key, name), (), 0, side + 1 - cut % 2)
        inside.append(_within(jnp.arange(side), center - cut // 2, cut))
    hole = inside[0][:, None] & inside[1][None]
    return jnp.where(hole[..., None], jnp.zeros((), image.dtype), image)


AUGMENTATIONS: dict[str, Callable[[Key[Array, ""], Image], Image]] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}


# "auto": the first policy whose number of images is not reached.
AUTO = ((10_000, "color,translation,cutout"), (100_000, "translation,cutout"))
AUTO_BEYOND = "translation"


def settled(config: Config, examples: int) -> Config:
    """Return the config with what `augment="auto"` stands for; any other policy stays.

    The fewer images there are, the sooner D knows them by heart, and the more they are distorted.
    The paper (Zhao et al. 2020, sections 4.2 to 4.4) takes all three distortions for sets of 100 to
    5,000 images, translation and cutout for CIFAR-10, translation alone for ImageNet.

    Args:
      config: of a run.
      examples: the number of its real images.
    """
    if config.augment != "auto":
        return config
    policies = (policy for most, policy in AUTO if examples < most)
    return dataclasses.replace(config, augment=next(policies, AUTO_BEYOND))


def make_augment(policy: str) -> Callable[[Images, Key[Array, "batch"]], Images]:
    """The distortion that a comma-separated list of names stands for, in that order.

    Args:
      policy: e.g. "color,translation,cutout"; empty for none. What "auto" is, `settled` says.

    Returns:
      (images, a key for each) -> distorted images.

    Raises:
      UsageError: names the part that is none.
    """
    names = [name.strip() for name in policy.split(",")] if policy else []
    for name in names:
        if name not in AUGMENTATIONS:
            raise UsageError(
                f"config.augment={policy!r}: takes auto, or any of {', '.join(AUGMENTATIONS)}, and "
                f"{name!r} is none of these{nearest(name, ('auto', *AUGMENTATIONS))}"
            )

    def one(key: Key[Array, ""], image: Image) -> Image:
        for name in names:
            image = AUGMENTATIONS[name](prng.stream(key, name), image)
        return image

    return lambda images, keys: jax.vmap(one)(keys, images) if names else images


def _within(places: Int[Array, "side"], first: Int[Array, ""], length: int) -> Array:
    return (places >= first) & (places < first + length)
