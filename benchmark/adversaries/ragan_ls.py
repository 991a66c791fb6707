"""Relativistic average least-squares GAN with a double-scale discriminator (DeblurGAN-v2).

Paper     O. Kupyn, T. Martyniuk, J. Wu, Z. Wang. DeblurGAN-v2: Deblurring (Orders-of-Magnitude) Faster and
          Better. ICCV 2019. arXiv:1908.03826
Sources   the authors' code, github.com/VITA-Group/DeblurGANv2 @00e96a9: loss RelativisticDiscLossLS in
          models/losses.py, memory util/image_pool.py, discriminators get_discriminator in models/networks.py
          and DoubleGAN in adversarial_trainer.py, order of steps train.py. Averages are over the scores of
          the last 50 images, without gradients; the paper's are over a batch, which is one image
Unstated  weight: the code's 0.001; the paper prints 0.01
          loss: the README's and the paper's; the code's config names wgan-gp instead
          patches: both discriminators take whole crops; each score of "patch" depends on 70x70 pixels, of
          "full" on 286x286, as in the code
          memory: mean scores of images, in the discriminators' state dict, so that training resumes exactly;
          the authors store all scores of an image, with the same average
Shapes    B batch, H W image, h w overlapping patches of the image, one score each
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.adversaries._discriminators import PatchGAN
from benchmark.losses import Batch, exact
from benchmark.models._layers import thinned

POOL = 50  # ImagePool(50)


class Memory(nn.Module):
    """Average the scores of the last 50 images; the scores are buffers without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scores", torch.zeros(POOL))  # the latest last; zeros while fewer were added
        self.register_buffer("count", torch.zeros(()))
        self.scores: Tensor
        self.count: Tensor

    def add(self, scores: Tensor) -> None:
        """Add the mean score of each image, (B, 1, h, w), and drop the oldest ones."""
        means = exact(scores.detach()).mean(dim=(1, 2, 3))
        self.scores = torch.cat((self.scores, means))[-POOL:]
        self.count = (self.count + len(means)).clamp(max=POOL)

    def mean(self) -> Tensor:
        """Return the average as a tensor without dimensions."""
        return self.scores.sum() / self.count


class Discriminator(nn.Module):
    """Score images by a PatchGAN, relative to its scores of the last sharp and restored images."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.score = PatchGAN(width, layers, initialise="default")
        self.sharp, self.restored = Memory(), Memory()

    def own_loss(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """Compute the discriminator's loss: sharp images should score 1 above the average restored one."""
        of_restored, of_sharp = self.score(restored), self.score(sharp)
        self.restored.add(of_restored)
        self.sharp.add(of_sharp)
        return self.distance(of_sharp, of_restored, 1)

    def net_loss(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """Compute the restoring network's loss, the opposite, with the discriminator's averages."""
        with torch.no_grad():  # does not depend on the restoring network
            of_sharp = self.score(sharp)
        return self.distance(of_sharp, self.score(restored), -1)

    def distance(self, of_sharp: Tensor, of_restored: Tensor, margin: float) -> Tensor:
        """Square the distances of sharp minus average restored scores from `margin`, and vice versa."""
        above = (of_sharp - self.restored.mean() - margin).square().mean()
        below = (of_restored - self.sharp.mean() + margin).square().mean()
        return (above + below) / 2


class Discriminators(nn.Module):
    """Train two discriminators as one network, with the mean of both losses."""

    def __init__(self, width: int, patch: int, full: int) -> None:
        super().__init__()
        self.patch, self.full = Discriminator(patch, width), Discriminator(full, width)

    def own_loss(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """(B, 3, H, W) each -> the discriminators' loss."""
        return (self.patch.own_loss(restored, sharp) + self.full.own_loss(restored, sharp)) / 2

    def net_loss(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """(B, 3, H, W) each -> the restoring network's loss."""
        return (self.patch.net_loss(restored, sharp) + self.full.net_loss(restored, sharp)) / 2


@dataclass(frozen=True)
class Adversary:
    """Train both discriminators, one step of them per step of the restoring network."""

    weight: float = 0.001  # config.yaml adv_lambda
    width: int = 64  # models/networks.py ndf
    patch: int = 3  # convolutions of stride 2: config.yaml d_layers
    full: int = 5  # the same: models/networks.py get_fullD

    def networks(self, thin: int) -> dict[str, nn.Module]:
        """Build the discriminators, their width divided by `thin`."""
        return {"discriminators": Discriminators(thinned(self.width, thin), self.patch, self.full)}

    def objective(
        self, networks: dict[str, nn.Module], batch: Batch, content: Callable[[list[Tensor]], Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the discriminators' loss, then the network's."""
        net, discriminators = networks["net"], networks["discriminators"]
        assert isinstance(discriminators, Discriminators)
        outputs = net(batch.blurry)
        # train.py weights the discriminators' loss too, which Adam almost cancels.
        yield "discriminators", self.weight * discriminators.own_loss(outputs[-1].detach(), batch.sharp)
        yield "net", content(outputs) + self.weight * discriminators.net_loss(outputs[-1], batch.sharp)
