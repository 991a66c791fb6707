"""Render a GoPro-like set of blurred and sharp images: the same pixels on every machine.

Photographs that ship inside the scikit-image, scikit-learn and matplotlib wheels, and for training three
times as many dead-leaves pictures (`simulation.leaves`), are filmed by a simulated 240 fps camera
(`benchmark.datasets.simulation`): a smooth trajectory with six degrees of freedom, parallax where depth is
known, and up to three objects, cut from pictures of the same split, on trajectories of their own. 7 to 13
frames are averaged. Images of MORE show the photographs in `benchmark/datasets/photographs`, and lie beside
those of "train". Below `<folder>/<split>/<photograph or "leaves">/` are GoPro_Large's own folders, and what
some systems need beside them:

    blur/000001.png         mean of the encoded frames ("linear CRF"), which DMPHN, MPRNet and others train on
    blur_gamma/000001.png   mean in linear light, then encoded with the gamma 2.2 that approximates the camera
    sharp/000001.png        the instant in the middle of the exposure
    before/, after/         the instants one exposure earlier and later, sharp
    motion/000001.npy       float16 (H, W, 2): pixels travelled (x, y) while the shutter was open
    moving/000001.png       255 where the sharp image shows an object that moves by itself
    level_3/ ... level_11/  as blur/, of the middle 3, 5, 7, 9 and 11 frames alone (MT-RNN's temporal levels);
                            the same image as in blur/ where the exposure has no more frames

Every image has a random stream of its own: neither the number of images nor of processes changes a pixel.
Besides the code, pixels depend on numpy's random streams and, for training photographs, on the JPEG decoder
in pillow's wheel. Both are pinned, and tests compare checksums of decoded pixels.
"""

import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from benchmark.data.pairs import Pairs, image, read_pairs
from benchmark.datasets import simulation
from benchmark.datasets.simulation import photographs, scene
from benchmark.datasets.simulation.exposure import LEVELS, Exposure, expose
from benchmark.datasets.simulation.photographs import MORE, PHOTOGRAPHS

SOURCE = {
    "what": "photographs, of this project and of scikit-image, scikit-learn and matplotlib, filmed",
    "licence": "; ".join(f"{name}: {photograph.licence}" for name, photograph in PHOTOGRAPHS.items()),
}
SPLITS = ("train", "validation", "test")
SEED = 5
LEAVES = "leaves"  # the name of dead-leaves pictures, in place of a photograph's
LEAVES_PER_PHOTOGRAPH = 3  # among training images
PROCESSES = 2

# What `pairs` can add to an image, and how its file is read.
EXTRAS: dict[str, Callable[[Path], NDArray[Any]]] = {
    "motion": np.load,
    "moving": lambda path: image(path)[..., :1] > 127,
    "before": image,
    "after": image,
    **{f"level_{frames}": image for frames in LEVELS},
}

_MANIFEST = "manifest.json"


