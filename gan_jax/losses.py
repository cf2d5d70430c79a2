"""Adversarial losses: logits -> scalar.

Each is a pair of pure functions of the logits that D gives to real and to generated images, and the
logit above which D calls an image real. D(x) below is the logit; sigma(D(x)) is the probability.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Logits = Float[Array, "_"]
Scalar = Float[Array, ""]

# The logit of probability .99.
_CERTAIN = math.log(99)


class Loss(NamedTuple):
    """What the two players minimize.

    Attributes:
      discriminator: (real logits, fake logits) -> D's loss.
      generator: (real logits, fake logits) -> G's loss; most read the fake ones alone.
      boundary: the logit above which D takes an image for real, for D's accuracy; None where its
        logits have no fixed zero, and only their order within a pair means something.
      saturated: (real logits, fake logits) -> the share of them, or of pairs, where the loss is
        flat, or D's probability certain; None where it is so nowhere.
    """

    discriminator: Callable[[Logits, Logits], Scalar]
    generator: Callable[[Logits, Logits], Scalar]
    boundary: float | None
    saturated: Callable[[Logits, Logits], Scalar] | None = None


def cross_entropy_discriminator(real: Logits, fake: Logits) -> Scalar:
    """-E log sigma(D(x)) - E log(1 - sigma(D(G(z)))) (Goodfellow et al. 2014, eq. 1, negated).

    Written with softplus, which neither overflows nor loses the small end.
    """
    return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))


def minimax_generator(real: Logits, fake: Logits) -> Scalar:
    """E log(1 - sigma(D(G(z)))) (Goodfellow et al. 2014, eq. 1): vanishing gradient once D wins."""
    del real
    return -jnp.mean(jax.nn.softplus(fake))


def non_saturating_generator(real: Logits, fake: Logits) -> Scalar:
    """-E log sigma(D(G(z))) (Goodfellow et al. 2014, section 3, last paragraph)."""
    del real
    return jnp.mean(jax.nn.softplus(-fake))


def least_squares_discriminator(real: Logits, fake: Logits) -> Scalar:
    """1/2 E (D(x) - 1)^2 + 1/2 E D(G(z))^2 (Mao et al. 2017, eq. 9: a = 0, b = c = 1)."""
    return 0.5 * jnp.mean(jnp.square(real - 1)) + 0.5 * jnp.mean(jnp.square(fake))


def least_squares_generator(real: Logits, fake: Logits) -> Scalar:
    """1/2 E (D(G(z)) - 1)^2 (Mao et al. 2017, eq. 9: c = 1)."""
    del real
    return 0.5 * jnp.mean(jnp.square(fake - 1))


def wasserstein_discriminator(real: Logits, fake: Logits) -> Scalar:
    """E D(G(z)) - E D(x) (Arjovsky et al. 2017, eq. 3, negated): minus the distance's estimate."""
    return jnp.mean(fake) - jnp.mean(real)


def wasserstein_generator(real: Logits, fake: Logits) -> Scalar:
    """-E D(G(z)) (Arjovsky et al. 2017, algorithm 1; Lim and Ye 2017 for the hinge loss)."""
    del real
    return -jnp.mean(fake)


def hinge_discriminator(real: Logits, fake: Logits) -> Scalar:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))) (Lim and Ye 2017; Miyato et al. 2018, eq. 16)."""
    return jnp.mean(jax.nn.relu(1 - real)) + jnp.mean(jax.nn.relu(1 + fake))


def relativistic_pairing_discriminator(real: Logits, fake: Logits) -> Scalar:
    """E softplus(-(D(x) - D(G(z)))) over pairs (Jolicoeur-Martineau 2019; Huang et al. 2024)."""
    return jnp.mean(jax.nn.softplus(fake - real))


def relativistic_pairing_generator(real: Logits, fake: Logits) -> Scalar:
    """E softplus(-(D(G(z)) - D(x))): the discriminator's, with the players changed over."""
    return jnp.mean(jax.nn.softplus(real - fake))


def certain(real: Logits, fake: Logits) -> Scalar:
    """Share of logits whose probability sigma(D(x)) is within .01 of 0 or of 1, right or wrong."""
    return jnp.mean(jnp.abs(jnp.concatenate([real, fake])) > _CERTAIN, dtype=jnp.float32)


def certain_pairs(real: Logits, fake: Logits) -> Scalar:
    """Share of pairs whose probability sigma(D(x) - D(G(z))) is within .01 of 0 or of 1."""
    return jnp.mean(jnp.abs(real - fake) > _CERTAIN, dtype=jnp.float32)


def beyond_margin(real: Logits, fake: Logits) -> Scalar:
    """Share of logits that the hinge loss gives D no gradient for: D(x) > 1 and D(G(z)) < -1."""
    return jnp.mean(jnp.concatenate([real, -fake]) > 1, dtype=jnp.float32)


LOSSES = {
    "minimax": Loss(cross_entropy_discriminator, minimax_generator, 0.0, certain),
    "non_saturating": Loss(cross_entropy_discriminator, non_saturating_generator, 0.0, certain),
    "least_squares": Loss(least_squares_discriminator, least_squares_generator, 0.5),
    "hinge": Loss(hinge_discriminator, wasserstein_generator, 0.0, beyond_margin),
    "wasserstein": Loss(wasserstein_discriminator, wasserstein_generator, None),
    "relativistic_pairing": Loss(
        relativistic_pairing_discriminator, relativistic_pairing_generator, None, certain_pairs
    ),
}
