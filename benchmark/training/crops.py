"""Draw the crops of a training step: cut, augment, and put into the network's range."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmark import plugins
from benchmark.data.pairs import UNPAIRED, Pairs
from benchmark.losses import Batch
from benchmark.spec import Normalise, Recipe
from benchmark.training.augment import Crop, tensor
from benchmark.training.drawing import DRAWING

Buffers = dict[str, Tensor]  # by name: (B, side, side, C), the memory of a batch


def draw(pairs: Pairs, recipe: Recipe, index: int, rng: np.random.Generator) -> Crop:
    """Draw a random crop of a pair and of its extras, after the augmentations of the whole image.

    For a recipe that shrinks its images first (bicubic, antialiased), a larger crop is shrunk, which differs
    from a crop of a shrunk image at its border alone.

    Raises:
        ValueError: the image is smaller than the crop, or the dataset does not have an extra.
    """
    side = recipe.crop * recipe.shrink
    whole: Crop = {"blurry": pairs.blurry[index], "sharp": pairs.sharp[index]}
    for name in recipe.extras:
        if name != UNPAIRED:
            if name not in pairs.extras:
                raise ValueError(f"extras: no {name!r} in this dataset; allowed: {', '.join(pairs.extras)}")
            whole[name] = pairs.extras[name][index]
    for name in recipe.before_crop:
        whole = plugins.load("training.augment", name).augment(whole, rng)
    height, width = whole["blurry"].shape[:2]
    if min(height, width) < side:
        raise ValueError(f"{pairs.names[index]}: {width}x{height} is smaller than the crop of {side}")
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    crop = {name: shrink(image[y : y + side, x : x + side], recipe.shrink) for name, image in whole.items()}
    # Contiguous copies: augmentation that rotates a memory-mapped crop would miss the cache.
    return {
        name: x.astype(x.dtype if x.shape[-1] == 3 else np.float32, order="C") for name, x in crop.items()
    }


def shrink(image: NDArray[Any], times: int) -> NDArray[Any]:
    """Divide the sides of an 8-bit image by `times`.

    Raises:
        ValueError: it is not an image and `times` is not 1.
    """
    if times == 1:
        return image
    if image.dtype != np.uint8 or image.shape[-1] != 3:
        raise ValueError("shrink: only images can be shrunk, not the extras of this recipe")
    size = (image.shape[1] // times, image.shape[0] // times)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def sample(
    pairs: Pairs, recipe: Recipe, seed: int, step: int, device: str = "cpu", buffers: Buffers | None = None
) -> Batch:
    """Draw the batch of a step. It depends on seed and step alone, so a resumed run draws the same one.

    With the same `buffers` again, a batch on the CPU overwrites the previous one: allocating memory takes
    longer than filling it. For another device they are pinned, and what is sent from there may still be on
    its way: see `sent`.

    Raises:
        ValueError: as `draw`.
    """
    rng = np.random.default_rng([seed, step])
    stacked, pinned = {} if buffers is None else buffers, device != "cpu"
    indices = DRAWING[recipe.drawing](pairs, recipe, seed, step)
    augmentations = [plugins.load("training.augment", name).augment for name in recipe.augment]
    for i, index in enumerate(indices):
        crop = draw(pairs, recipe, index, rng)
        for augment in augmentations:
            crop = augment(crop, rng)
        if UNPAIRED in recipe.extras:
            others = pairs.unpaired or pairs
            index = int(rng.integers(len(others)))
            crop[UNPAIRED] = draw(others, replace(recipe, extras=()), index, rng)["blurry"]
        for name, image in crop.items():
            if name not in stacked:
                stacked[name] = torch.empty(recipe.batch, *image.shape, pin_memory=pinned)
            put(image, stacked[name][i], recipe.normalise)
    # Permuted NHWC is PyTorch's channels_last, about three times as fast on a CPU.
    filled = {name: images[: len(indices)] for name, images in stacked.items()}
    tensors = {
        name: images.permute(0, 3, 1, 2).to(device, non_blocking=True) for name, images in filled.items()
    }
    if "grey" in recipe.augment:
        # Its networks restore each channel as an image of its own. The three are equal, so one gives the same
        # mean loss and gradients as all of them, in a third of the time.
        tensors = {name: x[:, :1] if x.shape[1] == 3 else x for name, x in tensors.items()}
    return Batch(tensors.pop("blurry"), tensors.pop("sharp"), recipe.normalise, tensors)


def put(image: NDArray[Any], out: Tensor, normalise: Normalise) -> None:
    """Write a crop (side, side, C) into its slot of a batch, images in the network's range."""
    values = tensor(image)
    if image.dtype == np.uint8:
        torch.div(values, 255, out=out)
    else:
        out.copy_(values)
    if image.shape[-1] == 3 and normalise != Normalise():  # subtracting zero takes as long
        out.sub_(normalise.mean).mul_(normalise.scale)
