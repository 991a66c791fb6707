"""Encode restored images of real test sets, where this machine has them: for its own page, never for git."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from benchmark import plugins
from benchmark.data.pairs import image
from benchmark.data.windows import windows
from benchmark.report.inputs import Inputs
from benchmark.results import Results, read_frame
from benchmark.results.schema import Score, Window

BUDGET = 1_500_000  # bytes of all of them in the page; the first image is always shown
FORMAT: dict[str, Any] = {"format": "WEBP", "quality": 80, "method": 4}

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """A real test image: its versions by run or by "blurred" and "sharp", as data URIs."""

    dataset: str
    image: str
    width: int
    height: int
    uris: dict[str, str]
    windows: list[Window]
    scores: dict[str, float]  # PSNR in dB of the blurred input and of each run


def choose_images(psnr: "pd.Series[float]") -> list[str]:
    """Choose up to three images of different sequences, the hardest, a median and the easiest by their PSNR.

    >>> choose_images(pd.Series({"a/1": 30.0, "a/2": 31.0, "b/1": 20.0, "b/2": 21.0, "c/1": 25.0}))
    ['b/1', 'c/1', 'a/2']
    """
    left = [str(name) for name in psnr.sort_index().sort_values(kind="stable").index]
    chosen: dict[float, str] = {}
    for share in (0.0, 1.0, 0.5):
        if left:
            chosen[share] = left[round(share * (len(left) - 1))]
            sequence = chosen[share].rpartition("/")[0]
            left = [name for name in left if name.rpartition("/")[0] != sequence or not sequence]
            left = [name for name in left if name != chosen[share]]
    return [chosen[share] for share in sorted(chosen)]


def uri(pixels: Pixels) -> str:
    """Encode pixels as a data URI, the same one for the same pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **FORMAT)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def files(dataset: str) -> dict[str, tuple[Path, Path]]:
    """Find the blurred and sharp images of a real test set by name; empty where this machine lacks it."""
    if dataset not in plugins.names("datasets"):
        return {}
    real = getattr(plugins.load("datasets", dataset), "SET", None)
    try:
        found = real.pair_files("test") if real else []
    except ValueError:  # it is not here, or a list of it is missing: the doctor's table says so
        return {}
    return {pair.name: (pair.blurry, pair.sharp) for pair in found if pair.sharp}


def read(path: Path) -> Pixels | None:
    """Read an image; None where it is missing or damaged."""
    try:
        return image(path) if path.exists() else None
    except ValueError:
        return None


def frame(
    dataset: str, name: str, places: dict[str, Path], scores: pd.DataFrame, blurred: str
) -> Frame | None:
    """Encode the versions of an image that have its size; None without its blurred and sharp one."""
    loaded = {key: read(path) for key, path in places.items()}
    sharp, blurry = loaded["sharp"], loaded["blurred"]
    if sharp is None or blurry is None:
        return None
    same = {
        key: pixels for key, pixels in loaded.items() if pixels is not None and pixels.shape == sharp.shape
    }
    restored = {key: pixels for key, pixels in same.items() if key not in ("blurred", "sharp")}
    if not restored:
        return None
    rows = scores[(scores["dataset"] == dataset) & (scores["image"] == name) & (scores["quantity"] == "psnr")]
    values = {str(run): float(value) for run, value in zip(rows["run"], rows["value"], strict=True)}
    names = {key: blurred if key == "blurred" else key for key in same}
    psnr = {key: values[name] for key, name in names.items() if name in values}
    found = list(windows(dataset, name, blurry, restored, sharp))
    return Frame(
        dataset, name, sharp.shape[1], sharp.shape[0], {k: uri(x) for k, x in same.items()}, found, psnr
    )


def shown(results: Results, runs: list[str], dataset: str, name: str) -> bool:
    """Say whether any run has restored an image."""
    return any((results.images(run) / dataset / f"{name}.png").exists() for run in runs)


def of(results: Results, runs: list[str], scores: pd.DataFrame, blurred: str) -> Iterator[Frame]:
    """Yield images of each real set of which restored ones are below `results.images`."""
    folders = [path for path in results.images().glob("*/*") if path.is_dir() and path.parent.name in runs]
    for dataset in sorted({path.name for path in folders}):
        known = [run for run in runs if (results.images(run) / dataset).is_dir()]
        pairs = files(dataset)
        rows = scores[
            (scores["dataset"] == dataset) & (scores["quantity"] == "psnr") & (scores["run"] == blurred)
        ]
        here = rows[[shown(results, known, dataset, name) and name in pairs for name in rows["image"]]]
        for name in choose_images(here.set_index("image")["value"]):
            restored = {run: results.images(run) / dataset / f"{name}.png" for run in known}
            places = {"blurred": pairs[name][0], **restored, "sharp": pairs[name][1]}
            if found := frame(dataset, name, places, scores, blurred):
                yield found


def frames(inputs: Inputs) -> Iterator[Frame]:
    """Yield real images by the authors' weights, then by the profile's own runs, up to a size in all."""
    authors, size = Results("authors", inputs.results.folder.parent), 0
    sources = [(authors, read_frame(authors.quality, Score, optional=True))]
    sources += [] if inputs.profile.data else [(inputs.results, inputs.scores)]
    for results, scores in sources:
        runs = [name for name, run in inputs.runs.items() if run.train or name != inputs.blurred]
        for found in of(results, runs, scores, inputs.blurred):
            new = sum(map(len, found.uris.values()))
            if size and size + new > BUDGET:
                return
            size += new
            yield found
