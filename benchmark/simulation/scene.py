"""What is in front of the camera and how everything moves: one random scene per random stream."""

from dataclasses import dataclass, replace

import numpy as np

from benchmark.simulation import photographs
from benchmark.simulation.camera import DENSITY, FOCAL, RATE, SIZE, Floats, Layer, Trajectory, encode, follow, views
from benchmark.simulation.photographs import CUTOUTS, PHOTOGRAPHS, Cutout

FRAMES = (7, 9, 11, 13)  # averaged in one exposure; odd, so that there is a middle one
SPEED = 1.2  # pixels per frame, the median over images; with SPREAD it brings PSNR to that of GoPro_Large
SPREAD = 0.33  # standard deviation of its logarithm
SLOWEST, FASTEST = 0.15, 2.5  # pixels per frame
OBJECTS = (0.35, 0.35, 0.2, 0.1)  # how often a scene has 0, 1, 2, 3 moving objects
CLOSEST, WIDEST = 0.95, 1.8  # pixels of the photograph per pixel of the view
DETAIL = (5.0, 10.0)  # allowed mean gradient of the view, levels per pixel; sharp frames of GoPro_Large: 4.2 to 12.6
_MARGIN = 3.0  # pixels kept free at the photograph's border
# Pitch, yaw, roll, then shifts along x, y, z: each weight moves the view by a similar number of pixels.
_CAMERA = np.array([0.7 / FOCAL, 1 / FOCAL, 0.6 / SIZE, 0.5 / FOCAL, 0.4 / FOCAL, 0.6 / SIZE])
_OBJECT = np.array([1, 0.35, 0.3 / SIZE, 0.3 / SIZE])  # x, y, angle, growth
_PROBES = np.stack(np.meshgrid(*[np.linspace(0, SIZE - 1, 5)] * 2), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class Scene:
    """The arguments of `exposure.expose`."""

    layers: list[Layer]
    camera: Trajectory
    frames: int


def draw(name: str, rng: np.random.Generator) -> Scene:
    """A scene in front of a photograph. Camera paths that would leave the photograph are drawn again."""
    while True:
        frames = int(rng.choice(FRAMES))
        background = _background(name, frames, rng)
        if background is not None:
            break
    layer, camera = background
    others = [c for c in CUTOUTS.values() if c.photograph != name]
    others = [c for c in others if PHOTOGRAPHS[c.photograph].split == PHOTOGRAPHS[name].split]
    count = min(int(rng.choice(len(OBJECTS), p=OBJECTS)), len(others))
    chosen = rng.choice(len(others), count, replace=False)
    objects = [_object(others[k], camera, frames, rng) for k in chosen]
    return Scene([layer, *sorted(objects, key=lambda o: o.plane[2])], camera, frames)


def _speed(rng: np.random.Generator) -> float:
    return float(np.clip(SPEED * np.exp(SPREAD * rng.normal()), SLOWEST, FASTEST))


def _background(name: str, frames: int, rng: np.random.Generator) -> tuple[Layer, Trajectory] | None:
    """The photograph and a camera path along which it fills the view; None where it cannot."""
    light = photographs.load(name)
    relief = photographs.relief(name)
    slant = rng.uniform(-0.4, 0.4, 2)
    plane = (float(slant[0]), float(slant[1]), 1.0) if relief is None else (0.0, 0.0, 1.0)
    camera = Trajectory.draw(rng, _CAMERA if relief is None else _CAMERA * [1, 1, 1, 0.5, 0.5, 0.5])
    camera = camera.times(_speed(rng) * frames / _travel(Layer(np.zeros((1, 1, 1)), (0, 0), plane), camera, frames))
    zoom = float(rng.uniform(1.05, WIDEST))
    place, mirrored = rng.uniform(size=2), rng.random() < 0.5

    depths = [plane] if relief is None else [(0.0, 0.0, float(f(relief))) for f in (np.min, np.max)]
    low, high = _reach(camera, frames, depths)
    room = np.array(light.shape[1::-1]) - 1  # largest place in the photograph, x and y
    zoom = min(zoom, *(room / (high - low)))
    if zoom < CLOSEST:
        return None
    start = place * (room - zoom * (high - low))
    shape = tuple(np.floor((high - low) * DENSITY).astype(int)[::-1])
    if mirrored:
        light, relief = light[:, ::-1], None if relief is None else relief[:, ::-1]
    planes = photographs.texture(light, *start, zoom, shape)
    if not DETAIL[0] <= _detail(planes) <= DETAIL[1]:
        return None
    deep = None if relief is None else photographs.texture(relief[..., None], *start, zoom, shape)[0]
    return Layer(planes, tuple(low), plane, deep), camera


def _reach(camera: Trajectory, frames: int, planes: list[tuple[float, float, float]]) -> tuple[Floats, Floats]:
    """Least and greatest reference pixel (x, y) seen from one exposure earlier to one later."""
    times = np.linspace(-1, 1, 4 * frames + 1) * frames / RATE
    edge = _PROBES[(_PROBES % (SIZE - 1) == 0).any(axis=1)]
    seen = []
    for plane in planes:
        homogeneous = np.einsum("nij,pj->npi", views(camera, times, plane), np.pad(edge, ((0, 0), (0, 1)), constant_values=1))
        seen.append((homogeneous[..., :2] / homogeneous[..., 2:]).reshape(-1, 2))
    return np.min(np.concatenate(seen), axis=0) - _MARGIN, np.max(np.concatenate(seen), axis=0) + _MARGIN


def _detail(planes: Floats) -> float:
    """Mean size of the gradient, in levels per pixel of the view."""
    green = encode(planes[1, ::DENSITY, ::DENSITY])
    return float(np.hypot(np.diff(green, axis=0)[:, 1:], np.diff(green, axis=1)[1:]).mean())


def _travel(layer: Layer, camera: Trajectory, frames: int) -> float:
    """Mean length, in pixels, of what the view's points draw during the exposure."""
    times = np.linspace(-0.5, 0.5, 4 * frames + 1) * frames / RATE
    steps = np.diff(follow(layer, camera, _PROBES, times), axis=0)
    return float(np.hypot(steps[..., 0], steps[..., 1]).sum(axis=0).mean())


def _object(cutout: Cutout, camera: Trajectory, frames: int, rng: np.random.Generator) -> Layer:
    """An object somewhere in the view, nearer than the background, moving mostly sideways."""
    light = photographs.load(cutout.photograph)
    alpha = photographs.opacity(cutout)[..., None]
    left, top = np.min(cutout.outline, axis=0) - 3
    right, low = np.max(cutout.outline, axis=0) + 3
    height = rng.uniform(*cutout.heights)
    zoom = (low - top) / height
    width = (right - left) / zoom
    motion = Trajectory.draw(rng, _OBJECT)
    still = Layer(np.zeros((4, 1, 1)), (SIZE / 2, SIZE / 2))
    reach = _travel(replace(still, motion=motion), Trajectory.steady(*[0] * 6), frames)
    motion = motion.times(_speed(rng) * frames / reach)
    x = float(rng.uniform(0.1, 0.9)) * SIZE - width / 2
    y = float(rng.uniform(0.2, 0.8)) * SIZE - height / 2
    if rng.random() < 0.5:
        light, alpha, left = light[:, ::-1], alpha[:, ::-1], light.shape[1] - 1 - right
    shape = (int(height * DENSITY), int(width * DENSITY))
    planes = photographs.texture(np.concatenate([light * alpha, alpha], axis=2), left, top, zoom, shape)
    planes[:, :, [0, -1]] = planes[:, [0, -1]] = 0  # nothing is sampled beyond the border
    nearness = float(rng.uniform(1.1, 1.7))
    layer = Layer(planes, (x, y), (0, 0, nearness), motion=motion)
    if not cutout.cropped:
        return layer
    times = np.linspace(-1, 1, 4 * frames + 1) * frames / RATE
    highest = follow(layer, camera, layer.outline[2:], times)[..., 1].min()  # of the lower edge
    return replace(layer, corner=(x, y + SIZE + 4 - highest))
