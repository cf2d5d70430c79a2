"""How near an image is to the true one, and what fills a hole without any generator."""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.restoration import inpaint_biharmonic

Image = UInt8[np.ndarray, "height width c"]
Pixels = Bool[np.ndarray, "height width"]
_WINDOW = 7  # of SSIM, scikit-image's own; images that are smaller have a smaller one


def scores(true: Image, other: Image, hole: Pixels | None = None) -> dict[str, float | None]:
    """PSNR in dB, SSIM (-1 to 1) and L1 (mean, of 255 levels).

    The PSNR of equal images is None: it has no bound. SSIM (Wang et al. 2004) is scikit-image's,
    over squares of 7 pixels; on a hole, it is the mean over its pixels of the same map.

    Args:
      true: the image as it should be.
      other: the one that is scored.
      hole: some of its pixels, whose own scores are added, named *_hole.
    """
    mean, similarity = _ssim(true, other)
    found = {"psnr": psnr(true, other), "ssim": mean, "l1": _l1(true, other)}
    if hole is None:
        return found
    return found | {
        "psnr_hole": psnr(true[hole], other[hole]),
        "ssim_hole": float(similarity[hole].mean()),
        "l1_hole": _l1(true[hole], other[hole]),
    }


def psnr(true: UInt8[np.ndarray, "..."], other: UInt8[np.ndarray, "..."]) -> float | None:
    """10 log10(255^2 / mean squared difference), in dB; None where they are equal."""
    if np.array_equal(true, other):
        return None
    return float(peak_signal_noise_ratio(true, other, data_range=255))


def mean_fill(images: UInt8[np.ndarray, "n height width c"], known: Pixels) -> np.ndarray:
    """Images whose hole has the mean of their known pixels, channel by channel; uint8."""
    filled = images.copy()
    for image in filled:
        image[~known] = np.round(image[known].mean(axis=0))
    return filled


def biharmonic_fill(images: UInt8[np.ndarray, "n height width c"], known: Pixels) -> np.ndarray:
    """Images whose hole continues what is around it smoothly (scikit-image); uint8."""
    filled = [inpaint_biharmonic(image, ~known, channel_axis=-1) for image in images]
    return np.clip(np.round(np.stack(filled) * 255), 0, 255).astype(np.uint8)


def _ssim(true: Image, other: Image) -> tuple[float, Float[np.ndarray, "height width c"]]:
    """The mean, which leaves out an edge of half a window, and the map."""
    least = min(true.shape[:2])
    window = min(_WINDOW, least if least % 2 else least - 1)
    mean, similarity = structural_similarity(
        true, other, win_size=window, data_range=255, channel_axis=-1, full=True
    )
    return float(mean), similarity


def _l1(true: UInt8[np.ndarray, "..."], other: UInt8[np.ndarray, "..."]) -> float:
    return float(np.mean(np.abs(true.astype(np.float64) - other)))
