"""CDGNet's blurry component divided guidance (Eqs. 13 to 17)."""

from torch import Tensor
from torch.nn.functional import pad

from benchmark.losses import Batch
from benchmark.losses.pixel import DISTANCES
from benchmark.metrics._formula import RADIUS, ssim_map


def local_ssim(blurry: Tensor, sharp: Tensor) -> Tensor:
    """Compute the sharpness of each pixel, (B, 3, H, W) in [0, 1] twice -> (B, 1, H, W) in [-1, 1].

    CDGNet takes S from its reference [44], which could not be identified; here it is the local SSIM between
    the blurry and the sharp image (docs/design.md has the reasons).
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
    """Compare [large-blur image, small-blur image, restored image] with masked and full sharp images.

    The mask M is 1 where the sharpness exceeds `mu`; the target of the small-blur branch is M * sharp, of the
    large-blur branch (1 - M) * sharp, in the network's range, where a masked pixel is mid-grey.
    """
    of_large, of_small, restored = outputs
    mask = (local_ssim(batch.image(batch.blurry), batch.image(batch.sharp)) > mu).to(restored.dtype)
    measure = DISTANCES[distance]
    return (
        measure(restored, batch.sharp, batch)
        + small * measure(of_small, mask * batch.sharp, batch)
        + large * measure(of_large, (1 - mask) * batch.sharp, batch)
    )
