"""The mean SSIM index of an image by matrix products: fast, and right to 1e-6.

Four blurs instead of five: with u = x + y and v = x - y, their local means m and variances s,

    SSIM = (m_u^2 - m_v^2 + 2 C1) (s_u - s_v + 2 C2) / ((m_u^2 + m_v^2 + 2 C1) (s_u + s_v + 2 C2))

A blur along an axis is a product with a banded matrix, which the processor does faster than a convolution
although most of the band is zero. One strip of tiles after the other stays in the cache.

The variance of an even window is a small difference of large numbers. Every tile is taken relative to its own
middle pixel, which makes them small as well, and what float32 then rounds averages out in photographs. In a
drawing the same numbers are rounded the same way again and again, above all where windows are even to the
last level and their tile is not. `doubt` estimates what that may add, and float64 does such an image again.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

C1, C2 = 0.01**2, 0.03**2
ROWS, COLUMNS = 16, 16  # outputs of a tile
ROUNDING = 2.0**-24  # of float32
EVEN, REPEATS = 1e-6, 8  # variance of an even window; how much more of its rounding adds up
DOUBT = 4e-7  # real GoPro pairs stay below


def banded(taps: Tensor, outputs: int) -> Tensor:
    """A sliding window with weights `taps` (T,) as a matrix, (outputs, outputs + T - 1)."""
    return torch.stack([pad(taps, (i, outputs - 1 - i)) for i in range(outputs)])


def framed(image: Tensor, border: int, top: int, out: Tensor) -> Tensor:
    """Fill `out` (C, h, w) with rows from `top` - `border` on of an image (C, H, W), edges replicated."""
    first, height, width = top - border, *image.shape[1:]
    begin, end = max(first, 0), min(first + out.shape[1], height)
    inside = out[:, begin - first : end - first]
    inside[:, :, border : border + width] = image[:, begin:end]
    inside[:, :, :border] = inside[:, :, border, None]
    inside[:, :, border + width :] = inside[:, :, border + width - 1, None]
    out[:, : begin - first] = inside[:, :1]
    out[:, end - first :] = inside[:, -1:]
    return out


def summed(strip: Tensor, height: int, width: int) -> float:
    """Sum of a strip of tiles, (C, rows, tiles, COLUMNS), without what lies outside the image."""
    return strip.flatten(2)[:, :height, :width].sum(dim=2).sum(dtype=torch.float64).item()


@dataclass(frozen=True)
class Window:
    """The same weights along rows and columns, and over the channels.

    Attributes:
        taps: (T,), adding up to 1.
        border: so many pixels are replicated around the image first; 0: windows that leave it do not count.
        mixing: (C, C), weights along the channels; None: each channel on its own.
        unbiased: what local variances are multiplied by.
    """

    taps: Tensor
    border: int = 0
    mixing: Tensor | None = None
    unbiased: float = 1.0

    def outputs(self, image: Tensor) -> tuple[int, int]:
        """How many windows there are down and across an image, (C, H, W)."""
        more = 2 * self.border - len(self.taps) + 1
        return image.shape[1] + more, image.shape[2] + more


def image_index(x: Tensor, y: Tensor, window: Window, dtype: torch.dtype) -> tuple[float, float]:
    """Mean SSIM of one image, (C, H, W) twice, and the doubt that is left when `dtype` is float32."""
    reach = len(window.taps) - 1
    height, width = window.outputs(x)
    channels, tiles = len(x), -(-width // COLUMNS)
    rows, columns = ROWS + reach, COLUMNS + reach  # inputs of a tile
    like = torch.empty(0, dtype=dtype, device=x.device)
    down, across = banded(window.taps, ROWS).to(like), banded(window.taps, COLUMNS).to(like).T.contiguous()
    mixing = None if window.mixing is None else window.mixing.to(like)

    # Of one strip: its pixels; u, v and their squares; blurred down; blurred across; mixed.
    frames = like.new_empty(2, channels, rows, tiles * COLUMNS + reach)
    work = like.new_empty(channels, 4, rows, tiles, columns)
    u, v, uu, vv = work.unbind(1)
    halfway = like.new_empty(channels, 4, ROWS, tiles * columns)
    blurred = like.new_empty(channels, 4, ROWS, tiles, COLUMNS)
    mixed = blurred if mixing is None else torch.empty_like(blurred)
    means, variances = mixed[:, :2], mixed[:, 2:]
    u_mean, v_mean, u_variance, v_variance = mixed.unbind(1)
    squares = torch.empty_like(means)
    u_square, v_square = squares.unbind(1)
    below, factor = torch.empty_like(u_square), torch.empty_like(u_square)
    total = doubt = 0.0
    for top in range(0, height, ROWS):
        middles = []
        for image, frame, out in zip((x, y), frames, (uu, vv), strict=True):
            tiled = framed(image, window.border, top, frame).unfold(2, columns, COLUMNS)
            middle = tiled[:, None, rows // 2, :, columns // 2, None]
            # Channels that mix must be relative to the same.
            middles.append(middle if mixing is None else middle.mean(dim=0, keepdim=True))
            torch.sub(tiled, middles[-1], out=out)
        torch.add(uu, vv, out=u)
        torch.sub(uu, vv, out=v)
        torch.square(work[:, :2], out=work[:, 2:])
        torch.matmul(down, work.flatten(3), out=halfway)
        torch.mm(halfway.view(-1, columns), across, out=blurred.view(-1, COLUMNS))
        if mixing is not None:
            torch.mm(mixing, blurred.view(channels, -1), out=mixed.view(channels, -1))

        torch.square(means, out=squares)
        variances -= squares
        if window.unbiased != 1:
            variances *= window.unbiased
        u_variance += 2 * C2
        torch.add(u_variance, v_variance, out=below)
        some = (slice(None), slice(None, None, 4))  # of the rows; enough for a doubt
        repeats = (below[some] < 2 * C2 + EVEN).to(like.dtype).mul_(REPEATS - 1).add_(1)
        doubts = (u_square[some] + v_square[some]).mul_(repeats).div_(below[some])
        u_mean += middles[0] + middles[1]
        v_mean += middles[0] - middles[1]
        torch.square(means, out=squares)
        u_square += 2 * C1
        below *= torch.add(u_square, v_square, out=factor)
        u_square -= v_square
        u_variance -= v_variance
        u_square *= u_variance
        u_square /= below
        total += summed(u_square, height - top, width)
        doubt += 4 * ROUNDING * summed(doubts, -(-(height - top) // 4), width)
    count = channels * height * width
    return total / count, doubt / count


def mean_index(restored: Tensor, sharp: Tensor, window: Window) -> Tensor:
    """Mean SSIM over the windows of each image, (B, C, H, W) in [0, 1] twice -> (B,) in float64."""
    values = []
    for x, y in zip(restored, sharp, strict=True):
        value, doubt = image_index(x, y, window, torch.float32)
        if doubt > DOUBT:
            value, _ = image_index(x, y, window, torch.float64)
        values.append(value)
    return torch.tensor(values, dtype=torch.float64)
