"""The mean SSIM index of an image by OpenCV's filters, band of rows after band: fast, and right to 1e-6.

Four blurs instead of five: with u = x + y and v = x - y, their local means m and variances s,

    SSIM = (m_u^2 - m_v^2 + 2 C1) (s_u - s_v + 2 C2) / ((m_u^2 + m_v^2 + 2 C1) (s_u + s_v + 2 C2))

A band stays in the processor's cache, and threads take turns at bands. The variance of an even window is a
small difference of large numbers: float32's rounding averages out in photographs, but can add up in drawings.
So every eighth band is done in float64 too, and where the two are not the same, the whole image is.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.metrics._formula import C1, C2

try:
    import cv2
except ImportError:  # without OpenCV the formula is used as it is written
    cv2 = None  # type: ignore[assignment]

ROWS = 40  # of a band
EVERY = 8  # one band in so many is done in both precisions
APART = 1e-7  # of the index, between the two; real GoPro pairs stay near 1e-8

Pixels = NDArray[Any]


@dataclass(frozen=True)
class Window:
    """The same weights along rows and columns, and over the channels.

    Attributes:
        taps: (T,), T odd, adding up to 1.
        replicate: whether windows that leave the image count, its edges replicated.
        mixing: (C, C), weights along the channels; None: each channel on its own.
        unbiased: what local variances are multiplied by.
    """

    taps: NDArray[np.float64]
    replicate: bool = False
    mixing: NDArray[np.float64] | None = None
    unbiased: float = 1.0


def band(x: Pixels, y: Pixels, window: Window, top: int, kind: type[np.floating[Any]]) -> float:
    """Sum of the index over up to ROWS rows from `top` on, (H, W, C) twice."""
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
    middle = u.mean(dtype=np.float64).astype(kind)  # small numbers have small rounding
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
    # In place where it can be, since fresh memory costs more than the arithmetic.
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
    """Mean SSIM of one image, (H, W, C) twice."""
    edge = 0 if window.replicate else len(window.taps) // 2
    count = (x.shape[0] - 2 * edge) * (x.shape[1] - 2 * edge) * x.shape[2]
    tops = range(0, len(x), ROWS)
    checked = tops[EVERY // 2 :: EVERY]

    def exact(top: int) -> float:
        return band(x, y, window, top, np.float64)

    def rounded(top: int) -> float:
        return band(x, y, window, top, np.float32)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        if checked:
            sums = dict(zip(tops, pool.map(rounded, tops), strict=True))
            apart = abs(sum(pool.map(exact, checked)) - sum(sums[top] for top in checked))
            if apart <= APART * count * len(checked) / len(tops):
                return sum(sums.values()) / count
        return sum(pool.map(exact, tops)) / count


def mean_index(restored: Tensor, sharp: Tensor, window: Window) -> Tensor | None:
    """Mean SSIM over the windows of each image, (B, C, H, W) in [0, 1] twice -> (B,) in float64.

    None where there is no OpenCV.
    """
    if cv2 is None:
        return None
    images = [z.detach().permute(0, 2, 3, 1).cpu().numpy() for z in (restored, sharp)]
    values = [
        image_index(np.ascontiguousarray(x), np.ascontiguousarray(y), window)
        for x, y in zip(*images, strict=True)
    ]
    return torch.tensor(values, dtype=torch.float64)
