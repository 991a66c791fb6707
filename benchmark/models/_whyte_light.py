"""Undo what a camera does to light: its response curve, and pixels that are saturated.

Follows O. Whyte's package for blind removal of camera shake, version 1.0; its licence is in whyte.py.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve
from torch import Tensor
from torch.nn.functional import interpolate


def decode_srgb(levels: Tensor) -> Tensor:
    """Convert sRGB levels to linear light, both in [0, 1], any shape (IEC 61966-2-1)."""
    levels = levels.clamp(0, 1)
    return torch.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: Tensor) -> Tensor:
    """Convert linear light to sRGB levels, both in [0, 1], any shape: the inverse of `decode_srgb`."""
    light = light.clamp(0, 1)
    curve = 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, light * 12.92, curve)


# From levels to light, and back.
RESPONSES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "srgb": (decode_srgb, encode_srgb),
    "none": (lambda levels: levels, lambda light: light.clamp(0, 1)),
}


def resized(image: Tensor, size: Sequence[int], mode: str = "bilinear") -> Tensor:
    """Resize a grey image (H, W) to a height and width, smoothed where it gets smaller."""
    return interpolate(image[None, None], tuple(size), mode=mode, antialias=True)[0, 0]


def filled(image: Tensor, known: NDArray[np.bool_]) -> Tensor:
    """Continue an image (H, W) into the pixels that are not known (H, W), so that its Laplacian is 0 there.

    >>> filled(torch.tensor([[1.0, 0, 0, 4]]), np.array([[True, False, False, True]])).tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    unknown = np.flatnonzero(~known)
    if not len(unknown) or known.sum() == 0:
        return image
    values = image.numpy().astype(np.float64).ravel()
    laplacian = sparse.kronsum(_second(image.shape[1]), _second(image.shape[0]), format="csr")[unknown]
    values[unknown] = 0
    right = -(laplacian @ values)
    values[unknown] = spsolve(laplacian[:, unknown].tocsc(), right, permc_spec="MMD_AT_PLUS_A")
    return torch.from_numpy(values.reshape(image.shape)).to(image.dtype)


def _second(side: int) -> sparse.csr_matrix:
    """Return the matrix of minus the second difference along a side, with nothing beyond its ends."""
    degrees = np.full(side, 2.0)
    degrees[0] -= 1
    degrees[-1] -= 1
    return sparse.diags([degrees, -np.ones(side - 1), -np.ones(side - 1)], [0, 1, -1], format="csr")
