"""Crop blurred, restored and sharp images: the same window of the same image, side by side."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from benchmark.report.inputs import Inputs

SIDE = 64  # pixels of a crop, shown three times as large
NETWORKS = 10  # restored images per test image
RANKS = ("hardest", "median", "easiest")  # of test images of different sequences, by the blurred input's PSNR

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Tile:
    """A crop as a PNG data URI, or a reason why there is none."""

    label: str
    run: str
    psnr: float | None  # of the whole image
    uri: str
    reason: str


@dataclass(frozen=True)
class Strip:
    """A test image under several networks."""

    image: str
    rank: str
    window: str  # position of the crop, in words
    tiles: list[Tile]


def load(path: Path) -> tuple[Pixels | None, str]:
    """Load an image, or return the reason why it cannot be shown."""
    if not path.exists():
        return None, "not available: images are not in git, `dvc repro` makes them"
    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert("RGB")), ""
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
        return None, f"{path.name} cannot be read as an image"


def uri(pixels: Pixels) -> str:
    """Encode pixels as a PNG data URI, the same bytes for the same pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def corner(
    blurred: Pixels | None, restored: list[Pixels], whole: tuple[int, ...], height: int, width: int
) -> tuple[int, int]:
    """Return the top row and left column of the window that the networks change most, or of the middle.

    >>> blurred, restored = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    >>> restored[5:7, 1:3] = 9
    >>> corner(blurred, [restored], (8, 8), 2, 2), corner(blurred, [], (8, 8), 2, 2)
    ((5, 1), (3, 3))
    """
    alike = [image for image in restored if blurred is not None and image.shape == blurred.shape]
    if blurred is None or not alike:
        return (whole[0] - height) // 2, (whole[1] - width) // 2
    change = sum(np.square(image.astype(np.int64) - blurred).sum(axis=2) for image in alike)
    table = np.pad(change, ((1, 0), (1, 0))).cumsum(0).cumsum(1)  # sums of all windows at once
    down = table[height:] - table[:-height]
    sums = down[:, width:] - down[:, :-width]
    y, x = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(y), int(x)


def networks(inputs: Inputs, dataset: str) -> list[str]:
    """Select the systems that papers' tables print and that are no variants, best PSNR first."""
    tables = [table for paper in inputs.papers for table in paper.tables]
    printed = {claim.run for table in tables for claim in table.claims.values()}
    names = [
        name for name, run in inputs.chosen.items() if name in printed and not (run.is_input or run.ablates)
    ]
    means = {name: inputs.mean(name, dataset, "psnr") for name in names}
    return sorted((n for n in names if means[n] is not None), key=lambda n: -(means[n] or 0.0))[:NETWORKS]


def choose_images(psnr: "pd.Series[float]") -> list[tuple[str, str]]:
    """Choose up to three images of different sequences by their PSNR, as pairs of rank and image.

    >>> choose_images(pd.Series({"a/1": 30.0, "a/2": 31.0, "b/1": 20.0, "b/2": 21.0, "c/1": 25.0}))
    [('hardest', 'b/1'), ('median', 'c/1'), ('easiest', 'a/2')]
    """
    left = [str(image) for image in psnr.sort_index().sort_values(kind="stable").index]
    chosen = {}
    for rank, share in {"hardest": 0.0, "easiest": 1.0, "median": 0.5}.items():
        if left:
            chosen[rank] = left[round(share * (len(left) - 1))]
            sequence = chosen[rank].rpartition("/")[0]
            left = [image for image in left if image.rpartition("/")[0] != sequence or not sequence]
            left = [image for image in left if image != chosen[rank]]
    return [(rank, chosen[rank]) for rank in RANKS if rank in chosen]


def strip(inputs: Inputs, dataset: str, rank: str, name: str) -> Strip:
    """Crop a test image: blurred, restored by each network, and sharp."""
    runs = [inputs.blurred, *networks(inputs, dataset)]
    loaded = [load(inputs.results.images(run) / dataset / f"{name}.png") for run in runs]
    sequence, _, frame = name.rpartition("/")
    inside = f"test/{sequence}/sharp/{frame}.png"
    places = [inputs.data / folder / inside for folder in (inputs.profile.name, dataset)]
    loaded.append(load(next((path for path in places if path.exists()), places[0])))
    present = [image for image, _ in loaded if image is not None]
    window, words = (slice(0), slice(0)), ""
    if present:
        height, width = (min(SIDE, n) for n in present[0].shape[:2])
        restored = [image for image, _ in loaded[1:-1] if image is not None]
        y, x = corner(loaded[0][0], restored, present[0].shape, height, width)
        window = slice(y, y + height), slice(x, x + width)
        words = f"{width} × {height} pixels at x = {x}, y = {y}"
    tiles = []
    labels = ["blurred input", *runs[1:], "sharp original"]
    for label, run, (image, reason) in zip(labels, [*runs, ""], loaded, strict=True):
        psnr = inputs.per_image(run, dataset, "psnr").get(name)
        if image is not None and image.shape != present[0].shape:
            image, reason = None, "has another size"
        crop = "" if image is None else uri(np.ascontiguousarray(image[window]))
        tiles.append(Tile(label, run, psnr, crop, reason))
    return Strip(name, rank, words, tiles)


def strips(inputs: Inputs) -> list[Strip]:
    """Crop the hardest, the median and the easiest test image of the first dataset."""
    scores = inputs.scores
    scores = scores[(scores["run"] == inputs.blurred) & (scores["quantity"] == "psnr")]
    if scores.empty:
        return []
    dataset = str(scores["dataset"].iloc[0])
    psnr = inputs.per_image(inputs.blurred, dataset, "psnr")
    return [strip(inputs, dataset, rank, name) for rank, name in choose_images(psnr)]
