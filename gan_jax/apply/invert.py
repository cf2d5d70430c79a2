"""--mode=invert: the latents whose images are nearest to given ones.

By the mean absolute difference of all pixels, from several starts (Creswell and Bharath 2018 take
squares of them); D has no say.
"""

import dataclasses
import logging
import pathlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from gan_jax import prng
from gan_jax.apply import output, results, similarity
from gan_jax.apply import photos as photos_of
from gan_jax.apply.complete import as_floats
from gan_jax.apply.masks import Mask
from gan_jax.apply.options import Options
from gan_jax.apply.photos import Photos
from gan_jax.apply.presets import INVERT, chosen
from gan_jax.apply.search import Found, Wanted, search
from gan_jax.apply.trained import Trained, must_make_images, open_trained
from gan_jax.config import Config
from gan_jax.errors import UsageError
from gan_jax.evaluate.features import open_extractor
from gan_jax.report.pictures import to_uint8

_LOGGER = logging.getLogger(__name__)
_REAL = 256  # images of the data, whose distances from each other are the usual ones

Images = UInt8[np.ndarray, "n height width c"]


class Apart(NamedTuple):
    """How far inverted images are from the originals, in features.

    Attributes:
      extractor: its name.
      distances: of each image, Euclidean.
      usual: the mean distance between two images of the data.
    """

    extractor: str
    distances: Float[np.ndarray, "n"]
    usual: float


def invert(config: Config, directory: pathlib.Path, which: str, options: Options) -> None:
    """Inverts images, writes what became of them and prints the scores.

    Args:
      config: the run's; `eval.features` says what else than pixels is compared.
      directory: the run's.
      which: its checkpoint.
      options: reads all but those of other modes.

    Raises:
      UsageError: if there is no such checkpoint or label, or no images that fit.
    """
    preset = chosen(options, {"invert": INVERT})
    trained = open_trained(config, directory, which, options.params)
    must_make_images(trained, "invert")
    photos = photos_of.read(trained, options)
    folder = results.place(options, directory, "invert")
    everything = Mask("", np.ones(trained.shape[:2], bool))
    wanted = Wanted(as_floats(photos.image), photos.label, everything)
    found = search(trained, preset, wanted, options.seed)
    inverted = to_uint8(found.image)
    apart = _apart(trained, photos.image, inverted)
    rows = _rows(photos, found, inverted, apart)
    record = {
        **results.origin(trained, options.seed),
        "preset": dataclasses.asdict(preset),
        "features": apart and apart.extractor,
        "usual_distance": apart and apart.usual,
        "mean": _means(rows),
        "images": rows,
    }
    arrays = {
        "z": found.z, "label": photos.label, "every": found.every, "history": found.history,
    }  # fmt: skip
    columns = {"original": photos.image, "inverted": inverted}
    results.write(folder, "invert", columns, record, arrays)
    output.tell(_table(rows, record["mean"]))
    output.say("original | inverted", folder / "sheet.png")


def _apart(trained: Trained, originals: Images, inverted: Images) -> Apart | None:
    """None where the run's data, or the network to compare by, are not at hand."""
    try:
        source = photos_of.open_data(trained)
        extractor = open_extractor(trained.config.eval, source)
    except UsageError as error:
        _LOGGER.warning("no feature distances: %s", error)
        return None
    words = prng.host_bits(0, "usual distance", 0, len(source))
    real = source.read(np.argsort(words, kind="stable")[:_REAL])["image"]
    of_real = extractor.find(real).features
    between = np.linalg.norm(of_real[::2][: len(of_real) // 2] - of_real[1::2], axis=1)
    difference = extractor.find(originals).features - extractor.find(inverted).features
    return Apart(extractor.name, np.linalg.norm(difference, axis=1), float(between.mean()))


def _rows(photos: Photos, found: Found, inverted: Images, apart: Apart | None) -> results.Rows:
    """Of each image: its name, its losses and its scores."""
    rows = []
    for i in range(len(inverted)):
        scores = similarity.scores(photos.image[i], inverted[i])
        if apart is not None:
            scores["feature_distance"] = float(apart.distances[i])
            scores["of_usual"] = float(apart.distances[i]) / apart.usual if apart.usual else None
        rows.append(results.row(photos, found, i) | {"inverted": scores})
    return rows


def _means(rows: results.Rows) -> dict[str, Any]:
    names = rows[0]["inverted"]
    return {name: results.mean([row["inverted"][name] for row in rows]) for name in names}


def _table(rows: results.Rows, means: dict[str, Any]) -> str:
    """PSNR, SSIM, and the distance of features as a share of that between two real images."""
    lines = [["image", "loss", "PSNR", "SSIM", "feature distance, of the usual"]]
    for row in [*rows, {"name": "mean", "inverted": means}]:
        scores = row["inverted"]
        loss = f"{row['losses']['total']:.4g}" if "losses" in row else ""
        share = scores.get("of_usual")
        lines.append(
            [
                results.called(row),
                loss,
                results.number(scores["psnr"], 2),
                results.number(scores["ssim"], 3),
                "" if share is None else f"{share:.0%}",
            ]
        )
    return results.table(lines)
