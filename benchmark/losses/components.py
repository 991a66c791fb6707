"""CDGNet's blurry component divided guidance (Eqs. 13 to 17)."""

from torch import Tensor
from torch.nn.functional import pad

from benchmark.losses import Batch
from benchmark.losses.pixel import DISTANCES
from benchmark.metrics._formula import RADIUS, ssim_map


def local_ssim(blurry: Tensor, sharp: Tensor) -> Tensor:
    """Sharpness of each pixel of the blurry image, (B, 3, H, W) in [0, 1] twice -> (B, 1, H, W) in [-1, 1].

    CDGNet takes S from its reference [44], which could not be identified; the local SSIM between the
    blurry and the sharp image is the reading used here (docs/design.md says why).
    """
    maps = ssim_map(*(pad(x, [RADIUS] * 4, mode="replicate") for x in (blurry, sharp)))
    return maps.mean(dim=1, keepdim=True)


def loss(
    outputs: list[Tensor],
    batch: Batch,
    *,
    distance: str = "mse",
    small: float = 0.1,
    large: float = 0.1,
    mu: float = 0.96,
) -> Tensor:
    """Over [large-blur image, small-blur image, answer].

    The mask M is 1 where the sharpness exceeds `mu`; the small-blur branch learns M * sharp and the
    large-blur branch (1 - M) * sharp, in the network's range, so a masked pixel is mid-grey there.
    """
    of_large, of_small, answer = outputs
    mask = (local_ssim(batch.image(batch.blurry), batch.image(batch.sharp)) > mu).to(answer.dtype)
    measure = DISTANCES[distance]
    return (
        measure(answer, batch.sharp, batch)
        + small * measure(of_small, mask * batch.sharp, batch)
        + large * measure(of_large, (1 - mask) * batch.sharp, batch)
    )
