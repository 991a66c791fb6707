"""Critics that more than one adversary uses.

Paper     P. Isola, J.-Y. Zhu, T. Zhou, A. A. Efros. Image-to-Image Translation with Conditional Adversarial
          Networks. CVPR 2017. arXiv:1611.07004, Sec. 3.2.2
Sources   NLayerDiscriminator of KupynOrest/DeblurGAN @a6f4ad0 and VITA-Group/DeblurGANv2 @c16bd9f, both
          models/networks.py. BAG: "the same as PatchGAN" (Sec. 3.3)
Shapes    B batch, C width, H W image, h w places that are judged
"""

from collections.abc import Callable

from torch import Tensor, nn

from benchmark.models._layers import normal

Norm = Callable[[int], nn.Module]

NORMS: dict[str, Norm | None] = {
    "instance": nn.InstanceNorm2d,  # no scale, no shift; of each image, when tested too
    "batch": nn.BatchNorm2d,
    "none": None,
}


def as_built(net: nn.Module) -> None:
    """PyTorch's own initialisation."""


STARTS: dict[str, Callable[[nn.Module], None]] = {
    "normal": normal,  # DeblurGAN
    "default": as_built,  # DeblurGAN-v2 initialises nothing
}

LAST: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,  # Wasserstein, least squares, and losses that take logits
    "sigmoid": nn.Sigmoid,  # `use_sigmoid`; no recipe here has it
}


class PatchGAN(nn.Module):
    """Judges overlapping patches of an image, one number each.

    4x4 convolutions, padded by 2: `layers` of stride 2 with widths C, 2C, 4C, 8C, 8C, ..., one of stride 1,
    and one of stride 1 to a single channel. LeakyReLU 0.2 follows all but the last; normalisation all but the
    first and the last. A norm that has a shift of its own (batch) takes the convolution's bias away.

    DeblurGAN and BAG: `PatchGAN()`, 2,764,737 parameters. DeblurGAN-v2: `PatchGAN(start="default")` for
    patches and `PatchGAN(layers=5, start="default")` for the whole image (`get_fullD`, receptive field 286),
    with the same norm; MobileNet and Inception alike.

    Args:
        width: C, the first layer's (`ndf`).
        layers: convolutions of stride 2 (`n_layers`).
        norm: a key of NORMS.
        start: a key of STARTS.
        last: a key of LAST.
        channels: of the image; an adversary that also shows the blurred image joins both.
    """

    def __init__(
        self,
        width: int = 64,
        layers: int = 3,
        norm: str = "instance",
        start: str = "normal",
        last: str = "linear",
        channels: int = 3,
    ) -> None:
        super().__init__()
        normed = NORMS[norm]
        widths = [width * min(2**n, 8) for n in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2)]
        for n in range(1, layers + 1):
            stride = 2 if n < layers else 1
            parts.append(nn.Conv2d(widths[n - 1], widths[n], 4, stride, padding=2, bias=norm != "batch"))
            parts += [normed(widths[n])] if normed else []
            parts.append(nn.LeakyReLU(0.2))
        self.body = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=2), LAST[last]())
        STARTS[start](self)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1, h, w); with three layers h = H / 8 + 3, with five H / 32 + 3."""
        return self.body(image)
