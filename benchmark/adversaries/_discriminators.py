"""The discriminator that more than one adversary uses, also as the critic of a Wasserstein GAN.

Paper     P. Isola, J.-Y. Zhu, T. Zhou, A. A. Efros. Image-to-Image Translation with Conditional Adversarial
          Networks. CVPR 2017. arXiv:1611.07004, Sec. 3.2.2
Sources   NLayerDiscriminator of KupynOrest/DeblurGAN @a6f4ad0 and VITA-Group/DeblurGANv2 @c16bd9f, both
          models/networks.py. BAG: "the same as PatchGAN" (Sec. 3.3)
Shapes    B batch, C width, H W image, h w overlapping patches of the image, one score each
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.func import functional_call

from benchmark.models._layers import InstanceNorm, normal

Norm = Callable[[int], nn.Module]

NORMS: dict[str, Norm | None] = {
    "instance": InstanceNorm,  # no scale, no shift; by the statistics of each image, in evaluation too
    "batch": nn.BatchNorm2d,
    "none": None,
}

INITIALISE: dict[str, Callable[[nn.Module], None]] = {
    "normal": normal,  # DeblurGAN
    "default": lambda net: None,  # PyTorch's own (DeblurGAN-v2)
}

LAST: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,  # Wasserstein, least squares, and losses that take logits
    "sigmoid": nn.Sigmoid,  # `use_sigmoid`; no recipe of this project uses it
}


def fixed_score(discriminator: nn.Module, image: Tensor) -> Tensor:
    """Score an image without gradients for the discriminator's weights."""
    weights = {name: p.detach() for name, p in discriminator.named_parameters()}
    return functional_call(discriminator, weights, (image,))


class PatchGAN(nn.Module):
    """Score overlapping patches of an image, one number each.

    4x4 convolutions, padded by 2: `layers` of stride 2 with widths C, 2C, 4C, 8C, 8C, ..., one of stride 1,
    and one of stride 1 to a single channel. LeakyReLU 0.2 follows all but the last; normalisation all but the
    first and the last. Convolutions before batch normalisation, which has a shift, have no bias.

    DeblurGAN and BAG: `PatchGAN()`, 2,764,737 parameters. DeblurGAN-v2: `PatchGAN(initialise="default")` for
    patches and `PatchGAN(layers=5, initialise="default")` for the whole image (`get_fullD`, receptive field
    286), with the same norm; MobileNet and Inception alike.

    Args:
        width: C, the first layer's (`ndf`).
        layers: convolutions of stride 2 (`n_layers`).
        norm: a key of NORMS.
        initialise: a key of INITIALISE.
        last: a key of LAST.
        channels: of the input; six if the blurred image is joined to the one that is scored.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 3,
        norm: str = "instance",
        initialise: str = "normal",
        last: str = "linear",
        channels: int = 3,
    ) -> None:
        super().__init__()
        normalisation = NORMS[norm]
        widths = [width * min(2**n, 8) for n in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2)]
        for n in range(1, layers + 1):
            stride = 2 if n < layers else 1
            parts.append(nn.Conv2d(widths[n - 1], widths[n], 4, stride, padding=2, bias=norm != "batch"))
            parts += [normalisation(widths[n])] if normalisation else []
            parts.append(nn.LeakyReLU(0.2))
        self.body = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=2), LAST[last]())
        INITIALISE[initialise](self)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1, h, w); with three layers h = H / 8 + 3, with five H / 32 + 3."""
        return self.body(image)
