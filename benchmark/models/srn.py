"""SRN: one encoder-decoder used at three scales, from coarse to fine, connected by a ConvLSTM.

Paper     X. Tao, H. Gao, X. Shen, J. Wang, J. Jia. Scale-recurrent Network for Deep Image Deblurring.
          CVPR 2018. arXiv:1802.01770
Sources   the authors' code, github.com/jiangsutx/SRN-Deblur @2caaa85: layers, widths, initialisation and
          training models/model.py, util/util.py; ConvLSTM util/BasicConvLSTMCell.py; the three networks
          run_model.py: "lstm" is the paper's, "gray" has no ConvLSTM, "color" has none and takes RGB images
Unstated  nothing. Operations of TensorFlow 1 that PyTorch lacks: `Down`, `double`
Shapes    B batch, N images that the network takes (3B of one channel, or B in RGB), K their channels,
          C width, H W image; each class uses the widths and sizes of its own input
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad

from benchmark.models._layers import ResBlock, Widths, conv, upsample, weight_names
from benchmark.weights.names import from_tensorflow, rename

State = tuple[Tensor, Tensor] | None  # of a ConvLSTM: (c, h), None before the first scale


@dataclass(frozen=True)
class Config(Widths):
    """The paper's network."""

    variant: str = "lstm"  # a key of VARIANTS
    width: int = 32  # model.py; doubles at each of three sizes


class Down(nn.Conv2d):
    """Convolve with stride 2 and TensorFlow's "SAME" padding, which has its odd pixel at the end."""

    def __init__(self, cin: int, cout: int, kernel: int) -> None:
        super().__init__(cin, cout, kernel, stride=2)
        before, after = (kernel - 2) // 2, (kernel - 1) // 2  # 1, 2 for 5x5; sizes are even
        self.border = (before, after, before, after)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 2C, H/2, W/2)."""
        return conv2d(pad(x, self.border), self.weight, self.bias, stride=2)


def double(x: Tensor) -> Tensor:
    """Double the size bilinearly as TensorFlow 1 does: (N, C, H, W) -> (N, C, 2H, 2W).

    Pixel 2k is pixel k, pixel 2k + 1 the mean of k and k + 1: corners are aligned with those of an image
    whose last row and column are repeated.
    """
    size = [2 * n + 1 for n in x.shape[-2:]]
    repeated = pad(x, (0, 1, 0, 1), mode="replicate")
    return interpolate(repeated, size, mode="bilinear", align_corners=True)[..., :-1, :-1]


def pyramid(images: Tensor) -> list[Tensor]:
    """Shrink to a quarter, half and full size as TensorFlow 1 does: by omitting every second pixel."""
    return [images[..., ::4, ::4], images[..., ::2, ::2], images]


class ConvLSTM(nn.Module):
    """Update an LSTM whose gates are 3x3 convolutions; 1 is added to the forget gate's bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = conv(2 * width, 4 * width)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, C, H, W), and (c, h) of the same shape -> h, and the new (c, h)."""
        c, h = (torch.zeros_like(x), torch.zeros_like(x)) if state is None else state
        i, j, f, o = self.gates(torch.cat((x, h), dim=1)).chunk(4, dim=1)
        c = c * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j)
        h = torch.tanh(c) * torch.sigmoid(o)
        return h, (c, h)


class NoMemory(nn.Module):
    """Return the features unchanged, so that scales are connected by the image alone."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, C, H, W) -> the same."""
        return x, state


@dataclass(frozen=True)
class Variant:
    """The settings behind the authors' `--model`."""

    channels: int  # of the network's input images
    memory: Callable[[int], nn.Module]  # at its bottleneck


# With one channel, R, G and B of a picture are three images; the authors train these two on grey pictures.
VARIANTS = {"lstm": Variant(1, ConvLSTM), "gray": Variant(1, NoMemory), "color": Variant(3, NoMemory)}


