"""What one pair of a real dataset shows: is it readable, how was it averaged, is it aligned.

Linear or gamma. Frames averaged as encoded (GoPro's `blur`) keep the local mean of encoded values, frames
averaged as light (`blur_gamma`) that of light. Let J = encode(mean of light) - mean of encoded values, over a
block: it grows with the block's contrast (Jensen), which blur takes away. Let d be the mean of encoded
values, blurred less sharp. As encoded, d = 0. As light, the first terms of J are equal, so d = J(sharp) -
J(blurred). So the slope of d on that difference, over the blocks of a pair, is 0 for one and 1 for the other,
whatever the contrast and the blur. Motion across the borders of blocks adds to d, but nothing that goes with
J.

Alignment. The shift with the greatest cross-correlation of luminance, to 1/20 pixel. Blur around the middle
frame does not move it; pictures of two cameras that nobody aligned (RealBlur before its authors' ECC step)
are pixels apart. Phase correlation is no use: blur turns phases, and three of six DVD pairs come out 2 pixels
wrong.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn
from skimage.registration import phase_cross_correlation

from benchmark.data import fetch
from benchmark.data.pairs import image
from benchmark.data.realset import Shot

GAMMA = 2.2  # GoPro_Large's stand-in for its camera's curve
LIGHT = (np.arange(256) / 255) ** GAMMA  # by encoded value
BLOCK = 64  # pixels, of the local means
LEAST = 5e-4  # root mean square of J's difference (of 1) below which a pair is too sharp to tell
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)

Pixels = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Seen:
    """What one look at a shot found."""

    sums: list[str]  # sha256 of the blurred and of the sharp file; none where one cannot be read
    sizes: list[list[int]]  # [width, height] of each
    problems: list[str]
    hash: str = ""  # perceptual, of the sharp image
    slope: float | None = None  # 0: frames averaged as encoded, 1: as light
    shift: float | None = None  # pixels


def examine(shot: Shot, align: bool) -> Seen:
    """Decode a shot's files and measure them; `align` looks for a shift too."""
    pixels, problems = [], []
    files = [shot.blurry, *([shot.sharp] if shot.sharp else [])]
    for path in files:
        try:
            pixels.append(decode(path))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        return Seen([], [], problems)
    sizes = [[one.shape[1], one.shape[0]] for one in pixels]
    paired = len(pixels) == 2 and sizes[0] == sizes[1]
    return Seen(
        [fetch.digest(path) for path in files],
        sizes,
        [],
        perceptual(pixels[-1]),
        slope(pixels[0], pixels[1]) if paired else None,
        shift(pixels[0], pixels[1]) if paired and align else None,
    )


def decode(path: Path) -> Pixels:
    """An image file as (H, W, 3) uint8 RGB.

    Raises:
        ValueError: it is not there, empty, truncated, no image, or of another format than its name says.
    """
    if not path.exists():  # a link to nothing
        raise ValueError(f"{path.name} is not there")
    if not path.stat().st_size:
        raise ValueError(f"{path.name} is empty")
    try:
        pixels = image(path)
    except ValueError:
        raise ValueError(f"{path.name} is truncated or no image") from None
    with Image.open(path) as opened:
        if opened.format != FORMATS[path.suffix.lower()]:
            raise ValueError(f"{path.name} holds {opened.format}")
    return pixels


def slope(blurry: Pixels, sharp: Pixels) -> float | None:
    """About 0 where frames were averaged as encoded, about 1 where as light; None where too little moved."""
    side = min(BLOCK, *blurry.shape[:2])
    (mean, contrast), (true_mean, true_contrast) = means(blurry, side), means(sharp, side)
    d, gap = (mean - true_mean).ravel(), (true_contrast - contrast).ravel()
    power = float(gap @ gap)
    return round(float(d @ gap) / power, 4) if power > LEAST**2 * gap.size else None


def means(pixels: Pixels, side: int) -> tuple[Floats, Floats]:
    """Per block and channel, of values in [0, 1]: the mean as encoded, and J."""
    rows, columns = (length // side for length in pixels.shape[:2])
    blocks = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    mean = blocks.mean(axis=(1, 3)) / 255
    return mean, LIGHT[blocks].mean(axis=(1, 3)) ** (1 / GAMMA) - mean


def shift(blurry: Pixels, sharp: Pixels) -> float:
    """How far apart two images are, in pixels. A window keeps what enters at their borders out of it."""
    window = np.outer(*(np.hanning(length) for length in blurry.shape[:2])).astype(np.float32)
    planes = [pixels @ LUMINANCE for pixels in (sharp, blurry)]
    seen = [(plane - plane.mean()) * window for plane in planes]
    found, _, _ = phase_cross_correlation(*seen, upsample_factor=20, normalization=None)
    return round(float(np.hypot(*found)), 3)


def perceptual(pixels: Pixels) -> str:
    """256 bits in hexadecimal digits: which low frequencies of a thumbnail are above their median."""
    small = Image.fromarray(pixels).convert("L").resize((64, 64), Image.Resampling.BOX)
    low = dctn(np.asarray(small, np.float64))[:16, :16].ravel()
    return np.packbits(low > np.median(low)).tobytes().hex()
