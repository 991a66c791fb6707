"""Read the photographs that the camera films, from wheels that ship them and from `datasets/photographs`.

Nothing is downloaded. A photograph belongs to one split, and so does everything cut from it. Test photographs
are PNG files, so the test set does not depend on a JPEG or WebP decoder; pillow's wheels carry their own, and
pillow is pinned.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage, sparse

from benchmark.datasets.simulation.camera import DENSITY, Floats, decode

MORE = "more"  # the photographs that only some profiles train on, beside those of "train"
LENS = 0.5  # standard deviation of the lens's point spread, in pixels of the view
CONTRAST = 52  # greatest standard deviation of a photograph's levels
_SOFT = 1.0  # standard deviation of a cut edge, in pixels of the photograph


@dataclass(frozen=True)
class Photograph:
    """A picture inside an installed package, which may be this one."""

    split: str  # train, validation or test; or MORE, for training too
    package: str
    file: str
    licence: str
    disparity: str = ""  # a file with its disparities, where the scene's depth is known


@dataclass(frozen=True)
class Cutout:
    """An object of a photograph: a closed outline in its pixels."""

    photograph: str
    outline: tuple[tuple[float, float], ...]
    heights: tuple[float, float]  # least and greatest height in the view, in pixels
    cropped: bool = False  # the photograph cuts it off below, so its lower end must stay out of view


@dataclass(frozen=True)
class Piece:
    """An object to be filmed in front of a background."""

    planes: Floats  # (H, W, 4) light times opacity, and opacity
    box: tuple[float, float, float, float]  # least and greatest x and y of what is to be seen: x, y, x, y
    heights: tuple[float, float]  # least and greatest height in the view, in pixels
    cropped: bool = False  # cut off below, so its lower end must stay out of view


# In datasets/photographs, whose README names the sources.
OWN = {
    "ajanta": "public domain (Jonathanawhite)",
    "aqueduct": "public domain (Mimova)",
    "arles": "public domain (OT Arles)",
    "bee": "public domain (John Severns)",
    "bridge": "public domain (Derek Jensen)",
    "brushes": "CC BY 4.0 (Trevor 'Freespace')",
    "chambord": "public domain (BjörnT)",
    "charminar": "public domain (Goutamkhandelwal)",
    "chenonceau": "public domain (Alf van Beem)",
    "citrus": "public domain (US Department of Agriculture)",
    "dandelions": "CC0 (Clemens Engelhardt)",
    "dog": "CC BY 4.0 (Aitzol Berasategi)",
    "eiffel": "public domain (Tognopop)",
    "fig": "CC BY 4.0 (Trevor 'Freespace')",
    "gateway": "public domain (Simon Steinberger)",
    "konark": "public domain (Tetraktys)",
    "machu_picchu": "public domain (Guillaume Pascal)",
    "minaret": "public domain (pramadas)",
    "mysore": "public domain (Shiva sg)",
    "peaks": "CC BY 4.0 (Aitzol Berasategi)",
    "petra": "public domain (Berthold Werner)",
    "popes": "public domain (Tognopop)",
    "rang_ghar": "public domain (Porikolpok Oxom)",
    "reims": "public domain (Mattana)",
    "ridge": "CC BY 4.0 (Aitzol Berasategi)",
    "rocamadour": "public domain (François Darras)",
    "saint_michel": "public domain (Ali Sabbagh)",
    "stupa": "public domain (ArnoldBetten)",
    "temple": "public domain (Jasdeep Singh)",
    "wall": "public domain (Nicolas Perrault III)",
    "wine": "CC BY 4.0 (Jakub Mede)",
}

PHOTOGRAPHS = {
    "astronaut": Photograph("test", "skimage", "data/astronaut.png", "public domain (NASA)"),
    "chelsea": Photograph("test", "skimage", "data/chelsea.png", "CC0 (Stefan van der Walt)"),
    "coffee": Photograph("test", "skimage", "data/coffee.png", "CC0 (Rachel Michetti)"),
    "motorcycle": Photograph(
        "test",
        "skimage",
        "data/motorcycle_left.png",
        "none stated (Middlebury Stereo 2014, Scharstein et al., GCPR 2014)",
        disparity="data/motorcycle_disp.npz",
    ),
    "brick": Photograph("train", "skimage", "data/brick.png", "CC0 (CC0Textures)"),
    "camera": Photograph("train", "skimage", "data/camera.png", "CC0 (Lav Varshney)"),
    "china": Photograph(
        "train", "sklearn", "datasets/images/china.jpg", "CC BY 2.0 (danielbuechele, Flickr)"
    ),
    "flower": Photograph(
        "validation", "sklearn", "datasets/images/flower.jpg", "CC BY 2.0 (vultilion, Flickr)"
    ),
    "hopper": Photograph(
        "validation",
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "public domain (US Navy)",
    ),
    "coins": Photograph(
        "train", "skimage", "data/coins.png", "no known copyright restrictions (Brooklyn Museum)"
    ),
    "rocket": Photograph("train", "skimage", "data/rocket.jpg", "public domain (SpaceX)"),
    **{
        name: Photograph(MORE, "benchmark", f"datasets/photographs/{name}.webp", licence)
        for name, licence in OWN.items()
    },
}

# fmt: off
CUTOUTS = (
    Cutout("astronaut", (
        (232, 17), (205, 23), (186, 38), (166, 56), (156, 76), (155, 95), (161, 112), (174, 126),
        (183, 134), (185, 149), (165, 150), (146, 157), (129, 173), (119, 190), (114, 206), (92, 226),
        (70, 244), (54, 266), (44, 286), (36, 306), (30, 331), (24, 366), (21, 400), (27, 440), (31, 455),
        (495, 455), (491, 430), (478, 391), (459, 367), (430, 352), (400, 345), (372, 349), (361, 346),
        (356, 305), (348, 276), (333, 253), (305, 238), (303, 226), (294, 206), (275, 184), (257, 173),
        (261, 150), (269, 135), (281, 128), (293, 108), (299, 85), (295, 66), (284, 44), (265, 26),
    ), (150, 250), cropped=True),
    Cutout("coffee", (
        (79, 210), (81, 240), (96, 284), (126, 324), (165, 356), (215, 376), (270, 386), (330, 381),
        (380, 366), (419, 343), (453, 309), (472, 270), (477, 230), (474, 195), (460, 156), (438, 124),
        (416, 104), (422, 78), (419, 70), (410, 67), (400, 69), (390, 62), (370, 44), (340, 29),
        (300, 20), (265, 21), (226, 34), (196, 53), (182, 72), (142, 97), (110, 125), (90, 160),
        (80, 190),
    ), (60, 130)),
    Cutout("motorcycle", (
        (93, 205), (95, 222), (116, 246), (128, 242), (122, 290), (126, 330), (140, 362), (165, 387),
        (200, 398), (235, 393), (262, 378), (278, 360), (318, 372), (370, 380), (430, 377), (470, 340),
        (478, 285), (476, 240), (500, 226), (520, 262), (528, 285), (510, 305), (506, 328), (516, 330),
        (516, 360), (528, 396), (558, 428), (600, 446), (638, 449), (668, 430), (681, 395), (678, 358),
        (662, 318), (641, 306), (620, 283), (590, 267), (574, 262), (550, 205), (549, 186), (560, 165),
        (563, 140), (578, 138), (580, 122), (566, 119), (545, 124), (528, 98), (505, 78), (494, 84),
        (497, 108), (468, 126), (472, 152), (440, 155), (392, 172), (355, 196), (316, 190), (250, 170),
        (166, 160), (164, 148), (142, 148), (138, 158), (152, 195), (125, 196),
    ), (80, 150)),
    Cutout("flower", (
        (315, 86), (290, 92), (265, 97), (240, 102), (222, 114), (206, 120), (204, 136), (189, 146),
        (189, 168), (178, 172), (178, 190), (171, 205), (171, 230), (173, 250), (180, 270), (186, 285),
        (198, 300), (205, 318), (228, 334), (250, 350), (275, 354), (295, 358), (335, 356), (358, 348),
        (380, 334), (402, 328), (412, 308), (424, 290), (430, 270), (440, 245), (444, 225), (440, 200),
        (430, 180), (428, 150), (410, 134), (404, 115), (385, 105), (360, 96), (340, 90),
    ), (50, 120)),
    Cutout("hopper", (
        (255, 25), (235, 28), (218, 40), (195, 55), (178, 74), (176, 85), (155, 98), (152, 120),
        (153, 180), (156, 215), (166, 250), (161, 270), (195, 296), (203, 312), (185, 330), (150, 345),
        (90, 365), (60, 376), (42, 398), (30, 435), (508, 435), (500, 410), (492, 392), (465, 378),
        (420, 362), (375, 345), (334, 318), (352, 300), (362, 270), (368, 225), (373, 195), (369, 175),
        (370, 120), (366, 92), (350, 84), (345, 72), (325, 52), (305, 42), (285, 29),
    ), (150, 250), cropped=True),
    Cutout("china", (
        (206, 30), (198, 33), (198, 50), (194, 62), (175, 80), (150, 93), (125, 101), (98, 107),
        (97, 128), (118, 140), (120, 158), (88, 170), (87, 184), (102, 190), (102, 222), (96, 240),
        (75, 252), (66, 272), (83, 282), (84, 318), (75, 330), (350, 328), (348, 310), (341, 300),
        (340, 272), (350, 255), (338, 246), (328, 240), (326, 226), (319, 222), (318, 184), (328, 176),
        (314, 166), (294, 160), (293, 138), (312, 128), (318, 118), (292, 108), (262, 95), (235, 80),
        (217, 64), (213, 50), (214, 32),
    ), (120, 200), cropped=True),
    Cutout("rocket", (
        (323, 127), (316, 133), (312, 145), (312, 176), (314, 182), (314, 340), (313, 404), (331, 404),
        (331, 340), (331, 182), (333, 176), (333, 145), (329, 132),
    ), (120, 200)),
)
# fmt: on


def levels(name: str) -> NDArray[np.uint8]:
    """Decode a photograph: (H, W, 3) RGB.

    Raises:
        ValueError: the package has no such file.
    """
    with Image.open(_find(name, PHOTOGRAPHS[name].file)) as opened:
        return np.asarray(opened.convert("RGB"))


@cache
def load(name: str) -> Floats:
    """Load a photograph in linear light (H, W, 3), with no more contrast than a frame of GoPro_Large."""
    flat = levels(name).astype(np.float64)
    mean = flat.mean()
    return decode(mean + (flat - mean) * min(1, CONTRAST / flat.std()))


def _find(name: str, file: str) -> Path:
    """Return the path of a file in the package that ships a photograph, without importing the package."""
    package = PHOTOGRAPHS[name].package
    path = Path(find_spec(package).origin).parent / file  # type: ignore[union-attr,arg-type]
    if not path.is_file():
        raise ValueError(f"photograph {name!r}: no {file} in the installed package {package!r}")
    return path


@cache
def relief(name: str) -> Floats | None:
    """Return the inverse depth of each pixel, about 1; None for a photograph without disparities.

    Pixels without a disparity take the nearest one. Edges are smoothed, so that the scene is one unbroken
    surface that stretches where it would tear: nothing shows what is behind an edge.
    """
    file = PHOTOGRAPHS[name].disparity
    if not file:
        return None
    with np.load(_find(name, file)) as opened:
        disparity = opened["arr_0"].astype(np.float64)
    nearest = ndimage.distance_transform_edt(
        ~np.isfinite(disparity), return_distances=False, return_indices=True
    )
    filled = ndimage.gaussian_filter(ndimage.median_filter(disparity[tuple(nearest)], 5), 7)
    return filled / filled.mean()


def piece(cutout: Cutout) -> Piece:
    """Cut an object out of its photograph."""
    light = load(cutout.photograph)
    inside = opacity(cutout.outline, (light.shape[0], light.shape[1]))[..., None]
    (left, top), (right, low) = np.min(cutout.outline, axis=0) - 3, np.max(cutout.outline, axis=0) + 3
    planes = np.concatenate([light * inside, inside], axis=2)
    return Piece(planes, (left, top, right, low), cutout.heights, cutout.cropped)


def opacity(outline: Collection[tuple[float, float]], shape: tuple[int, int]) -> Floats:
    """Return 1 inside the outline, 0 outside, soft between; the edge is inside, where no background is."""
    height, width = shape
    fine = Image.new("L", (4 * width, 4 * height))
    ImageDraw.Draw(fine).polygon([(round(4 * x + 1.5), round(4 * y + 1.5)) for x, y in outline], fill=1)
    share = np.asarray(fine, np.float64).reshape(height, 4, width, 4).mean(axis=(1, 3))
    return np.clip(2 * ndimage.gaussian_filter(share, _SOFT, mode="nearest") - 1, 0, 1)


def texture(planes: Floats, left: float, top: float, zoom: float, shape: tuple[int, int]) -> Floats:
    """Resample (H, W, C) to (C, h, w) at `DENSITY` samples per pixel of the view, through the lens.

    `left`, `top` is the position of the first sample in the photograph, and `zoom` how many of its pixels
    make one of the view.
    """
    height, width, channels = planes.shape
    rows = _lens(top + np.arange(shape[0]) * zoom / DENSITY, height, zoom)
    columns = _lens(left + np.arange(shape[1]) * zoom / DENSITY, width, zoom)
    tall = (rows @ planes.reshape(height, -1)).reshape(-1, width, channels)
    wide = columns @ np.ascontiguousarray(tall.transpose(1, 0, 2)).reshape(width, -1)
    return np.ascontiguousarray(wide.reshape(-1, shape[0], channels).transpose(2, 1, 0))


def _lens(positions: Floats, length: int, zoom: float) -> "sparse.csr_array":
    """Weigh the pixels for each position: a sparse product adds up in a fixed order, which BLAS need not."""
    sigma = max(LENS * zoom, 0.5)
    taps = np.ceil(positions - 4 * sigma)[:, None] + np.arange(int(8 * sigma) + 1)
    weights = np.exp(-0.5 * ((taps - positions[:, None]) / sigma) ** 2)
    weights[(taps < 0) | (taps >= length)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    row = np.repeat(np.arange(len(positions)), taps.shape[1])
    column = np.clip(taps, 0, length - 1).astype(int).ravel()
    return sparse.csr_array((weights.ravel(), (row, column)), shape=(len(positions), length))
