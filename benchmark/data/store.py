"""Images decoded once into one file that is mapped into memory.

Reading a 1280x720 PNG takes tens of milliseconds, a crop of mapped pixels microseconds. Processes that map
one file share its pages, and the page cache is all the memory it takes: a set may be larger than memory.

    pixels       uint8 RGB, one image after another
    index.json   per image: the file it comes from, that file's size and time, and where its pixels lie
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Protocol

import numpy as np
import PIL
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.data.pairs import Images, image

_PIXELS, _INDEX = "pixels", "index.json"
_Place = tuple[int, int, int]  # offset in bytes, height, width


class Shot(Protocol):
    """The files of a pair."""

    @property
    def blurry(self) -> Path: ...  # noqa: D102

    @property
    def sharp(self) -> Path | None: ...  # noqa: D102


def load(shots: Sequence[Shot], folder: Path) -> tuple[Images, Images]:
    """The blurred and the sharp images: read-only (H, W, 3) uint8 views of one file in `folder`.

    They are decoded there unless the folder holds them, and again when a source has another size or time.
    The folder holds the whole set or nothing new; a second process waits for the first.

    Raises:
        ValueError: no shots, a shot without a sharp image, a pair of two sizes, no room on the disk, or an
            image that is missing, truncated or none; the message names it.
    """
    if not shots:
        raise ValueError(f"{folder}: no images to decode")
    pairs = [(shot.blurry, _sharp(shot)) for shot in shots]
    paths = list(dict.fromkeys(path for pair in pairs for path in pair))
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        sources = {"pillow": PIL.__version__, "files": [_source(path) for path in paths]}
        places = _held(folder, sources)
        if places is None:
            places = _decode(paths, pairs, folder, sources)
        # np.memmap's own slices are slower than a plain array's.
        pixels = np.asarray(np.memmap(folder / _PIXELS, mode="r"))
    views = {
        path: pixels[offset : offset + 3 * height * width].reshape(height, width, 3)
        for path, (offset, height, width) in zip(paths, places, strict=True)
    }
    return [views[blurry] for blurry, _ in pairs], [views[sharp] for _, sharp in pairs]


def _sharp(shot: Shot) -> Path:
    if shot.sharp is None:
        raise ValueError(f"{shot.blurry}: has no sharp image to be compared with")
    return shot.sharp


def _source(path: Path) -> list[str | int]:
    """What changes with a file: path, size in bytes, time in ns."""
    try:
        found = path.stat()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read as an image ({error.strerror})") from None
    return [str(path), found.st_size, found.st_mtime_ns]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes; a process that dies lets go."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _held(folder: Path, sources: dict[str, Any]) -> list[_Place] | None:
    """Where the images lie, if the folder holds what these sources give."""
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        if index["sources"] != sources or index["bytes"] != (folder / _PIXELS).stat().st_size:
            return None
        return [(offset, height, width) for offset, height, width in index["places"]]
    except (OSError, ValueError, KeyError, TypeError):  # missing or damaged: decoded again
        return None


def _decode(
    paths: list[Path], pairs: list[tuple[Path, Path]], folder: Path, sources: dict[str, Any]
) -> list[_Place]:
    """Decode all images on all cores (Pillow's decoders let other threads run); where each lies."""
    drafts = folder / f"{_PIXELS}.part", folder / f"{_INDEX}.part"
    try:
        with (
            drafts[0].open("wb") as file,
            ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
            tqdm(total=len(paths), desc=f"decode {folder.name}", unit="image", disable=None) as bar,
        ):
            appender, places = _Appender(file), []
            for place in pool.map(appender, paths):
                places.append(place)
                bar.update()
            at = dict(zip(paths, places, strict=True))
            for blurry, sharp in pairs:
                if at[blurry][1:] != at[sharp][1:]:
                    sizes = ["{2}x{1}".format(*at[path]) for path in (blurry, sharp)]
                    raise ValueError(f"{blurry}: {sizes[0]} but {sharp} is {sizes[1]}")
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the index of pixels that were never written
        index = {"sources": sources, "bytes": drafts[0].stat().st_size, "places": places}
        drafts[1].write_text(json.dumps(index) + "\n", encoding="utf-8")
        (folder / _INDEX).unlink(missing_ok=True)  # it must never stand beside the pixels of others
        drafts[0].replace(folder / _PIXELS)
        drafts[1].replace(folder / _INDEX)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written ({error.strerror})") from None
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return places


class _Appender:
    """Callable on a path, from any thread: writes the image's pixels to the end of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.lock = file, Lock()

    def __call__(self, path: Path) -> _Place:
        """Where they lie."""
        pixels: NDArray[np.uint8] = image(path)
        with self.lock:
            offset = self.file.tell()
            self.file.write(np.ascontiguousarray(pixels).data)
        return offset, *pixels.shape[:2]
