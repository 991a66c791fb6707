"""Compare the kernels that Xu 2013 finds here with those of another program of the same scheme.

python tests/benchmarks/xu.py [<estimate-kernel of IPOL 2019/243, built outside this project>]

Twelve lines of 7 to 31 pixels blur six photographs; the similarity of two kernels is the greatest cosine over
all shifts. Both programs are given a kernel four pixels larger than the true one and their own settings.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import tifffile
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor

from benchmark.deconvolution import operator
from benchmark.models import xu
from tests.test_xu import line, similarity

LENGTHS = (7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 28, 31)
ANGLES = (0, 30, 60, 90, 120, 150, 15, 75, 105, 135, 45, 165)
NOISE = (0.001, 0.01)
PHOTOGRAPHS = (
    skimage.data.astronaut(),
    skimage.data.chelsea(),
    skimage.data.coffee(),
    skimage.data.rocket(),
    np.repeat(skimage.data.camera()[..., None], 3, 2),
    load_sample_image("china.jpg"),
)


def cases(noise: float) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield the side of the kernel to look for, the true kernel and the blurred image."""
    for number, (length, degrees) in enumerate(zip(LENGTHS, ANGLES, strict=True)):
        image = PHOTOGRAPHS[number % len(PHOTOGRAPHS)][:480, :560]
        sharp, kernel = torch.from_numpy(image.copy()).permute(2, 0, 1) / 255, line(length, degrees)
        blurred = operator.uniform(kernel, *sharp.shape[1:]).forward(sharp)
        rng = torch.Generator().manual_seed(number)
        yield (length + 4) // 2 * 2 + 1, kernel, blurred + noise * torch.randn(blurred.shape, generator=rng)


def theirs(program: str, blurred: Tensor, side: int) -> Tensor:
    """Run the other program: (3, H, W) -> (k, k)."""
    with tempfile.TemporaryDirectory() as folder:
        image, kernel = Path(folder) / "image.tif", Path(folder) / "kernel.tif"
        tifffile.imwrite(image, 255 * blurred.permute(1, 2, 0).numpy())
        subprocess.run([program, str(side), image, kernel], check=True, stdout=subprocess.DEVNULL)
        return torch.from_numpy(cv2.imread(str(kernel), cv2.IMREAD_UNCHANGED))


def ours(blurred: Tensor, side: int) -> Tensor:
    """Estimate a kernel: (3, H, W) -> (k, k)."""
    return xu.estimate(torch.einsum("c,chw->hw", torch.tensor(xu.LUMA), blurred), xu.Config(kernel=side))


def main(program: str = "") -> None:
    """Print the share of similar kernels, and all similarities."""
    for noise in NOISE:
        found = {"ours": [similarity(ours(y, side), kernel) for side, kernel, y in cases(noise)]}
        if program:
            found["theirs"] = [
                similarity(theirs(program, y, side), kernel) for side, kernel, y in cases(noise)
            ]
        for name, values in found.items():
            share = np.mean(np.array(values) >= 0.8)
            print(
                f"noise {noise:g}, {name}: {share:.0%} of kernels from 0.8, mean {np.mean(values):.3f}",
                flush=True,
            )
            print(np.round(values, 2))


if __name__ == "__main__":
    main(*sys.argv[1:])
