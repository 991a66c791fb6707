"""Wasserstein GAN with a gradient penalty on its critic (WGAN-GP): DeblurGAN's and BAG's adversary.

I. Gulrajani et al. Improved Training of Wasserstein GANs. NeurIPS 2017, Eq. 3. Its use here:
KupynOrest/DeblurGAN @a6f4ad0, DiscLossWGANGP in models/losses.py, optimize_parameters in
models/conditional_gan_model.py; BAG Sec. 3.4, Eqs. 5, 6. As in that code the critic's input is an image,
not joined to the blurred one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmark.adversaries._discriminators import PatchGAN
from benchmark.losses import Batch
from benchmark.models._layers import thinned


@dataclass(frozen=True)
class GradientNorm:
    """The points at which the critic's gradient is computed, and its norms that should be 1."""

    shares: Callable[[Tensor], tuple[int, ...]]  # shape of the random shares of sharp and restored image
    norms: Callable[[Tensor], Tensor]  # of the gradient (B, 3, H, W)


NORMS = {
    # Gulrajani et al.: one point and one norm per image.
    "sample": GradientNorm(lambda x: (len(x), 1, 1, 1), lambda gradient: gradient.flatten(1).norm(dim=1)),
    # DeblurGAN's code: one share for the batch, and the norm over the three channels of each pixel.
    "channel": GradientNorm(lambda x: (1, 1, 1, 1), lambda gradient: gradient.norm(dim=1)),
}


def penalty(critic: nn.Module, sharp: Tensor, restored: Tensor, norm: str) -> Tensor:
    """Compute the mean squared distance from 1 of the critic's gradient norms between images.

    Gradients are taken at random points on the line from a sharp image to a restored one.

    The gradient is that of the sum of all scores, as in DeblurGAN's code. It is computed in single precision,
    as its derivative underflows in half precision.

    Args:
        critic: (B, 3, H, W) -> scores.
        sharp: (B, 3, H, W).
        restored: the same, without a graph.
        norm: a key of NORMS.
    """
    gradient_norm = NORMS[norm]
    with torch.autocast(sharp.device.type, enabled=False):
        sharp, restored = sharp.float(), restored.float()
        share = torch.rand(gradient_norm.shares(sharp), device=sharp.device)
        between = (share * sharp + (1 - share) * restored).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return (gradient_norm.norms(gradient) - 1).square().mean()


@dataclass(frozen=True)
class Adversary:
    """Train the critic several times per step, on the same images, then the restoring network once."""

    weight: float = 1.0  # of the critic's score, added to the content loss
    critic_steps: int = 5  # `criticUpdates`; BAG Sec. 4.1
    penalty: float = 10.0  # LAMBDA
    norm: str = "sample"  # a key of NORMS
    width: int = 64  # of the critic, see PatchGAN; `ndf`
    layers: int = 3  # of the critic; `n_layers_D`
    initialise: str = "normal"  # of the critic; `weights_init`

    def networks(self, thin: int) -> dict[str, nn.Module]:
        """Build the critic, its width divided by `thin`."""
        return {"critic": PatchGAN(thinned(self.width, thin), self.layers, initialise=self.initialise)}

    def objective(
        self, networks: dict[str, nn.Module], batch: Batch, content: Callable[[list[Tensor]], Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the critic's losses, then the network's, all for the same restored images."""
        net, critic = networks["net"], networks["critic"]
        outputs = net(batch.blurry)
        restored = outputs[-1].detach()
        for _ in range(self.critic_steps):
            distance = critic(batch.sharp).mean() - critic(restored).mean()
            yield "critic", self.penalty * penalty(critic, batch.sharp, restored, self.norm) - distance
        # Here the critic scores images and gets no gradients.
        weights = {name: p.detach() for name, p in critic.named_parameters()}
        score = functional_call(critic, weights, (outputs[-1],)).mean()
        yield "net", content(outputs) - self.weight * score
