"""Attention maps of one test image, and how they change in training (BAG Figs. 7, 8; CDGNet Fig. 13)."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from benchmark.report.crops import load, uri
from benchmark.report.inputs import Inputs

MOMENTS = 4  # of the training, evenly spread, the last one among them
WIDTH = 240  # pixels of a tile; maps of coarser features are enlarged

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Tile:
    """One map as a PNG data URI, dark to bright from its least to its greatest value."""

    step: int
    least: float
    greatest: float
    uri: str


@dataclass(frozen=True)
class Row:
    """One map at several moments."""

    name: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Attention:
    """All maps of one run."""

    run: str
    about: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Maps:
    """The image that the maps are of, and the runs that have maps."""

    image: str
    uri: str
    runs: tuple[Attention, ...]


def moments(steps: list[int]) -> list[int]:
    """Up to MOMENTS of them, evenly spread, first and last included.

    >>> moments([1, 2, 3, 4, 5, 6, 7])
    [1, 3, 5, 7]
    """
    picked = np.linspace(0, len(steps) - 1, min(MOMENTS, len(steps))).round().astype(int)
    return [steps[index] for index in picked]


def drawn(values: Map) -> str:
    """The map in colours, least to greatest, nearest neighbours enlarged; not finite is as least."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    values = np.where(np.isfinite(values), values, low)
    shown = matplotlib.colormaps["viridis"]((values - low) / ((high - low) or 1.0), bytes=True)[..., :3]
    times = max(1, WIDTH // values.shape[1])
    return uri(np.ascontiguousarray(shown.repeat(times, 0).repeat(times, 1)))


def read(path: Path) -> dict[str, Map]:
    """The maps of one moment.

    Raises:
        ValueError: the file is damaged; the message names it.
    """
    try:
        with np.load(path) as stored:
            return {name: stored[name].astype(np.float32) for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: cannot be read as maps ({error})") from None


def attention(inputs: Inputs, run: str) -> Attention | None:
    """One run's maps; None when none were kept."""
    files = {int(path.stem): path for path in (inputs.results.train(run) / "maps").glob("*.npz")}
    if not files:
        return None
    chosen = {step: read(files[step]) for step in moments(sorted(files))}
    rows = []
    for name in next(iter(chosen.values())):
        tiles = [
            Tile(step, float(maps[name].min()), float(maps[name].max()), drawn(maps[name]))
            for step, maps in chosen.items()
        ]
        rows.append(Row(name, tuple(tiles)))
    return Attention(run, inputs.runs[run].about, tuple(rows))


def maps(inputs: Inputs) -> Maps | None:
    """Maps of every run that is no variant, of the first test image; None when there are none."""
    names = [name for name, run in inputs.chosen.items() if run.train and not run.ablates]
    found = [made for made in (attention(inputs, name) for name in names) if made]
    if not found:
        return None
    dataset, values = next(
        ((key[1], images) for key, images in inputs.images.items() if key[0] == inputs.blurred), ("", {})
    )
    first = min(values, default="")
    image, _ = load(inputs.results.images(inputs.blurred) / dataset / f"{first}.png")
    return Maps(first, uri(image) if image is not None else "", tuple(found))
