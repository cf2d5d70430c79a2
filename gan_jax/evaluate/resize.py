"""The two resizes in front of the FID Inception; with another one, FID is another number.

`tf1_bilinear` is what the published FIDs of TensorFlow's graph and of torch-fidelity have in them:
TensorFlow 1's ResizeBilinear with align_corners=False. `antialiased` is clean-fid's (Parmar et al.
2022, On Aliased Resizing and Surprising Subtleties in GAN Evaluation).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Num, UInt8
from PIL import Image


def tf1_bilinear(
    images: Num[Array, "batch height width channels"], height: int, width: int
) -> Float[Array, "batch rows columns channels"]:
    """Output pixel i is read at input position i in / out: no half pixel, no low-pass filter.

    Beyond the last pixel its value goes on. Positions and weights are float32, as TensorFlow's
    are; columns are mixed before rows. Pure and jittable.

    Args:
      images: uint8 or float, of any range.
      height: of the result.
      width: of the result.

    Returns:
      float32, in the range of the input.
    """
    images = images.astype(jnp.float32)
    left, right, across = _neighbors(images.shape[2], width)
    upper, lower, down = _neighbors(images.shape[1], height)
    across, down = across[None, None, :, None], down[None, :, None, None]
    rows = images[:, :, left] + (images[:, :, right] - images[:, :, left]) * across
    return rows[:, upper] + (rows[:, lower] - rows[:, upper]) * down


def antialiased(
    images: UInt8[np.ndarray, "batch height width channels"], height: int, width: int
) -> Float32[np.ndarray, "batch rows columns channels"]:
    """Pillow's bicubic filter (a = -1/2), which widens when it shrinks, on each channel in float32.

    On the host, and never rounded; the overshoot at edges is clipped.

    Args:
      images: uint8.
      height: of the result.
      width: of the result.

    Returns:
      float32 in [0, 255].
    """
    planes = np.moveaxis(images, -1, 1).astype(np.float32)
    resized = np.empty((*planes.shape[:2], height, width), np.float32)
    for place in np.ndindex(planes.shape[:2]):
        image = Image.fromarray(planes[place])
        resized[place] = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.moveaxis(resized.clip(0, 255), 1, -1))


def _neighbors(size: int, out: int) -> tuple[np.ndarray, np.ndarray, Float32[np.ndarray, "out"]]:
    """For each output pixel the pixels before and after it, and the weight of the latter."""
    position = np.arange(out, dtype=np.float32) * np.float32(size / out)
    before = position.astype(np.int32)
    return before, np.minimum(before + 1, size - 1), position - before.astype(np.float32)
