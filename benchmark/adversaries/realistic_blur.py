"""Learning to blur in order to learn to deblur: DBGAN's adversary, and BGAN, which makes its blurry images.

Paper     K. Zhang, W. Luo, Y. Zhong, L. Ma, B. Stenger, W. Liu, H. Li. Deblurring by Realistic Blurring.
          CVPR 2020. arXiv:2004.01860
Sources   layers and turns Fig. 2, relativistic blur loss Fig. 3. Widths of BGAN, its noise, both losses and
          their weights as two readers report the paper: jkhu29/Deblurring-by-Realistic-Blurring @fef7041 and
          @858e42d on GitHub, GiantPandaCV's review (2021). Discriminator_VGG_128 in
          models/modules/architecture.py of the authors' HDCVLab/Deblurring-by-Realistic-Blurring @8f6944f,
          which has no code for training with it and nothing of BGAN
Unstated  loss: its signs are those of the relativistic average GAN (A. Jolicoeur-Martineau, ICLR 2019, and
          ESRGAN), the only ones that push 0 and pull 1 to 1/2 as Fig. 3 says
          discriminators: "VGG19"; here ESRGAN's, which is in the authors' code and takes crops of 128 like
          theirs. That file has another such, with spectral in place of batch normalisation
          blocks of BGAN: one dense block each, as text and figure have it; the released deblurring network,
          which they describe alike, has three. Growth, shares, initialisation: that network's
          shortcut from the sharp image to the blurred one, clipping: as in that network
          what BGAN must keep: the recipe's content loss, blurred against sharp. The paper's has the
          perceptual part of it alone; the other part's weight is 0.005
          order: both learn at once; the paper may have trained BGAN first
          BGAN's images: half of every batch
          crops below 128: pooling repeats the discriminator's last features up to 4x4; at 128 it does nothing
Shapes    B batch, C width, H W image
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from benchmark.losses import Batch
from benchmark.models._layers import conv
from benchmark.models.dbgan import SLOPE, Dense, initialise

NOISE = 4  # numbers that tell BGAN how to blur an image


class BGAN(nn.Module):
    """Blurs a sharp image, each time in another way: a convolution, nine dense blocks, two convolutions."""

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
        """(B, 3, H, W) in [0, 1], (B, NOISE), the same everywhere in an image -> (B, 3, H, W) in [0, 1]."""
        maps = noise[:, :, None, None].expand(-1, -1, *sharp.shape[-2:])
        return (sharp + self.body(torch.cat((sharp, maps), dim=1))).clamp(0, 1)


class Discriminator(nn.Module):
    """Scores an image: five times half the size, then two fully connected layers. Crops are at least 32.

    A 3x3 convolution to each width C, 2C, 4C, 8C, 8C, and a 4x4 one of stride 2; batch normalisation after
    all but the first, LeakyReLU after all. Statistics are those of the batch at hand, always: real and made
    images are scored apart, as in ESRGAN's code.
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
        """What follows a convolution, and itself."""
        return [layer, nn.BatchNorm2d(layer.out_channels, track_running_stats=False), nn.LeakyReLU(SLOPE)]

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> scores (B, 1)."""
        return self.classifier(self.features(image).flatten(1))


def above(higher: Tensor, lower: Tensor) -> Tensor:
    """How far scores (B, 1) are from `higher` above the mean of `lower`, and `lower` below that of `higher`.

    -log D(higher, lower) - log(1 - D(lower, higher)), where D(x, y) = sigmoid(x - mean of y), averaged over
    the batch. A discriminator wants real images above made ones; the network that makes them the opposite,
    which is the relativistic blur loss. Where neither gets its way all D are 1/2, and both lose 2 log 2.
    """
    higher, lower = higher.float(), lower.float()  # scores may come in half precision
    return softplus(lower.mean() - higher).mean() + softplus(lower - higher.mean()).mean()


def judge(critic: nn.Module, image: Tensor) -> Tensor:
    """Its scores, in which it does not learn."""
    weights = {name: p.detach() for name, p in critic.named_parameters()}
    return functional_call(critic, weights, (image,))


def bgan(thin: int) -> dict[str, nn.Module]:
    """The network that blurs, and the discriminator that compares what it makes with real blurry images."""
    return {
        "blur": BGAN(max(4, 64 // thin), max(4, 32 // thin)),
        "blur_critic": discriminator(thin),
    }


def discriminator(thin: int) -> Discriminator:
    """With divided widths."""
    return Discriminator(max(4, 64 // thin), max(4, 100 // thin))


BLURS: dict[str, Callable[[int], dict[str, nn.Module]]] = {
    "bgan": bgan,  # DBGAN(+)
    "none": lambda thin: {},  # DBGAN(-)
}


@dataclass(frozen=True)
class Adversary:
    """One step of each player. Images are in [0, 1]; `extras: [unpaired]` are the real blurry ones."""

    weight: float = 0.01  # beta: of the relativistic losses
    blur: str = "bgan"  # a key of BLURS
    share: float = 0.5  # of a batch's sharp crops that BGAN blurs for the network

    def players(self, thin: int) -> dict[str, nn.Module]:
        """The discriminator of restored images, and what the blur needs, freshly initialised."""
        return {"critic": discriminator(thin), **BLURS[self.blur](thin)}

    def objective(
        self, players: dict[str, nn.Module], batch: Batch, content: Callable[[list[Tensor]], Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Those that blur learn first, then those that restore; each pair's discriminator before its network.

        Raises:
            ValueError: the recipe has no unpaired blurry images, and BGAN needs them.
        """
        net, critic = players["net"], players["critic"]
        given = batch.blurry
        if "blur" in players:
            if "unpaired" not in batch.extras:
                raise ValueError(f"adversary realistic_blur: blur {self.blur!r} needs extras: [unpaired]")
            real, blur_critic = batch.extras["unpaired"], players["blur_critic"]
            blurred = players["blur"](batch.sharp, torch.randn(len(given), NOISE, device=given.device))
            yield "blur_critic", above(blur_critic(real), blur_critic(blurred.detach()))
            confused = above(judge(blur_critic, blurred), judge(blur_critic, real))
            yield "blur", content([blurred]) + self.weight * confused
            count = round(self.share * len(given))
            given = torch.cat((blurred[:count].detach(), given[count:]))

        outputs = net(given)
        yield "critic", above(critic(batch.sharp), critic(outputs[-1].detach()))
        confused = above(judge(critic, outputs[-1]), judge(critic, batch.sharp))
        yield "net", content(outputs) + self.weight * confused
