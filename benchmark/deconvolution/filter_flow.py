"""Blur by camera rotations, approximated by overlapping tiles with one filter each (efficient filter flow).

Papers    M. Hirsch, S. Sra, B. Schoelkopf, S. Harmeling. Efficient Filter Flow for Space-Variant Multiframe
          Blind Deconvolution. CVPR 2010; O. Whyte, J. Sivic, A. Zisserman. Deblurring Shaken and Partially
          Saturated Images. CPCV workshop at ICCV 2011 (the filters from rotations)
Model     y = sum_r f_r * (w_r x): windows w_r add up to one, f_r is the point spread at the middle of tile r.
          The border is repeated; `adjoint` is the exact transpose of `forward`, the repeated border included
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn.functional import pad

from benchmark.deconvolution.operator import Blur
from benchmark.deconvolution.rotations import Camera

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TILES = (6, 8)  # along the shorter and the longer side, as the authors' code


def window(spacing: int) -> Floats:
    """Return the Bartlett-Hann window (2 * spacing,), whose copies at that spacing add up to one.

    >>> (window(4)[:4] + window(4)[4:]).round(12).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    place = np.arange(2 * spacing) / (2 * spacing) - 0.5
    return 0.62 - 0.48 * np.abs(place) + 0.38 * np.cos(2 * np.pi * place)


class Axis:
    """Lay out tiles along one side of the image: on a canvas, tile r starts at r * spacing.

    Its window is in the middle of it; at least 2 * reach pixels on each side hold what filters move there.
    """

    def __init__(self, length: int, tiles: int, reach: int) -> None:
        self.length, self.tiles, self.reach = length, tiles, reach
        self.spacing = math.ceil((length + 2 * reach) / (tiles - 1))
        # Correlations of two blurred tiles reach twice as far.
        self.size = next_fast_len(2 * self.spacing + 4 * reach + 4, real=True)
        self.edge = (self.size - 2 * self.spacing) // 2  # of the window in the tile
        self.canvas = (tiles - 1) * self.spacing + self.size
        covered = (tiles - 1) * self.spacing  # where windows add up to one, from edge + spacing on
        self.start = self.edge + self.spacing + (covered - length) // 2  # of the image on the canvas
        self.stop = self.start + length

    @property
    def window(self) -> Floats:
        """The window (size,), zero outside its middle."""
        return np.pad(window(self.spacing), (self.edge, self.size - 2 * self.spacing - self.edge))

    @property
    def middles(self) -> Floats:
        """The middles (tiles,) of the windows, in pixels of the image."""
        return np.arange(self.tiles) * self.spacing + self.edge + self.spacing - float(self.start)

    @property
    def margins(self) -> tuple[int, int]:
        """The pixels of the canvas before and after the image."""
        return self.start, self.canvas - self.stop


