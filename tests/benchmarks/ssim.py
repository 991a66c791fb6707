"""SSIM of real 720p pairs: SciPy's volume filter, the formula in float64, and the fast way, side by side.

    python tests/benchmarks/ssim.py FOLDER

FOLDER holds GOPRO_Large. Each measures every image in turn, with one thread and with two; SciPy has one.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from benchmark.data.pairs import image
from benchmark.metrics import ssim_matlab
from benchmark.nets import tensor

TAPS = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
IMAGES, ROUNDS = 5, 3


def volume(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """A Gaussian along rows, columns and colours, (H, W, 3) -> (H, W, 3)."""
    for axis in range(3):
        array = correlate1d(array, TAPS / TAPS.sum(), axis=axis, mode="nearest")
    return array


def plain(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """MATLAB's SSIM as SciPy gives it, (H, W, 3) in [0, 1] twice."""
    mx, my = volume(x), volume(y)
    vx, vy, vxy = volume(x * x) - mx**2, volume(y * y) - my**2, volume(x * y) - mx * my
    top = (2 * mx * my + 1e-4) * (2 * vxy + 9e-4)
    return float((top / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))).mean())


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """What it gives, and the milliseconds it took."""
    begun = time.perf_counter()
    value = float(work())  # type: ignore[arg-type]
    return value, 1e3 * (time.perf_counter() - begun)


def main(folder: Path) -> None:
    """Print the medians, their ratio and the largest difference."""
    found = sorted(folder.glob("GOPRO_Large/test/*/blur/*.png"))[:IMAGES]
    taken: dict[str, list[float]] = {}
    apart = 0.0
    for _ in range(ROUNDS):
        for path in found:
            paths = (path, path.parents[1] / "sharp" / path.name)
            blurry, sharp = (tensor(image(p)) for p in paths)  # as the pipeline has them
            x, y = (np.ascontiguousarray(z[0].permute(1, 2, 0).numpy()) for z in (blurry, sharp))
            expected, took = timed(lambda x=x, y=y: plain(x, y))
            taken.setdefault("SciPy", []).append(took)
            for threads in (1, 2):
                torch.set_num_threads(threads)
                for name in ("reference", "measure"):
                    work = getattr(ssim_matlab, name)
                    value, took = timed(lambda work=work, x=blurry, y=sharp: work(x, y))
                    taken.setdefault(f"{name}, threads: {threads}", []).append(took)
                    apart = max(apart, abs(value - expected))
    scipy = statistics.median(taken["SciPy"])
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name}: {median:.1f} ms (best {min(times):.1f}), {scipy / median:.1f} times as fast as SciPy")
    print(f"largest difference {apart:.1e}, {len(found)} images of 720x1280, {ROUNDS} rounds")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
