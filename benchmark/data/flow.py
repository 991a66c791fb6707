"""Estimate how far each pixel moves while the shutter is open, from the sharp images before and after.

In GoPro_Large the exposures of a sequence are adjacent (their frames do not overlap and none is left out, see
`datasets/gopro_all.py`) and a sharp image is the middle of its exposure. So two neighbouring sharp images are
one exposure apart, and half of the flow from the previous image to the next, seen from the one between, is
the movement from opening to closing, provided that speed changes little. At the ends of a sequence the one
neighbour is used.

Estimators: RAFT (Teed and Deng, ECCV 2020; benchmark/weights/raft.py) where its flow has been stored, else
DIS (Kroeger et al., ECCV 2016), which OpenCV brings. On two real neighbours (GOPR0384_11_00/000001 and
000002, 22.6 pixels in the median) the mean of the sharp image moved along DIS's motion is 35.2 and 32.8 dB
from the real blur, the sharp image itself 24.1 and 24.6; half the motion gives 29.9 and 30.3, 1.5 times the
motion 30.1 and 28.7.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.data import derived, store
from benchmark.data.pairs import Images, PairFiles
from benchmark.data.realset import Derived, RealSet

Flow = NDArray[np.floating[Any]]
Estimate = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Flow]  # (H, W, 3) twice -> (H, W, 2), x and y
Neighbours = Mapping[int, tuple[int | None, int | None]]  # by image: the one before and the one after it


def dis(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Flow:
    """Estimate where each pixel of the first image is in the second, by OpenCV's DIS.

    Returns:
        (H, W, 2) float32: movement in x and y, in pixels.
    """
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start = np.zeros((*first.shape[:2], 2), np.float32)
    return np.asarray(search.calc(grey[0], grey[1], start))


def motion(
    files: Sequence[PairFiles], blurry: Images, sharp: Images, folder: Path, names: Sequence[str]
) -> Derived:
    """Make the extra "motion": float16 (H, W, 2), pixels travelled in x and y from opening to closing.

    An image has none if the folder has no sharp image before or after it. Arrays are kept in
    `<folder>/motion_dis`; those in `motion_raft` are used instead if all of them are there (see `prepare`).
    """
    near = neighbours(files)
    stored = derived.paths(sources(files, near), folder / "motion_raft").values()
    method = "raft" if all(path.exists() for path in stored) else "dis"
    arrays = measure(files, near, sharp, folder / f"motion_{method}", dis)  # of RAFT's none is estimated
    made = [arrays.get(pair.name) for pair in files]
    note = f"motion estimated by {method.upper()} between sharp neighbours, one exposure apart"
    return Derived({"motion": made}, "no sharp image one exposure before or after them", note)


def prepare(dataset: RealSet, split: str, folder: Path, estimate: Estimate) -> None:
    """Store RAFT's motion of a split below `<folder>/decoded`, where `motion` finds it."""
    files = [pair for pair in dataset.pair_files(split) if pair.sharp]
    place = folder / "decoded" / dataset.name / split
    measure(files, neighbours(files), store.load(files, place)[1], place / "motion_raft", estimate)


def measure(
    files: Sequence[PairFiles], near: Neighbours, sharp: Images, folder: Path, estimate: Estimate
) -> dict[str, NDArray[Any]]:
    """Map the motion of the images that have neighbours, by name; estimate what the folder does not hold."""
    index = {files[i].name: i for i in near}

    def make(name: str) -> NDArray[np.float16]:
        i = index[name]
        flows = [
            sign * estimate(sharp[i], sharp[j])
            for sign, j in zip((-1, 1), near[i], strict=True)
            if j is not None
        ]
        return np.mean(flows, axis=0).astype(np.float16)

    return derived.load(sources(files, near), folder, "motion", make)


def sources(files: Sequence[PairFiles], near: Neighbours) -> dict[str, list[Path]]:
    """List the sharp images that each image's motion is made from, by its name."""
    used = {files[i].name: (i, *(j for j in around if j is not None)) for i, around in near.items()}
    return {name: [path for j in indices if (path := files[j].sharp)] for name, indices in used.items()}


def neighbours(files: Sequence[PairFiles]) -> Neighbours:
    """Find the images one frame number before and after, by sequence; without both an image is left out.

    >>> a, b, c = (PairFiles(f"s/{n:06d}", Path(), None) for n in (1, 2, 9))
    >>> neighbours([a, b, c])
    {0: (None, 1), 1: (0, None)}
    """
    places = {place(pair.name): i for i, pair in enumerate(files)}
    found = {}
    for (sequence, number), i in places.items():
        around = places.get((sequence, number - 1)), places.get((sequence, number + 1))
        if around != (None, None):
            found[i] = around
    return found


def place(name: str) -> tuple[str, int]:
    """Split a name into sequence and frame number.

    >>> place("GOPR0372_07_00/000047")
    ('GOPR0372_07_00', 47)
    """
    sequence, frame = name.split("/")
    return sequence, int(frame)
