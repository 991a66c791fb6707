"""Random changes of a training crop, the same for its blurry and sharp image and its extras."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import hsv2rgb, rgb2hsv
from torch import Tensor

# By name ("blurry", "sharp", extras): (side, side, C). Images have three channels, RGB: uint8 while their
# pixels only move, which is cheap, and float32 in [0, 1] once a colour has changed. Two names may share an
# image, so nothing is changed in place.
Crop = dict[str, NDArray[Any]]
Rng = np.random.Generator

# Rec. 601 luma, which the saturation of torchvision and Pillow is defined by.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

STRIP = 64  # rows that `median` works on at a time, so that they stay in the processor's cache


def tensor(image: NDArray[Any]) -> Tensor:
    """The same values for torch, which copies what is turned or mirrored several times as fast as numpy."""
    mirrored = tuple(axis for axis in range(image.ndim) if image.strides[axis] < 0)
    upright = np.flip(image, mirrored)
    if image.dtype == np.uint8:  # numpy is faster still at turning pixels of three bytes in one piece
        upright = np.ascontiguousarray(upright.view("V3")).view(np.uint8)
    values = torch.from_numpy(upright)
    return values.flip(mirrored) if mirrored else values


def unit(image: NDArray[Any]) -> NDArray[np.float32]:
    """An image in [0, 1], whichever of the two it is."""
    if image.dtype != np.uint8:
        return image
    return torch.div(tensor(image), 255, out=torch.empty(image.shape)).numpy()


def thrice(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) -> (H, W, 3); numpy is slow at broadcasting over an axis as short as that."""
    tripled = np.empty((*plane.shape, 3), np.float32)
    for channel in range(3):
        tripled[..., channel] = plane
    return tripled


def on_images(change: Callable[[NDArray[np.float32]], NDArray[np.float32]], crop: Crop) -> Crop:
    """The same change of colour for each image."""
    return {name: change(unit(x)) if x.shape[-1] == 3 else x for name, x in crop.items()}


def turn(crop: Crop, quarters: int) -> Crop:
    """Rotate counter-clockwise by quarter turns; what points somewhere turns too.

    >>> right, down = [1.0, 2.0], [3.0, 4.0]
    >>> turn({"motion": np.array([[right, down]], np.float32)}, 1)["motion"].tolist()
    [[[4.0, -3.0]], [[2.0, -1.0]]]
    """
    for _ in range(quarters % 4):
        crop = {name: np.rot90(x) for name, x in crop.items()}
        if "motion" in crop:
            crop["motion"] = crop["motion"][..., ::-1] * np.array([1, -1], np.float32)
    return crop


def flip(crop: Crop, axis: int) -> Crop:
    """Mirror rows (axis 0) or columns (axis 1)."""
    crop = {name: np.flip(x, axis) for name, x in crop.items()}
    if "motion" in crop:
        crop["motion"] = crop["motion"] * np.array([1, -1] if axis == 0 else [-1, 1], np.float32)
    return crop


def rotate(crop: Crop, rng: Rng) -> Crop:
    """By 90, 180 or 270 degrees, never by 0 (DMPHN's stacks, `rotation=True`)."""
    return turn(crop, int(rng.integers(1, 4)))


def flip_horizontal(crop: Crop, rng: Rng) -> Crop:
    """Left and right, one time in two."""
    return flip(crop, 1) if rng.random() < 0.5 else crop


def saturate(crop: Crop, rng: Rng) -> Crop:
    """Colour saturation times 0.8 to 1.2 (DMPHN's stacks)."""
    times = np.float32(rng.uniform(0.8, 1.2))

    def change(image: NDArray[np.float32]) -> NDArray[np.float32]:
        grey = thrice(image @ LUMA)
        distance = image - grey
        distance *= times
        distance += grey
        return np.clip(distance, 0, 1, out=distance)

    return on_images(change, crop)


def flip_vertical(crop: Crop, rng: Rng) -> Crop:
    """Top and bottom, one time in two."""
    return flip(crop, 0) if rng.random() < 0.5 else crop


def dihedral(crop: Crop, rng: Rng) -> Crop:
    """One of the square's eight symmetries, all as likely (MS-CNN: two flips and a transposition)."""
    return flip_horizontal(turn(crop, int(rng.integers(4))), rng)


