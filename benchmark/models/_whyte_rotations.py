"""Estimate how long the camera had which rotation, from the edges of a sharp image and the blurred image.

Follows O. Whyte's package for blind removal of camera shake, version 1.0; its licence is in whyte.py.

Sources   O. Whyte, J. Sivic, A. Zisserman, J. Ponce. Non-uniform Deblurring for Shaken Images. IJCV 2012
          (grid of rotations, L1 penalty); B. Efron et al. Least Angle Regression. Ann. Statist. 32, 2004
Shapes    A kernel is an array (2a + 1, 2b + 1, 2c + 1) over rotations about x, y and z, the middle is none.
          N active rotations, D derivatives of an image (D, H, W)
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, sparse
from sklearn.linear_model import lars_path_gram

from benchmark.deconvolution.filter_flow import Tiles, reach, taps
from benchmark.deconvolution.rotations import Camera
from benchmark.models._whyte_edges import differences

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NONZERO = 200  # greatest number of rotations in a kernel
STEPS = 2 * NONZERO  # of least angle regression, which also drops rotations
THRESHOLD = 20  # weights below the greatest one divided by it become 0
FIRST, SECOND = 0.5, 0.25  # weights of first and second derivatives in the sum of squares


@dataclass(frozen=True)
class Grid:
    """The rotations of one scale: multiples of the camera's steps."""

    camera: Camera
    half: int  # the kernel has 2 half + 1 cells along each axis

    @property
    def shape(self) -> tuple[int, int, int]:
        """The kernel's shape."""
        side = 2 * self.half + 1
        return side, side, side

    @property
    def still(self) -> Floats:
        """The kernel of a camera that does not turn."""
        kernel = np.zeros(self.shape)
        kernel[self.half, self.half, self.half] = 1
        return kernel

    def rotations(self, where: Mask) -> Floats:
        """Return the rotation vectors (N, 3) in radians of the cells of a mask."""
        return (np.argwhere(where) - self.half) * self.camera.steps


