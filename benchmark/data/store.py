"""Decode images once into one file that is mapped into memory.

Reading a 1280x720 PNG takes tens of milliseconds, a crop of mapped pixels microseconds. Processes that map
one file share its pages, and the page cache is all the memory it takes: a set may be larger than memory.

    pixels       uint8 RGB, one image after another
    index.json   per image: its file, that file's size and time; offset, height, width and sum of its pixels

The sums are compared whenever a store is mapped, so that a damaged one is decoded again, not measured.
"""

import json
import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.data.fetch import locked
from benchmark.data.pairs import Images, PairFiles, image

_PIXELS, _INDEX = "pixels", "index.json"
_Location = tuple[int, int, int, int]  # offset in bytes, height, width, CRC-32


def load(pair_files: Sequence[PairFiles], folder: Path) -> tuple[Images, Images]:
    """Map the blurred and the sharp images: read-only (H, W, 3) uint8 views of one file in `folder`.

    They are decoded into the folder unless it holds them, and again when a source has another size or time.
    The folder holds the complete set or nothing new; a second process waits for the first.

    Raises:
        ValueError: no pairs, a pair without a sharp image or of two sizes, no space on the disk, or a file
            that is missing, truncated or no image; the message names it.
    """
    if not pair_files:
        raise ValueError(f"{folder}: no images to decode")
    pairs = [(pair.blurry, _sharp(pair)) for pair in pair_files]
    paths = list(dict.fromkeys(path for pair in pairs for path in pair))
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        sources = {"pillow": PIL.__version__, "files": [_describe(path) for path in paths]}
        locations = _read_index(folder, sources)
        views = _map(folder, paths, locations) if locations else None
        if views is None:
            views = _map(folder, paths, _decode(paths, pairs, folder, sources))
        if views is None:
            raise ValueError(f"{folder}: its pixels are not those that were written; is the disk damaged?")
    return [views[blurry] for blurry, _ in pairs], [views[sharp] for _, sharp in pairs]


def _map(folder: Path, paths: list[Path], locations: list[_Location]) -> dict[Path, NDArray[np.uint8]] | None:
    """Map the pixels of each image; None where an image's checksum is another."""
    # np.memmap's own slices are slower than a plain array's.
    pixels = np.asarray(np.memmap(folder / _PIXELS, mode="r"))

    def view(location: _Location) -> NDArray[np.uint8] | None:
        offset, height, width, crc = location
        plain = pixels[offset : offset + 3 * height * width]
        return plain.reshape(height, width, 3) if zlib.crc32(plain.data) == crc else None

    try:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:  # sums release the GIL
            found = dict(zip(paths, pool.map(view, locations), strict=True))
    except (TypeError, ValueError):  # places that are none
        return None
    views = {path: shown for path, shown in found.items() if shown is not None}
    return views if len(views) == len(paths) else None


def _sharp(pair: PairFiles) -> Path:
    if pair.sharp is None:
        raise ValueError(f"{pair.blurry}: has no sharp image to be compared with")
    return pair.sharp


def _describe(path: Path) -> list[str | int]:
    """Return what changes with a file: path, size in bytes, time in ns."""
    try:
        status = path.stat()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read as an image ({error.strerror})") from None
    return [str(path), status.st_size, status.st_mtime_ns]


def _read_index(folder: Path, sources: dict[str, Any]) -> list[_Location] | None:
    """Return each image's location if the folder holds these sources, else None."""
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        if index["sources"] != sources or index["bytes"] != (folder / _PIXELS).stat().st_size:
            return None
        return [(offset, height, width, crc) for offset, height, width, crc in index["places"]]
    except (OSError, ValueError, KeyError, TypeError):  # missing or damaged: decoded again
        return None


def _decode(
    paths: list[Path], pairs: list[tuple[Path, Path]], folder: Path, sources: dict[str, Any]
) -> list[_Location]:
    """Decode all images on all cores (Pillow's decoders let other threads run); return their locations."""
    lock = Lock()

    def append(path: Path) -> _Location:
        pixels = np.ascontiguousarray(image(path))
        with lock:
            offset = file.tell()
            file.write(pixels.data)
        return offset, *pixels.shape[:2], zlib.crc32(pixels.data)

    drafts = folder / f"{_PIXELS}.part", folder / f"{_INDEX}.part"
    try:
        with (
            drafts[0].open("wb") as file,
            ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
            tqdm(total=len(paths), desc=f"decode {folder.name}", unit="image", disable=None) as bar,
        ):
            locations = []
            for location in pool.map(append, paths):
                locations.append(location)
                bar.update()
            by_path = dict(zip(paths, locations, strict=True))
            for blurry, sharp in pairs:
                if by_path[blurry][1:3] != by_path[sharp][1:3]:
                    sizes = ["{2}x{1}".format(*by_path[path]) for path in (blurry, sharp)]
                    raise ValueError(f"{blurry}: {sizes[0]} but {sharp} is {sizes[1]}")
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the index of pixels that were never written
        index = {"sources": sources, "bytes": drafts[0].stat().st_size, "places": locations}
        drafts[1].write_text(json.dumps(index) + "\n", encoding="utf-8")
        (folder / _INDEX).unlink(missing_ok=True)  # it must never describe the pixels of another set
        drafts[0].replace(folder / _PIXELS)
        drafts[1].replace(folder / _INDEX)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written ({error.strerror})") from None
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return locations
