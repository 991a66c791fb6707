"""Simulate a 240 fps camera: its motion, what each of its frames shows, and the response curve.

Nah et al. (CVPR 2017) film at 240 fps and average 7 to 13 neighbouring frames; the middle frame is the sharp
image. A real high-speed frame has a short shutter, so the scene jumps from frame to frame and the average
shows ghosts. Here the shutter never closes: each frame integrates light over its whole 1/240 s, in sub-frames
so close that nothing moves by more than half a pixel between two. Only the sharp image is a single instant.

Coordinates are pixels (x right, y down) of the *reference*: the view at time 0, the middle of the exposure.
A view at another time is computed by following each pixel back to the reference and from there into a
layer's texture, so there is one interpolation between the texture and the sub-frame. The texture has twice
the density of the view (`DENSITY`), where linear interpolation costs hardly any sharpness.

All arithmetic is float64 and no sum is left to a threaded library: processors differ in the last bit of it,
which 8 bits do not show.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]

SIZE = 256  # height and width of the view
FOCAL = 400.0  # focal length in pixels; the principal point is the middle of the view
RATE = 240.0  # frames per second
GAMMA = 2.2  # approximates the camera response, as in GoPro_Large
DENSITY = 2  # texture samples per pixel of the view

_MIDDLE = (SIZE - 1) / 2
_INTRINSICS = np.array([[FOCAL, 0, _MIDDLE], [0, FOCAL, _MIDDLE], [0, 0, 1]])
_TO_RAY = np.array([[1 / FOCAL, 0, -_MIDDLE / FOCAL], [0, 1 / FOCAL, -_MIDDLE / FOCAL], [0, 0, 1]])


def decode(levels: Floats) -> Floats:
    """Convert levels in [0, 255] to linear light in [0, 1].

    >>> decode(np.array([0.0, 128.0, 255.0])).round(4).tolist()
    [0.0, 0.2195, 1.0]
    """
    return np.power(levels / 255, GAMMA)


def encode(light: Floats) -> Floats:
    """Convert linear light in [0, 1] to levels in [0, 255]; the inverse of `decode`."""
    return 255 * np.power(light, 1 / GAMMA)


@dataclass(frozen=True)
class Trajectory:
    """Several coordinates that move smoothly: a steady drift plus tremor, all zero at time 0."""

    drift: Floats  # (C,) per second
    swing: Floats  # (K, C) amplitude of each tremor
    beat: Floats  # (K, C) its angular frequency
    phase: Floats  # (K, C)

    @classmethod
    def draw(cls, rng: np.random.Generator, weights: Floats) -> "Trajectory":
        """Draw a random path; `weights` limits how fast each coordinate moves, per second."""
        beat = 2 * np.pi * rng.uniform([[1.5], [4.0], [8.0]], [[4.0], [8.0], [14.0]], (3, len(weights)))
        speed = rng.normal(size=(3, len(weights))) * [[0.8], [0.7], [0.5]]
        phase = rng.uniform(0, 2 * np.pi, beat.shape)
        return cls(rng.normal(size=len(weights)) * weights, speed * weights / beat, beat, phase)

    @classmethod
    def steady(cls, *drift: float) -> "Trajectory":
        """Move at constant speed, in units per second."""
        still = np.zeros((1, len(drift)))
        return cls(np.array(drift, float), still, still, still)

    def at(self, times: Floats) -> Floats:
        """Return the coordinates (N, C) at N times."""
        turns = self.beat * times[:, None, None] + self.phase
        return times[:, None] * self.drift + (self.swing * (np.sin(turns) - np.sin(self.phase))).sum(axis=1)

    def times(self, factor: float) -> "Trajectory":
        """Return the same path, scaled."""
        return Trajectory(self.drift * factor, self.swing * factor, self.beat, self.phase)


@dataclass(frozen=True)
class Layer:
    """A photograph, or an object cut from one, as a surface in front of the camera.

    The surface is a plane, or follows `relief` where there is one. The camera moves past it; an object also
    moves by itself, along `motion`.
    """

    texture: (
        Floats  # (C, h, w) linear light; a fourth channel is opacity, with which the others are multiplied
    )
    corner: tuple[float, float]  # reference pixel (x, y) of texture[:, 0, 0]
    plane: tuple[float, float, float] = (0, 0, 1)  # the points p in space with plane . p = 1
    relief: Floats | None = None  # (h, w) inverse depth in place of the plane
    motion: Trajectory | None = None  # of x, y in pixels, an angle, and the logarithm of a scale

    @property
    def pivot(self) -> Floats:
        """The centre in reference pixels, which an object turns about."""
        height, width = self.texture.shape[1:]
        return np.array(self.corner) + np.array([width - 1, height - 1]) / (2 * DENSITY)

    @property
    def outline(self) -> Floats:
        """The four corners, in reference pixels (4, 2)."""
        height, width = self.texture.shape[1:]
        return (
            np.array(self.corner)
            + np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]]) / DENSITY
        )

    def nearness(self, points: Floats) -> Floats:
        """Return the inverse depth at reference pixels (N, 2)."""
        if self.relief is None:
            x, y, z = rays(points).T
            return self.plane[0] * x + self.plane[1] * y + self.plane[2] * z
        x, y = ((points - self.corner) * DENSITY).T
        return sample(self.relief[None], x, y)[0]

    def moves(self, times: Floats) -> Floats:
        """Return the similarities (N, 3, 3) by which the object's own motion moves reference pixels."""
        if self.motion is None:
            return np.tile(np.eye(3), (len(times), 1, 1))
        x, y, angle, growth = self.motion.at(times).T
        cos, sin = np.exp(growth) * np.cos(angle), np.exp(growth) * np.sin(angle)
        px, py = self.pivot
        rows = [[cos, -sin, px + x - cos * px + sin * py], [sin, cos, py + y - sin * px - cos * py]]
        return np.moveaxis(np.array([*rows, [0 * cos, 0 * cos, 0 * cos + 1]]), 2, 0)


