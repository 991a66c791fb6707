"""Corrupt the blurry image of half of the crops in one of eight ways (DeblurGAN-v2, `corrupt`)."""

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import hsv2rgb, rgb2hsv

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._colours import unit


def holes(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Blacken three squares of 25 pixels."""
    image = image.copy()
    for _ in range(3):
        y, x = (int(rng.integers(n)) for n in image.shape[:2])
        image[max(0, y - 12) : y + 13, max(0, x - 12) : x + 13] = 0
    return image


def jpeg(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Compress as JPEG of quality 70 to 90."""
    file = io.BytesIO()
    Image.fromarray((image * 255).round().astype(np.uint8)).save(
        file, "JPEG", quality=int(rng.integers(70, 91))
    )
    return np.asarray(Image.open(file)) / 255


def line_blur(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Blur along a line through a square of 3, 5 or 7 pixels."""
    size = int(rng.choice([3, 5, 7]))
    kernel = np.zeros((size, size))
    ends = rng.integers(size, size=(2, 2))
    for share in np.linspace(0, 1, 4 * size):
        y, x = (ends[0] + share * (ends[1] - ends[0])).round().astype(int)
        kernel[y, x] = 1
    return ndimage.convolve(image, kernel[..., None] / kernel.sum(), mode="reflect")


def median(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Replace each pixel by the median of 3, 5 or 7 squared; OpenCV's is faster, but of bytes only."""
    size = int(rng.choice([3, 5, 7]))
    if image.dtype != np.uint8:
        return ndimage.median_filter(image, (size, size, 1), mode="reflect")
    reach = size // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), "symmetric")
    return cv2.medianBlur(padded, size)[reach:-reach, reach:-reach]


def gamma(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Raise to a power of 0.8 to 1.2."""
    return image ** rng.uniform(0.8, 1.2)


def shift_rgb(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Shift each channel by up to 20 levels."""
    return image + rng.uniform(-20, 20, 3) / 255


def shift_hsv(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Shift hue by up to a ninth of the circle, saturation by up to 30 and value by up to 20 levels."""
    shift = rng.uniform(-1, 1, 3) * (20 / 180, 30 / 255, 20 / 255)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    hue, saturation, value = rgb2hsv(planes, channel_axis=0) + shift[:, None, None]
    shifted = np.stack([hue % 1, np.clip(saturation, 0, 1), np.clip(value, 0, 1)])
    return hsv2rgb(shifted, channel_axis=0).transpose(1, 2, 0)


def sharpen(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Mix with a sharpened image of lightness 0.5 to 1, whose share is 0.2 to 0.5."""
    share, light = rng.uniform(0.2, 0.5), rng.uniform(0.5, 1.0)
    kernel = np.full((3, 3), -1.0)
    kernel[1, 1] = 8 + light
    sharpened = ndimage.convolve(image, kernel[..., None], mode="reflect")
    return (1 - share) * image + share * sharpened


CORRUPTIONS = (holes, jpeg, line_blur, median, gamma, shift_rgb, shift_hsv, sharpen)


def augment(crop: Crop, rng: Rng) -> Crop:
    """Apply one of `CORRUPTIONS` with probability 1/2."""
    if rng.random() < 0.5:
        return crop
    change = CORRUPTIONS[int(rng.integers(len(CORRUPTIONS)))]
    image = crop["blurry"] if change is median else unit(crop["blurry"])  # a median of bytes is the fastest
    return crop | {"blurry": np.clip(unit(change(image, rng)), 0, 1).astype(np.float32)}
