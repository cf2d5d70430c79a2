"""Writes pictures one after another as a film: GIF, WebP, or MP4 where there is ffmpeg."""

import pathlib
import shutil
import subprocess

import numpy as np
from PIL import Image

from gan_jax import workdir
from gan_jax.errors import UsageError
from gan_jax.report.pictures import Pixels

ENDINGS = (".png", ".gif", ".webp", ".mp4")  # the first of one picture
_MILLISECONDS = 50  # that a picture is shown


def check(target: pathlib.Path) -> None:
    """Refuses a path that takes an ffmpeg that is not there.

    Raises:
      UsageError: if it does.
    """
    if target.suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise UsageError(
            f"--out={target}: needs the program ffmpeg, which is not installed; take .webp or .gif"
        )


def save(frames: list[Pixels], target: pathlib.Path) -> None:
    """Writes a film that begins again at its end, 20 pictures a second.

    Args:
      frames: all of one size.
      target: ends in .gif, .webp or .mp4.
    """
    with workdir.replacing(target, target.with_name(target.name + ".draft")) as draft:
        if target.suffix == ".mp4":
            _encode(frames, draft)
            return
        images = [Image.fromarray(frame) for frame in frames]
        if target.suffix == ".gif":
            images = [image.convert("P", palette=Image.Palette.ADAPTIVE) for image in images]
        images[0].save(
            draft, target.suffix[1:].upper(), save_all=True, append_images=images[1:],
            duration=_MILLISECONDS, loop=0,
        )  # fmt: skip


def _encode(frames: list[Pixels], path: pathlib.Path) -> None:
    """H.264, whose sides are even: the last row and column may be repeated."""
    height, width = frames[0].shape[:2]
    padded = [np.pad(f, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge") for f in frames]
    height, width = padded[0].shape[:2]
    command = [
        "ffmpeg", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24",
        "-s", f"{width}x{height}", "-r", str(1000 // _MILLISECONDS), "-i", "-",
        "-pix_fmt", "yuv420p", "-f", "mp4", str(path.absolute()),  # no option, and no protocol
    ]  # fmt: skip
    data = b"".join(frame.tobytes() for frame in padded)
    ended = subprocess.run(command, input=data, capture_output=True, check=False)
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise UsageError(f"--out={path.with_suffix('')}: ffmpeg failed ({said[-1]}); take .webp")
