"""Collect the test images: blurred, sharp, restored by each run, where runs differ, and maps of networks.

Pictures of the embedded images are files in git (`pipelines/pictures.py`); those of real sets come from this
machine (`frames.py`).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.report import frames
from benchmark.report.inputs import Inputs
from benchmark.results import read_rows
from benchmark.results.schema import Picture, Window

TYPES = {".avif": "avif", ".png": "png", ".webp": "webp"}
SIGNATURES = {"avif": (4, b"ftyp"), "png": (0, b"\x89PNG"), "webp": (8, b"WEBP")}  # place and bytes of each


@dataclass(frozen=True)
class Shot:
    """One version of an image as a data URI; `x` to `height` are the pixels of the image that it shows."""

    key: str  # its run, or "blurred", "sharp", "mask MU"; unique in its image
    kind: str  # schema.PictureKind
    label: str
    psnr: float | None  # of the whole image, uncompressed
    gain: float | None  # of that over the blurred input
    x: int
    y: int
    width: int
    height: int
    uri: str = field(repr=False)


@dataclass(frozen=True)
class Photograph:
    """A test image with all its versions: blurred, the runs, variants' crops, masks, sharp."""

    dataset: str
    image: str
    title: str
    width: int
    height: int
    shots: list[Shot]
    windows: list[Window]

    def shot(self, key: str) -> Shot | None:
        """Return a version of the image; None where there is none."""
        return next((shot for shot in self.shots if shot.key == key), None)

    @property
    def facts(self) -> dict[str, Any]:
        """Return what the viewer needs to know beside the pictures, as JSON may hold it."""
        names = ("key", "kind", "label", "psnr", "gain", "x", "y", "width", "height")
        return {
            "image": self.image,
            "title": self.title,
            "dataset": self.dataset,
            "width": self.width,
            "height": self.height,
            "shots": [{name: getattr(shot, name) for name in names} for shot in self.shots],
            "windows": [
                [w.x, w.y, w.side, w.best, w.best_psnr, w.worst, w.worst_psnr, w.blurred_psnr]
                for w in self.windows
            ],
        }


@dataclass(frozen=True)
class MapTile:
    """An attention map, dark to bright from its smallest to its largest value."""

    step: int
    low: float
    high: float
    uri: str = field(repr=False)


@dataclass(frozen=True)
class Gallery:
    """Everything that the view of images shows."""

    photographs: list[Photograph]
    maps: dict[str, dict[str, list[MapTile]]]  # by run and name, in the order of the steps
    mapped: str  # the image that they are of
    defaults: list[str]  # runs that are shown first: the papers' own
    fidelity: tuple[float, float] | None  # least and median PSNR of the compressed pictures to their pixels
    missing: list[str]  # sentences

    @property
    def facts(self) -> dict[str, Any]:
        """Return what the viewer needs to know, as JSON may hold it."""
        return {"photographs": [p.facts for p in self.photographs], "defaults": self.defaults}

    def photograph(self, image: str) -> Photograph | None:
        """Return a test image; None where there is no such."""
        return next((p for p in self.photographs if p.image == image), None)


def encode(content: bytes, kind: str) -> str:
    """Make a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def read(folder: Path, file: str) -> str:
    """Read a picture as a data URI; empty where it is missing, outside the folder or of another type."""
    path = folder / file
    inside = path.resolve().is_relative_to(folder.resolve())
    kind = TYPES.get(path.suffix, "")
    content = path.read_bytes() if inside and kind and path.is_file() else b""
    place, signature = SIGNATURES.get(kind, (0, b""))
    return encode(content, kind) if content and content[place:].startswith(signature) else ""


def title(image: str) -> str:
    """Name an image in words.

    >>> title("astronaut/000001"), title("GOPR0384_11_00/000042"), title("alone")
    ('astronaut 1', 'GOPR0384_11_00 42', 'alone')
    """
    sequence, _, frame = image.rpartition("/")
    return f"{sequence} {int(frame) if frame.isdecimal() else frame}" if sequence else frame


def number(scores: Mapping[str, "pd.Series[float]"], run: str, image: str) -> float | None:
    """Look up a run's PSNR of an image; None where there is none, or an infinite one."""
    value = scores[run].get(image) if run in scores else None
    return float(value) if value is not None and np.isfinite(value) else None


