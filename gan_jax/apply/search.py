"""Searches for latents whose images are like given ones, many at once.

Every latent is by itself: G and D are pure functions of one example here, BatchNorm by its running
statistics. So an image's result does not depend on which others are searched for beside it.
"""

import math
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, Int, Key, PyTree
from tqdm import tqdm

from gan_jax import latents, parallel, prng
from gan_jax.apply.masks import Mask, weights
from gan_jax.apply.presets import Preset
from gan_jax.apply.trained import Trained, make_generate
from gan_jax.config import Latent

_PIXELS = 128 * 64 * 64  # of all images on a device: one of 64x64 takes some MB in both networks
_CALL = 50  # iterations in a call; between calls a person is told
_QUIET = 10.0  # seconds from one line to the next, where there is no terminal
_COMPARED = 256  # of G's samples, by which a critic's logits get their scale
_CLASSIFIERS = ("minimax", "non_saturating")

# (variables of D, images in [-1, 1] [B, H, W, C], label [B]) -> logits [B].
Judge = Callable[[PyTree, Array, Array], Float[Array, "batch"]]


class Wanted(NamedTuple):
    """What is searched for.

    Attributes:
      images: in [-1, 1].
      label: the class of each, 0 where there are none.
      mask: what of them is known.
    """

    images: Float32[np.ndarray, "n height width c"]
    label: Int[np.ndarray, "n"]
    mask: Mask


class Losses(NamedTuple):
    """Of latents, their parts as they are weighted: `total` is the sum of the others."""

    total: Float[Array | np.ndarray, "..."]
    contextual: Float[Array | np.ndarray, "..."]
    perceptual: Float[Array | np.ndarray, "..."]
    prior: Float[Array | np.ndarray, "..."]


class Found(NamedTuple):
    """What a search has found.

    Attributes:
      z: the best latent of each image.
      image: what G makes of it, in [-1, 1].
      losses: of it.
      restart: which one it is.
      every: the total loss that each restart has come to.
      history: the total loss before each update.
    """

    z: Float32[np.ndarray, "n dim"]
    image: Float32[np.ndarray, "n height width c"]
    losses: Losses
    restart: Int[np.ndarray, "n"]
    every: Float[np.ndarray, "n restarts"]
    history: Float[np.ndarray, "n restarts iterations"]


class _Latents(NamedTuple):
    """The latents of a search between two updates, the best so far, and the optimizer's state."""

    wanted: Float[Array, "b height width c"]
    label: Int[Array, "b"]
    z: Float[Array, "b dim"]
    optimizer: optax.OptState
    best_z: Float[Array, "b dim"]
    best: Losses


