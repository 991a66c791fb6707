"""Arrays that are made from images once and kept in files, so that a second call goes on with the rest.

An array's file is `<sequence>/<frame>-<stamp>.npy`; the stamp is of the files that it was made from. After
the array it has the CRC-32 of its values: a damaged file is made again.
"""

import hashlib
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.data.fetch import locked
from benchmark.data.folders import PART

Array = NDArray[Any]


def paths(sources: Mapping[str, Sequence[Path]], folder: Path) -> dict[str, Path]:
    """Return the file of each array, whether it exists or not; another size or time of a source changes it.

    Args:
        sources: by name `<sequence>/<frame>`, the files that an array is made from.
        folder: where the arrays are.

    Raises:
        ValueError: a source does not exist; the message names it.
    """
    return {name: folder / f"{name}-{_stamp(files)}.npy" for name, files in sources.items()}


def load(
    sources: Mapping[str, Sequence[Path]], folder: Path, title: str, make: Callable[[str], Array]
) -> dict[str, Array]:
    """Map the arrays of all names, read-only, after making those that the folder does not hold.

    They are made on all cores, by threads; a second process waits for the first.

    Raises:
        ValueError: a source does not exist, or the disk is full; what `make` raises.
    """
    files = paths(sources, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            _make_missing(files, title, make)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written ({error.strerror})") from None
    arrays = {name: array for name, path in files.items() if (array := _sound(path)) is not None}
    for name in files.keys() - arrays.keys():
        raise ValueError(f"{files[name]}: not what was written; is the disk damaged?")
    return arrays


def _sound(path: Path) -> Array | None:
    """Map an array; None where its file is missing or damaged."""
    try:
        mapped = np.load(path, mmap_mode="r")
        with path.open("rb") as file:
            file.seek(mapped.offset + mapped.nbytes)
            end = file.read()
    except (OSError, ValueError, EOFError, AttributeError):
        return None
    array = np.asarray(mapped)  # np.memmap's own slices are slower than a plain array's
    return array if end in (b"", _sum(array)) else None  # empty: written before there were sums


def _sum(array: Array) -> bytes:
    return zlib.crc32(np.ascontiguousarray(array).data.cast("B")).to_bytes(4, "little")


def _make_missing(files: Mapping[str, Path], title: str, make: Callable[[str], Array]) -> None:
    def write(name: str) -> None:
        path = files[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(PART)
        array = np.ascontiguousarray(make(name))
        with draft.open("wb") as file:
            np.save(file, array)
            file.write(_sum(array))
        for old in path.parent.glob(f"{name.split('/')[-1]}-*.npy"):
            old.unlink()
        draft.replace(path)

    missing = [name for name, path in files.items() if _sound(path) is None]
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    try:
        with tqdm(total=len(missing), desc=title, unit="image", disable=None) as bar:
            for _ in pool.map(write, missing):
                bar.update()
    finally:
        pool.shutdown(cancel_futures=True)


def _stamp(files: Sequence[Path]) -> str:
    """Hash what changes with files: paths, sizes, times."""
    try:
        facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    except OSError as error:
        raise ValueError(f"{error.filename}: cannot be read ({error.strerror})") from None
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
