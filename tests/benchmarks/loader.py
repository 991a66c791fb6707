"""Training batches from PNG files, read each time, against the same batches from the memory-mapped store.

    python tests/benchmarks/loader.py FOLDER

Run it in the project's root; FOLDER has GOPRO_Large. A batch is 8 pairs of crops of 256, float32, with the
augmentations and the normalisation of a run's recipe, on one thread. Both sides are measured in turns.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark import spec
from benchmark.data import store
from benchmark.data.pairs import PairFiles, Pairs, image
from benchmark.training.crops import Buffers, sample

ROUNDS, BATCHES = 9, 12  # in a round: one batch from files, then so many from the store
RUNS = {
    "dmphn_1_2_4": "no augmentation",
    "sgenet": "two flips",
    "dmphn_stack2": "rotated images, saturation",
    "mprnet": "a third saturated, nine symmetries",
    "mscnn": "eight symmetries, channels, saturation, noise",
    "deblurganv2_inception": "half of the images warped, half of the crops corrupted",
}


@dataclass
class Files:
    """A list of images that are read at each access."""

    paths: list[Path]

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return image(self.paths[index])


def seconds(work: Callable[[int], object], first: int, count: int) -> list[float]:
    """Time each of so many batches, in seconds."""
    taken = []
    for step in range(first, first + count):
        begun = time.perf_counter()
        work(step)
        taken.append(time.perf_counter() - begun)
    return taken


def compare(what: str, files: Callable[[int], object], mapped: Callable[[int], object]) -> None:
    """Print milliseconds a batch, and the ratio of the medians."""
    mapped(0)
    slow, fast = [], []
    for turn in range(ROUNDS):
        slow += seconds(files, turn * BATCHES, 1)
        fast += seconds(mapped, turn * BATCHES, BATCHES)
    one, other = (1e3 * statistics.median(taken) for taken in (slow, fast))
    mean = 1e3 * statistics.mean(fast)
    ratio = f"ratio {one / other:.0f}"
    print(f"{what}: files {one:.1f} ms, store {other:.2f} ms (mean {mean:.2f}), {ratio}", flush=True)


def bare(pairs: Pairs, step: int) -> list[NDArray[np.uint8]]:
    """Cut 8 pairs of crops as bytes, nothing else."""
    rng = np.random.default_rng(step)
    crops = []
    for index in rng.integers(len(pairs), size=8):
        y, x = rng.integers(720 - 256), rng.integers(1280 - 256)
        crops += [kind[index][y : y + 256, x : x + 256].copy() for kind in (pairs.blurry, pairs.sharp)]
    return crops


def main(root: Path) -> None:
    """Compare both for bare crops and for each of the recipes."""
    torch.set_num_threads(1)
    blurry = sorted((root / "GOPRO_Large").glob("*/*/blur/*.png"))
    sharp = [path.parents[1] / "sharp" / path.name for path in blurry]
    names = [path.stem for path in blurry]
    pair_files = list(map(PairFiles, names, blurry, sharp))
    _, runs = spec.load()
    with tempfile.TemporaryDirectory() as folder:
        files = Pairs(names, Files(blurry), Files(sharp))
        mapped = Pairs(names, *store.load(pair_files, Path(folder)))
        compare("bare crops", partial(bare, files), partial(bare, mapped))
        for name, augmentations in RUNS.items():
            recipe = replace(runs[name].train, batch=8, crop=256)
            room: Buffers = {}
            batches = [partial(sample, pairs, recipe, 0, buffers=room) for pairs in (files, mapped)]
            compare(f"{name} ({augmentations})", *batches)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
