"""Distributions in one and two dimensions whose density is known, for seeing what a GAN does."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from gan_jax import prng

NUM_POINTS = 100_000
GAUSSIAN_MEAN, GAUSSIAN_STD = 2.0, 0.5
RING_STD, GRID_STD = 0.01, 0.05


def ring_modes() -> Float[np.ndarray, "8 2"]:
    """Centers of `ring_2d`: 8 on the unit circle, std `RING_STD` (Lin et al. 2018)."""
    angles = np.arange(8) * (2 * np.pi / 8)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def grid_modes() -> Float[np.ndarray, "25 2"]:
    """Centers of `grid_2d`: {-4, -2, 0, 2, 4}^2, std `GRID_STD` (Lin et al. 2018)."""
    side = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)


MODES = {"ring_2d": (ring_modes, RING_STD), "grid_2d": (grid_modes, GRID_STD)}


class Coverage(NamedTuple):
    """How samples lie over the modes of a mixture.

    Attributes:
      modes: those that at least one sample of high quality belongs to.
      high_quality: the share of the samples that are, in [0, 1].
      reverse_kl: KL(p || uniform) in nats, p the modes' shares of the samples of high quality: from
        0, all modes alike, to the log of their number, one alone; NaN where there are no such
        samples.
    """

    modes: int
    high_quality: float
    reverse_kl: float


def coverage(
    samples: Float[np.ndarray, "n 2"], centers: Float[np.ndarray, "modes 2"], std: float
) -> Coverage:
    """Counts modes and samples of high quality (Lin et al. 2018, after Srivastava et al. 2017)."""
    belongs = nearest_mode(samples, centers, std)
    good = belongs[belongs >= 0]
    counts = np.bincount(good, minlength=len(centers))
    shares = counts[counts > 0] / max(len(good), 1)
    reverse_kl = float(np.sum(shares * np.log(len(centers) * shares))) if len(good) else math.nan
    return Coverage(len(shares), len(good) / len(samples), reverse_kl)


def nearest_mode(
    samples: Float[np.ndarray, "n 2"], centers: Float[np.ndarray, "modes 2"], std: float
) -> Int[np.ndarray, "n"]:
    """The mode that each sample of high quality belongs to, -1 for the others.

    A sample is of high quality within 3 `std` of the center that is nearest to it; one that is not
    finite is not.
    """
    distance = np.linalg.norm(samples[:, None] - centers[None], axis=-1)
    return np.where(distance.min(axis=1) <= 3 * std, distance.argmin(axis=1), -1)


def gaussian_1d() -> Float32[np.ndarray, "n 1"]:
    """`NUM_POINTS` draws from N(`GAUSSIAN_MEAN`, `GAUSSIAN_STD`^2)."""
    normal = standard_normal("gaussian_1d", NUM_POINTS)
    return (GAUSSIAN_MEAN + GAUSSIAN_STD * normal)[:, None].astype(np.float32)


def gaussian_1d_density(x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """p_data of `gaussian_1d`."""
    z = (x - GAUSSIAN_MEAN) / GAUSSIAN_STD
    return np.exp(-0.5 * z**2) / (GAUSSIAN_STD * np.sqrt(2 * np.pi))


def mixture(name: str) -> Float32[np.ndarray, "n 2"]:
    """`NUM_POINTS` draws, equally many around each center but for the remainder."""
    centers, std = MODES[name][0](), MODES[name][1]
    noise = standard_normal(name, NUM_POINTS * 2).reshape(NUM_POINTS, 2)
    return (centers[np.arange(NUM_POINTS) % len(centers)] + std * noise).astype(np.float32)


def standard_normal(name: str, size: int, index: int = 0) -> Float[np.ndarray, "size"]:
    """The same numbers in every run, whatever its seed: the data set does not vary with it."""
    bits = prng.host_bits(0, name, index, size)
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    from scipy import special  # slow to import, and images need none of it

    return special.ndtri(uniform)
