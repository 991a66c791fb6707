"""Blurry and sharp images of one split, and how they lie on disk.

Every dataset hands its images on as `Pairs`. Folders in GoPro_Large's own layout
(`<split>/<sequence>/{blur,blur_gamma,sharp}/<frame>.png`) are read here.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

UNPAIRED = "unpaired"  # an extra that no dataset has: the blurry image of another random crop
Images = list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Pairs:
    """Aligned images: `blurry[i]` and `sharp[i]` are (H, W, 3) uint8 RGB of one size.

    `extras` maps a name ("sharpness", "motion", ...) to one array (H, W, C) per image.
    """

    names: list[str]
    blurry: Images
    sharp: Images
    extras: dict[str, list[NDArray[np.generic]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)


def image(path: Path) -> NDArray[np.uint8]:
    """An image file as (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the file is missing, truncated or no image; the message names it.
    """
    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise ValueError(f"{path}: cannot be read as an image ({error})") from None


def read(split: Path, blurry: str = "blur", sharp: str = "sharp") -> Pairs:
    """All pairs below `<split>/<sequence>/`, paired by file name, in name order.

    Raises:
        ValueError: no pair at all, a frame without its partner, or two sizes in one pair.
    """
    names, left, right = [], [], []
    for folder in sorted(p for p in split.glob("*") if p.is_dir()):
        frames = [{p.stem: p for p in (folder / kind).glob("*.*")} for kind in (blurry, sharp)]
        lonely = sorted(frames[0].keys() ^ frames[1].keys())
        if lonely:
            raise ValueError(f"{folder}: frame {lonely[0]!r} is in only one of {blurry}/ and {sharp}/")
        for stem in sorted(frames[0]):
            b, s = (image(kind[stem]) for kind in frames)
            if b.shape != s.shape:
                raise ValueError(f"{folder}/{blurry}/{stem}: {b.shape} but sharp is {s.shape}")
            names.append(f"{folder.name}/{stem}")
            left.append(b)
            right.append(s)
    if not names:
        raise ValueError(f"{split}: no pairs in <sequence>/{blurry} and <sequence>/{sharp}")
    return Pairs(names, left, right)
