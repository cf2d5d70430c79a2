"""Poisson blending: what was made is fitted into the photo without a seam (Perez et al. 2003)."""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import sparse
from scipy.sparse import linalg


def poisson(
    photos: UInt8[np.ndarray, "n height width c"],
    made: Float[np.ndarray, "n height width c"],
    known: Bool[np.ndarray, "height width"],
) -> Float[np.ndarray, "n height width c"]:
    """Keeps the known pixels of photos, and inside the hole the gradients of what was made.

    Perez et al. 2003, seamless cloning, with the made image as the guide: photo values at the known
    pixels that touch the hole, no condition at the image's edge. Solved as a correction: what
    is added to the made image is the harmonic membrane over the hole that bears, at the known
    pixels, the difference from the photo. The matrix is factorized once for all images.

    Args:
      photos: in [0, 255].
      made: in [0, 255].
      known: at least one pixel; where all are, photos come back.

    Returns:
      Within [0, 255], which clips some.
    """
    n, height, width, channels = photos.shape
    hole = ~known.reshape(-1)
    result = photos.astype(np.float64)
    if not hole.any():
        return result
    laplacian = _laplacian(height, width)[hole]
    difference = (result - made).reshape(n, -1, channels)
    sides = np.moveaxis(difference[:, ~hole], 1, 0).reshape(-1, n * channels)
    membrane = linalg.splu(laplacian[:, hole].tocsc()).solve(-(laplacian[:, ~hole] @ sides))
    membrane = np.moveaxis(membrane.reshape(-1, n, channels), 0, 1)
    filled = made.reshape(n, -1, channels)[:, hole] + membrane
    result.reshape(n, -1, channels)[:, hole] = np.clip(filled, 0, 255)
    return result


def _laplacian(height: int, width: int) -> sparse.csr_array:
    """Of the pixels as a graph: a pixel times its neighbors, less their sum."""

    def path(size: int) -> sparse.csr_array:
        degrees = np.full(size, 2.0)
        degrees[0] -= 1
        degrees[-1] -= 1
        beside = np.full(size - 1, -1.0)
        return sparse.diags_array([beside, degrees, beside], offsets=[-1, 0, 1], format="csr")

    rows = sparse.kron(path(height), sparse.eye_array(width))
    columns = sparse.kron(sparse.eye_array(height), path(width))
    return sparse.csr_array(rows + columns)
