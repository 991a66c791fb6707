"""PSS-NSC: SRN's three scales with some layers shared between them and some of each scale's own.

Paper     H. Gao, X. Tao, X. Shen, J. Jia. Dynamic Scene Deblurring with Parameter Selective Sharing and
          Nested Skip Connections. CVPR 2019
Sources   the authors' code, github.com/firenxygao/deblur @5791a82: layers and widths model.py; initialisation
          and recipe the graph that trained the released weights, kept beside them: checkpoints/default/
          deblur_model.meta (training code was never released; issue #5 confirms the initialisation)
Unstated  nothing; where graph and model.py differ, as in initialisation (model.py, which only restores, has
          Xavier's), the graph is followed
Shapes    B batch, N one-channel images (3B: R, G and B of a picture are three), C width, H W image;
          each class uses the widths and sizes of its own input
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from benchmark.models._layers import ResBlock, Widths, conv, upsample, weight_names
from benchmark.models.srn import Down, double, pyramid
from benchmark.weights.names import from_tensorflow, rename


@dataclass(frozen=True)
class Config(Widths):
    """The published network."""

    width: int = 32  # model.py; doubles at each of three sizes


def transform(width: int) -> nn.Sequential:
    """Make four nonlinear steps f with nested skips, `DenseBlock`: (N, C, H, W) -> (N, C, H, W).

    The input of each step is x + f1(x) + f2(x + f1(x)) + ... over all earlier steps, and the output is this
    sum over all four: a sequence of residual blocks.
    """
    return nn.Sequential(*(ResBlock(width) for _ in range(4)))


class Own(nn.Module):
    """Hold the layers that scales do not share: those that change the size or the number of channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.enters = nn.ModuleList((conv(2, w), Down(w, 2 * w, 3), Down(2 * w, 4 * w, 3)))
        self.leaves = nn.ModuleList((upsample(4 * w), upsample(2 * w), conv(w, 1)))


class Net(nn.Module):
    """Restore at a quarter, half and full size; each scale refines the estimate of the previous one."""

    stride = 16  # the coarsest scale's 4, times its own 4

    def __init__(self, config: Config) -> None:
        super().__init__()
        w = config.width
        self.encoders = nn.ModuleList(transform(wide) for wide in (w, 2 * w, 4 * w))
        self.decoders = nn.ModuleList(transform(wide) for wide in (4 * w, 2 * w, w))
        self.scales = nn.ModuleList(Own(w) for _ in range(3))
        initialise(self)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H/4, W/4), (B, 3, H/2, W/2), (B, 3, H, W)]."""
        batch, _, height, width = blurry.shape
        sizes = pyramid(blurry.reshape(-1, 1, height, width))
        estimate = sizes[0]
        restored: list[Tensor] = []
        for image, own in zip(sizes, self.scales, strict=True):
            if restored:
                estimate = double(estimate.detach())  # a scale learns from its own image's error alone
            estimate = image + self.residual(image, estimate, own)
            restored.append(estimate.reshape(batch, -1, *estimate.shape[-2:]))
        return restored

    def residual(self, image: Tensor, estimate: Tensor, own: nn.Module) -> Tensor:
        """Compute what one scale adds to its blurry image: (N, 1, H, W) twice -> (N, 1, H, W)."""
        assert isinstance(own, Own)
        x = torch.cat((image, estimate), dim=1)
        features = []
        for enter, shared in zip(own.enters, self.encoders, strict=True):
            x = shared(shared(relu(enter(x))))  # twice, by the same weights
            features.append(x)
        x = features.pop()
        for leave, shared in zip(own.leaves, self.decoders, strict=True):
            x = leave(shared(shared(x)))
            if features:
                x = relu(x) + features.pop()
        return x


# Standard deviations of the filters, from the finest size to the coarsest and back.
DEVIATIONS = {"enters": (0.05, 0.03, 0.02), "leaves": (0.02, 0.01, 0.01)}


def initialise(net: Net) -> None:
    """Draw filters from normal distributions cut off at two deviations, set biases to zero."""
    shared = {"enters": net.encoders, "leaves": net.decoders}
    for layers, deviations in DEVIATIONS.items():
        for size, std in enumerate(deviations):
            parts = [getattr(own, layers)[size] for own in net.scales]
            for module in nn.ModuleList([shared[layers][size], *parts]).modules():
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                    nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
                    assert module.bias is not None
                    nn.init.zeros_(module.bias)


# The authors' names of layers -> ours. The first number is the size, counted from the finest; the last number
# of a layer that scales do not share is its scale, counted from the coarsest.
LAYERS = {
    **{
        f"g_net/{theirs}_2/d{step + 1}/conv{half}": f"{ours}.{step}.body.{2 * half - 2}"
        for theirs, ours in (
            *((f"enc{size}", f"encoders.{size - 1}") for size in (1, 2, 3)),
            *((f"dec{size}", f"decoders.{3 - size}") for size in (3, 2, 1)),
        )
        for step in range(4)
        for half in (1, 2)
    },
    **{
        f"g_net/{theirs}_{scale}": f"scales.{scale}.{ours}"
        for scale in range(3)
        for theirs, ours in (
            ("enc1_1", "enters.0"),
            ("enc2_1", "enters.1"),
            ("enc3_1", "enters.2"),
            ("dec2_3", "leaves.0"),
            ("dec1_3", "leaves.1"),
            ("dec1_0", "leaves.2"),
        )
    },
}


def convert(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """Convert the authors' weights, the variables of a TensorFlow checkpoint, to a state dict of `Net`."""
    return rename(from_tensorflow(weights), LAYERS, weight_names(Net, Config()))
