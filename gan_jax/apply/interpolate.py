"""--mode=interpolate: walks between latents, or between classes, as a grid or a film."""

import pathlib
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Float32, PyTree, UInt8

from gan_jax import parallel
from gan_jax.apply import film, output
from gan_jax.apply import options as flags
from gan_jax.apply.options import Options
from gan_jax.apply.sampler import Draw, Sampler, to_bytes
from gan_jax.apply.trained import Trained, make_generate, must_make_images, open_trained
from gan_jax.config import Config
from gan_jax.errors import UsageError
from gan_jax.report import pictures

_PLACES_OF_A_FILM = 4
_COLUMNS = 10  # of a grid, about
_MOST = 256  # WebP's sides have 16,383 pixels at most


class Walk(NamedTuple):
    """Points of several walks, [walks, moments, ...].

    Attributes:
      z: latents.
      classes: how much of each class, which sum to 1; of no class where there are none.
    """

    z: Float32[np.ndarray, "walks moments dim"]
    classes: Float32[np.ndarray, "walks moments num_classes"]


def interpolate(config: Config, directory: pathlib.Path, which: str, options: Options) -> None:
    """Makes walks, and says where they are.

    Between seeds a walk goes from one latent to another and keeps its class; between labels it
    keeps its latent and goes through the classes. A grid has a row for each walk. A film shows all
    of them at once, and ends where it begins.

    Args:
      config: the run's.
      directory: the run's.
      which: of its checkpoints.
      options: what to make; `out` ends in .png, .gif, .webp or .mp4.

    Raises:
      UsageError: if there is no such checkpoint or class, nothing to walk between, or no way to
        write that.
    """
    target = flags.target(options, directory, "interpolate.png")
    film.check(target)
    if options.statistics == "batch":
        raise UsageError(
            "--statistics=batch: the images of a walk would change each other; take running or "
            "standing"
        )
    if options.num_samples > _MOST or options.frames > _MOST:
        raise UsageError(f"--num_samples, --frames: of walks at most {_MOST}")
    output.claim_file(target, film.ENDINGS)
    draw = Draw(flags.number(options, "truncation", 0.0), flags.number(options, "psi", 1.0))
    trained = open_trained(config, directory, which, options.params)
    must_make_images(trained, "interpolate")
    labels = flags.labels(options, trained.classes)
    sampler = Sampler(trained, options.seed, labels, draw, options.statistics)
    walk = _walk(trained, sampler, labels, options, closed=target.suffix != ".png")
    images = _images(trained, sampler.variables, walk)
    walks, moments = images.shape[:2]
    if target.suffix == ".png":
        flat = images.reshape(walks * moments, *images.shape[2:])
        pictures.save(pictures.tile(flat, columns=moments), target)
    else:
        film.save([pictures.tile(images[:, moment]) for moment in range(moments)], target)
    through = flags.named(labels, trained.classes)
    output.say(f"{walks} walks of {moments} images{through} of step {trained.step}", target)


def linear(
    begin: Float[np.ndarray, "*shape dim"], end: Float[np.ndarray, "*shape dim"], part: float
) -> Float[np.ndarray, "*shape dim"]:
    """(1 - part) begin + part end, part in [0, 1]."""
    return (1 - part) * begin + part * end


def spherical(
    begin: Float[np.ndarray, "*shape dim"], end: Float[np.ndarray, "*shape dim"], part: float
) -> Float[np.ndarray, "*shape dim"]:
    """Along the arc between two vectors (White 2016, arXiv:1609.04468).

    sin((1 - part) a) / sin(a) begin + sin(part a) / sin(a) end, with a the angle between them;
    linear where they are nearly parallel or opposite. Latents of many coordinates, normal or
    uniform, lie near a sphere, whose inside G has hardly seen: there its images fade.
    """
    lengths = np.linalg.norm(begin, axis=-1) * np.linalg.norm(end, axis=-1)
    cosine = np.sum(begin * end, axis=-1) / np.maximum(lengths, np.finfo(np.float32).tiny)
    angle = np.arccos(np.clip(cosine, -1, 1))[..., None]
    sine = np.sin(angle)
    arc = sine > 1e-4
    safe = np.where(arc, sine, 1)
    first = np.where(arc, np.sin((1 - part) * angle) / safe, 1 - part)
    second = np.where(arc, np.sin(part * angle) / safe, part)
    return (first * begin + second * end).astype(begin.dtype)