def shot(row: Picture, uri: str, scores: Mapping[str, "pd.Series[float]"], blurred: str) -> Shot:
    """Describe a version of an image, with its PSNR from the table of scores.

    Args:
        row: of the picture.
        uri: the picture.
        scores: PSNR by run, each by image.
        blurred: the run that stands for the blurred input.
    """
    run = blurred if row.kind == "blurred" else row.run
    psnr, base = (number(scores, name, row.image) for name in (run, blurred))
    gain = None if psnr is None or base is None or row.kind == "blurred" else psnr - base
    labels = {
        "mask": f"mask, μ {row.name}: {100 * (row.share or 0):.0f} %",
        "sharp": "sharp",
        "blurred": "blurred",
    }
    key = row.run or (f"mask {row.name}" if row.kind == "mask" else row.kind)
    place = (row.x, row.y, row.width, row.height)
    return Shot(key, row.kind, labels.get(row.kind, row.run), psnr, gain, *place, uri)


ORDER = {"blurred": 0, "restored": 1, "sharp": 2, "crop": 3, "mask": 4}


def arrange(shots: list[Shot]) -> list[Shot]:
    """Order the versions of an image: blurred, runs, sharp, crops of variants, masks."""
    return sorted(shots, key=lambda one: ORDER[one.kind])


def psnr_by_run(scores: pd.DataFrame, dataset: str) -> dict[str, "pd.Series[float]"]:
    """Index the PSNR of single images by run and image."""
    rows = scores[(scores["dataset"] == dataset) & (scores["quantity"] == "psnr")]
    return {str(run): part.set_index("image")["value"] for run, part in rows.groupby("run")}


def real(frame: frames.Frame) -> Photograph:
    """Describe a real image as those of the profile."""
    place, shots, base = (0, 0, frame.width, frame.height), [], frame.scores.get("blurred")
    for key, uri in frame.uris.items():
        kind = key if key in ("blurred", "sharp") else "restored"
        psnr = frame.scores.get(key)
        gain = psnr - base if psnr is not None and base is not None and kind == "restored" else None
        shots.append(Shot(key, kind, key, psnr, gain, *place, uri))
    name = f"{frame.dataset}: {title(frame.image)}"
    return Photograph(frame.dataset, frame.image, name, *place[2:], arrange(shots), frame.windows)


def collect(inputs: Inputs) -> Gallery:
    """Read the pictures of the profile, then the real images that are on this machine."""
    results = inputs.results
    rows = read_rows(results.picture_rows, Picture, optional=True)
    found = read_rows(results.windows, Window, optional=True)
    uris = {row.file: read(results.pictures, row.file) for row in rows}
    present = [row for row in rows if uris.get(row.file)]
    missing = []
    if not rows:
        missing.append("There are no pictures of test images yet: `dvc repro` makes them.")
    elif len(present) < len(rows):
        first = next(row.file for row in rows if not uris.get(row.file))
        missing.append(
            f"{len(rows) - len(present)} of {len(rows)} pictures cannot be read, {first} among them: "
            "`git restore` or `dvc repro` brings them back."
        )
    photographs = []
    for dataset, image in dict.fromkeys((row.dataset, row.image) for row in present):
        scores = psnr_by_run(inputs.scores, dataset)
        own = [row for row in present if (row.dataset, row.image) == (dataset, image) and row.kind != "map"]
        whole = [row for row in own if row.kind in ("blurred", "sharp", "restored")]
        if not whole:
            continue
        shots = arrange([shot(row, uris[row.file], scores, inputs.blurred) for row in own])
        here = [w for w in found if (w.dataset, w.image) == (dataset, image) and np.isfinite(w.best_psnr)]
        size = (whole[0].width, whole[0].height)
        photographs.append(Photograph(dataset, image, title(image), *size, shots, here))
    photographs += map(real, frames.frames(inputs))
    maps: dict[str, dict[str, list[MapTile]]] = {}
    for row in (row for row in present if row.kind == "map"):
        tile = MapTile(row.step or 0, row.low or 0.0, row.high or 0.0, uris[row.file])
        maps.setdefault(row.run, {}).setdefault(row.name, []).append(tile)
    lossy = [row.fidelity for row in present if row.fidelity is not None and row.kind != "map"]
    return Gallery(
        photographs=photographs,
        maps=maps,
        mapped=next((row.image for row in present if row.kind == "map"), ""),
        defaults=defaults(inputs, photographs),
        fidelity=(min(lossy), float(np.median(lossy))) if lossy else None,
        missing=missing,
    )


def defaults(inputs: Inputs, photographs: list[Photograph]) -> list[str]:
    """Choose the runs to show first: those named as a paper, then the others in order, four in all."""
    runs = dict.fromkeys(s.key for p in photographs for s in p.shots if s.kind == "restored")
    papers = [paper.key for paper in inputs.papers]
    return sorted(runs, key=lambda run: (run not in papers, run in papers and papers.index(run)))[:4]
