"""How well holes are filled: the presets beside two fills without a generator, as a table.

  python -m benchmarks.completion --run=runs/mnist_dcgan [--split=test | --images=PATH]
      [--masks=center,left,random] [--num_samples=64] [--checkpoint=latest] [--seed=0] [--json=FILE]

PSNR of the hole alone, in dB, over SSIM of the whole image, both means over the images. `mean` is
that of the known pixels; `biharmonic` continues them smoothly (scikit-image); `not blended` is the
default preset before Poisson blending.
"""

import argparse
import json
import pathlib
import sys
import time
from typing import Any

import numpy as np

from gan_jax import startup, workdir
from gan_jax.apply import masks, photos, results, similarity
from gan_jax.apply.complete import fill, pictures_of
from gan_jax.apply.masks import Mask
from gan_jax.apply.options import Options
from gan_jax.apply.photos import Photos
from gan_jax.apply.presets import PRESETS
from gan_jax.apply.trained import Trained, open_trained
from gan_jax.errors import GanJaxError


def main() -> None:
    """Completes and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, help="a run's directory")
    parser.add_argument("--split", default="", help="of its TFDS data set")
    parser.add_argument("--images", default="", help="in place of the run's data")
    parser.add_argument("--masks", default="center,left,random")
    parser.add_argument("--num_samples", type=int, default=64)
    parser.add_argument("--checkpoint", default="latest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    try:
        table = _measure(arguments)
    except GanJaxError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(_markdown(table))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(table, indent=2) + "\n")


def _measure(arguments: argparse.Namespace) -> dict[str, dict[str, dict[str, Any]]]:
    """Method -> mask -> scores."""
    directory = pathlib.Path(arguments.run)
    config = workdir.run_config(directory, None)
    startup.prepare(config)
    trained = open_trained(config, directory, arguments.checkpoint)
    options = Options(
        num_samples=arguments.num_samples, seed=arguments.seed, images=arguments.images,
        split=arguments.split, fit=bool(arguments.images),
    )  # fmt: skip
    given = photos.read(trained, options)
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for name in arguments.masks.split(","):
        mask = masks.named(name, *trained.shape[:2], arguments.seed)
        for method, (images, seconds) in _filled(trained, given, mask, arguments.seed).items():
            scored = [
                similarity.scores(true, other, mask.hole)
                for true, other in zip(given.image, images, strict=True)
            ]
            means = {key: results.mean([row[key] for row in scored]) for key in scored[0]}
            table.setdefault(method, {})[name] = means | {"seconds": seconds}
    return table


def _filled(
    trained: Trained, given: Photos, mask: Mask, seed: int
) -> dict[str, tuple[np.ndarray, float]]:
    """Method -> images, and the seconds that it took, compiling included."""
    found = {}
    for method, fill_by in (
        ("mean", similarity.mean_fill), ("biharmonic", similarity.biharmonic_fill),
    ):  # fmt: skip
        began = time.perf_counter()
        images = fill_by(given.image, mask.known)
        found[method] = images, time.perf_counter() - began
    for name, preset in PRESETS.items():
        began = time.perf_counter()
        made = fill(trained, preset, given, mask, seed).image
        columns = pictures_of(given.image, mask, made, blended=preset.blend)
        seconds = time.perf_counter() - began
        if name == "default":
            found["default, not blended"] = columns["completed"], seconds
        found[name] = list(columns.values())[-1], seconds
    return found


def _markdown(table: dict[str, dict[str, dict[str, Any]]]) -> str:
    names = list(next(iter(table.values())))
    lines = [
        f"| PSNR of the hole / SSIM | {' | '.join(names)} |",
        f"| --- |{' ---: |' * len(names)}",
    ]
    for method, by_mask in table.items():
        cells = [
            f"{results.number(row['psnr_hole'], 2)} / {row['ssim']:.3f}" for row in by_mask.values()
        ]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
