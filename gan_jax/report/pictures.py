"""Draws what G makes: grids of images, and how samples lie against a known density."""

import io
import logging
import math
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from gan_jax import workdir
from gan_jax.data import toys
from gan_jax.errors import first_line, printable

_LOGGER = logging.getLogger(__name__)
_MOST_PIXELS = 2**26  # of a picture in a time-lapse
Pixels = UInt8[np.ndarray, "rows columns 3"]


def to_uint8(samples: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """[-1, 1] to [0, 255] by the inverse of how pixels are read, rounded and clipped."""
    return np.clip(np.round((samples + 1) * 127.5), 0, 255).astype(np.uint8)


def grid(samples: Float[np.ndarray, "n height width channels"]) -> Pixels:
    """A near-square grid, row by row, of images in [-1, 1] with 1 or 3 channels."""
    return tile(to_uint8(samples))


def tile(
    images: UInt8[np.ndarray, "n height width channels"], columns: int = 0, least_side: int = 48
) -> Pixels:
    """A grid, row by row, a pixel of white between.

    Args:
      images: 1 or 3 channels.
      columns: in a row; 0: as makes it nearly square.
      least_side: images smaller than this many pixels are enlarged, bicubically, by a whole factor;
        digits of 8x8 pixels are hard to read otherwise.
    """
    images = np.broadcast_to(images, (*images.shape[:3], 3))
    factor = math.ceil(least_side / images.shape[1])
    size = (factor * images.shape[2], factor * images.shape[1])
    images = np.stack(
        [Image.fromarray(image).resize(size, Image.Resampling.BICUBIC) for image in images]
    )
    images = np.pad(images, [(0, 0), (0, 1), (0, 1), (0, 0)], constant_values=255)
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    blanks = np.full((rows * columns - len(images), *images.shape[1:]), 255, np.uint8)
    tiles = np.concatenate([images, blanks]).reshape(rows, columns, *images.shape[1:])
    return tiles.swapaxes(1, 2).reshape(rows * images.shape[1], columns * images.shape[2], 3)


def beside(
    blocks: list[UInt8[np.ndarray, "rows _ 3"]], titles: list[str]
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Blocks of one height beside each other, each under its title."""
    margin, line = 12, 16
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    widths = [
        max(block.shape[1], math.ceil(ruler.textlength(title)))
        for block, title in zip(blocks, titles, strict=True)
    ]
    height = blocks[0].shape[0]
    sheet = Image.new("RGB", (sum(widths) + margin * (len(blocks) - 1), line + height), "white")
    draw, left = ImageDraw.Draw(sheet), 0
    for block, title, width in zip(blocks, titles, widths, strict=True):
        draw.text((left, 2), title, fill="black")
        sheet.paste(Image.fromarray(block), (left, line))
        left += width + margin
    return np.asarray(sheet)


def densities(
    samples: Float[np.ndarray, "n 1"],
    x: Float[np.ndarray, "points"],
    probability: Float[np.ndarray, "points"],
    step: int,
) -> Pixels:
    """Goodfellow et al. 2014, figure 1: p_data, p_g and D on the line, with the optimal D.

    Args:
      samples: G's; p_g is their kernel density estimate.
      x: points of the line.
      probability: sigma(D(x)) at them.
      step: for the title.
    """
    from scipy.stats import gaussian_kde

    p_data = toys.gaussian_1d_density(x)
    spread = float(np.std(samples))
    p_g = gaussian_kde(samples[:, 0])(x) if spread > 1e-6 else np.zeros_like(x)
    seen = p_data + p_g
    optimal = np.where(seen > 1e-4, p_data / np.maximum(seen, 1e-4), np.nan)
    figure, axes = _figure(7.0, 4.0)
    axes.plot(x, p_data, "k:", linewidth=2, label="$p_{data}$")
    axes.plot(x, p_g, color="tab:green", linewidth=2, label="$p_g$")
    axes.plot(x, probability, color="tab:blue", linestyle="--", linewidth=2, label="$D(x)$")
    axes.plot(x, optimal, color="tab:blue", alpha=0.35, label=r"$D^*(x)=p_{data}/(p_{data}+p_g)$")
    axes.set(xlim=(x[0], x[-1]), ylim=(0, 1.35), xlabel="x", title=f"step {step:,}")
    axes.legend(loc="upper center", ncols=4, fontsize=8)
    return _render(figure)


def modes(
    samples: Float[np.ndarray, "n 2"], centers: Float[np.ndarray, "modes 2"], std: float, step: int
) -> Pixels:
    """Samples in the plane over circles of 3 standard deviations around the modes.

    Their `toys.coverage` is in the title.
    """
    figure, axes = _figure(5.0, 5.0)
    close = toys.nearest_mode(samples, centers, std) >= 0
    axes.scatter(*samples[~close].T, s=3, color="tab:red", alpha=0.4, linewidths=0)
    axes.scatter(*samples[close].T, s=3, color="tab:green", alpha=0.4, linewidths=0)
    for x, y in centers:
        axes.add_patch(_circle((x, y), max(3 * std, 0.03)))
    reach = 1.3 * np.abs(centers).max()
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    found = toys.coverage(samples, centers, std)
    axes.set_title(
        f"step {step:,}: {found.modes} of {len(centers)} modes, "
        f"{found.high_quality:.0%} of samples within 3 sigma",
        fontsize=9,
    )
    return _render(figure)


def time_lapse(folder: pathlib.Path, target: pathlib.Path, frames: int = 60) -> None:
    """Makes a GIF of the pictures of a folder, in the order of their names.

    Args:
      folder: of step_*.png files; damaged ones are left out, with a warning.
      target: the GIF; nothing is written where there are no pictures.
      frames: at most so many pictures, evenly chosen, the last held for longer.
    """
    paths = sorted(folder.glob("step_*.png"))
    if not paths:
        return
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(frames, len(paths))).round().astype(int))
    images, damaged = [], []
    for path in (paths[index] for index in chosen):
        try:
            images.append(_read(path))
        except Exception as error:  # Pillow has many for a damaged file
            damaged.append(f"{path} ({first_line(error)})")
    if damaged:
        more = f" and {len(damaged) - 1} more" if damaged[1:] else ""
        _LOGGER.warning("%s%s: left out of the time-lapse", printable(damaged[0]), more)
    if not images:
        return
    images = [
        image.resize(images[-1].size).convert("P", palette=Image.Palette.ADAPTIVE)
        for image in images
    ]
    durations = [120] * (len(images) - 1) + [2000]
    with workdir.replacing(target, target.with_suffix(".draft")) as draft:
        images[0].save(
            draft, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0
        )


def _read(path: pathlib.Path) -> Image.Image:
    """Return a picture that `save` has written, decoded.

    Raises:
      Exception: of many kinds, if it is another file by now.
    """
    with Image.open(path, formats=("PNG",)) as image:
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels are too many")
        return image.convert("RGB")


def save(pixels: Pixels, path: pathlib.Path) -> None:
    """Writes a PNG, in one move."""
    with workdir.replacing(path, path.with_name(path.name + ".draft")) as draft:
        Image.fromarray(pixels).save(draft, "PNG")


def _figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure and its axes, apart from pyplot's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    return figure, figure.subplots()


def _circle(center: tuple[float, float], radius: float) -> Any:
    from matplotlib.patches import Circle

    return Circle(center, radius, fill=False, color="black", linewidth=0.8)


def _render(figure: Any) -> Pixels:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer, formats=("PNG",)).convert("RGB"))
