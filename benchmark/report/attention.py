"""Show attention maps of a test image, and how training changes them (BAG Figs. 7, 8; CDGNet Fig. 13)."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from benchmark.report.crops import load, uri
from benchmark.report.inputs import Inputs

STEPS = 4  # of the training, evenly spread, the last step among them
WIDTH = 240  # pixels of a tile; maps of coarser features are enlarged

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Tile:
    """A map as a PNG data URI, dark to bright from its smallest to its largest value."""

    step: int
    smallest: float
    largest: float
    uri: str


@dataclass(frozen=True)
class Maps:
    """The image that the maps are of, and its maps by run and name over the steps of the training."""

    image: str
    uri: str
    runs: dict[str, dict[str, list[Tile]]]


def spread_evenly(steps: list[int]) -> list[int]:
    """Choose up to STEPS steps, evenly spread, first and last included.

    >>> spread_evenly([1, 2, 3, 4, 5, 6, 7])
    [1, 3, 5, 7]
    """
    indices = np.linspace(0, len(steps) - 1, min(STEPS, len(steps))).round().astype(int)
    return [steps[index] for index in indices]


def draw(values: Map) -> str:
    """Colour a map from its smallest to its largest value and enlarge it; what is not finite is dark."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    values = np.where(np.isfinite(values), values, low)
    colours = matplotlib.colormaps["viridis"]((values - low) / ((high - low) or 1.0), bytes=True)[..., :3]
    factor = max(1, WIDTH // values.shape[1])
    return uri(np.ascontiguousarray(colours.repeat(factor, 0).repeat(factor, 1)))


def read(path: Path) -> dict[str, Map]:
    """Read the maps of a step, by name; a damaged file is a ValueError that names it."""
    try:
        with np.load(path) as stored:
            return {name: stored[name].astype(np.float32) for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: cannot be read as maps ({error})") from None


def tiles(inputs: Inputs, run: str) -> dict[str, list[Tile]]:
    """Draw a run's maps, by name; empty when it has none."""
    files = {int(path.stem): path for path in (inputs.results.train(run) / "maps").glob("*.npz")}
    drawn: dict[str, list[Tile]] = {}
    for step in spread_evenly(sorted(files)):
        for name, values in read(files[step]).items():
            tile = Tile(step, float(values.min()), float(values.max()), draw(values))
            drawn.setdefault(name, []).append(tile)
    return drawn


def maps(inputs: Inputs) -> Maps | None:
    """Collect the maps of every run that is no variant; None when there are none."""
    names = [name for name, run in inputs.chosen.items() if run.train and not run.ablates]
    runs = {name: drawn for name in names if (drawn := tiles(inputs, name))}
    if not runs:
        return None
    scores = inputs.scores[inputs.scores["run"] == inputs.blurred]
    dataset = next(iter(scores["dataset"]), "")
    first = min(scores.loc[scores["dataset"] == dataset, "image"], default="")
    image, _ = load(inputs.results.images(inputs.blurred) / dataset / f"{first}.png")
    return Maps(first, uri(image) if image is not None else "", runs)
