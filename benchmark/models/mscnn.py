"""MS-CNN (DeepDeblur): the same residual network at three scales, each given the coarser one's image.

Paper     S. Nah, T. H. Kim, K. M. Lee. Deep Multi-scale Convolutional Neural Network for Dynamic Scene
          Deblurring. CVPR 2017. arXiv:1612.02177
Sources   the authors' code, github.com/SeungjunNah/DeepDeblur-PyTorch @26047f7: layers src/model/MSResNet.py,
          ResNet.py, common.py; widths src/option.py; pyramid `generate_pyramid` of src/data/common.py. Their
          first code, github.com/SeungjunNah/DeepDeblur_release @2d5a698 (Torch7), has the same layers
          (model.lua with -nlayers 40)
Unstated  pyramid: the paper says Gaussian; scikit-image's, as in the PyTorch code (Torch7's blurs 3x3 and
          takes every second pixel). Both codes make it when loading; here the network does, so that it is
          given an image like every other one
          initialisation: PyTorch's default, as in the PyTorch code; Torch7's is the same distribution
Shapes    B batch, C width, H W image
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from benchmark.models._layers import ResBlock, conv, halve, renamed

KERNEL = 5  # of every convolution (option.py)


@dataclass(frozen=True)
class Config:
    """The published network."""

    scales: int = 3  # K of the paper; option.py n_scales
    blocks: int = 19  # per scale; option.py n_resblocks
    width: int = 64  # option.py n_feats

    def thin(self, factor: int) -> "Config":
        """The same network with every width divided."""
        return replace(self, width=max(4, self.width // factor))


def restorer(channels: int, config: Config) -> nn.Sequential:
    """The network of one scale: (B, channels, H, W) -> (B, 3, H, W)."""
    blocks = [ResBlock(config.width, KERNEL) for _ in range(config.blocks)]
    return nn.Sequential(conv(channels, config.width, KERNEL), *blocks, conv(config.width, 3, KERNEL))


class Net(nn.Module):
    """From the coarsest scale to the finest: restore, enlarge, join with the next blurry image (Fig. 4)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        finer = config.scales - 1
        self.stride = 2**finer
        self.least = 2 * self.stride  # the pyramid mirrors three pixels
        self.scales = nn.ModuleList(restorer(3 if k == 0 else 6, config) for k in range(config.scales))
        self.enlarge = nn.ModuleList(
            nn.Sequential(conv(3, 4 * 3, KERNEL), nn.PixelShuffle(2)) for _ in range(finer)
        )

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H/4, W/4), (B, 3, H/2, W/2), (B, 3, H, W)], the answer last."""
        pyramid = [blurry]
        for _ in self.enlarge:
            pyramid.append(halve(pyramid[-1]))
        seen, *finer = pyramid[::-1]

        answers: list[Tensor] = [self.scales[0](seen)]
        for image, restore, enlarge in zip(finer, self.scales[1:], self.enlarge, strict=True):
            answers.append(restore(torch.cat((image, enlarge(answers[-1])), dim=1)))
        return answers


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights (PyTorch, the entry "G" of their file) as a state dict of `Net`.

    Raises:
        ValueError: a weight is missing or unexpected; the message names it.
    """
    scales = 1 + max((int(n.split(".")[1]) for n in weights if n.startswith("body_models.")), default=0)
    blocks = max((int(name.split(".")[3]) for name in weights if ".body." in name), default=1) - 1
    inner = [f"{block}.body.{layer}" for block in range(1, blocks + 1) for layer in (0, 2)]
    layers = {  # theirs, which count scales from the finest: ours
        f"body_models.{scales - 1 - k}.body.{layer}": f"scales.{k}.{layer}"
        for k in range(scales)
        for layer in ("0", *inner, str(blocks + 1))
    }
    layers |= {f"conv_end_models.{scales - 1 - k}.uppath.0": f"enlarge.{k}.0" for k in range(scales - 1)}
    return renamed(weights, layers)