def search(trained: Trained, preset: Preset, wanted: Wanted, seed: int) -> Found:
    """Moves `preset.restarts` latents of each image down their losses, and takes the best.

    Args:
      trained: the run.
      preset: the loss and how it is minimized.
      wanted: images and their mask.
      seed: of the first latents, which are functions of it, the image's place and the restart's.
    """
    shape = len(wanted.images), preset.restarts
    pairs = np.indices(shape, np.int32).reshape(2, -1).T
    at_once = max(parallel.local_devices() * _PIXELS // math.prod(trained.shape[:2]), 1)
    batches = -(-len(pairs) // at_once)
    size = -(-len(pairs) // batches)
    given = parallel.replicate(_given(trained, preset, wanted, seed))
    programs = _programs(trained, preset, wanted)
    progress = _Progress(batches * preset.iterations)
    parts = []
    for begin in range(0, len(pairs), size):
        asked = pairs[begin : begin + size]
        rest = np.repeat(asked[:1], size - len(asked), axis=0)  # no program for another size
        parts.append(_run(programs, given, wanted, np.concatenate([asked, rest]), progress))
    progress.close()
    return _best_of(jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts), shape)


def make_judge(trained: Trained) -> Judge:
    """D as a pure function of single images, in the range and the company that it knows.

    Where it judges several samples together (config.packing, minibatch_std), it is shown copies.
    """
    d, unit = trained.models.discriminator, trained.config.dataset.pixel_range == "unit"
    packed = trained.config.packing
    group = max(getattr(trained.config.discriminator, "minibatch_std", 0), 1)

    def judge(variables: PyTree, images: Array, label: Array) -> Float[Array, "batch"]:
        x = (images + 1) / 2 if unit else images
        x = jnp.repeat(jnp.tile(x, (1, 1, 1, packed)), group, axis=0)
        return d.apply(variables, x, jnp.repeat(label, group), train=False)[::group]

    return judge


class _Programs(NamedTuple):
    """What is compiled, for the latents of each device; `calls` follow each other."""

    begin: Callable[[PyTree, PyTree], _Latents]
    calls: list[Callable[[PyTree, _Latents], tuple[_Latents, Array]]]
    end: Callable[[PyTree, _Latents], tuple[Array, Array, Losses]]


def _programs(trained: Trained, preset: Preset, wanted: Wanted) -> _Programs:
    generate, losses = make_generate(trained), _make_losses(trained, preset, wanted.mask)
    latent = trained.config.latent if preset.own_latents else _uniform(trained)
    bounded = latent.distribution == "uniform"
    rate = preset.learning_rate
    adam = optax.adam(
        optax.cosine_decay_schedule(rate, preset.iterations) if preset.cosine else rate
    )

    def total(z, given, state):
        of = losses(given, z, state.wanted, state.label)
        return jnp.sum(of.total), of

    def begin(given, share):
        images, label, asked = share
        z = latents.draw(latent, _keys(given["key"], asked))
        never = Losses(*[jnp.full(len(z), jnp.inf)] * len(Losses._fields))
        return _Latents(images, label, z, adam.init(z), z, never)

    def update(given, state, _):
        gradient, of = jax.grad(total, has_aux=True)(state.z, given, state)
        state = _with_best(state, of)
        with jax.numpy_dtype_promotion("standard"):  # optax raises the float b1 to the int count
            updates, optimizer = adam.update(gradient, state.optimizer)
        z = optax.apply_updates(state.z, updates)
        z = jnp.clip(z, -1, 1) if bounded else z
        return state._replace(z=z, optimizer=optimizer), of.total

    def some(length):
        def advance(given, state):
            return jax.lax.scan(lambda s, x: update(given, s, x), state, length=length)

        return parallel.map_devices(advance)

    def end(given, state):
        of = losses(given, state.z, state.wanted, state.label)
        state = _with_best(state, of)
        z, of = (state.best_z, state.best) if preset.best else (state.z, of)
        return z, generate(given["generator"], z, state.label), of

    calls, rest = divmod(preset.iterations, _CALL)
    whole = [some(_CALL)] * calls
    every = [*whole, some(rest)] if rest else whole
    return _Programs(parallel.map_devices(begin), every, parallel.map_devices(end))


def _with_best(state: _Latents, of: Losses) -> _Latents:
    """The state, its best latents those of now where they are better."""
    better = of.total < state.best.total
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), of, state.best)
    return state._replace(best_z=jnp.where(better[:, None], state.z, state.best_z), best=best)


def _make_losses(trained: Trained, preset: Preset, mask: Mask) -> Callable[..., Losses]:
    """(given, z, images, label) -> the losses of each latent."""
    generate, judge = make_generate(trained), make_judge(trained)

    def view(images: Array) -> Array:
        return _mean_pool(images, mask.pool) if mask.pool > 1 else images

    def losses(given: PyTree, z: Array, images: Array, label: Array) -> Losses:
        made = generate(given["generator"], z, label)
        off = jnp.abs(view(made) - view(images)) * given["weights"][None, :, :, None]
        contextual = jnp.sum(off, axis=(1, 2, 3))
        if preset.perceptual:
            logits = judge(given["discriminator"], made, label)
            logits = (logits - given["center"]) / given["spread"]
            unreal = -jax.nn.softplus(logits) if preset.saturating else jax.nn.softplus(-logits)
            perceptual = preset.perceptual * unreal
        else:
            perceptual = jnp.zeros_like(contextual)
        prior = given["prior"] * jnp.sum(jnp.square(z), axis=1) / 2
        return Losses(contextual + perceptual + prior, contextual, perceptual, prior)

    return losses