def dihedral_ninth(crop: Crop, rng: Rng) -> Crop:
    """One of nine draws, of which two leave the crop as it is (MPRNet)."""
    drawn = int(rng.integers(9))
    changes: list[Callable[[Crop], Crop]] = [
        lambda c: c,
        lambda c: flip(c, 0),
        lambda c: flip(c, 1),
        lambda c: turn(c, 1),
        lambda c: turn(c, 2),
        lambda c: turn(c, 3),
        lambda c: turn(flip(c, 0), 1),
        lambda c: turn(flip(c, 1), 1),
        lambda c: c,
    ]
    return changes[drawn](crop)


def saturate_third(crop: Crop, rng: Rng) -> Crop:
    """`saturate` for one crop in three (MPRNet)."""
    return saturate(crop, rng) if rng.random() < 1 / 3 else crop


def saturate_hsv(crop: Crop, rng: Rng) -> Crop:
    """Saturation of the HSV colour space times 0.5 to 1.5 (MS-CNN)."""
    times = rng.uniform(0.5, 1.5)

    def change(image: NDArray[np.float32]) -> NDArray[np.float32]:
        # With hue and value kept, saturation scales the distance from the largest channel.
        red, green, blue = np.moveaxis(image, -1, 0)
        value = thrice(np.maximum(np.maximum(red, green), blue))
        distance = value - image
        distance *= times
        return np.clip(value - distance, 0, 1)

    return on_images(change, crop)


def saturate_hsv_rarely(crop: Crop, rng: Rng) -> Crop:
    """The same for one crop in ten (MS-CNN's Torch7 code)."""
    return saturate_hsv(crop, rng) if rng.random() < 0.1 else crop


def flip_or_transpose(crop: Crop, rng: Rng) -> Crop:
    """Left and right one time in ten, rows and columns one in ten (DeblurGAN-v2)."""
    drawn = rng.random()
    return flip(crop, 1) if drawn < 0.1 else flip(turn(crop, 1), 0) if drawn < 0.2 else crop


