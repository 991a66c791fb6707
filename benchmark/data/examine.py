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

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn
from skimage.registration import phase_cross_correlation

from benchmark.data import fetch
from benchmark.data.pairs import FORMATS, PairFiles, image

GAMMA = 2.2  # GoPro_Large's stand-in for its camera's curve
LIGHT = (np.arange(256) / 255) ** GAMMA  # by encoded value
BLOCK = 64  # pixels, of the local means
MIN_CHANGE = 5e-4  # root mean square of J's difference (of 1) below which a pair is too sharp to tell
# By suffix; cameras put several pictures into one JPEG (MPO), of which the first counts.
FORMATS_OF = {".png": ("PNG",), ".jpg": ("JPEG", "MPO"), ".jpeg": ("JPEG", "MPO"), ".bmp": ("BMP",)}
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
    detail: float | None = None  # log2 of how many times more fine detail the sharp image has
    same: bool = False  # the pixels of both are the same
    grey: list[bool] = field(default_factory=list)  # whether each has no colour


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
        measure_detail(images[0], images[1]) if comparable else None,
        comparable and np.array_equal(images[0], images[1]),
        [is_grey(pixels) for pixels in images],
    )


def decode(path: Path) -> Pixels:
    """Read an image file as `image` does; refuse one of another format than its name says.

    Raises:
        ValueError: the message starts with the file's name, without its folder.
    """
    if not os.path.exists(path):
        raise ValueError(f"{path.name} {'does not exist' if os.path.islink(path) else 'cannot be read'}")
    if os.path.isfile(path) and not os.path.getsize(path):
        raise ValueError(f"{path.name} is empty")
    try:
        pixels = image(path)
    except ValueError as error:
        raise ValueError(f"{path.name} {str(error).removeprefix(f'{path}: ')}") from None
    with Image.open(path, formats=FORMATS) as opened:
        if opened.format not in FORMATS_OF[path.suffix.lower()]:
            raise ValueError(f"{path.name} holds {opened.format}")
    return pixels


def measure_detail(blurry: Pixels, sharp: Pixels) -> float | None:
    """Measure how many times more fine detail the sharp image has, as log2; None where one has none.

    Detail is the mean square of the second differences of luminance. Over 11 pairs of GoPro_Large the result
    is 1.9 to 4.2, over 60 of DVD 0.7 to 3.9: never below 0, where the blurred image would be the sharper one.
    """
    energies = []
    for pixels in (blurry, sharp):
        plane = pixels @ LUMINANCE
        energies.append(sum(float(np.square(np.diff(plane, 2, axis)).sum()) for axis in (0, 1)))
    return round(float(np.log2(energies[1] / energies[0])), 4) if min(energies) > 0 else None


def is_grey(pixels: Pixels) -> bool:
    """Check whether the three channels of an image are equal everywhere."""
    return bool((pixels[..., :1] == pixels[..., 1:]).all())


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