def half_size(size: float, scale: float) -> int:
    """Return how many cells on each side of the middle a blur of a full size spans at a scale.

    >>> [half_size(35, 2 ** (-level / 2)) for level in (0, 2, 8)]
    [17, 9, 1]
    """
    return math.ceil(scale * ((size - 1) // 2 + 0.5) - 0.5)


def blur_size(size: int, scale: float) -> int:
    """Return the full size of a blur at a scale, which says how many gradients are kept: an odd number.

    >>> [blur_size(35, 2 ** (-level / 2)) for level in range(9)]
    [35, 27, 19, 15, 11, 9, 7, 5, 5]
    """
    return 2 * math.ceil(round((size - 1) / 2 * scale, 9)) + 1


def tiles(grid: Grid, apart: float) -> tuple[int, int]:
    """Count the tiles along the shorter and the longer side that an image needs so that a turn shifts each.

    Where tiles are larger, estimated rotations are too small, a little more in every iteration.

    Args:
        grid: of the rotations; the greatest about z moves a corner of the image by `half` pixels.
        apart: pixels by which that turn may move the middle of a tile's border otherwise than its own middle.
    """
    height, width = grid.camera.height, grid.camera.width
    side = apart * math.hypot(height, width) / grid.half
    return 1 + math.ceil(min(height, width) / side), 1 + math.ceil(max(height, width) / side)


def neighbours(kernel: Floats) -> Mask:
    """Mark all cells that touch one whose weight is not 0, these included."""
    return ndimage.binary_dilation(kernel > 0, np.ones((3, 3, 3)))


def centred(kernel: Floats) -> Floats:
    """Shift a kernel by whole cells: its centre of mass moves to the middle cell, what leaves it is lost."""
    if not kernel.any():
        return kernel
    offset = [
        (side - 1) / 2 - mean for side, mean in zip(kernel.shape, ndimage.center_of_mass(kernel), strict=True)
    ]
    return ndimage.shift(kernel, np.rint(offset), order=0, mode="constant")


def resampled(kernel: Floats, coarse: Grid, fine: Grid) -> Floats:
    """Interpolate a kernel on the grid of another scale, linearly; its sum becomes 1."""
    ratio = fine.camera.steps / coarse.camera.steps
    cells = [(np.arange(2 * fine.half + 1) - fine.half) * r + coarse.half for r in ratio]
    values = ndimage.map_coordinates(kernel, np.meshgrid(*cells, indexing="ij"), order=1, mode="constant")
    return values / values.sum() if values.sum() else fine.still


def derivatives(x: Floats, y: Floats) -> Floats:
    """Stack first and second derivatives, weighted: two of (H, W) -> (5, H, W)."""
    (xx, xy), (yx, yy) = differences(x), differences(y)
    first, second = math.sqrt(FIRST), math.sqrt(SECOND)
    return np.stack([first * x, first * y, second * xx, second * yy, second * (xy + yx) / 2])


def normal_equations(
    sharp: Floats, blurred: Floats, known: Mask, camera: Camera, rotations: Floats, tiles: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Compute B'B and B'g: columns of B are the sharp image's derivatives, turned; g are the blurred image's.

    In each tile the camera's turn is a shift, so that the products are correlations of the tile at whole
    shifts, interpolated bilinearly.

    Args:
        sharp: derivatives (D, H, W) of the sharp image.
        blurred: those of the blurred one.
        known: (H, W), the pixels to sum over.
        camera: of these images.
        rotations: (N, 3) in radians.
        tiles: their numbers along the shorter and the longer side.

    Returns:
        (N, N) and (N,).
    """
    layout = Tiles(camera.height, camera.width, reach(camera, rotations), tiles)
    moves = camera.moves(rotations, layout.middles)
    window = torch.from_numpy(layout.window).float()

    def spectra(image: Floats, weight: torch.Tensor | None = None) -> torch.Tensor:
        parts = layout.rows(layout.spread(torch.from_numpy(image).float(), mode="constant"))
        return torch.cat([torch.fft.rfft2(part if weight is None else part * weight) for _, part in parts])

    windowed = spectra(sharp, window).conj()
    gram, right = np.zeros((len(rotations), len(rotations))), np.zeros(len(rotations))
    own, other = (
        torch.fft.irfft2((windowed * spectra(image * known)).sum(1), layout.size).numpy().astype(float)
        for image in (sharp, blurred)
    )
    for number in range(len(layout.middles)):
        if not own[number].any():
            continue
        shifts, weights = taps(moves[:, number])
        places, columns = np.unique(shifts.reshape(-1, 2), axis=0, return_inverse=True)
        share = sparse.csr_matrix(
            (weights.ravel(), (np.repeat(np.arange(len(rotations)), 4), columns.ravel())),
            shape=(len(rotations), len(places)),
        )
        x, y = (places[:, None] - places).transpose(2, 0, 1)
        gram += share @ (share @ own[number][y, x].T).T
        right += share @ other[number][places[:, 1], places[:, 0]]
    return (gram + gram.T) / 2, right


def weights(gram: Floats, right: Floats, sparsity: float) -> Floats:
    """Minimise |B w - g|^2 + sparsity |w|_1 over w >= 0 by least angle regression: (N, N), (N,) -> (N,).

    Ends at the first step with NONZERO rotations. Weights below a twentieth of the greatest become 0, the
    others are made to add up to one; all are 0 where no rotation explains anything.
    """
    with warnings.catch_warnings(action="ignore"):  # that neighbouring rotations are nearly dependent
        _, _, path = lars_path_gram(
            right, gram, n_samples=1, alpha_min=sparsity / 2, max_iter=STEPS, method="lasso", positive=True
        )
    full = np.flatnonzero((path > 0).sum(axis=0) >= NONZERO)
    found = np.maximum(path[:, full[0] if len(full) else -1], 0)
    found[found < found.max() / THRESHOLD] = 0
    return found / found.sum() if found.any() else found
