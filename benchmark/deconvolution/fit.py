"""Fit the committed mixture to the training photographs: `python -m benchmark.deconvolution.fit`, minutes."""

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.torch import save_file
from torch import Tensor

from benchmark.datasets.simulation.photographs import PHOTOGRAPHS, levels
from benchmark.deconvolution import mixture

COMPONENTS, ITERATIONS, PATCHES, SEED = 50, 30, 100_000, 0
LUMA = np.array([0.299, 0.587, 0.114]) / 255  # of ITU-R BT.601, as rgb2gray


def patches(split: str, count: int, seed: int) -> Tensor:
    """Draw patches of a split's photographs, at full and half size, without their mean: (count, 64)."""
    rng = np.random.default_rng(seed)
    names = [name for name, photograph in PHOTOGRAPHS.items() if photograph.split == split]
    images = []
    for name in names:
        grey = levels(name) @ LUMA
        even = grey[: len(grey) // 2 * 2, : grey.shape[1] // 2 * 2]
        images += [grey, even.reshape(len(even) // 2, 2, -1, 2).mean((1, 3))]
    windows = [sliding_window_view(image, (mixture.SIDE, mixture.SIDE)) for image in images]
    share = np.array([w.shape[0] * w.shape[1] for w in windows], float)
    drawn = []
    for window, number in zip(windows, rng.multinomial(count, share / share.sum()), strict=True):
        y, x = rng.integers(window.shape[0], size=number), rng.integers(window.shape[1], size=number)
        drawn.append(window[y, x].reshape(number, -1))
    found = torch.from_numpy(np.concatenate(drawn)).float()
    return found - found.mean(1, keepdim=True)


def main() -> None:
    """Write mixture.safetensors and print the likelihoods of training and validation photographs."""
    fitted, likelihoods = mixture.fit(patches("train", PATCHES, SEED), COMPONENTS, ITERATIONS)
    covariances = fitted.axes * fitted.values[:, None] @ fitted.axes.mT
    save_file(
        {"weights": fitted.weights.float(), "covariances": covariances.float().contiguous()}, mixture.WEIGHTS
    )
    other = fitted.log_density(patches("validation", 20_000, SEED).double()).logsumexp(1).mean()
    print(f"log-likelihood per patch: {likelihoods[0]:.1f} to {likelihoods[-1]:.1f}; validation {other:.1f}")


if __name__ == "__main__":
    main()