def holes(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Three black squares of 25 pixels."""
    image = image.copy()
    for _ in range(3):
        y, x = (int(rng.integers(n)) for n in image.shape[:2])
        image[max(0, y - 12) : y + 13, max(0, x - 12) : x + 13] = 0
    return image


def jpeg(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Compressed with quality 70 to 90."""
    file = io.BytesIO()
    Image.fromarray((image * 255).round().astype(np.uint8)).save(
        file, "JPEG", quality=int(rng.integers(70, 91))
    )
    return np.asarray(Image.open(file)) / 255


def line_blur(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Along a line through a square of 3, 5 or 7 pixels."""
    size = int(rng.choice([3, 5, 7]))
    kernel = np.zeros((size, size))
    ends = rng.integers(size, size=(2, 2))
    for share in np.linspace(0, 1, 4 * size):
        y, x = (ends[0] + share * (ends[1] - ends[0])).round().astype(int)
        kernel[y, x] = 1
    return ndimage.convolve(image, kernel[..., None] / kernel.sum(), mode="reflect")


def median(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Of 3, 5 or 7 pixels, squared."""
    size = int(rng.choice([3, 5, 7]))
    height, width = image.shape[:2]
    reach = size // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), "symmetric")
    strips = []
    for top in range(0, height, STRIP):
        rows = min(STRIP, height - top)
        strips.append(
            middle([padded[top + y :][:rows, x : x + width] for y in range(size) for x in range(size)])
        )
    return np.concatenate(strips)


def middle(values: list[NDArray[Any]]) -> NDArray[Any]:
    """The median of an odd number of arrays, element by element (Paeth, Graphics Gems 1990, p. 171).

    Of n // 2 + 2 numbers out of n neither the smallest nor the largest can be their median: both are
    forgotten and the next is taken in, until one is left.

    >>> int(middle([np.array(x) for x in (5, 1, 4, 2, 3)]))
    3
    """

    def sort(i: int, j: int) -> None:
        kept[i], kept[j] = np.minimum(kept[i], kept[j]), np.maximum(kept[i], kept[j])

    first = len(values) // 2 + 2
    kept = values[:first]
    for following in (*([x] for x in values[first:]), []):
        half = len(kept) // 2
        for i in range(half):
            sort(i, -1 - i)
        for i in range(1, len(kept) - half):
            sort(0, i)
        for i in range(half, len(kept) - 1):
            sort(i, -1)
        kept = kept[1:-1] + following
    return kept[0]


def gamma(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """To a power of 0.8 to 1.2."""
    return image ** rng.uniform(0.8, 1.2)


def shift_rgb(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Up to 20 levels per channel."""
    return image + rng.uniform(-20, 20, 3) / 255


def shift_hsv(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Hue up to a ninth of the circle, saturation up to 30 and value up to 20 of 255 levels."""
    shift = rng.uniform(-1, 1, 3) * (20 / 180, 30 / 255, 20 / 255)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    hue, saturation, value = rgb2hsv(planes, channel_axis=0) + shift[:, None, None]
    shifted = np.stack([hue % 1, np.clip(saturation, 0, 1), np.clip(value, 0, 1)])
    return hsv2rgb(shifted, channel_axis=0).transpose(1, 2, 0)


def sharpen(image: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Mixed, 0.2 to 0.5 of it, with a sharpened image of lightness 0.5 to 1."""
    share, light = rng.uniform(0.2, 0.5), rng.uniform(0.5, 1.0)
    kernel = np.full((3, 3), -1.0)
    kernel[1, 1] = 8 + light
    sharpened = ndimage.convolve(image, kernel[..., None], mode="reflect")
    return (1 - share) * image + share * sharpened


CORRUPTIONS = (holes, jpeg, line_blur, median, gamma, shift_rgb, shift_hsv, sharpen)


def corrupt(crop: Crop, rng: Rng) -> Crop:
    """One of eight corruptions of the blurry image, one time in two (DeblurGAN-v2, `corrupt`)."""
    if rng.random() < 0.5:
        return crop
    change = CORRUPTIONS[int(rng.integers(len(CORRUPTIONS)))]
    image = crop["blurry"] if change is median else unit(crop["blurry"])  # a median of bytes is the fastest
    return crop | {"blurry": np.clip(unit(change(image, rng)), 0, 1).astype(np.float32)}


def temporal(crop: Crop, rng: Rng) -> Crop:
    """A blurry image of fewer frames, one of the temporal levels at hand or the whole blur (MT-RNN).

    Levels from there on are the new blurry image, as those of a short exposure are anyway.
    """
    levels = sorted((name for name in crop if name.startswith("level_")), key=lambda name: int(name[6:]))
    drawn = int(rng.integers(len(levels) + 1))
    if drawn == len(levels):
        return crop
    shorter = crop[levels[drawn]]
    return crop | dict.fromkeys(["blurry", *levels[drawn:]], shorter)


def noise(crop: Crop, rng: Rng) -> Crop:
    """Gaussian noise on the blurry image, its standard deviation |N(0, 1)| * 2 / 255 (MS-CNN)."""
    deviation = abs(rng.standard_normal()) * 2 / 255
    noisy = rng.standard_normal(crop["blurry"].shape)
    noisy *= deviation
    noisy += unit(crop["blurry"])
    return crop | {"blurry": np.clip(noisy, 0, 1, out=noisy).astype(np.float32)}


def sharp_input(crop: Crop, rng: Rng) -> Crop:
    """The sharp image in place of the blurry one, one time in ten (MS-CNN's Torch7 code)."""
    return crop | {"blurry": crop["sharp"]} if rng.random() < 0.1 else crop


def grey(crop: Crop, rng: Rng) -> Crop:
    """Luma in all three channels (SRN and PSS-NSC, whose networks see one channel at a time)."""
    return on_images(lambda image: thrice(image @ LUMA), crop)


def shuffle_channels(crop: Crop, rng: Rng) -> Crop:
    """Red, green and blue in a random order."""
    order = torch.from_numpy(rng.permutation(3))
    return {
        name: tensor(x).index_select(-1, order).numpy() if x.shape[-1] == 3 else x for name, x in crop.items()
    }


AUGMENT: dict[str, Callable[[Crop, Rng], Crop]] = {
    f.__name__: f
    for f in (
        rotate,
        flip_horizontal,
        flip_vertical,
        dihedral,
        dihedral_ninth,
        saturate,
        saturate_third,
        saturate_hsv,
        saturate_hsv_rarely,
        temporal,
        flip_or_transpose,
        corrupt,
        grey,
        shuffle_channels,
        noise,
        sharp_input,
    )
}
