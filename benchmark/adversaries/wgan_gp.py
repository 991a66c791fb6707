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

from benchmark.adversaries._discriminators import PatchGAN, fixed_score
from benchmark.losses import Batch, exact
from benchmark.models._layers import thinned

# The number of random points in a batch, and the norms of the gradient (B, 3, H, W) that should be 1.
NORMS: dict[str, tuple[Callable[[Tensor], int], Callable[[Tensor], Tensor]]] = {
    "sample": (len, lambda gradient: gradient.flatten(1).norm(dim=1)),  # Gulrajani et al.: of each image
    "channel": (lambda x: 1, lambda gradient: gradient.norm(dim=1)),  # DeblurGAN's code: of each pixel
}


def penalty(critic: nn.Module, sharp: Tensor, restored: Tensor, norm: str) -> Tensor:
    """Compute the mean squared distance from 1 of the critic's gradient norms between images.

    Gradients, those of the sum of all scores as in DeblurGAN's code, are taken at random points on the line
    from a sharp image (B, 3, H, W) to a restored one, which has no graph. They are computed in single
    precision, as their derivative underflows in half precision. `norm` is a key of NORMS.
    """
    points, norms = NORMS[norm]
    with torch.autocast(sharp.device.type, enabled=False):
        sharp, restored = exact(sharp), exact(restored)
        share = torch.rand((points(sharp), 1, 1, 1), device=sharp.device)
        between = (share * sharp + (1 - share) * restored).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return (norms(gradient) - 1).square().mean()


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
        yield "net", content(outputs) - self.weight * fixed_score(critic, outputs[-1]).mean()
