"""SSIM of real 720p pairs: SciPy's volume filter, the formula in float64, and the fast way, side by side.

    python -m tests.benchmarks.ssim FOLDER

FOLDER holds GOPRO_Large. Each measures every image in turn, with one thread and with two; SciPy has one.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmark.data.pairs import image
from benchmark.metrics import ssim_matlab
from benchmark.nets import tensor
from tests.test_ssim import volume_ssim

IMAGES, ROUNDS = 5, 3


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return its value, and the milliseconds it took."""
    begun = time.perf_counter()
    value = float(work())  # type: ignore[arg-type]
    return value, 1e3 * (time.perf_counter() - begun)


def main(folder: Path) -> None:
    """Print the medians, their ratio and the largest difference."""
    blurred_paths = sorted(folder.glob("GOPRO_Large/test/*/blur/*.png"))[:IMAGES]
    taken: dict[str, list[float]] = {}
    difference = 0.0
    for _ in range(ROUNDS):
        for path in blurred_paths:
            paths = (path, path.parents[1] / "sharp" / path.name)
            blurry, sharp = (tensor(image(p)) for p in paths)  # as the pipeline has them
            x, y = (np.ascontiguousarray(z[0].permute(1, 2, 0).numpy()) for z in (blurry, sharp))
            expected, took = timed(lambda x=x, y=y: volume_ssim(x, y))
            taken.setdefault("SciPy", []).append(took)
            for threads in (1, 2):
                torch.set_num_threads(threads)
                for name in ("reference", "measure"):
                    work = getattr(ssim_matlab, name)
                    value, took = timed(lambda work=work, x=blurry, y=sharp: work(x, y))
                    taken.setdefault(f"{name}, threads: {threads}", []).append(took)
                    difference = max(difference, abs(value - expected))
    scipy = statistics.median(taken["SciPy"])
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name}: {median:.1f} ms (best {min(times):.1f}), {scipy / median:.1f} times as fast as SciPy")
    print(f"largest difference {difference:.1e}, {len(blurred_paths)} images of 720x1280, {ROUNDS} rounds")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
