"""Undo a known blur for Poisson noise, also where the sensor was saturated (Richardson-Lucy).

Sources   W. H. Richardson, JOSA 1972; saturation: O. Whyte, J. Sivic, A. Zisserman: Deblurring shaken and
          partially saturated images, CPCV 2011 and IJCV 2014, with the values of their published code
Unstated  the correction is divided by the transposed blur of ones, which is 1 but near the border
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, pad

from benchmark.deconvolution import progress
from benchmark.deconvolution.operator import Blur

SHARPNESS = 50.0  # of the smooth clip at 1
BRIGHT, REACH = 0.9, 3  # pixels of the estimate from this value on, and so many around them, are saturated
SOFT = (21, 3.0)  # side and standard deviation of the Gaussian that fades between the two corrections
LEAST = 1e-6  # of the estimate and of the blurred estimate
TOUCHED = 1e-4  # share of a pixel's light from which it comes from saturated ones; less is rounding


def richardson_lucy(blurred: Tensor, blur: Blur, iterations: int = 50, saturated: bool = True) -> Tensor:
    """Multiply the estimate by the blurred-back ratio of data and blurred estimate, again and again.

    (..., H, W) in [0, 1] -> (..., H, W), not negative. With `saturated`, the blurred estimate is clipped
    smoothly as a sensor clips it, so that saturated pixels say little; and pixels that are not saturated
    themselves are corrected only by data that no saturated pixel reached.
    """
    image, scale = blurred.clamp(min=LEAST), blur.adjoint(torch.ones_like(blurred)).clamp(min=LEAST)
    for _ in progress.steps(range(iterations), "Richardson-Lucy"):
        made = blur.forward(image).clamp(min=LEAST)
        if not saturated:
            correction = blur.adjoint(blurred / made - 1) / scale
        else:
            clipped, slope = response(made)
            error = (blurred / clipped.clamp(min=LEAST) - 1) * slope
            bright = _grown((image >= BRIGHT).to(image.dtype))
            untouched = (blur.forward(bright) < TOUCHED).to(image.dtype)
            share = _faded(bright)
            near, far = blur.adjoint(error), blur.adjoint(error * untouched)
            correction = (share * near + (1 - share) * far) / scale
        image = (image * (1 + correction)).clamp(min=LEAST)
    return image


def response(light: Tensor) -> tuple[Tensor, Tensor]:
    """Clip light smoothly at 1 as x - log(1 + exp(50 (x - 1))) / 50; return it and its slope."""
    over = SHARPNESS * (light - 1)
    return light - torch.nn.functional.softplus(over) / SHARPNESS, torch.sigmoid(-over)


def _grown(mask: Tensor) -> Tensor:
    """Set every pixel within REACH of one that is set: a disk, as a union of rows."""
    planes = mask.reshape(1, -1, *mask.shape[-2:])
    grown = planes
    for row in range(-REACH, REACH + 1):
        half = int((REACH**2 - row**2) ** 0.5)
        wide = max_pool2d(planes, (1, 2 * half + 1), 1, (0, half))
        moved = pad(wide, (0, 0, max(row, 0), max(-row, 0)))[..., max(-row, 0) :, :][..., : mask.shape[-2], :]
        grown = torch.maximum(grown, moved)
    return grown.reshape(mask.shape)


def _faded(mask: Tensor) -> Tensor:
    """Blur a mask by a Gaussian, the border repeated."""
    side, deviation = SOFT
    bell = torch.exp(-0.5 * ((torch.arange(side) - side // 2) / deviation) ** 2).to(mask)
    bell = bell / bell.sum()
    planes, half = mask.reshape(-1, 1, *mask.shape[-2:]), side // 2
    planes = conv2d(pad(planes, (0, 0, half, half), mode="replicate"), bell[None, None, :, None])
    planes = conv2d(pad(planes, (half, half, 0, 0), mode="replicate"), bell[None, None, None])
    return planes.reshape(mask.shape)
