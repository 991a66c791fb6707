"""Compute the mean SSIM index of an image fast and to 1e-6, by OpenCV's filters on bands of rows.

Four blurs instead of five: with u = x + y and v = x - y, their local means m and variances s,

    SSIM = (m_u^2 - m_v^2 + 2 C1) (s_u - s_v + 2 C2) / ((m_u^2 + m_v^2 + 2 C1) (s_u + s_v + 2 C2))

A band fits the processor's cache, and threads share the bands. The variance of a nearly uniform window is a
small difference of large numbers: float32's rounding averages out in photographs, but can add up in drawings.
So every eighth band is computed in float64 too, and where the results differ, the whole image is.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.metrics._formula import C1, C2

ROWS = 40  # of a band
EVERY = 8  # one band in eight is computed in both precisions
TOLERANCE = 1e-7  # largest difference of the index between the two; of real GoPro pairs it is near 1e-8

Pixels = NDArray[Any]


@dataclass(frozen=True)
class Window:
    """A separable window: the same weights along rows and columns, and others along the channels.

    Attributes:
        taps: (T,), T odd, with the sum 1.
        replicate: whether windows that extend past the image count, its edges replicated.
        mixing: (C, C), weights along the channels; None: each channel by itself.
        unbiased: factor of local variances.
    """

    taps: NDArray[np.float64]
    replicate: bool = False
    mixing: NDArray[np.float64] | None = None
    unbiased: float = 1.0


def band(x: Pixels, y: Pixels, window: Window, top: int, kind: type[np.floating[Any]]) -> float:
    """Sum the index over up to ROWS rows from `top` on, (H, W, C) twice."""
    reach = len(window.taps) // 2
    first, last = max(top - reach, 0), min(top + ROWS + reach, len(x))
    edge = 0 if window.replicate else reach
    rows = slice(max(top, edge) - first, min(top + ROWS, len(x) - edge) - first)
    columns = slice(edge, x.shape[1] - edge)

    def blur(z: Pixels) -> Pixels:
        z = cv2.sepFilter2D(z, -1, window.taps, window.taps, borderType=cv2.BORDER_REPLICATE)
        z = z.reshape(*z.shape[:2], -1)[rows, columns]
        return z if window.mixing is None else cv2.transform(z, window.mixing)

    u, v = (x[first:last].astype(kind, copy=False), y[first:last].astype(kind, copy=False))
    u, v = u + v, u - v
    middle = u.mean(dtype=np.float64).astype(kind)  # rounding errors of centred values are smaller
    u -= middle
    u_mean, v_mean = blur(u), blur(v)
    u_variance, v_variance = blur(np.square(u, out=u)), blur(np.square(v, out=v))
    for mean, variance in ((u_mean, u_variance), (v_mean, v_variance)):
        variance -= np.square(mean)
        if window.unbiased != 1:
            variance *= kind(window.unbiased)
    u_mean += middle
    for mean in (u_mean, v_mean):
        np.square(mean, out=mean)
    # In place where possible: allocating memory costs more than the arithmetic.
    top_left, top_right = u_mean - v_mean, u_variance - v_variance
    u_mean += v_mean
    u_variance += v_variance
    for means, variances in ((top_left, top_right), (u_mean, u_variance)):
        means += kind(2 * C1)
        variances += kind(2 * C2)
        means *= variances
    top_left /= u_mean
    return float(top_left.sum(dtype=np.float64))


def image_index(x: Pixels, y: Pixels, window: Window) -> float:
    """Compute the mean SSIM of one image, (H, W, C) twice."""
    edge = 0 if window.replicate else len(window.taps) // 2
    count = (x.shape[0] - 2 * edge) * (x.shape[1] - 2 * edge) * x.shape[2]
    tops = range(0, len(x), ROWS)
    checked = tops[EVERY // 2 :: EVERY]

    def double(top: int) -> float:
        return band(x, y, window, top, np.float64)

    def single(top: int) -> float:
        return band(x, y, window, top, np.float32)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        if checked:
            sums = dict(zip(tops, pool.map(single, tops), strict=True))
            difference = abs(sum(pool.map(double, checked)) - sum(sums[top] for top in checked))
            if difference <= TOLERANCE * count * len(checked) / len(tops):
                return sum(sums.values()) / count
        return sum(pool.map(double, tops)) / count


def mean_index(restored: Tensor, sharp: Tensor, window: Window) -> Tensor:
    """Average SSIM over the windows of each image, (B, C, H, W) in [0, 1] twice -> (B,) in float64."""
    images = [z.detach().permute(0, 2, 3, 1).cpu().numpy() for z in (restored, sharp)]
    values = [
        image_index(np.ascontiguousarray(x), np.ascontiguousarray(y), window)
        for x, y in zip(*images, strict=True)
    ]
    return torch.tensor(values, dtype=torch.float64)
