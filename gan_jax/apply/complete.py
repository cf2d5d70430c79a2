"""--mode=complete: fills what a mask hides of given images with what G would have there.

A latent z is searched for whose image is like the known pixels (the contextual loss) and like a
real one (the perceptual loss, by D); its pixels fill the hole (Yeh et al. 2017; Amos 2016), and
Poisson blending fits them in.
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from gan_jax.apply import masks, output, results, similarity
from gan_jax.apply import photos as photos_of
from gan_jax.apply.blend import poisson
from gan_jax.apply.masks import Mask
from gan_jax.apply.options import Options
from gan_jax.apply.photos import Photos
from gan_jax.apply.presets import PRESETS, Preset, chosen
from gan_jax.apply.search import Found, Wanted, search
from gan_jax.apply.trained import Trained, must_make_images, open_trained
from gan_jax.config import Config

Images = UInt8[np.ndarray, "n height width c"]
_GRAY = 128  # of the hole, in pictures of masked images


def complete(config: Config, directory: pathlib.Path, which: str, options: Options) -> None:
    """Completes images, writes what became of them and prints the scores.

    Args:
      config: the run's.
      directory: the run's.
      which: its checkpoint.
      options: reads all but those of other modes.

    Raises:
      UsageError: if there is no such checkpoint, preset, mask, label, or no images that fit.
    """
    preset = chosen(options, PRESETS)
    trained = open_trained(config, directory, which, options.params)
    must_make_images(trained, "complete")
    mask = masks.named(options.mask, *trained.shape[:2], options.seed)
    photos = photos_of.read(trained, options)
    folder = results.place(options, directory, "complete")
    found = fill(trained, preset, photos, mask, options.seed)
    columns = pictures_of(photos.image, mask, found.image, blended=preset.blend)
    rows = _rows(photos, mask, found, columns)
    record = {
        **results.origin(trained, options.seed),
        "preset": {"name": options.preset or "default"} | dataclasses.asdict(preset),
        "mask": {"name": mask.name, "hidden": int(mask.hole.sum()), "pool": mask.pool},
        "mean": _means(rows),
        "images": rows,
    }
    arrays = {
        "z": found.z, "label": photos.label, "known": mask.known, "every": found.every,
        "history": found.history,
    }  # fmt: skip
    results.write(folder, "complete", columns, record, arrays)
    output.tell(_table(rows, record["mean"]))
    output.say(f"before | {' | '.join(list(columns)[1:])}", folder / "sheet.png")


def fill(trained: Trained, preset: Preset, photos: Photos, mask: Mask, seed: int) -> Found:
    """The latents of photos, by what the mask leaves of them."""
    return search(trained, preset, Wanted(as_floats(photos.image), photos.label, mask), seed)


def pictures_of(
    true: Images, mask: Mask, made: Float32[np.ndarray, "n height width c"], *, blended: bool
) -> dict[str, Images]:
    """Before, masked (or low), completed and, where it is asked for and there is a seam, blended.

    Args:
      true: the photos.
      mask: what of them is known.
      made: what fills them, in [-1, 1].
      blended: by Poisson's equation, too.
    """
    levels = np.clip((made.astype(np.float64) + 1) * 127.5, 0, 255)
    if mask.pool > 1:
        return {
            "before": true,
            "low": masks.pooled(true, mask.pool),
            "completed": np.round(levels).astype(np.uint8),
        }
    known = mask.known[None, :, :, None]
    columns = {
        "before": true,
        "masked": np.where(known, true, np.uint8(_GRAY)),
        "completed": np.where(known, true, np.round(levels).astype(np.uint8)),
    }
    if blended:
        columns["blended"] = np.round(poisson(true, levels, mask.known)).astype(np.uint8)
    return columns


def as_floats(images: Images) -> Float32[np.ndarray, "n height width c"]:
    """Pixels in [-1, 1]."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def _rows(photos: Photos, mask: Mask, found: Found, columns: dict[str, Images]) -> results.Rows:
    """Of each image: its name, its losses, and the scores of what came of it."""
    scored = [column for column in columns if column in ("completed", "blended")]
    true = columns["before"]
    return [
        results.row(photos, found, i)
        | {column: similarity.scores(true[i], columns[column][i], mask.hole) for column in scored}
        for i in range(len(true))
    ]


def _means(rows: results.Rows) -> dict[str, Any]:
    return {
        column: {
            score: results.mean([row[column][score] for row in rows]) for score in rows[0][column]
        }
        for column in ("completed", "blended")
        if column in rows[0]
    }


def _table(rows: results.Rows, means: dict[str, Any]) -> str:
    """PSNR in the hole and SSIM of the whole, of what is completed and what is blended."""
    lines = [["image", "loss"]]
    for column in means:
        lines[0] += [f"{column}: PSNR of the hole", "SSIM of the whole"]
    for row in [*rows, {"name": "mean"} | means]:
        lines.append(
            [results.called(row), f"{row['losses']['total']:.4g}" if "losses" in row else ""]
        )
        for column in means:
            lines[-1].append(results.number(row[column]["psnr_hole"], 2))
            lines[-1].append(results.number(row[column]["ssim"], 3))
    return results.table(lines)
