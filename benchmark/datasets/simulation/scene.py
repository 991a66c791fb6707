"""Draw a scene: a picture, objects in front of it, and how all of them and the camera move.

The constants bring the images near those of GoPro_Large, as docs/data.md shows: SPEED and SPREAD the blur,
DETAIL the detail, and in `photographs` CONTRAST and LENS.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.simulation import leaves, photographs
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
    transform,
    views,
)
from benchmark.datasets.simulation.photographs import CUTOUTS, MORE, OWN, PHOTOGRAPHS, Piece

FRAMES = (7, 9, 11, 13)  # averaged in one exposure; odd, so that there is a middle one
SPEED = 1.3  # pixels per frame, the median over images
SPREAD = 0.3  # standard deviation of its logarithm
SLOWEST, FASTEST = 0.15, 2.5  # pixels per frame
DETAIL = (4.2, 11.0)  # allowed mean gradient of a view, in levels per pixel; most of GoPro_Large lies between
CLOSEST, CLOSE, WIDE = 0.95, 1.05, 1.8  # pixels of the photograph per pixel of the view: allowed, and tried
FOLD = 0.5  # greatest change of parallax from one pixel to the next
OBJECTS = (0.35, 0.35, 0.2, 0.1)  # how often a scene has 0, 1, 2, 3 moving objects
STILL = (0.5, 0.3, 0.2)  # how often a scene of leaves has 0, 1, 2 objects that only the camera moves past
TRIES = 1000  # the least fitting photograph takes about 20

_MARGIN = 3.0  # pixels kept free at the photograph's border
# Pitch, yaw, roll, then shifts along x, y, z: each weight moves the view by a similar number of pixels.
_CAMERA = np.array([0.7 / FOCAL, 1 / FOCAL, 0.6 / SIZE, 0.5 / FOCAL, 0.4 / FOCAL, 0.6 / SIZE])
_RELIEF = np.array([1, 1, 1, 0.5, 0.5, 0.5])  # a surface can stretch only so far, so shifts are smaller there
_OBJECT = np.array([1, 0.35, 0.3 / SIZE, 0.3 / SIZE])  # x, y, angle, growth
_PROBES = np.stack(np.meshgrid(*[np.linspace(0, SIZE - 1, 5)] * 2), axis=-1).reshape(-1, 2)
_EDGE = _PROBES[(_PROBES % (SIZE - 1) == 0).any(axis=1)]


@dataclass(frozen=True)
class Scene:
    """The arguments of `exposure.expose`."""

    layers: list[Layer]
    camera: Trajectory
    frames: int


def draw(name: str, rng: np.random.Generator) -> Scene:
    """Draw a scene with a photograph as background.

    Its objects are cut out of other photographs of the split: the few things that CUTOUTS outlines or, of
    MORE, any part.

    A view past the photograph's border, or of too much or too little detail, is drawn again.

    Raises:
        ValueError: no view fits; the photograph is too small or too plain.
    """
    light, relief = photographs.load(name), photographs.relief(name)
    background = _fitting_background(light, relief, TRIES, rng)
    if background is None:
        raise ValueError(f"photograph {name!r}: no view of {SIZE}x{SIZE} fits in {TRIES} tries")
    frames, layer, camera = background
    split = PHOTOGRAPHS[name].split
    count = int(rng.choice(len(OBJECTS), p=OBJECTS))
    if split == MORE:
        others = [other for other in OWN if other != name]
        pieces = [leaves.piece(photographs.load(rng.choice(others)), rng) for _ in range(count)]
    else:
        cutouts = [c for c in CUTOUTS if c.photograph != name and PHOTOGRAPHS[c.photograph].split == split]
        chosen = rng.choice(len(cutouts), min(count, len(cutouts)), replace=False)
        pieces = [photographs.piece(cutouts[k]) for k in chosen]
    objects = [_object(piece, camera, frames, rng) for piece in pieces]
    return Scene([layer, *sorted(objects, key=lambda o: o.plane[2])], camera, frames)


def draw_leaves(rng: np.random.Generator) -> Scene:
    """Draw a scene of dead leaves: a picture of them, and in front of it pieces of the same picture.

    Some pieces move by themselves; the camera alone moves past the others, which gives parallax.
    """
    background = None
    while background is None:  # a picture may be too plain or too detailed everywhere
        light = leaves.picture(rng)
        background = _fitting_background(light, None, 5, rng)
    frames, layer, camera = background
    moving, still = (int(rng.choice(len(shares), p=shares)) for shares in (OBJECTS, STILL))
    objects = [_object(leaves.piece(light, rng), camera, frames, rng) for _ in range(moving + still)]
    objects[moving:] = [replace(layer, motion=None) for layer in objects[moving:]]
    return Scene([layer, *sorted(objects, key=lambda o: o.plane[2])], camera, frames)


def _fitting_background(
    light: Floats, relief: Floats | None, tries: int, rng: np.random.Generator
) -> tuple[int, Layer, Trajectory] | None:
    """Draw a number of frames, a background and a camera until they fit; None where none does."""
    for _ in range(tries):
        frames = int(rng.choice(FRAMES))
        background = _background(light, relief, frames, rng)
        if background is not None:
            return frames, *background
    return None


def _background(
    light: Floats, relief: Floats | None, frames: int, rng: np.random.Generator
) -> tuple[Layer, Trajectory] | None:
    """Draw a camera trajectory along which the picture fills the view; None where it cannot."""
    slant = rng.uniform(-0.4, 0.4, 2)
    camera = Trajectory.draw(rng, _CAMERA if relief is None else _CAMERA * _RELIEF)
    speed, zoom = _speed(rng), rng.uniform(CLOSE, WIDE)
    position, mirrored = rng.uniform(size=2), rng.random() < 0.5

    plane = (float(slant[0]), float(slant[1]), 1.0) if relief is None else (0.0, 0.0, 1.0)
    camera = camera.times(speed * frames / _travel(Layer(_nothing(1), (0, 0), plane), camera, frames))
    ends = [plane] if relief is None else [(0.0, 0.0, float(relief.min())), (0.0, 0.0, float(relief.max()))]
    low, high = _reach(camera, frames, ends)
    room = np.array(light.shape[1::-1]) - 1.0  # the last pixel of the photograph, x and y
    zoom = min(zoom, *(room / (high - low)))
    if zoom < CLOSEST:
        return None
    left, top = position * (room - zoom * (high - low))
    width, height = np.floor((high - low) * DENSITY).astype(int)
    if mirrored:
        light, relief = light[:, ::-1], None if relief is None else relief[:, ::-1]
    deep = None
    if relief is not None:
        deep = photographs.texture(relief[..., None], left, top, zoom, (height, width))[0]
        if _stretch(deep, camera, frames) > FOLD:
            return None
    texture = photographs.texture(light, left, top, zoom, (height, width))
    if not DETAIL[0] <= _detail(texture) <= DETAIL[1]:
        return None
    return Layer(texture, (low[0], low[1]), plane, deep), camera


def _object(piece: Piece, camera: Trajectory, frames: int, rng: np.random.Generator) -> Layer:
    """Draw an object in the view, nearer than the background, that moves mostly sideways."""
    height, across, down = rng.uniform(*piece.heights), rng.uniform(0.1, 0.9), rng.uniform(0.2, 0.8)
    nearness, mirrored = float(rng.uniform(1.1, 1.7)), rng.random() < 0.5
    motion = Trajectory.draw(rng, _OBJECT)
    middle = Layer(_nothing(4), (SIZE / 2, SIZE / 2), motion=motion)
    motion = motion.times(_speed(rng) * frames / _travel(middle, Trajectory.steady(*[0] * 6), frames))

    planes, (left, top, right, low) = piece.planes, piece.box
    if mirrored:
        planes, left, right = planes[:, ::-1], planes.shape[1] - 1 - right, planes.shape[1] - 1 - left
    zoom = (low - top) / height
    width = (right - left) / zoom
    texture = photographs.texture(planes, left, top, zoom, (int(height * DENSITY), int(width * DENSITY)))
    texture[:, :, [0, -1]] = texture[:, [0, -1]] = 0  # sampling repeats the border, which must not show
    x, y = across * SIZE - width / 2, down * SIZE - height / 2
    layer = Layer(texture, (x, y), (0, 0, nearness), motion=motion)
    if not piece.cropped:
        return layer
    edge = follow(layer, camera, layer.outline[2:], _times(frames, 1))[..., 1]  # positions of the lower end
    return replace(layer, corner=(x, y + SIZE + 4 - edge.min()))


def _speed(rng: np.random.Generator) -> float:
    return float(np.clip(SPEED * np.exp(SPREAD * rng.normal()), SLOWEST, FASTEST))


def _nothing(channels: int) -> Floats:
    return np.zeros((channels, 1, 1))


def _times(frames: int, exposures: float) -> Floats:
    """Return times from that many exposures before the middle one to as many after it."""
    return np.linspace(-exposures, exposures, 4 * frames + 1) * frames / RATE


def _reach(
    camera: Trajectory, frames: int, planes: list[tuple[float, float, float]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and greatest reference pixel (x, y) in view from one exposure earlier to one later."""
    matrices = [matrix for plane in planes for matrix in views(camera, _times(frames, 1), plane)]
    visible = np.concatenate([transform(matrix, _EDGE) for matrix in matrices])
    return visible.min(axis=0) - _MARGIN, visible.max(axis=0) + _MARGIN


def _stretch(relief: Floats, camera: Trajectory, frames: int) -> float:
    """Compute the greatest parallax between neighbouring pixels; at 1 the surface would fold over itself."""
    steps = np.abs(np.diff(relief, axis=0)).max(), np.abs(np.diff(relief, axis=1)).max()
    shift = np.abs(camera.at(_times(frames, 1))[:, 3:])
    pixels = FOCAL * np.hypot(shift[:, 0], shift[:, 1]) + SIZE / 2 * shift[:, 2]
    return float(np.hypot(*steps) * DENSITY * pixels.max())


def _detail(texture: Floats) -> float:
    """Compute the mean size of the gradient, in levels per pixel of the view."""
    green = encode(texture[1, ::DENSITY, ::DENSITY])
    return float(np.hypot(np.diff(green, axis=0)[:, 1:], np.diff(green, axis=1)[1:]).mean())


def _travel(layer: Layer, camera: Trajectory, frames: int) -> float:
    """Compute the mean length, in pixels, of the paths that the view's points draw during the exposure."""
    steps = np.diff(follow(layer, camera, _PROBES, _times(frames, 0.5)), axis=0)
    return float(np.hypot(steps[..., 0], steps[..., 1]).sum(axis=0).mean())