def blocks(width: int) -> tuple[ResBlock, ResBlock, ResBlock]:
    """Make three residual blocks."""
    return ResBlock(width, 5), ResBlock(width, 5), ResBlock(width, 5)


class Scale(nn.Module):
    """Refine an estimate of the restored image; all scales share this network."""

    def __init__(self, variant: Variant, width: int) -> None:
        super().__init__()
        k, w = variant.channels, width
        enters = (conv(2 * k, w, 5), Down(w, 2 * w, 5), Down(2 * w, 4 * w, 5))
        self.encoders = nn.ModuleList(
            nn.Sequential(enter, nn.ReLU(), *blocks(enter.out_channels)) for enter in enters
        )
        self.memory = variant.memory(4 * w)
        self.decoders = nn.ModuleList(
            nn.Sequential(*blocks(wide), upsample(wide), nn.ReLU()) for wide in (4 * w, 2 * w)
        )
        self.last = nn.Sequential(*blocks(w), conv(w, k, 5))

    def forward(self, blurry: Tensor, estimate: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, K, H, W) twice, (c, h) of (N, 4C, H/4, W/4) -> (N, K, H, W), and the new (c, h)."""
        x = torch.cat((blurry, estimate), dim=1)
        features = []
        for encode in self.encoders:
            x = encode(x)
            features.append(x)
        x, state = self.memory(features.pop(), state)
        for decode in self.decoders:
            x = decode(x) + features.pop()
        return self.last(x), state


class Net(nn.Module):
    """Restore at a quarter, half and full size; each scale takes the previous one's estimate and memory."""

    stride = 16  # the coarsest scale's 4, times its own 4

    def __init__(self, config: Config) -> None:
        super().__init__()
        variant = VARIANTS[config.variant]
        self.channels = variant.channels
        self.scale = Scale(variant, config.width)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        if isinstance(self.scale.memory, ConvLSTM):
            nn.init.trunc_normal_(self.scale.memory.gates.weight, std=1e-3, a=-2e-3, b=2e-3)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H/4, W/4), (B, 3, H/2, W/2), (B, 3, H, W)]."""
        batch, _, height, width = blurry.shape
        sizes = pyramid(blurry.reshape(-1, self.channels, height, width))
        estimate, state = sizes[0], None
        restored: list[Tensor] = []
        for image in sizes:
            if restored:
                estimate = double(estimate.detach())  # a scale learns from its own image's error alone
            if state is not None:
                state = double(state[0]), double(state[1])
            estimate, state = self.scale(image, estimate, state)
            restored.append(estimate.reshape(batch, -1, *estimate.shape[-2:]))
        return restored


# The authors' names of layers -> ours. In "dec3_3" the first 3 is the size, counted from the finest; decoders
# count their blocks backwards.
LAYERS = {
    **{f"g_net/enc{size}_1": f"scale.encoders.{size - 1}.0" for size in (1, 2, 3)},
    **{
        f"g_net/enc{size}_{place}/conv{half}": f"scale.encoders.{size - 1}.{place}.body.{2 * half - 2}"
        for size in (1, 2, 3)
        for place in (2, 3, 4)
        for half in (1, 2)
    },
    **{
        f"g_net/dec{size}_{3 - place}/conv{half}": f"scale.{part}.{place}.body.{2 * half - 2}"
        for size, part in ((3, "decoders.0"), (2, "decoders.1"), (1, "last"))
        for place in (0, 1, 2)
        for half in (1, 2)
    },
    "g_net/dec2_4": "scale.decoders.0.3",
    "g_net/dec1_4": "scale.decoders.1.3",
    "g_net/dec1_0": "scale.last.3",
    "g_net/convLSTM/LSTM_conv": "scale.memory.gates",
}


def convert(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """Convert the authors' weights, the variables of a TensorFlow checkpoint, to a state dict of `Net`."""
    variant = "lstm" if any("LSTM" in name for name in weights) else "gray"  # "color" has the same layers
    return rename(from_tensorflow(weights), LAYERS, weight_names(Net, Config(variant)))
