"""Differences between neighbouring pixels, and their transpose."""

import torch
from torch import Tensor


def differences(image: Tensor) -> Tensor:
    """Subtract each pixel from its right and its lower neighbour: (..., H, W) -> (2, ..., H, W)."""
    across, down = torch.zeros_like(image), torch.zeros_like(image)
    across[..., :-1] = image[..., 1:] - image[..., :-1]
    down[..., :-1, :] = image[..., 1:, :] - image[..., :-1, :]
    return torch.stack([across, down])


def transposed(gradient: Tensor) -> Tensor:
    """Apply the transpose of `differences`: (2, ..., H, W) -> (..., H, W)."""
    across, down = gradient
    image = torch.zeros_like(across)
    image[..., 1:] += across[..., :-1]
    image[..., :-1] -= across[..., :-1]
    image[..., 1:, :] += down[..., :-1, :]
    image[..., :-1, :] -= down[..., :-1, :]
    return image


def circular(image: Tensor) -> Tensor:
    """Subtract as `differences` does, in a periodic image: (..., H, W) -> (2, ..., H, W)."""
    return torch.stack([image.roll(-1, -1) - image, image.roll(-1, -2) - image])


def circular_transposed(gradient: Tensor) -> Tensor:
    """Apply the transpose of `circular`: (2, ..., H, W) -> (..., H, W)."""
    across, down = gradient
    return across.roll(1, -1) - across + down.roll(1, -2) - down


def circular_power(height: int, width: int, of: Tensor) -> Tensor:
    """Return the eigenvalues of the transpose times `circular`, as rfft2 orders them: (H, W // 2 + 1).

    >>> circular_power(2, 2, torch.zeros(1)).tolist()
    [[0.0, 4.0], [4.0, 8.0]]
    """
    down, across = (
        2 - 2 * torch.cos(2 * torch.pi * torch.arange(side, device=of.device, dtype=of.dtype) / side)
        for side in (height, width)
    )
    return down[:, None] + across[None, : width // 2 + 1]
