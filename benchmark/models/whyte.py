"""Whyte: how the camera turned during the exposure, from the blurred image alone; then deconvolution.

Paper     O. Whyte, J. Sivic, A. Zisserman, J. Ponce. Non-uniform Deblurring for Shaken Images. IJCV 2012
Sources   the MAP algorithm of the authors' package for blind removal of camera shake, version 1.0 (17
          September 2014): driver, default settings, examples. It is followed closely, under the licence below
          `final: richardson_lucy` is of a later paper: O. Whyte, J. Sivic, A. Zisserman. Deblurring Shaken
          and Partially Saturated Images. IJCV 110, 2014
Unstated  size of the blur, which users of the package type: 35 pixels for every image
          focal length, which the package reads from EXIF: twice the longer side, as where there is none
          response of the camera: sRGB, as in the package. GoPro_Large's `blur` averages encoded values, for
          which `response: none` would be right
          size of the output: the package restores images of at most 1024 pixels. Here rotations are estimated
          at that size, and the last deconvolution has all pixels
          tiles: the package has 6x8, or none in its exact mode; while rotations are estimated there are as
          many here as keep the parts of a tile within 0.6 pixels of moving alike: 6x8 make rotations shrink
          centre: after the last scale the mean rotation is subtracted, which the package does up to half a
          cell of its grid, and not at the last scale
          penalties: of the kernel 5, the package's default, as 0.01, its examples', gave wider kernels and
          less gain on rendered scenes; of the image 0.005, its examples'; all rotations keep the weights of
          the penalised problem (`lars`, its default; some examples solve again for the chosen ones)
          last deconvolution: by Krishnan and Fergus with weight 1000 and exponent 2/3, as in an example, on
          an image scaled to a median of 0.3. Its linear systems are solved with the blur by all tiles
          together; `final: tiles` divides in each tile, as the package does, and gains 3 dB less where the
          rotations are known
          saturated pixels are filled by a smooth surface for the estimate, once per scale
Shapes    B batch, H W image

The package's licence (MIT):

Copyright (c) 2012, Oliver Whyte

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without
limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the
Software, and to permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED
TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL
THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from benchmark.deconvolution import progress, tiled
from benchmark.deconvolution.checks import check
from benchmark.deconvolution.filter_flow import FilterFlow
from benchmark.deconvolution.hyper_laplacian import hyper_laplacian
from benchmark.deconvolution.richardson_lucy import richardson_lucy
from benchmark.deconvolution.rotations import Camera
from benchmark.models import _whyte_edges as edges
from benchmark.models import _whyte_rotations as turns
from benchmark.models._whyte_edges import Floats, Mask
from benchmark.models._whyte_light import RESPONSES, filled, resized

RATIO = 2**-0.5  # of the sizes of two neighbouring scales
LONGEST = 1024  # pixels of the image that rotations are estimated from
SMALLEST = 25  # longer side of the coarsest scale
SATURATED = 235.5 / 256


@dataclass(frozen=True)
class Config:
    """The package's defaults, or its examples' settings; which is which is said above."""

    size: int = 35  # of the blur, in pixels of the image's border
    focal: float = 2.0  # in units of the longer side
    response: str = "srgb"  # a key of RESPONSES
    final: str = "krishnan"  # a key of FINAL
    scales: int = 9  # at most
    iterations: int = 5  # per scale
    apart: float = 0.6  # pixels that parts of a tile may move apart while rotations are estimated
    rows: int = 6  # tiles along the shorter side in the last deconvolution
    columns: int = 8
    sparsity: float = 5.0  # penalty of the kernel
    smoothness: float = 0.005  # penalty of the image while the kernel is estimated
    weight: float = 1000.0  # of the data in the last deconvolution
    exponent: float = 2 / 3  # of gradients there
    steps: int = 20  # of conjugate gradients per penalty there, or 2.5 times as many of Richardson-Lucy

    def thin(self, factor: int) -> "Config":
        """Return the same: there is no width to divide."""
        return self

    @property
    def tiles(self) -> tuple[int, int]:
        """The numbers of tiles along the shorter and the longer side."""
        return self.rows, self.columns


@dataclass
class Estimate:
    """What is known after a scale: the sharp image (h, w), encoded, and the rotations."""

    image: Tensor
    kernel: Floats
    grid: turns.Grid


class Net(nn.Module):
    """Estimate rotations from coarse to fine, then deconvolve each colour."""

    stride = 1
    no_macs = "an optimisation problem is solved for each image"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.decode, self.encode = RESPONSES[config.response]
        self.final = FINAL[config.final]
        self.smallest_side = (
            2 * config.size + 2 * edges.REGIONS
        )  # gradients further inside than the blur reaches

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] -> [(B, 3, H, W)].

        Raises:
            ValueError: no colour image, one that is too small, or one without any structure.
        """
        check("whyte", blurry, self.smallest_side)
        return [torch.stack([self.restore(image) for image in blurry])]

    def restore(self, blurry: Tensor) -> Tensor:
        """Restore one image (3, H, W), encoded."""
        flow = self.camera_blur(blurry)
        return self.encode(self.final(self.decode(blurry), flow, self.config))

    def camera_blur(self, blurry: Tensor) -> FilterFlow:
        """Estimate the blur of an image (3, H, W), encoded."""
        camera, rotations, weights = self.rotations(blurry)
        return FilterFlow(camera, rotations, weights, self.config.tiles, blurry.dtype, blurry.device)

    def rotations(self, blurry: Tensor) -> tuple[Camera, Floats, Floats]:
        """Estimate the camera's rotations (N, 3) in radians and their weights (N,); return the camera too."""
        height, width = blurry.shape[1:]
        camera = Camera(self.config.focal * max(height, width), height, width)
        largest = min(1, LONGEST / max(height, width))
        grey = blurry.detach().cpu().float().mean(dim=0)
        top = blurry.detach().cpu().float().amax(dim=0) < SATURATED
        full_range = edges.grey_range(grey.numpy())
        estimate: Estimate | None = None
        for scale in progress.steps(self.scales(height, width, largest), "rotations, scale"):
            size = (round(height * scale), round(width * scale))
            grid = turns.Grid(camera.resized(*size), turns.half_size(self.config.size, scale))
            known = resized(top.float(), size).numpy() > 254.5 / 255
            level = Scale(self, resized(grey, size), known, grid, turns.blur_size(self.config.size, scale))
            estimate = level.estimate(estimate, full_range, last=scale == largest)
        assert estimate is not None
        found = estimate.kernel > 0
        rotations, weights = estimate.grid.rotations(found), estimate.kernel[found]
        return camera, rotations - weights @ rotations / weights.sum(), weights

    def scales(self, height: int, width: int, largest: float) -> list[float]:
        """List the scales, the coarsest first, as factors of the image's size."""
        scales = [largest]
        while len(scales) < self.config.scales and turns.half_size(self.config.size, scales[-1]) > 1:
            if max(height, width) * scales[-1] * RATIO < SMALLEST:
                break
            scales.append(scales[-1] * RATIO)
        return scales[::-1]


