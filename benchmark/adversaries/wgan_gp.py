"""Wasserstein distance by a critic whose slope is held near 1 (WGAN-GP): DeblurGAN's and BAG's adversary.

I. Gulrajani et al. Improved Training of Wasserstein GANs. NeurIPS 2017, Eq. 3. Its use here:
KupynOrest/DeblurGAN @a6f4ad0, DiscLossWGANGP in models/losses.py, optimize_parameters in
models/conditional_gan_model.py; BAG Sec. 3.4, Eqs. 5, 6. The critic looks at images alone, not at the blurred
ones beside them, as in that code.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmark.adversaries._critics import PatchGAN
from benchmark.losses import Batch


@dataclass(frozen=True)
class Slope:
    """Where the critic's slope is taken and what is held near 1."""

    shares: Callable[[Tensor], tuple[int, ...]]  # shape of the random shares of sharp and restored image
    length: Callable[[Tensor], Tensor]  # of the gradient, (B, 3, H, W) -> whatever is held near 1


SLOPES = {
    # Gulrajani et al.: one point and one length per image.
    "sample": Slope(lambda x: (len(x), 1, 1, 1), lambda gradient: gradient.flatten(1).norm(dim=1)),
    # DeblurGAN's code: one share for the batch, and the length over the three channels of each pixel.
    "channel": Slope(lambda x: (1, 1, 1, 1), lambda gradient: gradient.norm(dim=1)),
}


def penalty(critic: nn.Module, sharp: Tensor, restored: Tensor, norm: str) -> Tensor:
    """Mean squared distance from 1 of the critic's slope somewhere between two images.

    The slope is that of the sum over the places that the critic judges, as in DeblurGAN's code. It is taken
    in single precision: its derivative is too small for half.

    Args:
        critic: (B, 3, H, W) -> a number for each of some places.
        sharp: (B, 3, H, W).
        restored: the same, without a graph.
        norm: a key of SLOPES.
    """
    slope = SLOPES[norm]
    with torch.autocast(sharp.device.type, enabled=False):
        sharp, restored = sharp.float(), restored.float()
        share = torch.rand(slope.shares(sharp), device=sharp.device)
        between = (share * sharp + (1 - share) * restored).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return (slope.length(gradient) - 1).square().mean()


@dataclass(frozen=True)
class Adversary:
    """The critic learns several times per step, on the same images, then the network learns once."""

    weight: float = 1.0  # of the critic's judgement beside the content loss
    critic_steps: int = 5  # `criticUpdates`; BAG Sec. 4.1
    penalty: float = 10.0  # LAMBDA
    norm: str = "sample"  # a key of SLOPES
    width: int = 64  # of the critic, see PatchGAN; `ndf`
    layers: int = 3  # the same; `n_layers_D`
    start: str = "normal"  # the same; `weights_init`

    def players(self, thin: int) -> dict[str, nn.Module]:
        """A fresh critic."""
        return {"critic": PatchGAN(max(4, self.width // thin), self.layers, start=self.start)}

    def objective(
        self, players: dict[str, nn.Module], batch: Batch, content: Callable[[list[Tensor]], Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """The critic's turns, then the network's; one answer of the network serves them all."""
        net, critic = players["net"], players["critic"]
        outputs = net(batch.blurry)
        restored = outputs[-1].detach()
        for _ in range(self.critic_steps):
            distance = critic(batch.sharp).mean() - critic(restored).mean()
            yield "critic", self.penalty * penalty(critic, batch.sharp, restored, self.norm) - distance
        # The critic judges here and does not learn.
        weights = {name: p.detach() for name, p in critic.named_parameters()}
        judgement = functional_call(critic, weights, (outputs[-1],)).mean()
        yield "net", content(outputs) - self.weight * judgement
