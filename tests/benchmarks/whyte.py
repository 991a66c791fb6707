"""Measure Whyte's method on rendered scenes in which the camera only turns, and on real pairs.

python tests/benchmarks/whyte.py                       # the scenes: minutes
python tests/benchmarks/whyte.py BLUR.png SHARP.png    # one real pair, with its time and memory

Scenes are photographs of scikit-image, warped by OpenCV by each of 81 rotations and averaged: the solver's
own tiles have no part in them. Rotations are recovered if their spread about each axis is near the true one.
"""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from benchmark.deconvolution import progress
from benchmark.deconvolution.filter_flow import FilterFlow
from benchmark.deconvolution.rotations import Camera
from benchmark.models import whyte

Floats = NDArray[np.float64]
PHOTOGRAPHS = {"astronaut": data.astronaut, "coffee": data.coffee, "rocket": data.rocket}
# Pixels travelled at the border about x, y and z, at times from -1/2 to 1/2.
PATHS: dict[str, Callable[[Floats], list[Floats]]] = {
    "roll": lambda t: [0 * t, 0 * t, 22 * t],
    "straight": lambda t: [10 * t, -8 * t, 16 * t],
    "curved": lambda t: [14 * t, 20 * (t**2 - 1 / 12), 8 * (t**2 - 1 / 12) - 14 * t],
}
TIMES = (np.arange(81) + 0.5) / 81 - 0.5


@dataclass(frozen=True)
class Scene:
    """A sharp and a blurred image (H, W, 3), and the rotations (N, 3) between them."""

    sharp: Floats
    blurred: Floats
    camera: Camera
    rotations: Floats


def scene(photograph: str, path: str, focal: float) -> Scene:
    """Film a photograph along a path, its focal length in units of its longer side."""
    sharp = PHOTOGRAPHS[photograph]().astype(np.float32) / 255  # OpenCV goes wrong with float64 at the border
    height, width = sharp.shape[:2]
    camera = Camera(focal * max(height, width), height, width)
    rotations = np.stack(PATHS[path](TIMES), axis=1) * camera.steps
    options = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REPLICATE}
    views = (
        cv2.warpPerspective(sharp, matrix, (width, height), **options)
        for matrix in camera.homographies(rotations)
    )
    blurred = np.rint(255 * (sum(views) / len(rotations)).clip(0, 1)) / 255
    return Scene(sharp, blurred, camera, rotations)


def tensor(image: Floats) -> torch.Tensor:
    """Turn an image (H, W, 3) into (3, H, W), float32."""
    return torch.from_numpy(image).permute(2, 0, 1).float().contiguous()


def psnr(image: torch.Tensor, sharp: Floats) -> float:
    """Compute the PSNR of (3, H, W) against (H, W, 3), in dB."""
    return -10 * float((image.clamp(0, 1) - tensor(sharp)).square().mean().log10())


def spread(camera: Camera, rotations: Floats, weights: Floats) -> Floats:
    """Return the standard deviation of rotations about each axis, in pixels at the border."""
    weights = weights / weights.sum()
    return np.sqrt(weights @ (rotations - weights @ rotations) ** 2) / camera.steps


def scenes() -> None:
    """Print the input's PSNR, the gains with estimated and true rotations, and the spreads of both."""
    for photograph in PHOTOGRAPHS:
        for path in PATHS:
            film = scene(photograph, path, whyte.Config.focal)
            net, image = whyte.Net(whyte.Config(response="none")), tensor(film.blurred)
            begun = time.process_time()
            camera, rotations, weights = net.rotations(image)
            seconds = time.process_time() - begun
            true = film.rotations - film.rotations.mean(axis=0), np.ones(len(TIMES))
            before = psnr(image, film.sharp)
            gains = []
            for final, solve in whyte.FINAL.items():
                for which, turns in {"estimated": (rotations, weights), "true": true}.items():
                    restored = solve(image, FilterFlow(camera, *turns), net.config)
                    gains.append(f"{final}, {which} {psnr(restored, film.sharp) - before:+.2f}")
            found, expected = (spread(camera, *turns).round(1) for turns in ((rotations, weights), true))
            print(
                f"{photograph} {path}: input {before:.2f} dB, {seconds:.0f} CPU s", "; ".join(gains), sep="; "
            )
            print(f"    spread {found}, true {expected}", flush=True)


def pair(blurred: str, sharp: str) -> None:
    """Print what each response and last deconvolution gain on a real pair, CPU seconds and peak memory."""
    images = [np.asarray(Image.open(path).convert("RGB")) / 255 for path in (blurred, sharp)]
    image = tensor(images[0])
    print(f"input {psnr(image, images[1]):.2f} dB", flush=True)
    for response in whyte.RESPONSES:
        net, begun = whyte.Net(whyte.Config(response=response)), time.process_time()
        with progress.told(lambda words: print(words, file=sys.stderr)):
            flow = net.camera_blur(image)
        estimated = time.process_time()
        for final, solve in whyte.FINAL.items():
            last = time.process_time()
            restored = net.encode(solve(net.decode(image), flow, net.config))
            seconds = estimated - begun, time.process_time() - last
            gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            value = f"{psnr(restored, images[1]):.2f} dB"
            times = f"{seconds[0]:.0f} + {seconds[1]:.0f} CPU s"
            print(f"{response}, {final}: {value}, {times}, {gigabytes:.1f} GiB at most so far", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        pair(*sys.argv[1:3]) if len(sys.argv) > 2 else scenes()
