"""Fit and use a Gaussian mixture of small patches of sharp photographs, a prior of natural images.

Source    D. Zoran, Y. Weiss: From learning models of natural image patches to whole image restoration, ICCV
          2011
Unstated  the authors' mixture (200 components, two million patches of the Berkeley set) cannot be had, so
          `mixture.safetensors` is fitted here, by `python -m benchmark.deconvolution.fit`, on the training
          photographs of the embedded set alone: 50 components of 8x8 patches. Expect less of it on other
          content.
Shapes    N patches, P pixels of a patch, K components
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

SIDE = 8  # pixels of a patch
FLOOR = 3e-6  # added to every variance: 8-bit rounding has 1.3e-6
WEIGHTS = Path(__file__).with_name("mixture.safetensors")
BLOCK = 2**15  # patches that are compared with all components at once


@dataclass(frozen=True)
class Mixture:
    """Patches, less their mean, are drawn from one of K Gaussian distributions about zero."""

    weights: Tensor  # (K,), their sum is 1
    values: Tensor  # (K, P) variances along the principal axes
    axes: Tensor  # (K, P, P) principal axes, one per column

    @classmethod
    def of(cls, weights: Tensor, covariances: Tensor) -> "Mixture":
        """Make a mixture of K weights and covariances (K, P, P)."""
        values, axes = torch.linalg.eigh(covariances)
        return cls(weights, values.clamp(min=FLOOR), axes)

    def to(self, like: Tensor) -> "Mixture":
        """Move to a tensor's device and dtype."""
        return Mixture(*(part.to(like) for part in (self.weights, self.values, self.axes)))

    def log_density(self, patches: Tensor, noise: float = 0.0) -> Tensor:
        """Compute log(weight x density) of noisy patches (N, P) under each component: (N, K)."""
        variances = self.values + noise
        constant = self.weights.log() - 0.5 * (variances.log().sum(1) + variances.shape[1] * LOG_TAU)
        whitening = self.axes / variances.sqrt()[:, None, :]
        columns = [(patches @ whiten).square().sum(1) for whiten in whitening]
        return constant - 0.5 * torch.stack(columns, 1)

    def most_likely(self, patches: Tensor, noise: float) -> Tensor:
        """Choose each patch's component under a noise variance: (N, P) -> (N,)."""
        parts = [self.log_density(part, noise).argmax(1) for part in patches.split(BLOCK)]
        return torch.cat(parts)

    def denoise(self, patches: Tensor, chosen: Tensor, noise: float) -> Tensor:
        """Estimate patches (..., N, P) from noisy ones, each by the Wiener filter of its component (N,)."""
        restored = torch.empty_like(patches)
        for k in chosen.unique().tolist():
            of = chosen == k
            gain = self.values[k] / (self.values[k] + noise)
            restored[..., of, :] = (patches[..., of, :] @ self.axes[k] * gain) @ self.axes[k].T
        return restored


LOG_TAU = 1.8378770664093453  # log(2 pi)


def fit(patches: Tensor, components: int, iterations: int) -> tuple[Mixture, list[float]]:
    """Fit a mixture to patches without their mean, (N, P), by expectation maximisation.

    Components start as the patches of `components` equal ranges of contrast. Returns the mean log-likelihood
    before each iteration too, which cannot fall but for the floor of the variances.

    Raises:
        ValueError: fewer patches than pixels in each component.
    """
    count, pixels = patches.shape
    if count < components * pixels:
        raise ValueError(
            f"{count} patches for {components} components; allowed: at least {components * pixels}"
        )
    ranges = patches.norm(dim=1).argsort().tensor_split(components)
    second = torch.stack([patches[r].T @ patches[r] / len(r) for r in ranges])
    weights, likelihoods = patches.new_full((components,), 1 / components), list[float]()
    for _ in range(iterations):
        mixture = Mixture.of(weights.double(), second.double() + FLOOR * torch.eye(pixels)).to(patches)
        total, mass = 0.0, torch.zeros(components, dtype=torch.float64)
        moments = torch.zeros(components, pixels, pixels, dtype=torch.float64)
        for part in patches.split(BLOCK):
            log = mixture.log_density(part)
            sums = log.logsumexp(1)
            share = (log - sums[:, None]).exp()
            total += float(sums.double().sum())
            mass += share.sum(0)
            for k in range(components):
                moments[k] += part.T @ (part * share[:, k, None])
        weights, second = mass / count, moments / mass[:, None, None]
        likelihoods.append(total / count)
    return Mixture.of(weights, second + FLOOR * torch.eye(pixels)), likelihoods


@cache
def load() -> Mixture:
    """Load the committed mixture."""
    parts = load_file(WEIGHTS)
    return Mixture.of(parts["weights"].double(), parts["covariances"].double())
