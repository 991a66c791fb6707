"""Stage pictures: make small pictures of the test images for git, so that a clone shows them untrained.

For each test image: blurred, sharp, restored by each run that is no variant, and CDGNet's masks; of a variant
one crop per sequence, where the runs differ most. For the first test image: attention maps at some steps of
the training. A picture whose pixels are those of last time is left alone.

Images of real sets are not ours to publish: of them there are no pictures, and the report reads the images
themselves where they are on this machine.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark import nets, spec
from benchmark.data import pairs as files
from benchmark.data import selection
from benchmark.data.windows import psnr, windows
from benchmark.losses.components import local_ssim
from benchmark.results import Results, read_rows, write
from benchmark.results.schema import Picture, PictureKind, Window
from pipelines import run_stage

STEPS = 4  # of the training that maps are kept of, evenly spread, the first and the last among them
# AVIF without halved colours, as nearest-neighbour zoom shows single pixels: docs/design.md has the sizes.
ENCODING: Mapping[str, Any] = {"speed": 6, "subsampling": "4:4:4", "max_threads": 1}
QUALITY = {"sharp": 90, "blurred": 85}  # what all others are compared with; the others have DEFAULT
DEFAULT = 74

Pixels = NDArray[np.uint8]
Map = NDArray[np.float32]


@dataclass(frozen=True)
class Draft:
    """A row and its pixels: (H, W, 3), or (H, W) of a mask, where 1 is bright."""

    row: Picture
    pixels: Pixels


def draft(dataset: str, image: str, kind: PictureKind, pixels: Pixels, run: str = "", **more: Any) -> Draft:
    """Describe pixels that cover a whole image, unless `more` says otherwise."""
    parts = (kind, run, more.get("name", ""), more.get("step", ""))
    file = (
        f"{image}/{'-'.join(str(part) for part in parts if part != '')}.{'png' if kind == 'mask' else 'avif'}"
    )
    cells: dict[str, Any] = {
        **dict.fromkeys(("step", "low", "high", "share", "fidelity")),
        **{"name": "", "source": "", "x": 0, "y": 0},
        **{"width": pixels.shape[1], "height": pixels.shape[0], "file": file},
    }
    return Draft(Picture(dataset, image, kind, run, **(cells | more)), pixels)


def encode(drafted: Draft) -> bytes:
    """Encode pixels, a mask as a PNG of one bit, anything else as AVIF: same pixels, same bytes."""
    buffer = io.BytesIO()
    if drafted.row.kind == "mask":
        Image.fromarray(255 * drafted.pixels).convert("1").save(buffer, "PNG", optimize=True)
    else:
        quality = QUALITY.get(drafted.row.kind, DEFAULT)
        Image.fromarray(drafted.pixels).save(buffer, "AVIF", quality=quality, **ENCODING)
    return buffer.getvalue()


def keep(drafted: Draft, folder: Path, before: Mapping[str, Picture]) -> Picture:
    """Write a picture unless its file is there and was made from the same pixels; return its row."""
    row, path = drafted.row, folder / drafted.row.file
    how = f"{QUALITY.get(row.kind, DEFAULT)} {ENCODING} {drafted.pixels.shape}"
    source = sha256(how.encode() + np.ascontiguousarray(drafted.pixels).tobytes()).hexdigest()[:16]
    old = before.get(row.file)
    if old and old.source == source and path.exists():
        return replace(row, source=source, fidelity=old.fidelity)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(drafted))
    with Image.open(path) as opened:  # files.image has the formats of data sets, AVIF is none of them
        fidelity = None if row.kind == "mask" else psnr(np.asarray(opened.convert("RGB")), drafted.pixels)
    return replace(row, source=source, fidelity=fidelity)


def spread_evenly(steps: list[int]) -> list[int]:
    """Choose up to STEPS steps, evenly spread, first and last included.

    >>> spread_evenly([1, 2, 3, 4, 5, 6, 7])
    [1, 3, 5, 7]
    """
    indices = np.linspace(0, len(steps) - 1, min(STEPS, len(steps))).round().astype(int)
    return [steps[index] for index in indices]


def read_maps(path: Path) -> dict[str, Map]:
    """Read the maps of a step, (h, w) by name.

    Raises:
        ValueError: the file is damaged; the message names it.
    """
    try:
        with np.load(path) as stored:
            return {name: stored[name].astype(np.float32) for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: cannot be read as maps ({error})") from None


def colour(values: Map) -> tuple[Pixels, float, float]:
    """Colour a map from its smallest to its largest value, dark to bright; what is not finite is dark.

    >>> colour(np.array([[0.5, np.nan]], np.float32))[1:]
    (0.5, 0.5)
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scaled = (np.where(np.isfinite(values), values, low) - low) / ((high - low) or 1.0)
    return np.ascontiguousarray(matplotlib.colormaps["viridis"](scaled, bytes=True)[..., :3]), low, high


