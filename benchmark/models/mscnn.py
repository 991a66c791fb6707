"""MS-CNN (DeepDeblur): a residual network at each of three scales; the coarser scale's image is an input.

Paper     S. Nah, T. H. Kim, K. M. Lee. Deep Multi-scale Convolutional Neural Network for Dynamic Scene
          Deblurring. CVPR 2017. arXiv:1612.02177
Sources   the authors' code, github.com/SeungjunNah/DeepDeblur-PyTorch @26047f7: layers src/model/MSResNet.py,
          ResNet.py, common.py; widths src/option.py; pyramid `generate_pyramid` of src/data/common.py. Their
          first code, github.com/SeungjunNah/DeepDeblur_release @2d5a698 (Torch7), has the same layers
          (model.lua with -nlayers 40)
Unstated  pyramid: the paper says Gaussian; here scikit-image's, as in the PyTorch code (Torch7's blurs 3x3
          and takes every second pixel). Both codes compute it when loading; here the network does, so that
          its input is an image like every other network's
          initialisation: PyTorch's default, as in the PyTorch code; Torch7's is the same distribution
Shapes    B batch, C width, H W image
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.models._layers import ResBlock, Widths, conv, halve, weight_names
from benchmark.weights.names import rename

KERNEL = 5  # of every convolution (option.py)


@dataclass(frozen=True)
class Config(Widths):
    """The published network."""

    scales: int = 3  # K of the paper; option.py n_scales
    blocks: int = 19  # per scale; option.py n_resblocks
    width: int = 64  # option.py n_feats


def restorer(channels: int, config: Config) -> nn.Sequential:
    """Make the network of one scale: (B, channels, H, W) -> (B, 3, H, W)."""
    blocks = [ResBlock(config.width, KERNEL) for _ in range(config.blocks)]
    return nn.Sequential(conv(channels, config.width, KERNEL), *blocks, conv(config.width, 3, KERNEL))


class Net(nn.Module):
    """Restore from the coarsest scale to the finest; enlarge and join with the next blurry image (Fig. 4)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        finer = config.scales - 1
        self.stride = 2**finer
        self.smallest_side = 2 * self.stride  # the pyramid mirrors three pixels
        self.scales = nn.ModuleList(restorer(3 if k == 0 else 6, config) for k in range(config.scales))
        self.enlarge = nn.ModuleList(
            nn.Sequential(conv(3, 4 * 3, KERNEL), nn.PixelShuffle(2)) for _ in range(finer)
        )

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H/4, W/4), (B, 3, H/2, W/2), (B, 3, H, W)]."""
        pyramid = [blurry]
        for _ in self.enlarge:
            pyramid.append(halve(pyramid[-1]))
        coarsest, *finer = pyramid[::-1]

        restored: list[Tensor] = [self.scales[0](coarsest)]
        for image, restore, enlarge in zip(finer, self.scales[1:], self.enlarge, strict=True):
            restored.append(restore(torch.cat((image, enlarge(restored[-1])), dim=1)))
        return restored


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' weights (of their PyTorch code) to a state dict of `Net`."""
    scales = 1 + max((int(n.split(".")[1]) for n in weights if n.startswith("body_models.")), default=0)
    blocks = max((int(name.split(".")[3]) for name in weights if ".body." in name), default=1) - 1
    # The authors count scales from the finest.
    layers = {f"body_models.{scales - 1 - k}.body": f"scales.{k}" for k in range(scales)}
    layers |= {f"conv_end_models.{scales - 1 - k}.uppath": f"enlarge.{k}" for k in range(scales - 1)}
    return rename(weights, layers, weight_names(Net, Config(scales=scales, blocks=blocks)))
