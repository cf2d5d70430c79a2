"""What keeps a network smooth: gradient penalties on D, and constraints on weights.

A penalty is a pure function of what D was shown in one update; its value is taken times the weight
w of `config.penalty`. Each formula says where its factor 1/2 is, since sources differ in that: w is
lambda for WGAN-GP and DRAGAN and gamma for R1 and R2.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key, PyTree

from gan_jax import parallel
from gan_jax.config import Penalty
from gan_jax.losses import Logits, Scalar

EPSILON = 1e-10
"""Added under the square root of a norm, whose gradient at 0 is none without it (as in TF-GAN)."""

Samples = Float[Array, "batch ..."]


class Shown(NamedTuple):
    """What D saw in one update, and what it made of it.

    Attributes:
      critic: samples [B, ...] -> logits, with the parameters of D that are differentiated. A logit
        may judge several samples that follow each other (packing).
      real: samples.
      fake: samples.
      real_logits: of them.
      fake_logits: of them.
      averages: moving ones of D's mean logits.
      keys: one for each example.
      axis_name: the device axis over which the batch is spread, or None.
    """

    critic: Callable[[Samples], Logits]
    real: Samples
    fake: Samples
    real_logits: Logits
    fake_logits: Logits
    averages: "PenaltyState"
    keys: Key[Array, "batch"]
    axis_name: str | None


@struct.dataclass
class PenaltyState:
    """The weight, a traced value, and moving averages of D's mean logits, for LeCam; scalars."""

    weight: PyTree
    real: PyTree
    fake: PyTree

    def move(self, real: Scalar, fake: Scalar, step: Array) -> "PenaltyState":
        """After an update, toward the mean logits; decay .99, less in the first 900 steps."""
        step = step.astype(jnp.float32)
        decay = jnp.minimum(0.99, (1 + step) / (10 + step))
        return self.replace(
            real=decay * self.real + (1 - decay) * real, fake=decay * self.fake + (1 - decay) * fake
        )


def init(settings: Penalty) -> PenaltyState:
    """The state before the first step."""
    weight, real, fake = (jnp.float32(value) for value in (settings.weight, 0, 0))
    return PenaltyState(weight=weight, real=real, fake=fake)


def wgan_gp(shown: Shown) -> Scalar:
    """E (|g(x')| - 1)^2 at x' = x + alpha (G(z) - x), one alpha ~ U(0, 1) for each example.

    Gulrajani et al. 2017, eq. 3; x' as in the authors' code.
    """
    alpha = jax.vmap(jax.random.uniform)(shown.keys)
    alpha = alpha.reshape(-1, *[1] * (shown.real.ndim - 1))
    return _two_sided(shown, shown.real + alpha * (shown.fake - shown.real))


def dragan(shown: Shown) -> Scalar:
    """E (|g(x')| - 1)^2 at x' = x + alpha delta: Kodali et al. 2017 in the variant of their code.

    delta = 1/2 std u with u ~ U(0, 1) for each number of each example and std that of all numbers
    of the real batch; one alpha ~ U(0, 1) for each example.
    """
    mean = parallel.mean(jnp.mean(shown.real), shown.axis_name)
    variance = parallel.mean(jnp.mean(jnp.square(shown.real - mean)), shown.axis_name)
    size = shown.real[0].size
    draws = jax.vmap(lambda key: jax.random.uniform(key, (size + 1,)))(shown.keys)
    delta = 0.5 * jnp.sqrt(variance) * draws[:, :-1] * draws[:, -1:]
    return _two_sided(shown, shown.real + delta.reshape(shown.real.shape))


def r1(shown: Shown) -> Scalar:
    """1/2 E |g(x)|^2 (Mescheder et al. 2018, eq. 9; their code leaves out the 1/2)."""
    return 0.5 * jnp.mean(squared_norms(shown.critic, shown.real))


def r2(shown: Shown) -> Scalar:
    """1/2 E |g(G(z))|^2 (Mescheder et al. 2018, eq. 10)."""
    return 0.5 * jnp.mean(squared_norms(shown.critic, shown.fake))


def r1_r2(shown: Shown) -> Scalar:
    """1/2 E |g(x)|^2 + 1/2 E |g(G(z))|^2: zero-centered on both (Huang et al. 2024)."""
    return r1(shown) + r2(shown)


def lecam(shown: Shown) -> Scalar:
    """E relu(D(x) - D_fake)^2 + E relu(D_real - D(G(z)))^2, D_real and D_fake moving averages.

    Tseng et al. 2021; their code has the relu, the paper's formula has none. The averages are those
    of the updates before.
    """
    real = jnp.mean(jnp.square(jax.nn.relu(shown.real_logits - shown.averages.fake)))
    return real + jnp.mean(jnp.square(jax.nn.relu(shown.averages.real - shown.fake_logits)))


PENALTIES: dict[str, Callable[[Shown], Scalar]] = {
    "none": lambda shown: jnp.float32(0),
    "wgan_gp": wgan_gp,
    "dragan": dragan,
    "r1": r1,
    "r2": r2,
    "r1_r2": r1_r2,
    "lecam": lecam,
}
OF_GRADIENTS = frozenset(PENALTIES) - {"none", "lecam"}


def squared_norms(critic: Callable[[Samples], Logits], x: Samples) -> Float[Array, "logits"]:
    """|g(x)|^2 for each logit: over the sample that it judges, or over all of a pack."""

    def total(x: Samples) -> tuple[Scalar, Logits]:
        logits = critic(x)
        return jnp.sum(logits), logits

    gradients, logits = jax.grad(total, has_aux=True)(x)
    return jnp.sum(jnp.square(gradients.reshape(len(logits), -1)), axis=1)


def orthogonality(params: PyTree) -> Scalar:
    """sum over kernels of |W^T W * (1 - I)|_F^2, W of shape [inputs, outputs].

    Brock et al. 2019, eq. 3. Their PyTorch code adds half its gradient; embeddings have no part. A
    transposed convolution's kernel is that of the convolution: its columns are its inputs.
    """
    total = jnp.float32(0)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if path[-1].key == "kernel":
            w = leaf.reshape(-1, leaf.shape[-1])
            gram = w.T @ w
            total += jnp.sum(jnp.square(gram * (1 - jnp.eye(len(gram), dtype=w.dtype))))
    return total


def clip(params: PyTree, bound: float) -> PyTree:
    """Every parameter to [-bound, bound] (Arjovsky et al. 2017, algorithm 1, line 7)."""
    return jax.tree.map(lambda leaf: jnp.clip(leaf, -bound, bound), params)


def _two_sided(shown: Shown, x: Samples) -> Scalar:
    norms = jnp.sqrt(squared_norms(shown.critic, x) + EPSILON)
    return jnp.mean(jnp.square(norms - 1))