class Tiles:
    """Cut an image into overlapping tiles and put it together again.

    Args:
        height, width: of the image.
        reach: the greatest number of pixels that a filter moves anything by.
        tiles: their numbers along the shorter and the longer side.
    """

    def __init__(self, height: int, width: int, reach: int, tiles: tuple[int, int] = TILES) -> None:
        rows, columns = tiles if height <= width else tiles[::-1]
        self.y, self.x = Axis(height, rows, reach), Axis(width, columns, reach)
        self.size = self.y.size, self.x.size
        self.window = np.outer(self.y.window, self.x.window)
        self.middles = np.stack(np.meshgrid(self.x.middles, self.y.middles), axis=-1).reshape(-1, 2)

    def spread(self, image: Tensor, mode: str = "replicate") -> Tensor:
        """Put an image on the canvas, its border repeated or zeros around it: (C, H, W) -> (C, Y, X)."""
        return pad(image[None], (*self.x.margins, *self.y.margins), mode=mode)[0]

    def crop(self, canvas: Tensor) -> Tensor:
        """Take the image from the canvas: (C, Y, X) -> (C, H, W)."""
        return canvas[:, self.y.start : self.y.stop, self.x.start : self.x.stop]

    def gather(self, canvas: Tensor) -> Tensor:
        """Add the canvas's margins to the border, the transpose of `spread`: (C, Y, X) -> (C, H, W)."""
        for dimension, axis in ((1, self.y), (2, self.x)):
            before, image, after = canvas.split(
                [axis.start, axis.length, axis.canvas - axis.stop], dim=dimension
            )
            image = image.clone()
            image.select(dimension, 0).add_(before.sum(dimension))
            image.select(dimension, -1).add_(after.sum(dimension))
            canvas = image
        return canvas

    def rows(self, canvas: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Yield each row of tiles, the numbers and a view (T, C, h, w) of them; (C, Y, X) is the canvas."""
        across = canvas.unfold(2, self.x.size, self.x.spacing)  # (C, Y, T, w)
        for row in range(self.y.tiles):
            top = row * self.y.spacing
            numbers = slice(row * self.x.tiles, (row + 1) * self.x.tiles)
            yield numbers, across[:, top : top + self.y.size].permute(2, 0, 1, 3)

    def add(self, canvas: Tensor, numbers: slice, tiles: Tensor) -> None:
        """Add a row of tiles (T, C, h, w) to a canvas (C, Y, X) in place."""
        for number, tile in zip(range(numbers.start, numbers.stop), tiles, strict=True):
            top, left = (number // self.x.tiles) * self.y.spacing, (number % self.x.tiles) * self.x.spacing
            canvas[:, top : top + self.y.size, left : left + self.x.size] += tile


def taps(moves: Floats) -> tuple[Ints, Floats]:
    """Split shifts (N, 2), x and y, into the four whole ones around each and their bilinear weights.

    Returns:
        shifts (N, 4, 2), x and y, and weights (N, 4) that add up to one.

    >>> shifts, weights = taps(np.array([[1.25, -0.5]]))
    >>> shifts[0].tolist(), weights[0].tolist()
    ([[1, -1], [2, -1], [1, 0], [2, 0]], [0.375, 0.125, 0.375, 0.125])
    """
    low = np.floor(moves).astype(np.int64)
    right, down = (moves - low).T
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    weights = [(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down]
    return low[:, None] + corners, np.stack(weights, axis=1)


class FilterFlow(Blur):
    """Blur images by weighted rotations of the camera.

    Args:
        camera: its focal length and the image size.
        rotations: rotation vectors (N, 3) in radians.
        weights: (N,), the share of the exposure that the camera is turned so; they are made to add up to one.
        tiles: their numbers along the shorter and the longer side.
        dtype, device: of the filters, and of the images to blur.

    Raises:
        ValueError: no rotation has a positive weight.
    """

    def __init__(
        self,
        camera: Camera,
        rotations: Floats,
        weights: Floats,
        tiles: tuple[int, int] = TILES,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        rotations, weights = rotations[weights > 0], weights[weights > 0]
        if not len(weights):
            raise ValueError("filter flow: no rotation has a positive weight; allowed: at least one")
        self.camera, self.shape = camera, (camera.height, camera.width)
        self.reach = reach(camera, rotations)
        self.tiles = Tiles(*self.shape, self.reach, tiles)
        moves = camera.moves(rotations, self.tiles.middles)
        filters = np.zeros((len(self.tiles.middles), *self.tiles.size))
        for number in range(len(filters)):
            shifts, shares = taps(moves[:, number])
            place = shifts[..., 1] % self.tiles.size[0], shifts[..., 0] % self.tiles.size[1]
            np.add.at(filters[number], place, shares * weights[:, None] / weights.sum())
        self.filters = torch.fft.rfft2(torch.as_tensor(filters, dtype=dtype, device=device))[:, None]
        self.window = torch.as_tensor(self.tiles.window, dtype=dtype, device=device)

    def _forward(self, image: Tensor) -> Tensor:
        spread = self.tiles.spread(image.reshape(-1, *self.shape))
        blurred = torch.zeros_like(spread)
        for numbers, tiles in self.tiles.rows(spread):
            spectrum = torch.fft.rfft2(tiles * self.window) * self.filters[numbers]
            self.tiles.add(blurred, numbers, torch.fft.irfft2(spectrum, self.tiles.size))
        return self.tiles.crop(blurred).reshape(image.shape)

    def _adjoint(self, image: Tensor) -> Tensor:
        spread = self.tiles.spread(image.reshape(-1, *self.shape), mode="constant")
        back = torch.zeros_like(spread)
        for numbers, tiles in self.tiles.rows(spread):
            spectrum = torch.fft.rfft2(tiles) * self.filters[numbers].conj()
            self.tiles.add(back, numbers, torch.fft.irfft2(spectrum, self.tiles.size) * self.window)
        return self.tiles.gather(back).reshape(image.shape)


def reach(camera: Camera, rotations: Floats) -> int:
    """Return the greatest number of pixels, rounded up, that any rotation (N, 3) moves a corner by."""
    return math.ceil(float(np.abs(camera.moves(rotations, camera.corners)).max())) + 1