class Scale:
    """Alternate between the rotations and the image at one scale."""

    def __init__(self, net: Net, grey: Tensor, known: Mask, grid: turns.Grid, size: int) -> None:
        self.net, self.config, self.grid, self.size = net, net.config, grid, size
        self.tiles = turns.tiles(grid, net.config.apart)
        self.encoded, self.light = grey, net.decode(grey)
        inner = np.zeros(known.shape, bool)
        margin = size // 2 + 1
        inner[margin:-margin, margin:-margin] = True
        self.inside = inner & ndimage.binary_erosion(known, np.ones((3, 3)), border_value=1)
        self.filled = filled(self.light, ndimage.binary_erosion(known, np.ones((5, 5)), border_value=1))
        self.blurred = turns.derivatives(*edges.differences(self.light.double().numpy()))

    def estimate(self, before: Estimate | None, full_range: float, last: bool) -> Estimate:
        """Improve on the next coarser scale's estimate, if there is one."""
        if before is None:
            image, kernel = self.light, self.grid.still
        else:
            image = self.net.decode(resized(before.image, self.light.shape, mode="bicubic"))
            kernel = turns.resampled(before.kernel, before.grid, self.grid)
        strength = edges.Strength()
        active = turns.neighbours(kernel) if before is None else kernel > 0
        for _ in range(self.config.iterations):
            predicted = edges.predict(image.double().numpy(), strength, full_range)
            x, y = edges.strongest(predicted, self.inside, self.size, strength)
            strength.weaken()
            kernel = self.solve(x, y, active)
            if not last:
                kernel = turns.centred(kernel)
            if not kernel.any():  # no rotation explains anything
                kernel = self.grid.still
            active = turns.neighbours(kernel)
            found = kernel > 0
            flow = FilterFlow(self.grid.camera, self.grid.rotations(found), kernel[found], self.tiles)
            image = tiled.wiener(self.filled[None], flow, self.config.smoothness)[0]
        return Estimate(self.net.encode(image), kernel / kernel.sum(), self.grid)

    def solve(self, x: Floats, y: Floats, active: Mask) -> Floats:
        """Estimate the weights of active rotations from the differences of the predicted sharp image."""
        kernel = np.zeros(self.grid.shape)
        if not x.any() and not y.any():
            return kernel
        gram, right = turns.normal_equations(
            turns.derivatives(x, y),
            self.blurred,
            self.inside,
            self.grid.camera,
            self.grid.rotations(active),
            self.tiles,
        )
        kernel[active] = turns.weights(gram, right, self.config.sparsity)
        return kernel


def krishnan(light: Tensor, flow: FilterFlow, config: Config) -> Tensor:
    """Deconvolve with a hyper-Laplacian prior, the image scaled to a median of 0.3: (3, H, W) -> same."""
    scale = tiled.MEDIAN / max(float(light.median()), tiled.DARK)
    return hyper_laplacian(light * scale, flow, config.weight, config.exponent, config.steps) / scale


def tile_by_tile(light: Tensor, flow: FilterFlow, config: Config) -> Tensor:
    """Deconvolve with the same prior, each tile by one division, as the package does: (3, H, W) -> same."""
    return tiled.hyper_laplacian(light, flow, config.weight, config.exponent)


def saturated(light: Tensor, flow: FilterFlow, config: Config) -> Tensor:
    """Deconvolve by Richardson and Lucy's iterations that know of saturation: (3, H, W) -> (3, H, W)."""
    return richardson_lucy(light, flow, round(2.5 * config.steps))


FINAL: dict[str, Callable[[Tensor, FilterFlow, Config], Tensor]] = {
    "krishnan": krishnan,
    "tiles": tile_by_tile,
    "richardson_lucy": saturated,
}
