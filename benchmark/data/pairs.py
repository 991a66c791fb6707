"""Blurred and sharp images of one split, as files and as pixels.

Every dataset returns its images as `Pairs`. Folders in GoPro_Large's own layout
(`<split>/<sequence>/{blur,blur_gamma,sharp}/<frame>.png`) are read here.
"""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmark.trouble import reading

UNPAIRED = "unpaired"  # an extra that no set has: a crop of `Pairs.unpaired`, or of another blurry image
Images = list[NDArray[np.uint8]]
FORMATS = ("PNG", "JPEG", "BMP")  # Pillow's names; it reads no other here, and runs no program for any
MODES = ("RGB", "RGBA", "L", "LA", "P", "1")  # of 8 bits a channel or less
MAX_PIXELS = 64_000_000  # thirty times 1280x720 and more; of 192 MB

# From here on Pillow warns of a picture too large to be true; an error, so that `image` words it.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class AbsentError(ValueError):
    """Images that a run needs are not on this machine; the message says which, and how to get them."""


@dataclass(frozen=True)
class PairFiles:
    """The files of one blurred image and its sharp one."""

    name: str  # "<sequence>/<frame>"
    blurry: Path
    sharp: Path | None  # None: nothing to compare with


@dataclass(frozen=True)
class Pairs:
    """Aligned images: `blurry[i]` and `sharp[i]` are (H, W, 3) uint8 RGB of one size.

    `extras` maps a name ("motion", "moving", ...) to one array (H, W, C) per image.
    `unpaired` are blurry images of another set; `notes` say what a reader of the results should know.
    """

    names: list[str]
    blurry: Images
    sharp: Images
    extras: dict[str, list[NDArray[np.generic]]] = field(default_factory=dict)
    unpaired: "Pairs | None" = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


def image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as (H, W, 3) uint8 RGB: its pixels as they are, turned as its EXIF tag says.

    Grey becomes three equal channels. A colour profile changes no value, as in other benchmarks' readers.

    Raises:
        ValueError: the file is missing, truncated or no image, or its pixels are no 8-bit colours: more bits,
            CMYK, transparency, several pictures, more than MAX_PIXELS; the message names it.
    """
    with reading(path, "an image"), Image.open(path, formats=FORMATS) as opened:
        width, height = opened.size
        if width * height > MAX_PIXELS:
            raise ValueError(f"{width}x{height} pixels; allowed: {MAX_PIXELS:,}")
        if (bits := bit_depth(path)) > 8:
            raise ValueError(f"{bits} bits a channel; allowed: 8")
        if opened.mode not in MODES:
            raise ValueError(f"mode {opened.mode}; allowed: {', '.join(MODES)}")
        if opened.format == "PNG" and getattr(opened, "n_frames", 1) > 1:
            raise ValueError("several pictures; allowed: one")
        opened.load()  # a PNG's tags may come after its pixels
        if opened.has_transparency_data and np.asarray(opened.convert("RGBA"))[..., 3].min() < 255:
            raise ValueError("transparent pixels; allowed: none")
        return np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))


def bit_depth(path: Path) -> int:
    """Return the bits of a channel that a PNG's header states (PNG, 11.2.1); 8 for other files."""
    with path.open("rb") as file:
        start = file.read(25)
    return start[24] if start.startswith(b"\x89PNG") and len(start) == 25 else 8


def read_pairs(split: Path, blurry: str = "blur", sharp: str = "sharp") -> Pairs:
    """Read all pairs below `<split>/<sequence>/`, paired by file name, in name order.

    Raises:
        ValueError: no pair at all, a frame without its partner, or two sizes in one pair.
    """
    names, blurred_images, sharp_images = [], [], []
    for folder in sorted(path for path in split.glob("*") if path.is_dir()):
        frames = [{path.stem: path for path in (folder / kind).glob("*.*")} for kind in (blurry, sharp)]
        unpaired = sorted(frames[0].keys() ^ frames[1].keys())
        if unpaired:
            raise ValueError(f"{folder}: frame {unpaired[0]!r} is in only one of {blurry}/ and {sharp}/")
        for stem in sorted(frames[0]):
            blurred_image, sharp_image = (image(paths[stem]) for paths in frames)
            if blurred_image.shape != sharp_image.shape:
                shapes = f"{blurred_image.shape} but sharp is {sharp_image.shape}"
                raise ValueError(f"{folder}/{blurry}/{stem}: {shapes}")
            names.append(f"{folder.name}/{stem}")
            blurred_images.append(blurred_image)
            sharp_images.append(sharp_image)
    if not names:
        raise ValueError(f"{split}: no pairs in <sequence>/{blurry} and <sequence>/{sharp}")
    return Pairs(names, blurred_images, sharp_images)