def prepare(folder: Path, images: dict[str, int]) -> None:
    """Render the set, for instance {"train": 48, "more": 16, "test": 12}, unless the folder already holds it.

    The folder appears complete or not at all; an older set there is replaced.

    Raises:
        ValueError: an unknown split, no images, or a folder that holds something else.
    """
    _check(images)
    recipe = _recipe(images)
    if _holds(folder, recipe):
        return
    if (
        folder.exists()
        and not (folder / _MANIFEST).is_file()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise ValueError(
            f"{folder}: holds something else (no {_MANIFEST}); allowed: a new, empty or embedded set"
        )
    partial_folder = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir(parents=True)
    try:
        pixels = _render(partial_folder, images)
        text = json.dumps({"recipe": recipe, "pixels": dict(sorted(pixels.items()))}, indent=1)
        (partial_folder / _MANIFEST).write_text(text + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial_folder.rename(folder)
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)


def pairs(folder: Path, split: str, extras: tuple[str, ...] = ()) -> Pairs:
    """Load the images of a split: `blur` against `sharp`.

    Args:
        folder: where `prepare` put the set.
        split: one of SPLITS.
        extras: what to read beside them, one array per image: "motion" float16 (H, W, 2), "moving" bool
            (H, W, 1), "before", "after" and "level_3" to "level_11" uint8 (H, W, 3). The other blur is
            read by `benchmark.data.pairs.read_pairs(folder / split, "blur_gamma")`.

    Raises:
        ValueError: an unknown split or extra, or a split that was not prepared.
    """
    if split not in SPLITS:
        raise ValueError(f"embedded: unknown split {split!r}; allowed: {', '.join(SPLITS)}")
    for kind in extras:
        if kind not in EXTRAS:
            raise ValueError(f"embedded: unknown extra {kind!r}; allowed: {', '.join(EXTRAS)}")
    if not (folder / _MANIFEST).is_file():
        raise ValueError(f"{folder}: no {_MANIFEST}; prepare the embedded set first")
    pairs = read_pairs(folder / split)
    names = [(folder / split / sequence, frame) for sequence, frame in (n.split("/") for n in pairs.names)]
    arrays = {kind: [EXTRAS[kind](_path(*name, kind)) for name in names] for kind in extras}
    return replace(pairs, extras=arrays)


def render(split: str, index: int) -> tuple[str, Exposure]:
    """Render image `index` of a split or of MORE; return its name `<photograph>/<frame>` too.

    Photographs take turns.
    """
    names = [name for name, photograph in PHOTOGRAPHS.items() if photograph.split == split]
    if split == "train":
        turn, part = divmod(index, LEAVES_PER_PHOTOGRAPH + 1)
        name, number = names[turn % len(names)], turn // len(names) + 1
        if part:
            name, number = LEAVES, index - turn
    else:
        name, number = names[index % len(names)], index // len(names) + 1
    rng = np.random.default_rng(np.random.SeedSequence([SEED, number, *name.encode()]))
    drawn = scene.draw_leaves(rng) if name == LEAVES else scene.draw(name, rng)
    return f"{name}/{number:06d}", expose(drawn.layers, drawn.camera, drawn.frames)


def checksum(pixels: NDArray[Any]) -> str:
    """Hash an array's type, shape and values (sha256), whatever file they are from.

    >>> checksum(np.zeros((1, 2), np.uint8))[:8]
    'b8bd96f3'
    """
    plain = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<")))
    return hashlib.sha256(f"{plain.dtype.str}{plain.shape}".encode() + plain.tobytes()).hexdigest()


def _render(folder: Path, images: dict[str, int]) -> dict[str, str]:
    """Render and write every image; return checksums by path."""
    jobs = [(split, index) for split, count in images.items() for index in range(count)]
    checksums: dict[str, str] = {}
    with tqdm(total=len(jobs), desc="data", unit="image", disable=None) as bar:
        for sums in _spread(partial(_write, folder), jobs):
            checksums |= sums
            bar.update()
    return checksums


def _spread(work: "partial[dict[str, str]]", jobs: list[tuple[str, int]]) -> Iterator[dict[str, str]]:
    """Run the jobs in several processes where that pays; spawned ones, as forks of threads may hang."""
    if min(PROCESSES, len(jobs) // 4) < 2:
        yield from map(work, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        yield from pool.imap_unordered(work, jobs)


def _write(folder: Path, job: tuple[str, int]) -> dict[str, str]:
    """Render one image and write its files; return their checksums by path below the folder."""
    name, exposure = render(*job)
    sequence, frame = name.split("/")
    sums = {}
    for kind in asdict(exposure):
        path = _path(folder / job[0].replace(MORE, "train") / sequence, frame, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = getattr(exposure, kind)
        if path.suffix == ".npy":
            np.save(path, pixels)
        else:
            Image.fromarray(pixels).save(path, compress_level=1)  # 4 saves 6 % and takes twice as long
        sums[path.relative_to(folder).as_posix()] = checksum(pixels)
    return sums


def _path(sequence: Path, frame: str, kind: str) -> Path:
    return sequence / kind / f"{frame}.{'npy' if kind == 'motion' else 'png'}"


def _recipe(images: dict[str, int]) -> dict[str, Any]:
    """Describe all that decides the pixels: numbers of images, the code, and the decoded photographs."""
    code = hashlib.sha256()
    for path in [Path(__file__), *sorted(Path(simulation.__path__[0]).glob("*.py"))]:
        code.update(path.read_bytes())
    sources = {name: checksum(photographs.levels(name)) for name in PHOTOGRAPHS}
    return {"images": dict(images), "seed": SEED, "code": code.hexdigest(), "photographs": sources}


def _holds(folder: Path, recipe: dict[str, Any]) -> bool:
    """Check that the folder holds this set, undamaged."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return manifest["recipe"] == recipe and all(
            checksum(_stored(folder / path)) == sha for path, sha in manifest["pixels"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):  # missing or damaged: rendered again
        return False


def _stored(path: Path) -> NDArray[Any]:
    if path.suffix == ".npy":
        return np.asarray(np.load(path))
    with Image.open(path) as opened:
        return np.asarray(opened)


def _check(images: dict[str, int]) -> None:
    if not images:
        raise ValueError(f"images: empty; allowed: counts for {', '.join((*SPLITS, MORE))}")
    for split, count in images.items():
        if split not in (*SPLITS, MORE):
            raise ValueError(f"images: unknown split {split!r}; allowed: {', '.join((*SPLITS, MORE))}")
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ValueError(f"images.{split}: {count!r} images; allowed: whole numbers from 1")
