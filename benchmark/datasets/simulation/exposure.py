"""Expose the simulated camera: layers and a camera path give a blurred and a sharp image."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.simulation.camera import (
    DENSITY,
    FOCAL,
    RATE,
    SIZE,
    Floats,
    Layer,
    Trajectory,
    encode,
    follow,
    poses,
    sample,
    transform,
    views,
)

LEVELS = (3, 5, 7, 9, 11)  # frames averaged in MT-RNN's temporal levels, from near sharp to the longest blur
STEP = 0.5  # pixels that anything may move between two sub-frames
_ROUNDS = 4  # of following a pixel into a relief; each at least halves the error, as `scene.FOLD` sees to
_MIDDLE = (SIZE - 1) / 2
_Y, _X = np.divmod(np.arange(SIZE * SIZE, dtype=np.float64), SIZE)
_GRID = np.stack([_X, _Y], axis=1)

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Exposure:
    """The images of one exposure, and the true motion; images are (SIZE, SIZE, 3) RGB."""

    blur: Image  # mean of the encoded frames, GoPro_Large's `blur`
    blur_gamma: Image  # mean in linear light, then encoded
    sharp: Image  # the instant in the middle
    before: Image  # the instants one exposure earlier and later: middles of the neighbouring exposures
    after: Image
    motion: NDArray[np.float16]  # (SIZE, SIZE, 2) pixels travelled (x, y) from opening to closing
    moving: Image  # (SIZE, SIZE) 255 where the sharp image shows an object that moves by itself
    level_3: Image  # as `blur`, of the middle 3 frames alone; `blur` itself if there are no more, and so on
    level_5: Image
    level_7: Image
    level_9: Image
    level_11: Image


def expose(layers: list[Layer], camera: Trajectory, frames: int) -> Exposure:
    """Film layers, the background first and the nearest last, over an odd number of frames.

    Raises:
        ValueError: an even number of frames has no middle one.
    """
    if frames < 1 or frames % 2 == 0:
        raise ValueError(f"expose: {frames} frames have no middle one; allowed: odd numbers from 1")
    parts = subframes(layers, camera, frames)
    shutter = frames / RATE
    fractions = (np.arange(frames)[:, None] + (2 * np.arange(parts) + 1) / (2 * parts)) / frames - 0.5
    times = np.concatenate([fractions.ravel() * shutter, [0, -shutter, shutter]])
    scene = [_Placed(layer, camera, times) for layer in layers]
    light = np.zeros((frames, 3, SIZE, SIZE))
    for k in range(frames):
        for j in range(parts):
            light[k] += _view(scene, k * parts + j)
    light /= parts
    encoded = encode(light)
    blur, blur_gamma = encoded.mean(axis=0), encode(light.mean(axis=0))
    shorter = {f"level_{k}": _levels(central(encoded, k).mean(axis=0)) for k in LEVELS}
    sharp, before, after = (_levels(encode(_view(scene, frames * parts + k))) for k in range(3))
    motion, moving = _true_motion(layers, camera, shutter)
    return Exposure(_levels(blur), _levels(blur_gamma), sharp, before, after, motion, moving, **shorter)


def central(frames: Floats, count: int) -> Floats:
    """Return the middle `count` of an odd number of frames, or all.

    >>> central(np.arange(7), 3).tolist()
    [2, 3, 4]
    """
    left_out = max(0, len(frames) - count) // 2
    return frames[left_out : len(frames) - left_out]


def subframes(layers: list[Layer], camera: Trajectory, frames: int) -> int:
    """Return the odd number of sub-frames per frame that keeps every movement between two below `STEP`."""
    probes = _GRID.reshape(SIZE, SIZE, 2)[:: SIZE // 8, :: SIZE // 8].reshape(-1, 2)
    times = np.linspace(-0.5, 0.5, 8 * frames + 1) * frames / RATE
    fastest = 0.0
    for layer in layers:
        paths = follow(layer, camera, probes if layer is layers[0] else layer.outline, times)
        fastest = max(fastest, float(np.hypot(*np.moveaxis(np.diff(paths, axis=0), 2, 0)).max()))
    return ceil(8 * fastest / STEP) | 1


class _Placed:
    """A layer, and the way from the view at each time back to it."""

    def __init__(self, layer: Layer, camera: Trajectory, times: Floats) -> None:
        self.layer = layer
        away = np.linalg.inv(layer.moves(times))
        self.back = np.einsum("nij,njk->nik", away, views(camera, times, layer.plane))
        self.rotation, self.shift = poses(camera, times)
        corners = follow(layer, camera, layer.outline, times)
        self.low = np.clip(np.floor(corners.min(axis=1)).astype(int), 0, SIZE)
        self.high = np.clip(np.ceil(corners.max(axis=1)).astype(int) + 1, 0, SIZE)

    def whole(self, k: int) -> Floats:
        """Render the background at time k: (C, SIZE, SIZE)."""
        points = transform(self.back[k], _GRID) if self.layer.relief is None else self._relief(k)
        return self._sample(points).reshape(-1, SIZE, SIZE)

    def part(self, k: int) -> tuple[tuple[slice, slice], Floats]:
        """Render an object at time k: its box in the view, and its colour and opacity there."""
        box = slice(self.low[k, 1], self.high[k, 1]), slice(self.low[k, 0], self.high[k, 0])
        points = _GRID.reshape(SIZE, SIZE, 2)[box]
        planes = self._sample(transform(self.back[k], points.reshape(-1, 2)))
        return box, planes.reshape(len(planes), *points.shape[:2])

    def _sample(self, points: Floats) -> Floats:
        x, y = ((points - self.layer.corner) * DENSITY).T
        return sample(self.layer.texture, x, y)

    def _relief(self, k: int) -> Floats:
        """Iterate to a fixed point: a point in the relief gives a depth, the depth a better point."""
        x, y = (_GRID.T - _MIDDLE) / FOCAL
        turn, shift = self.rotation[k], self.shift[k]
        ray = [turn[0, i] * x + turn[1, i] * y + turn[2, i] for i in range(3)]  # R^T r
        back = [
            turn[0, i] * shift[0] + turn[1, i] * shift[1] + turn[2, i] * shift[2] for i in range(3)
        ]  # R^T t
        points = transform(self.back[k], _GRID)
        for _ in range(_ROUNDS):
            near = self.layer.nearness(points)
            ahead, behind = 1 + near * back[2], near * ray[2]
            x, y, z = (ahead * ray[i] - behind * back[i] for i in range(3))
            points = np.stack([FOCAL * x / z + _MIDDLE, FOCAL * y / z + _MIDDLE], axis=1)
        return points


def _view(scene: list[_Placed], k: int) -> Floats:
    """Render the view at time k in linear light (3, SIZE, SIZE): each layer drawn over the ones behind."""
    view = scene[0].whole(k)
    for placed in scene[1:]:
        box, planes = placed.part(k)
        view[:, *box] = view[:, *box] * (1 - planes[3]) + planes[:3]
    return view


def _true_motion(
    layers: list[Layer], camera: Trajectory, shutter: float
) -> tuple[NDArray[np.float16], Image]:
    """Return the motion and the moving objects that the sharp image shows."""
    ends = np.array([-0.5, 0.5]) * shutter
    opening, closing = follow(layers[0], camera, _GRID, ends)
    motion = closing - opening
    moving = np.zeros(SIZE * SIZE, np.uint8)
    for layer in layers[1:]:
        x, y = ((_GRID - layer.corner) * DENSITY).T
        shown = sample(layer.texture[3:], x, y)[0] > 0.5
        opening, closing = follow(layer, camera, _GRID[shown], ends)
        motion[shown] = closing - opening
        moving[shown] = 255 if layer.motion else 0
    return motion.reshape(SIZE, SIZE, 2).astype(np.float16), moving.reshape(SIZE, SIZE)


def _levels(planes: Floats) -> Image:
    """Round (3, H, W) in [0, 255] to (H, W, 3) in 8 bits."""
    return np.rint(np.clip(planes, 0, 255)).astype(np.uint8).transpose(1, 2, 0)