def maps(results: Results, runs: Mapping[str, spec.Run], dataset: str, image: str) -> Iterator[Draft]:
    """Draw the maps of every run that is no variant, at some steps (BAG Figs. 7, 8; CDGNet Fig. 13)."""
    for run in runs:
        found = {int(path.stem): path for path in (results.train(run) / "maps").glob("*.npz")}
        for step in spread_evenly(sorted(found)):
            for name, values in read_maps(found[step]).items():
                pixels, low, high = colour(values)
                yield draft(dataset, image, "map", pixels, run, name=name, step=step, low=low, high=high)


def masks(
    runs: Mapping[str, spec.Run], dataset: str, image: str, blurred: Pixels, sharp: Pixels
) -> Iterator[Draft]:
    """Draw CDGNet's mask at each mu of a recipe (Eq. 13, Fig. 11): bright where an image counts as sharp."""
    losses = [run.train.loss for run in runs.values() if run.train]
    thresholds = sorted(
        {float(loss["mu"]) for loss in losses if loss.get("name") == "components" and "mu" in loss}
    )
    if thresholds:
        sharpness = local_ssim(nets.tensor(blurred), nets.tensor(sharp))[0, 0].numpy()
        for mu in thresholds:
            mask = (sharpness > mu).astype(np.uint8)
            yield draft(dataset, image, "mask", mask, name=f"{mu:g}", share=float(mask.mean()))


def load(
    results: Results, runs: Mapping[str, spec.Run], dataset: str, image: str, shape: tuple[int, ...]
) -> dict[str, Pixels]:
    """Read what each run restored, (H, W, 3) by run; a run without this image is left out."""
    paths = {run: results.images(run) / dataset / f"{image}.png" for run in runs}
    loaded = {run: files.image(path) for run, path in paths.items() if path.exists()}
    for run, pixels in loaded.items():
        if pixels.shape != shape:
            raise ValueError(
                f"{paths[run]}: {pixels.shape[:2]} pixels; allowed: {shape[:2]}, as the sharp image"
            )
    return loaded


def draw(
    results: Results, runs: Mapping[str, spec.Run], dataset: str, pairs: files.Pairs
) -> tuple[list[Draft], list[Window]]:
    """Draw all pictures of a test set, and find where its images differ most."""
    drafts, found, crops = list[Draft](), list[Window](), dict[str, tuple[float, list[Draft]]]()
    main = {name: run for name, run in runs.items() if not (run.is_input or run.ablates)}
    variants = {name: run for name, run in runs.items() if run.train and run.ablates}
    for image, blurred, sharp in zip(pairs.names, pairs.blurry, pairs.sharp, strict=True):
        restored = load(results, main, dataset, image, sharp.shape)
        drafts += [draft(dataset, image, "blurred", blurred), draft(dataset, image, "sharp", sharp)]
        drafts += [draft(dataset, image, "restored", pixels, run) for run, pixels in restored.items()]
        drafts += masks(runs, dataset, image, blurred, sharp)
        here = list(windows(dataset, image, blurred, restored, sharp))
        found += here
        sequence = image.rpartition("/")[0]
        if here and here[0].spread > crops.get(sequence, (-1.0, []))[0]:
            of = load(results, variants, dataset, image, sharp.shape)
            crops[sequence] = here[0].spread, [crop(here[0], run, pixels) for run, pixels in of.items()]
    drafts += [one for _, several in crops.values() for one in several]
    drafts += maps(results, main, dataset, pairs.names[0])
    return drafts, found


def crop(window: Window, run: str, pixels: Pixels) -> Draft:
    """Cut a window out of what a run restored."""
    part = pixels[window.y : window.y + window.side, window.x : window.x + window.side]
    return draft(window.dataset, window.image, "crop", part, run, x=window.x, y=window.y)


def main() -> None:
    """Write the pictures and their tables; remove what no row names."""
    profile, runs = spec.load()
    results, chosen = Results(profile.name), profile.of(runs)
    drafts, found = list[Draft](), list[Window]()
    if profile.data:
        pairs = selection.pairs(profile, profile.data, "test")
        drafts, found = draw(results, chosen, profile.data, pairs)
    before = {row.file: row for row in read_rows(results.picture_rows, Picture, optional=True)}
    rows = [keep(drafted, results.pictures, before) for drafted in drafts]
    write(results.picture_rows, Picture, rows)
    write(results.windows, Window, found)
    kept = {results.pictures / row.file for row in rows} | {results.picture_rows, results.windows}
    for path in sorted(results.pictures.rglob("*"), reverse=True):
        if path.is_file() and path not in kept:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


if __name__ == "__main__":
    run_stage("pictures", main)
