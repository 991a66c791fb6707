"""Measure what the solvers gain where the blur is known: the tables of docs/classical.md.

python tests/benchmarks/deconvolution.py [<number of test images>]

Exact camera paths on the scenes without moving objects, and true motion as straight lines on all of the
embedded test images; each weight is one line, with the mean gain over the images in dB.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmark.datasets import embedded
from benchmark.datasets.simulation import camera, scene
from benchmark.deconvolution import operator
from benchmark.deconvolution.epll import epll
from benchmark.deconvolution.hyper_laplacian import hyper_laplacian
from benchmark.deconvolution.operator import Blur

TIMES = 65  # points of a camera path
SOLVERS: dict[str, Callable[[Tensor, Blur], Tensor]] = {
    **{f"hyper-Laplacian {w:g}": lambda y, k, w=w: hyper_laplacian(y, k, w) for w in (200, 500, 2e3)},
    **{f"EPLL {w:g}": lambda y, k, w=w: epll(y, k, weight=w) for w in (2e4, 1.5e5, 6e5)},
}


@dataclass(frozen=True)
class Known:
    """A test image whose blur is known."""

    name: str
    blurred: Tensor
    sharp: Tensor
    lines: Blur
    path: Blur | None  # of the background, where nothing else is in view


def known(index: int) -> Known:
    """Render a test image, with its motion as lines and its camera's path."""
    name, exposure = embedded.render("test", index)
    photograph, number = name.split("/")
    seed = np.random.SeedSequence([embedded.SEED, int(number), *photograph.encode()])
    drawn = scene.draw(photograph, np.random.default_rng(seed))
    path = None
    if len(drawn.layers) == 1 and drawn.layers[0].relief is None:
        times = ((np.arange(TIMES) + 0.5) / TIMES - 0.5) * drawn.frames / camera.RATE
        views = camera.views(drawn.camera, times, drawn.layers[0].plane)
        path = operator.paths(torch.from_numpy(views).float(), torch.ones(TIMES), (camera.SIZE, camera.SIZE))
    blurred, sharp = (
        torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255
        for image in (exposure.blur, exposure.sharp)
    )
    return Known(name, blurred, sharp, operator.lines(torch.from_numpy(exposure.motion).float()), path)


def psnr(image: Tensor, sharp: Tensor) -> float:
    """Compute the PSNR of an image clipped to [0, 1], in dB."""
    return -10 * float((image.clamp(0, 1) - sharp).square().mean().log10())


def main(count: int) -> None:
    """Print how well each blur explains its image, then the gains."""
    images = [known(index) for index in range(count)]
    for image in images:
        made = [psnr(blur.forward(image.sharp), image.blurred) for blur in (image.lines, image.path) if blur]
        blurred = psnr(image.blurred, image.sharp)
        print(f"{image.name}: input {blurred:.2f}, made by lines and path {np.round(made, 1)} dB", flush=True)
    for title, of in {"path": lambda x: x.path, "lines": lambda x: x.lines}.items():
        chosen = [image for image in images if of(image)]
        for solver, solve in SOLVERS.items():
            gains = [psnr(solve(x.blurred, of(x)), x.sharp) - psnr(x.blurred, x.sharp) for x in chosen]
            print(
                f"{title}, {len(chosen)} images, {solver}: {np.mean(gains):+.2f} dB {np.round(gains, 1)}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
