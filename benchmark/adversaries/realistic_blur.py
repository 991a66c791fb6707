"""DBGAN's adversary, and BGAN, a network that learns to blur sharp images for its training.

Paper     K. Zhang, W. Luo, Y. Zhong, L. Ma, B. Stenger, W. Liu, H. Li. Deblurring by Realistic Blurring.
          CVPR 2020. arXiv:2004.01860
Sources   layers, order of updates Fig. 2, relativistic blur loss Fig. 3. Widths of BGAN, its noise, both
          losses and their weights as two readers report the paper: jkhu29/Deblurring-by-Realistic-Blurring
          @fef7041 and @858e42d on GitHub, GiantPandaCV's review (2021). Discriminator_VGG_128 in
          models/modules/architecture.py of the authors' HDCVLab/Deblurring-by-Realistic-Blurring @8f6944f,
          which has no code for training with it and no part of BGAN
Unstated  loss: its signs are those of the relativistic average GAN (A. Jolicoeur-Martineau, ICLR 2019, and
          ESRGAN), the only ones that push 0 and pull 1 to 1/2 as in Fig. 3
          discriminators: "VGG19"; here ESRGAN's, which is in the authors' code and takes crops of 128 like
          theirs. That file has a second one, with spectral instead of batch normalisation
          blocks of BGAN: one dense block each, as in text and figure; the released deblurring network, which
          the paper describes in the same way, has three. Growth, shares: that network's
          initialisation of all networks: that network's code, not the N(0, 0.01) that readers report
          last learning rate: reported as 1e-6 and as 1e-7; the recipe takes 1e-6 for all networks
          shortcut from the sharp image to the blurred one, clipping: as in that network
          BGAN's content loss: the recipe's, blurred against sharp. The paper's is the perceptual part of it
          alone; the other part's weight is 0.005
          order: both networks train at once; the paper may have trained BGAN first
          BGAN's images: half of every batch
          crops below 128: pooling repeats the discriminator's last features up to 4x4; none is needed at 128
Shapes    B batch, C width, H W image
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from benchmark.adversaries._discriminators import fixed_score
from benchmark.losses import Batch, exact
from benchmark.models._layers import conv, thinned
from benchmark.models.dbgan import SLOPE, Dense, initialise

NOISE = 4  # random numbers from which BGAN decides how to blur an image


class BGAN(nn.Module):
    """Blur a sharp image at random: a convolution, nine dense blocks, two convolutions."""

    def __init__(self, width: int = 64, growth: int = 32, blocks: int = 9) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(3 + NOISE, width),
            *(Dense(width, growth) for _ in range(blocks)),
            conv(width, width),
            nn.ReLU(),
            conv(width, 3),
        )
        initialise(self, times=0.1)

    def forward(self, sharp: Tensor, noise: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1], (B, NOISE), repeated for every pixel -> (B, 3, H, W) in [0, 1]."""
        maps = noise[:, :, None, None].expand(-1, -1, *sharp.shape[-2:])
        return (sharp + self.body(torch.cat((sharp, maps), dim=1))).clamp(0, 1)


class Discriminator(nn.Module):
    """Score an image: halve its size five times, then apply two fully connected layers.

    A 3x3 convolution to each width C, 2C, 4C, 8C, 8C, and a 4x4 one of stride 2; batch normalisation after
    all but the first, LeakyReLU after all. Normalisation always uses the statistics of the current batch:
    real and generated images are scored separately, as in ESRGAN's code. Crops are at least 32.
    """

    def __init__(self, width: int = 64, hidden: int = 100) -> None:
        super().__init__()
        widths = [width * min(2**n, 8) for n in range(5)]
        layers: list[nn.Module] = [conv(3, width), nn.LeakyReLU(SLOPE)]
        for n, wide in enumerate(widths):
            if n > 0:
                layers += self.normed(conv(widths[n - 1], wide))
            layers += self.normed(nn.Conv2d(wide, wide, 4, stride=2, padding=1))
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4))
        self.classifier = nn.Sequential(
            nn.Linear(16 * widths[-1], hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, 1)
        )
        initialise(self, times=1.0)

    @staticmethod
    def normed(layer: nn.Conv2d) -> list[nn.Module]:
        """Append normalisation and activation to a convolution."""
        return [layer, nn.BatchNorm2d(layer.out_channels, track_running_stats=False), nn.LeakyReLU(SLOPE)]

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> scores (B, 1)."""
        return self.classifier(self.features(image).flatten(1))


def relativistic_loss(higher: Tensor, lower: Tensor) -> Tensor:
    """Penalise scores `higher` (B, 1) that are not above the mean of `lower` (B, 1), and vice versa.

    -log D(higher, lower) - log(1 - D(lower, higher)), where D(x, y) = sigmoid(x - mean of y), averaged over
    the batch. For a discriminator real images are the higher ones; for the network that generates the others,
    these are, which is the relativistic blur loss. Where both are equally good all D are 1/2 and both losses
    2 log 2.
    """
    higher, lower = exact(higher), exact(lower)
    return softplus(lower.mean() - higher).mean() + softplus(lower - higher.mean()).mean()


# What trains beside the restoring network and its discriminator.
BLURS = {"bgan": ("blur", "blur_discriminator"), "none": ()}  # DBGAN(+), DBGAN(-)


@dataclass(frozen=True)
class Adversary:
    """Train each network once per step. Images are in [0, 1]; `extras: [unpaired]` are real blurry ones."""

    weight: float = 0.01  # beta: of the relativistic losses
    blur: str = "bgan"  # a key of BLURS
    share: float = 0.5  # of a batch's sharp crops that BGAN blurs for the network

    def networks(self, thin: int) -> dict[str, nn.Module]:
        """Build the discriminator of restored images and, with BGAN, the networks that blur."""
        networks: dict[str, nn.Module] = {}
        for name in ("discriminator", *BLURS[self.blur]):
            if name == "blur":
                networks[name] = BGAN(thinned(64, thin), thinned(32, thin))
            else:
                networks[name] = Discriminator(thinned(64, thin), thinned(100, thin))
        return networks

    def objective(
        self, networks: dict[str, nn.Module], batch: Batch, content: Callable[[list[Tensor]], Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the losses of blurring, then of restoring, each time the discriminator's first.

        Raises:
            ValueError: the recipe has no unpaired blurry images, which BGAN needs.
        """
        net, discriminator = networks["net"], networks["discriminator"]
        blurry = batch.blurry
        if "blur" in networks:
            if "unpaired" not in batch.extras:
                raise ValueError(f"adversary realistic_blur: blur {self.blur!r} needs extras: [unpaired]")
            real, score = batch.extras["unpaired"], networks["blur_discriminator"]
            blurred = networks["blur"](batch.sharp, torch.randn(len(blurry), NOISE, device=blurry.device))
            yield "blur_discriminator", relativistic_loss(score(real), score(blurred.detach()))
            realism = relativistic_loss(fixed_score(score, blurred), fixed_score(score, real))
            yield "blur", content([blurred]) + self.weight * realism
            count = round(self.share * len(blurry))
            blurry = torch.cat((blurred[:count].detach(), blurry[count:]))

        outputs = net(blurry)
        scores = discriminator(batch.sharp), discriminator(outputs[-1].detach())
        yield "discriminator", relativistic_loss(*scores)
        of_restored, of_sharp = (fixed_score(discriminator, x) for x in (outputs[-1], batch.sharp))
        yield "net", content(outputs) + self.weight * relativistic_loss(of_restored, of_sharp)