def _given(trained: Trained, preset: Preset, wanted: Wanted, seed: int) -> dict[str, PyTree]:
    """What all latents share."""
    mask, channels = wanted.mask, wanted.images.shape[-1]
    if mask.pool > 1:
        height, width = mask.known.shape
        weight = np.ones((height // mask.pool, width // mask.pool), np.float32)
    else:
        weight = weights(mask.known, preset.near, preset.floor)
    if preset.normalised:
        weight = weight / (weight.sum() * np.float32(channels))
    latent = trained.config.latent
    usual = latent.dim * (1 if latent.distribution == "normal" else 1 / 3)  # of |z|^2, in training
    center, spread = _scale(trained) if preset.perceptual else (0.0, 1.0)
    return {
        "key": prng.root(seed),
        "generator": trained.generator,
        "discriminator": trained.discriminator,
        "weights": weight,
        "prior": np.float32(preset.prior / usual),
        "center": np.float32(center),
        "spread": np.float32(spread),
    }


def _scale(trained: Trained) -> tuple[float, float]:
    """What is taken off D's logits, and what they are then divided by, to read as a classifier's.

    A classifier's stay as they are. A critic's have no zero and no unit (wasserstein,
    relativistic_pairing), or other ones (hinge, least_squares): theirs are read by the mean and the
    standard deviation over samples of the run's own G, so that lambda means about the same with all
    of them.
    """
    if trained.config.loss in _CLASSIFIERS:
        return 0.0, 1.0
    generate, judge = make_generate(trained), make_judge(trained)

    @jax.jit
    def logits(g: PyTree, d: PyTree, key: Key[Array, ""]) -> Array:
        numbers = jnp.arange(_COMPARED, dtype=jnp.int32)
        label = numbers % max(trained.num_classes, 1)
        z = latents.draw(trained.config.latent, prng.per_example(key, numbers))
        return judge(d, generate(g, z, label), label)

    key = prng.stream(prng.root(0), "search scale")
    found = np.asarray(logits(trained.generator, trained.discriminator, key))
    return float(found.mean()), float(found.std()) + 1e-6


def _uniform(trained: Trained) -> Latent:
    return Latent(dim=trained.config.latent.dim, distribution="uniform")


def _keys(key: Key[Array, ""], asked: Int[Array, "n 2"]) -> Key[Array, "n"]:
    """A key for each (image, restart)."""
    return jax.vmap(lambda pair: prng.stream(key, "search latent", pair[0], pair[1]))(asked)


def _mean_pool(images: Array, pool: int) -> Array:
    n, height, width, channels = images.shape
    squares = images.reshape(n, height // pool, pool, width // pool, pool, channels)
    return squares.mean(axis=(2, 4))


def _run(
    programs: _Programs,
    given: PyTree,
    wanted: Wanted,
    asked: Int[np.ndarray, "n 2"],
    progress: "_Progress",
) -> tuple[np.ndarray, np.ndarray, Losses, np.ndarray]:
    """z, G's image, losses and history [n, iterations] of the latents that are asked for."""
    devices = parallel.local_devices()
    padded = np.concatenate([asked, np.repeat(asked[:1], -len(asked) % devices, axis=0)])

    def spread(values: np.ndarray) -> np.ndarray:
        return values.reshape(devices, -1, *values.shape[1:])

    places = padded[:, 0]
    share = tuple(map(spread, (wanted.images[places], wanted.label[places], padded)))
    state, history = programs.begin(given, share), []
    for advance in programs.calls:
        state, totals = advance(given, state)
        history.append(np.moveaxis(np.asarray(totals), 1, 2))
        progress.show(history[-1])
    z, image, losses = programs.end(given, state)
    made = (z, image, losses, np.concatenate(history, axis=-1))
    return jax.tree.map(
        lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:])[: len(asked)], made
    )


def _best_of(
    made: tuple[np.ndarray, np.ndarray, Losses, np.ndarray], shape: tuple[int, int]
) -> Found:
    """The best restart of each image; `shape` is how many there are of both."""
    z, image, losses, history = jax.tree.map(
        lambda leaf: leaf[: math.prod(shape)].reshape(*shape, *leaf.shape[1:]), made
    )
    restart = np.argmin(np.nan_to_num(losses.total, nan=np.inf, posinf=np.inf), axis=1)
    rows = np.arange(len(restart))
    best = jax.tree.map(lambda leaf: leaf[rows, restart], (z, image, losses))
    return Found(*best, restart, losses.total, history)


class _Progress:
    """A bar where there is a terminal; else a line now and then.

    Args:
      iterations: all that there are to be.
    """

    def __init__(self, iterations: int):
        self._iterations, self._done = iterations, 0
        self._told = time.monotonic()
        terminal = sys.stderr.isatty()
        self._bar = tqdm(total=iterations, unit="iteration", disable=not terminal, leave=False)

    def show(self, totals: Float[np.ndarray, "devices latents iterations"]) -> None:
        """Tells of a call: the total losses of its iterations."""
        self._done += totals.shape[-1]
        loss = f"loss {totals[..., -1].mean():.4g}"
        self._bar.set_postfix_str(loss, refresh=False)
        self._bar.update(totals.shape[-1])
        if self._bar.disable and time.monotonic() - self._told > _QUIET:
            self._told = time.monotonic()
            print(f"iteration {self._done}/{self._iterations}  {loss}", file=sys.stderr)

    def close(self) -> None:
        """Ends the bar."""
        self._bar.close()
