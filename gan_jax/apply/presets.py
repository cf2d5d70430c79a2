"""How a latent is searched for: the settings of the algorithms that there are."""

import dataclasses
from collections.abc import Mapping

from gan_jax.apply.options import Options
from gan_jax.config import pick


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """What is minimized over z, and how.

    The loss of one latent is contextual + perceptual * (what D makes of G(z)) + prior * |z|^2 / 2.

    Attributes:
      iterations: updates of z.
      restarts: latents that are tried of each image, the best of which is taken.
      learning_rate: Adam's (b1 = .9, b2 = .999, eps = 1e-8).
      cosine: the learning rate falls to 0 along half a period; else it stays.
      own_latents: z begins as the run draws it, and is held within +-1 where it is uniform; else it
        begins uniform and is held within +-1.
      near: side in pixels of the window by whose share of the hole a known pixel is weighted
        (Yeh et al. 2017, importance weighted context loss); 0: all weigh the same.
      floor: added to that weight, so that pixels far from the hole count too.
      normalised: the contextual loss is a mean, by the weights, so that its size depends neither on
        the resolution nor on the mask; else a sum.
      perceptual: weight of what D makes of it (lambda).
      saturating: that is log(1 - sigma(D)), which is flat where D is sure; else -log sigma(D). Of a
        critic, `search` says what stands for D.
      prior: weight of |z|^2 / 2, over what |z|^2 is in the mean in training.
      best: the best iterate is taken; else the last.
      blend: the result is the one that Poisson blending gives.
    """

    iterations: int
    restarts: int
    learning_rate: float
    cosine: bool
    own_latents: bool
    near: int
    floor: float
    normalised: bool
    perceptual: float
    saturating: bool
    prior: float
    best: bool
    blend: bool


PRESETS = {
    # By PSNR of the hole, 8 to 32 images of digits, of MNIST's test split and of faces: on MNIST
    # lambda .01 loses more than a decibel, a floor of .1 about one; lambda 0 and priors from .02 to
    # .2 are within the noise; on faces without their left half a prior of .05 wins 1.6 over none,
    # and one of .2 washes out what fills their center; eight restarts win up to .8 on digits, for
    # twice the time.
    "default": Preset(
        iterations=500, restarts=4, learning_rate=0.1, cosine=True, own_latents=True,
        near=7, floor=1.0, normalised=True, perceptual=0.001, saturating=False,
        prior=0.05, best=True, blend=True,
    ),
    # Amos 2016, dcgan-completion.tensorflow at 6b0a06c: model.py, complete().
    "bamos": Preset(
        iterations=1000, restarts=1, learning_rate=0.01, cosine=False, own_latents=False,
        near=0, floor=0.0, normalised=False, perceptual=0.1, saturating=False,
        prior=0.0, best=False, blend=False,
    ),
    # Yeh et al. 2017; the learning rate, of which they say nothing, is bamos's.
    "yeh": Preset(
        iterations=1500, restarts=1, learning_rate=0.01, cosine=False, own_latents=False,
        near=7, floor=0.0, normalised=False, perceptual=0.003, saturating=True,
        prior=0.0, best=False, blend=True,
    ),
}  # fmt: skip
# Of inversion: all pixels are known, and D has no say.
INVERT = dataclasses.replace(
    PRESETS["default"], iterations=1000, near=0, floor=0.0, perceptual=0.0, prior=0.001, blend=False
)


def chosen(options: Options, presets: Mapping[str, Preset]) -> Preset:
    """The preset that the flags name, with their iterations and restarts.

    Args:
      options: reads `preset`, empty: the first of them; `iterations`, `restarts`.
      presets: those that there are.

    Raises:
      UsageError: if there is none of that name.
    """
    preset = pick(presets, options.preset or next(iter(presets)), "--preset")
    return dataclasses.replace(
        preset,
        iterations=options.iterations or preset.iterations,
        restarts=options.restarts or preset.restarts,
    )
