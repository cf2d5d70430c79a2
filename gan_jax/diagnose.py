"""Numbers that tell how a run goes beside its losses: diversity of samples, spectral norms."""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from gan_jax.state import GANState

Scalar = Float[Array, ""]

# Samples that are compared with each other: neighbors in a batch, on however many devices.
_GROUP = 4
# Samples closer than this count as this far apart: pixels, in [-1, 1], are .008 from each other.
_CLOSEST = 1e-3
# Of power iteration. For kernels as they are at birth it ends a few percent low, trained ones less.
_ITERATIONS = 8


def log_diversity(
    real: Float[Array, "batch ..."], fake: Float[Array, "batch ..."]
) -> dict[str, Scalar]:
    """How much fake samples differ from each other, relative to real ones, as a logarithm.

    E log d(fake, fake') - E log d(real, real') over pairs within groups of four that follow each
    other, d the root of the mean square difference. Its exponential, the ratio of geometric means,
    is 1 for fakes as diverse as the data, and near 0 both for many that differ little and for few
    that repeat: .04 for two images, .3 for five, .5 for ten, where images differ by .8. (The
    standard deviation of two images is still .6 or .7 of that of the data.) The logarithm is a mean
    over samples, so devices and parts of a batch average to that of the whole.

    Args:
      real: samples, images in [-1, 1] or [0, 1], or points.
      fake: as many.

    Returns:
      {"log_diversity": it}; nothing for a batch of one.
    """
    if len(real) < 2:
        return {}
    return {"log_diversity": _mean_log_distance(fake) - _mean_log_distance(real)}


@jax.jit
def spectral_norms(state: GANState) -> dict[str, Scalar]:
    """The largest singular value of any kernel of D and of G, by the names of their metrics.

    A kernel is taken as the matrix [inputs, outputs] that `penalties.orthogonality` takes, and as
    it is stored: where a layer divides it by this norm (spectral norm), what it divides by. Values
    are lower bounds that power iteration from a fixed vector comes to, a few percent low at worst;
    they are a function of the state alone. A player without kernels is left out.
    """
    players = {"d_spectral_norm": state.discriminator, "g_spectral_norm": state.generator}
    norms = {name: [spectral_norm(w) for w in _kernels(p.params)] for name, p in players.items()}
    return {name: jnp.max(jnp.stack(values)) for name, values in norms.items() if values}


def spectral_norm(matrix: Float[Array, "rows columns"]) -> Scalar:
    """The largest singular value of a matrix, by a few power iterations; 0 for zeros."""
    scale = jnp.max(jnp.abs(matrix))
    w = matrix / jnp.where(scale > 0, scale, 1.0)  # squares neither overflow nor vanish

    def iterate(_, v):
        return _unit((w @ v) @ w)  # as w.T @ it is ten times as slow on a CPU

    start = _unit(jnp.cos(jnp.square(jnp.arange(w.shape[1], dtype=jnp.float32))))
    v = jax.lax.fori_loop(0, _ITERATIONS, iterate, start)
    return scale * jnp.linalg.norm(w @ v)


def _unit(v: Float[Array, "n"]) -> Float[Array, "n"]:
    return v / jnp.maximum(jnp.linalg.norm(v), 1e-12)


def _kernels(params: PyTree) -> Sequence[Float[Array, "rows columns"]]:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    kernels = [leaf for path, leaf in leaves if getattr(path[-1], "key", None) == "kernel"]
    return [leaf.reshape(-1, leaf.shape[-1]) for leaf in kernels if leaf.ndim and leaf.size]


def _mean_log_distance(samples: Float[Array, "batch ..."]) -> Scalar:
    size = min(_GROUP, len(samples))
    whole = samples[: len(samples) // size * size]
    groups = whole.reshape(-1, size, whole[0].size)
    squares = [
        jnp.mean(jnp.square(groups[:, i] - groups[:, j]), axis=-1)
        for i, j in itertools.combinations(range(size), 2)
    ]
    return jnp.mean(0.5 * jnp.log(jnp.maximum(jnp.stack(squares), _CLOSEST**2)))
