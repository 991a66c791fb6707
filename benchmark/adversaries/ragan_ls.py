"""Relativistic average least-squares GAN with a double-scale discriminator (DeblurGAN-v2).

Paper     O. Kupyn, T. Martyniuk, J. Wu, Z. Wang. DeblurGAN-v2: Deblurring (Orders-of-Magnitude) Faster and
          Better. ICCV 2019. arXiv:1908.03826
Sources   the authors' code, github.com/VITA-Group/DeblurGANv2 @00e96a9: loss RelativisticDiscLossLS in
          models/losses.py, memory util/image_pool.py, critics get_discriminator in models/networks.py and
          DoubleGAN in adversarial_trainer.py, order of steps train.py. Averages are over the scores of the
          last 50 images, and nothing learns through them; the paper's are over a batch, which is one image
Unstated  weight: the code's 0.001; the paper prints 0.01
          loss: the README's and the paper's; the code's config names wgan-gp in its place
          patches: both critics judge whole crops; the "patch" one's numbers depend on 70x70 pixels each, the
          "full" one's on 286x286, as in the code
          memory: mean scores of images, in the critics' state dict, so that training resumes exactly; the
          authors keep all numbers of an image, with the same average
Shapes    B batch, H W image, h w places that are judged
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.adversaries._critics import PatchGAN
from benchmark.losses import Batch

POOL = 50  # ImagePool(50)


class Memory(nn.Module):
    """The mean of the last 50 images' scores; what is remembered is data, nothing learns through it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scores", torch.zeros(POOL))  # the latest last; zeros where there is none yet
        self.register_buffer("seen", torch.zeros(()))
        self.scores: Tensor
        self.seen: Tensor

    def add(self, judged: Tensor) -> None:
        """(B, 1, h, w): in goes one score per image, the oldest ones go."""
        scores = judged.detach().float().mean(dim=(1, 2, 3))
        self.scores = torch.cat((self.scores, scores))[-POOL:]
        self.seen = (self.seen + len(scores)).clamp(max=POOL)

    def mean(self) -> Tensor:
        """Of what is remembered: a number."""
        return self.scores.sum() / self.seen


class Critic(nn.Module):
    """A PatchGAN and what it said of the last sharp and restored images."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.judge = PatchGAN(width, layers, start="default")
        self.sharp, self.restored = Memory(), Memory()

    def tell_apart(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """What the critic wants: a sharp image 1 above the average restored one, a restored one 1 below."""
        of_restored, of_sharp = self.judge(restored), self.judge(sharp)
        self.restored.add(of_restored)
        self.sharp.add(of_sharp)
        return self.distance(of_sharp, of_restored, 1)

    def confuse(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """What the restoring network wants: the opposite. Averages are those of the critic's turn."""
        with torch.no_grad():  # the network has no part in it
            of_sharp = self.judge(sharp)
        return self.distance(of_sharp, self.judge(restored), -1)

    def distance(self, of_sharp: Tensor, of_restored: Tensor, margin: float) -> Tensor:
        """Squared, from `margin` for sharp images over average restored ones, from -margin the other way."""
        above = (of_sharp - self.restored.mean() - margin).square().mean()
        below = (of_restored - self.sharp.mean() + margin).square().mean()
        return (above + below) / 2


class Critics(nn.Module):
    """Two that learn as one player; what they want is the mean of both."""

    def __init__(self, width: int, patch: int, full: int) -> None:
        super().__init__()
        self.patch, self.full = Critic(patch, width), Critic(full, width)

    def tell_apart(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """(B, 3, H, W) each -> the critics' loss."""
        return (self.patch.tell_apart(restored, sharp) + self.full.tell_apart(restored, sharp)) / 2

    def confuse(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """(B, 3, H, W) each -> the restoring network's loss."""
        return (self.patch.confuse(restored, sharp) + self.full.confuse(restored, sharp)) / 2


@dataclass(frozen=True)
class Adversary:
    """One step of both critics to one of the network."""

    weight: float = 0.001  # config.yaml adv_lambda
    width: int = 64  # models/networks.py ndf
    patch: int = 3  # convolutions of stride 2: config.yaml d_layers
    full: int = 5  # the same: models/networks.py get_fullD

    def players(self, thin: int) -> dict[str, nn.Module]:
        """The critics, freshly initialised, their widths divided."""
        return {"critics": Critics(max(4, self.width // thin), self.patch, self.full)}

    def objective(
        self, players: dict[str, nn.Module], batch: Batch, content: Callable[[list[Tensor]], Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """First the critics, then the network."""
        net, critics = players["net"], players["critics"]
        assert isinstance(critics, Critics)
        outputs = net(batch.blurry)
        # The critics' loss is weighted too, in train.py; Adam all but undoes it.
        yield "critics", self.weight * critics.tell_apart(outputs[-1].detach(), batch.sharp)
        yield "net", content(outputs) + self.weight * critics.confuse(outputs[-1], batch.sharp)