def sample(planes: Floats, x: Floats, y: Floats) -> Floats:
    """Interpolate (C, h, w) linearly at N points: (C, N). Points outside take the border's value."""
    height, width = planes.shape[1:]
    x, y = np.clip(x, 0, width - 1.000001), np.clip(y, 0, height - 1.000001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right_share, low_share = x - left, y - top
    index = top * width + left
    sampled = np.empty((len(planes), len(x)))
    for channel, plane in enumerate(planes.reshape(len(planes), -1)):
        upper, lower = plane.take(index), plane.take(index + width)
        upper += (plane.take(index + 1) - upper) * right_share
        lower += (plane.take(index + width + 1) - lower) * right_share
        sampled[channel] = upper + (lower - upper) * low_share
    return sampled


def transform(matrix: Floats, points: Floats) -> Floats:
    """Apply a 3x3 homography to points (N, 2)."""
    x, y = points.T
    xyw = [row[0] * x + row[1] * y + row[2] for row in matrix]
    return np.stack([xyw[0] / xyw[2], xyw[1] / xyw[2]], axis=1)


def rays(points: Floats) -> Floats:
    """Return the directions (N, 3) of depth 1 through pixels (N, 2)."""
    return np.concatenate([(points - _MIDDLE) / FOCAL, np.ones((len(points), 1))], axis=1)


def poses(camera: Trajectory, times: Floats) -> tuple[Floats, Floats]:
    """Return rotations (N, 3, 3) and shifts (N, 3) from the reference to camera coordinates.

    A camera has six coordinates: a rotation vector (pitch, yaw, roll), then a shift in units of the depth 1.
    """
    six = camera.at(times)
    return Rotation.from_rotvec(six[:, :3]).as_matrix(), six[:, 3:]


def views(camera: Trajectory, times: Floats, plane: tuple[float, float, float]) -> Floats:
    """Return homographies (N, 3, 3) from pixels at each time to reference pixels, for points on a plane."""
    rotation, shift = poses(camera, times)
    back = np.einsum("nji,nj->ni", rotation, shift)  # R^T t
    normal = np.einsum("nij,j->ni", rotation, np.array(plane))  # (n^T R^T)^T
    ahead = 1 + np.einsum("ni,i->n", back, np.array(plane))
    matrix = ahead[:, None, None] * np.swapaxes(rotation, 1, 2) - back[:, :, None] * normal[:, None, :]
    return np.einsum("ij,njk,kl->nil", _INTRINSICS, matrix, _TO_RAY)


def follow(layer: Layer, camera: Trajectory, points: Floats, times: Floats) -> Floats:
    """Project the scene points at reference pixels (N, 2) into the view at T times: (T, N, 2)."""
    rotation, shift = poses(camera, times)
    inverse_depth = layer.nearness(points)
    projected = np.empty((len(times), len(points), 2))
    for k, move in enumerate(layer.moves(times)):
        moved = transform(move, points)
        near = inverse_depth if layer.relief is not None else layer.nearness(moved)
        point = np.einsum("ij,nj->ni", rotation[k], rays(moved)) + near[:, None] * shift[k]
        projected[k] = FOCAL * point[:, :2] / point[:, 2:] + _MIDDLE
    return projected
