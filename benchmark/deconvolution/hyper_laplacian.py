"""Undo a known blur under the prior that few gradients are large (hyper-Laplacian).

Source    D. Krishnan, R. Fergus: Fast image deconvolution using hyper-Laplacian priors, NIPS 2009
Unstated  a blur that varies in space has no Fourier transform, so its linear systems are solved by conjugate
          gradients with the exact blur and its transpose; the prior's one-dimensional problem, which the
          authors tabulate, is solved by Newton's method
"""

import torch
from torch import Tensor

from benchmark.deconvolution import circular, conjugate, gradients
from benchmark.deconvolution.operator import Blur, Uniform

BETA, LARGEST, GROWTH = 1.0, 256.0, 2 * 2**0.5  # of the penalty: first, last and factor (Sec. 4 of the paper)
NEWTON = 8  # iterations; the last changes float32 no more


def hyper_laplacian(
    blurred: Tensor, blur: Blur, weight: float = 2e3, exponent: float = 2 / 3, iterations: int = 20
) -> Tensor:
    """Minimise weight / 2 |K x - y|^2 + sum |gradient of x|^exponent: (..., H, W) in [0, 1] -> (..., H, W).

    Splits x's gradients from w and minimises over both in turn, while the penalty beta / 2 |gradient - w|^2
    grows from 1 to 256. `iterations` are those of conjugate gradients at each beta, for a blur that varies
    in space. Values are not clipped.

    Raises:
        ValueError: a weight that is not above 0, or an exponent that is not above 0 and at most 1.
    """
    if not weight > 0 or not 0 < exponent <= 1:
        raise ValueError(f"weight {weight}, exponent {exponent}: allowed: above 0; above 0 and at most 1")
    if isinstance(blur, Uniform):
        return _uniform(blurred, blur, weight, exponent)
    image, data = blurred, weight * blur.adjoint(blurred)
    for beta in penalties():
        target = shrink(gradients.differences(image), beta, exponent)

        def normal(x: Tensor, beta: float = beta) -> Tensor:
            smooth = gradients.transposed(gradients.differences(x))
            return weight * blur.adjoint(blur.forward(x)) + beta * smooth

        image = conjugate.solve(normal, data + beta * gradients.transposed(target), image, iterations)
    return image


def _uniform(blurred: Tensor, blur: Uniform, weight: float, exponent: float) -> Tensor:
    """Minimise by division of Fourier transforms, on an image that is made periodic."""
    kernel = blur.kernel.to(blurred.dtype)
    image, inside = circular.extend(blurred, kernel)
    transform = circular.spectrum(kernel, *image.shape[-2:])
    power = gradients.circular_power(image.shape[-2], image.shape[-1], image)
    data = weight * transform.conj() * torch.fft.rfft2(image)
    for beta in penalties():
        target = shrink(gradients.circular(image), beta, exponent)
        right = data + beta * torch.fft.rfft2(gradients.circular_transposed(target))
        quotient = right / (weight * transform.abs() ** 2 + beta * power)
        image = torch.fft.irfft2(quotient, s=image.shape[-2:])
    return image[..., inside[0], inside[1]]


def penalties() -> list[float]:
    """List the betas: each GROWTH times the one before.

    >>> len(penalties()), round(penalties()[-1], 1)
    (6, 181.0)
    """
    values = [BETA]
    while values[-1] * GROWTH <= LARGEST:
        values.append(values[-1] * GROWTH)
    return values


def shrink(values: Tensor, beta: float, exponent: float) -> Tensor:
    """Minimise |w|^exponent + beta / 2 (w - value)^2 over w, for each value: any shape.

    The minimum is 0 or the largest root of exponent w^(exponent - 1) + beta (w - |value|), which Newton's
    method reaches from above, as the function is convex there; where it has no root, 0 is lower.
    """
    size = values.abs()
    w = size
    for _ in range(NEWTON):
        w = w.clamp(min=1e-12)
        slope = exponent * (exponent - 1) * w ** (exponent - 2) + beta
        w = torch.where(slope > 0, w - (exponent * w ** (exponent - 1) + beta * (w - size)) / slope, 0)
    w = w.clamp(min=0)
    better = w**exponent + beta / 2 * (w - size) ** 2 < beta / 2 * size**2
    return torch.where(better, w, 0) * values.sign()
