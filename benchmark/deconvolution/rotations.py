"""Describe a camera that turns while its shutter is open, and how much it moves each pixel.

A turn by the rotation vector theta moves what the sharp image shows at p to K exp([theta]) K^-1 p, with the
focal length in pixels and the middle of the image in K (Whyte et al., IJCV 2012, Sec. 2). Turning about the
x axis moves pixels down or up, about the y axis sideways, about z (the optical axis) around the middle.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """The focal length and the image size, all in pixels."""

    focal: float
    height: int
    width: int

    def resized(self, height: int, width: int) -> "Camera":
        """Return the camera of the same image at another size.

        >>> Camera(512, 256, 256).resized(128, 128).focal
        256.0
        """
        scale = ((height / self.height) * (width / self.width)) ** 0.5
        return Camera(self.focal * scale, height, width)

    @property
    def middle(self) -> tuple[float, float]:
        """The principal point (x, y)."""
        return (self.width - 1) / 2, (self.height - 1) / 2

    @property
    def steps(self) -> Floats:
        """The angles (3,) about x, y and z, in radians, that move a pixel at the border by one pixel.

        About x and y that is the border's middle, about z the corner.
        """
        x, y = self.middle
        side = max(x, y)
        across = self.focal / (self.focal**2 + side**2)
        return np.array([across, across, 1 / np.hypot(x, y)])

    @property
    def corners(self) -> Floats:
        """The four corner pixels (4, 2), x and y."""
        right, low = self.width - 1.0, self.height - 1.0
        return np.array([[0, 0], [right, 0], [0, low], [right, low]])

    def homographies(self, rotations: Floats) -> Floats:
        """Return the homographies (N, 3, 3) from sharp to turned pixels, of rotation vectors (N, 3)."""
        x, y = self.middle
        intrinsics = np.array([[self.focal, 0, x], [0, self.focal, y], [0, 0, 1]])
        turns = Rotation.from_rotvec(rotations).as_matrix()
        return intrinsics @ turns @ np.linalg.inv(intrinsics)

    def moves(self, rotations: Floats, points: Floats) -> Floats:
        """Compute by how many pixels (x, y) each rotation (N, 3) moves each pixel (P, 2): (N, P, 2).

        >>> Camera(100, 11, 11).moves(np.array([[0, 0.01, 0]]), np.array([[5.0, 5.0]])).round(3).tolist()
        [[[1.0, 0.0]]]
        """
        homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        moved = np.einsum("nij,pj->npi", self.homographies(rotations), homogeneous)
        return moved[..., :2] / moved[..., 2:] - points