_METHODS = {"linear": linear, "spherical": spherical}


def _walk(
    trained: Trained, sampler: Sampler, labels: list[int], options: Options, *, closed: bool
) -> Walk:
    between_labels = options.between == "labels"
    if between_labels and len(labels) < 2:
        raise UsageError(
            "--between=labels: takes a run whose generator is told of classes, and at least two in "
            "--label"
        )
    walks = options.num_samples or (16 if closed else 8)
    places = len(labels) if between_labels else _PLACES_OF_A_FILM if closed else 2
    legs = places if closed else places - 1
    frames = options.frames or (24 if closed else max(1, (_COLUMNS - 1) // legs))
    made = sampler.some(walks * (1 if between_labels else places))
    eye = np.eye(trained.num_classes, dtype=np.float32)
    if between_labels:
        z = np.repeat(made.z[:, None], places, axis=1)
        classes = np.repeat(eye[labels][None], walks, axis=0)
    else:
        z = made.z.reshape(places, walks, -1).swapaxes(0, 1)
        own = eye[made.label[:walks]] if trained.num_classes else np.zeros((walks, 0), np.float32)
        classes = np.repeat(own[:, None], places, axis=1)
    between = _METHODS[options.method]
    moments = range(legs * frames + (0 if closed else 1))
    steps = [(moment // frames, (moment % frames) / frames) for moment in moments]
    return Walk(
        np.stack([between(z[:, i % places], z[:, (i + 1) % places], t) for i, t in steps], axis=1),
        np.stack(
            [linear(classes[:, i % places], classes[:, (i + 1) % places], t) for i, t in steps],
            axis=1,
        ),
    )


def _images(
    trained: Trained, variables: PyTree, walk: Walk
) -> UInt8[np.ndarray, "walks moments height width channels"]:
    generate, dim = make_generate(trained), walk.z.shape[-1]

    def make(variables: PyTree, given: Float[Array, "n numbers"]) -> Array:
        z, classes = given[:, :dim], given[:, dim:]
        rows = jnp.arange(len(z), dtype=jnp.int32)
        mixed: list[nn.Embed] = []
        with nn.intercept_methods(_mixing(classes, mixed)):
            made = to_bytes(generate(variables, z, rows))
        if trained.num_classes and not mixed:
            raise UsageError(
                "--mode=interpolate: mixes classes in their nn.Embed, of which the run's own "
                "generator has none"
            )
        return made

    given = np.concatenate([walk.z, walk.classes], axis=-1)
    flat = given.reshape(-1, given.shape[-1])
    size = min(trained.config.eval.batch_size, len(flat))
    full = np.concatenate([flat, np.repeat(flat[-1:], -len(flat) % size, axis=0)])
    batches = full.reshape(-1, size, full.shape[-1])
    made = np.concatenate(list(parallel.map_batches(make)(variables, batches)))
    return made[: len(flat)].reshape(*given.shape[:2], *trained.shape)


def _mixing(classes: Float[Array, "n num_classes"], mixed: list[nn.Embed]):
    """Has each class embedding, noted in `mixed`, give example i its rows' mean by classes[i]."""

    def embed(call, arguments, keywords, context: nn.module.InterceptorContext):
        if isinstance(context.module, nn.Embed) and context.method_name == "__call__":
            (rows,) = arguments
            mixed.append(context.module)
            return classes[rows] @ context.module.embedding
        return call(*arguments, **keywords)

    return embed
