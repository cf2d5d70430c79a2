"""--mode=neighbors: samples beside the training images nearest to them: has it memorized?"""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.spatial import distance
from tqdm import tqdm

from gan_jax import workdir
from gan_jax.apply import options as flags
from gan_jax.apply import output
from gan_jax.apply.options import Options
from gan_jax.apply.sampler import Draw, Made, Sampler
from gan_jax.apply.trained import must_make_images, open_trained
from gan_jax.config import Config
from gan_jax.data.sources import Source, open_source
from gan_jax.evaluate.features import open_extractor
from gan_jax.report import pictures

_TABLE = "neighbors.json"
_NEAREST = 5
_USUAL = 12
_BLOCK = 1000  # real images in memory at a time
# A copy is nearer to its original than this share of the way to the original's own neighbor.
_COPY = 0.5

# uint8 images -> vectors, one for each, whose distances count.
Space = Callable[[np.ndarray], Float[np.ndarray, "n dim"]]


class Nearest(NamedTuple):
    """The nearest real images of some images, nearest first.

    Attributes:
      distances: Euclidean.
      indices: of the real images; of several at one distance, the first come first.
    """

    distances: Float[np.ndarray, "n k"]
    indices: Int[np.ndarray, "n k"]


def neighbors(config: Config, directory: pathlib.Path, which: str, options: Options) -> None:
    """Draws samples beside their neighbors, counts the copies, and says where that is.

    A sample counts as a copy where its distance, in pixels, to the nearest training image is less
    than half of that image's own distance to the nearest other one. Where a run mirrors images, by
    config.dataset.flip, a sample is as near as the nearer of it and its mirror image.

    Args:
      config: the run's; its `eval` names the features.
      directory: the run's.
      which: of its checkpoints.
      options: what to make; `out` is a directory, for neighbors.png and a table, neighbors.json.

    Raises:
      UsageError: if there is no such checkpoint or class, or the data are not at hand.
    """
    folder = flags.target(options, directory, "neighbors")
    draw = Draw(flags.number(options, "truncation", 0.0), flags.number(options, "psi", 1.0))
    trained = open_trained(config, directory, which, options.params)
    must_make_images(trained, "neighbors")
    labels = flags.labels(options, trained.classes)
    output.claim_folder(folder, _TABLE)
    source = open_source(config.dataset)
    extractor = open_extractor(config.eval, source)
    sampler = Sampler(trained, options.seed, labels, draw, options.statistics)
    made = sampler.some(options.num_samples or _USUAL)
    spaces = {"pixels": in_pixels, extractor.name: lambda images: extractor.find(images).features}
    flip = config.dataset.flip
    found = {name: nearest(made.image, source, space, flip=flip) for name, space in spaces.items()}
    shares = share_of_the_way(found["pixels"], source)
    rows = _rows(made, trained.classes, found, shares)
    workdir.write_json(folder / _TABLE, {"step": trained.step, "samples": rows})
    pictures.save(_picture(made, source, found, shares < _COPY), folder / "neighbors.png")
    copies = int(np.sum(shares < _COPY))
    verdict = f"{copies} of {len(shares)} samples are copies of training images"
    output.say(f"{verdict} (median share of the way {np.nanmedian(shares):.2f})", folder)


def in_pixels(images: UInt8[np.ndarray, "n ..."]) -> Float[np.ndarray, "n dim"]:
    """All pixels of each image, in [0, 1]."""
    return images.reshape(len(images), -1) / 255


def nearest(
    images: UInt8[np.ndarray, "n ..."],
    source: Source,
    space: Space,
    k: int = _NEAREST,
    *,
    flip: bool = False,
    unlike: bool = False,
) -> Nearest:
    """The real images that are nearest in a space, found by looking at each.

    Distances are sums of squares of differences, in float64: a copy is at 0.

    Args:
      images: of the shape of the source's.
      source: real images.
      space: what distances are taken in.
      k: how many; fewer where there are not as many.
      flip: an image is as near as the nearer of it and its mirror image.
      unlike: real images that are equal to an image are none of its neighbors; their distance
        counts as infinite.
    """
    asked = [images, images[:, :, ::-1]] if flip else [images]
    queries = [np.asarray(space(some), np.float64) for some in asked]
    distances, indices = np.empty((len(images), 0)), np.empty((len(images), 0), np.int64)
    with tqdm(total=len(source), unit="real image", disable=None, leave=False) as bar:
        for begin in range(0, len(source), _BLOCK):
            numbers = np.arange(begin, min(begin + _BLOCK, len(source)))
            vectors = np.asarray(space(source.read(numbers)["image"]), np.float64)
            here = np.min([distance.cdist(some, vectors) for some in queries], axis=0)
            if unlike:
                here[here == 0] = np.inf
            distances = np.concatenate([distances, here], axis=1)
            indices = np.concatenate([indices, np.tile(numbers, (len(images), 1))], axis=1)
            order = np.argsort(distances, axis=1, kind="stable")[:, :k]
            distances = np.take_along_axis(distances, order, axis=1)
            indices = np.take_along_axis(indices, order, axis=1)
            bar.update(len(numbers))
    return Nearest(distances, indices)


def share_of_the_way(found: Nearest, source: Source) -> Float[np.ndarray, "n"]:
    """Each sample's distance to its nearest real image, over that one's to the nearest unlike it.

    0: a copy; about 1: as far as real images are from each other; nan where none is unlike it.
    (Of a kind with the ratio by which Carlini et al. 2023, arXiv:2301.13188, tell copies.)

    Args:
      found: in pixels.
      source: the real images.
    """
    hits, places = np.unique(found.indices[:, 0], return_inverse=True)
    around = nearest(source.read(hits)["image"], source, in_pixels, k=1, unlike=True).distances
    way = np.where(np.isfinite(around[:, 0]), around[:, 0], np.nan)
    return found.distances[:, 0] / way[places]


def _rows(
    made: Made,
    classes: tuple[str, ...],
    found: dict[str, Nearest],
    shares: Float[np.ndarray, "n"],
) -> list[dict[str, Any]]:
    return [
        {
            "sample": i,
            "label": int(made.label[i]),
            **({"class": classes[made.label[i]]} if classes else {}),
            "share_of_the_way": float(shares[i]) if np.isfinite(shares[i]) else None,
            "copy": bool(shares[i] < _COPY),
            **{
                name: {
                    "indices": near.indices[i].tolist(),
                    "distances": near.distances[i].tolist(),
                }
                for name, near in found.items()
            },
        }
        for i in range(len(shares))
    ]


def _picture(
    made: Made, source: Source, found: dict[str, Nearest], copies: Bool[np.ndarray, "n"]
) -> pictures.Pixels:
    """A row for each sample: itself, then its neighbors in each space; copies have a red frame."""
    blocks = [pictures.tile(made.image, columns=1)]
    for near in found.values():
        real = source.read(near.indices.reshape(-1))["image"]
        blocks.append(pictures.tile(real, columns=near.indices.shape[1]))
    height = blocks[0].shape[0] // len(made.image)
    for row in np.flatnonzero(copies):
        _frame(blocks[0][row * height : (row + 1) * height])
    return pictures.beside(blocks, ["sample", *(f"nearest in {name}" for name in found)])


def _frame(pixels: pictures.Pixels) -> None:
    red, width = (220, 30, 30), 3
    for edge in (pixels[:width], pixels[-width:], pixels[:, :width], pixels[:, -width:]):
        edge[:] = red
