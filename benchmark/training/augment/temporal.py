"""Shorten the exposure of the blurry image (MT-RNN)."""

from benchmark.training.augment import Crop, Rng


def augment(crop: Crop, rng: Rng) -> Crop:
    """Use one of the temporal levels as the blurry image, or keep the whole blur.

    Longer levels become that image too, as those of a short exposure are.
    """
    levels = sorted((name for name in crop if name.startswith("level_")), key=lambda name: int(name[6:]))
    drawn = int(rng.integers(len(levels) + 1))
    if drawn == len(levels):
        return crop
    shorter = crop[levels[drawn]]
    return crop | dict.fromkeys(["blurry", *levels[drawn:]], shorter)
