"""Measure one pair of a real dataset: is it readable, how were its frames averaged, is it aligned.

Linear or gamma. Frames averaged as encoded (GoPro's `blur`) keep the local mean of encoded values, frames
averaged as light (`blur_gamma`) that of light. Let J = encode(mean of light) - mean of encoded values, over a
block: it grows with the block's contrast (Jensen), which blur takes away. Let d be the mean of encoded
values, blurred less sharp. As encoded, d = 0. As light, the first terms of J are equal, so d = J(sharp) -
J(blurred). So the slope of d on that difference, over the blocks of a pair, is 0 for the first and 1 for the
second, whatever the contrast and the blur. Motion across the borders of blocks adds to d, but nothing that
correlates with J.

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
from benchmark.data.pairs import PairFiles, image

GAMMA = 2.2  # GoPro_Large's stand-in for its camera's curve
LIGHT = (np.arange(256) / 255) ** GAMMA  # by encoded value
BLOCK = 64  # pixels, of the local means
MIN_CHANGE = 5e-4  # root mean square of J's difference (of 1) below which a pair is too sharp to tell
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)

Pixels = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Examination:
    """What was measured of the files of a pair."""

    sums: list[str]  # sha256 of the blurred and of the sharp file; empty where either cannot be read
    sizes: list[list[int]]  # [width, height] of each
    problems: list[str]
    hash: str = ""  # perceptual, of the sharp image
    slope: float | None = None  # 0: frames averaged as encoded, 1: as light
    shift: float | None = None  # pixels


def examine(files: PairFiles, align: bool) -> Examination:
    """Decode the files of a pair and measure them; `align` measures their shift too."""
    images, problems = [], []
    paths = [files.blurry, *([files.sharp] if files.sharp else [])]
    for path in paths:
        try:
            images.append(decode(path))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        return Examination([], [], problems)
    sizes = [[pixels.shape[1], pixels.shape[0]] for pixels in images]
    comparable = len(images) == 2 and sizes[0] == sizes[1]
    return Examination(
        [fetch.digest(path) for path in paths],
        sizes,
        [],
        perceptual_hash(images[-1]),
        response_slope(images[0], images[1]) if comparable else None,
        measure_shift(images[0], images[1]) if comparable and align else None,
    )


def decode(path: Path) -> Pixels:
    """Read an image file as `image` does; refuse one of another format than its name says."""
    if not path.exists():  # a link to nothing
        raise ValueError(f"{path.name} does not exist")
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


def response_slope(blurry: Pixels, sharp: Pixels) -> float | None:
    """Return about 0 where frames were averaged as encoded, about 1 as light; None where too little moved."""
    side = min(BLOCK, *blurry.shape[:2])
    (blurry_mean, blurry_gap), (sharp_mean, sharp_gap) = block_means(blurry, side), block_means(sharp, side)
    change, gap_change = (blurry_mean - sharp_mean).ravel(), (sharp_gap - blurry_gap).ravel()
    power = float(gap_change @ gap_change)
    if power <= MIN_CHANGE**2 * gap_change.size:
        return None
    return round(float(change @ gap_change) / power, 4)


def block_means(pixels: Pixels, side: int) -> tuple[Floats, Floats]:
    """Compute the mean of encoded values and J, per block and channel, of values in [0, 1]."""
    rows, columns = (length // side for length in pixels.shape[:2])
    blocks = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    mean = blocks.mean(axis=(1, 3)) / 255
    return mean, LIGHT[blocks].mean(axis=(1, 3)) ** (1 / GAMMA) - mean


def measure_shift(blurry: Pixels, sharp: Pixels) -> float:
    """Measure how many pixels two images are apart; a window hides what enters at their borders."""
    window = np.outer(*(np.hanning(length) for length in blurry.shape[:2])).astype(np.float32)
    planes = [pixels @ LUMINANCE for pixels in (sharp, blurry)]
    windowed = [(plane - plane.mean()) * window for plane in planes]
    offset, _, _ = phase_cross_correlation(*windowed, upsample_factor=20, normalization=None)
    return round(float(np.hypot(*offset)), 3)


def perceptual_hash(pixels: Pixels) -> str:
    """Hash which low frequencies of a thumbnail are above their median: 256 bits in hexadecimal digits."""
    small = Image.fromarray(pixels).convert("L").resize((64, 64), Image.Resampling.BOX)
    low = dctn(np.asarray(small, np.float64))[:16, :16].ravel()
    return np.packbits(low > np.median(low)).tobytes().hex()
