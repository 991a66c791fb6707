"""DeblurGAN-v2: a feature pyramid over an ImageNet backbone finds what to add to the blurry image.

Paper     O. Kupyn, T. Martyniuk, J. Wu, Z. Wang. DeblurGAN-v2: Deblurring (Orders-of-Magnitude) Faster and
          Better. ICCV 2019. arXiv:1908.03826
Sources   the authors' code, github.com/VITA-Group/DeblurGANv2 @00e96a9: models/fpn_inception.py,
          models/fpn_mobilenet.py, norms in models/networks.py. Backbones: timm's, which are layer by layer
          pretrainedmodels' InceptionResNetV2 and the authors' models/mobilenet_v2.py. Training: config.yaml
          from @ca1c5ee to @00e96a9; the head commit c16bd9f has another one (lr 0.01, 10 epochs)
Unstated  MobileNet-DSC: not in the code. Every 3x3 convolution outside the backbone becomes a depthwise one
          without bias and a 1x1 one, nothing between them; of the backbone's only the first is not separable
          already, and it stays, so that ImageNet weights fit. Table 1 prints 14.83 GFLOPs: here 9.6 GMAC
          (MobileNet is printed 43.75 and Inception 411.34: their code has 38.9 and 273.9)
          norms: always of the image at hand. The code trains on one image at a time and never leaves train
          mode, not to restore either ("it's not a bug", predict.py), so its batch norms and its instance
          norms are both this. It stores running statistics and never reads them; here there are none
          ImageNet weights: Inception's are TensorFlow's in both; MobileNet's were tonylins'
          mobilenet_v2.pth.tar, here timm's mobilenetv2_100. Without them: PyTorch's initialisation
          frozen backbone in the first 3 of 200 epochs (`warmup_num`): not here
          padding: reflected, as in test_metrics.py, there on both sides; predict.py pads with grey
Shapes    B batch, C width of the pyramid, H W image
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from benchmark.models._layers import conv


@dataclass(frozen=True)
class Config:
    """With Inception-ResNet-v2, the best of the paper's three."""

    backbone: str = "inception_resnet_v2"  # a key of BACKBONES
    convolutions: str = "full"  # a key of CONVOLUTIONS, of what is not the backbone
    divide: int = 1  # all widths by 1, 2, 4 or 8; 1 is the published network

    def thin(self, factor: int) -> "Config":
        """The same network with every width divided.

        Where Inception joins branches their widths add up, so they must divide exactly: the factor is
        rounded down to 2, 4 or 8.
        """
        return replace(self, divide=2 ** min(3, (self.divide * factor).bit_length() - 1))


@dataclass(frozen=True)
class Backbone:
    """What the pyramid takes from a network for ImageNet: five levels, the finest (H/2) first."""

    modules: tuple[tuple[str, ...], ...]  # per level, what leads there from the level before; timm's names
    widths: tuple[int, ...]  # of the levels
    edges: tuple[tuple[int, int], ...]  # lost to unpadded convolutions: top and left, bottom and right
    width: int  # of the pyramid: `num_filters_fpn`; its heads' `num_filters` is half of it
    least: int  # smallest height and width: the coarsest level must be two pixels wide


BACKBONES = {
    "inception_resnet_v2": Backbone(
        modules=(
            ("conv2d_1a",),
            ("conv2d_2a", "conv2d_2b", "maxpool_3a"),
            ("conv2d_3b", "conv2d_4a", "maxpool_5a"),
            ("mixed_5b", "repeat", "mixed_6a"),
            ("repeat_1", "mixed_7a"),
        ),
        widths=(32, 64, 192, 1088, 2080),
        edges=((0, 1), (1, 1), (1, 2), (1, 1), (1, 1)),
        width=256,
        least=128,
    ),
    "mobilenetv2_100": Backbone(
        modules=(
            ("conv_stem", "bn1", "blocks.0"),
            ("blocks.1",),
            ("blocks.2",),
            ("blocks.3",),
            ("blocks.4", "blocks.5.0", "blocks.5.1"),  # not the third block of 160
        ),
        widths=(16, 24, 32, 64, 160),
        edges=((0, 0),) * 5,
        width=128,
        least=64,
    ),
}


class ImageNorm(nn.InstanceNorm2d):
    """A batch norm of timm's with the activation it holds, by the statistics of each image alone."""

    def __init__(self, width: int, layer: nn.Module) -> None:
        super().__init__(width, eps=layer.eps, affine=True)  # type: ignore[arg-type]
        self.act = layer.act

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return self.act(super().forward(x))  # type: ignore[operator]


def thinned(width: int, divide: int) -> int:
    """A layer's width, divided; the three channels of an image stay.

    >>> [thinned(width, 4) for width in (3, 16, 320)]
    [3, 4, 80]
    """
    return width if width == 3 else max(4, width // divide)


def layer_like(layer: nn.Module, divide: int) -> nn.Module | None:
    """A freshly drawn, thinner layer in the place of one of timm's that has weights; None for others."""
    match layer:
        case nn.Conv2d():
            cin, cout = (thinned(width, divide) for width in (layer.in_channels, layer.out_channels))
            assert layer.groups in (1, layer.in_channels)  # ordinary or depthwise
            return nn.Conv2d(
                cin,
                cout,
                layer.kernel_size,  # type: ignore[arg-type]
                layer.stride,  # type: ignore[arg-type]
                layer.padding,  # type: ignore[arg-type]
                groups=1 if layer.groups == 1 else cin,
                bias=layer.bias is not None,
            )
        case nn.BatchNorm2d():
            return ImageNorm(thinned(layer.num_features, divide), layer)
        case nn.Linear():
            return nn.Linear(thinned(layer.in_features, divide), thinned(layer.out_features, divide))
    return None


def features(name: str, divide: int) -> nn.Module:
    """The network in timm with every width divided, its state dict's keys but for running statistics kept.

    Weights that lead to no level of the pyramid are in the authors' networks and in their printed sizes;
    nothing uses them, so they are frozen.

    Raises:
        ImportError: there is no timm.
    """
    try:
        timm = import_module("timm")
    except ImportError:
        raise ImportError(f"the backbone {name} is timm's; install it: pip install timm") from None
    # MobileNet's classifier is not in the authors' network, Inception's is.
    head = {"num_classes": 0} if name == "mobilenetv2_100" else {}
    with torch.device("meta"):  # its weights would be drawn for nothing
        net: nn.Module = timm.create_model(name, **head)
    for place, layer in list(net.named_modules()):
        if (new := layer_like(layer, divide)) is not None:
            parent, _, child = place.rpartition(".")
            setattr(net.get_submodule(parent), child, new)
    net.requires_grad_(False)
    for used in sum(BACKBONES[name].modules, ()):
        net.get_submodule(used).requires_grad_(True)
    return net


def separable(cin: int, cout: int, bias: bool = True) -> nn.Sequential:
    """A 3x3 convolution of each channel, and a 1x1 one of all."""
    each = nn.Conv2d(cin, cin, 3, padding=1, groups=cin, bias=False)
    return nn.Sequential(each, conv(cin, cout, kernel=1, bias=bias))


def full(cin: int, cout: int, bias: bool = True) -> nn.Conv2d:
    """A 3x3 convolution."""
    return conv(cin, cout, bias=bias)


Convolution = Callable[..., nn.Module]  # of two widths, and perhaps without bias

CONVOLUTIONS: dict[str, Convolution] = {"full": full, "separable": separable}


def normed(convolve: Convolution, cin: int, cout: int) -> nn.Sequential:
    """Convolution, norm of each image without scale or shift, ReLU; the norm undoes the bias."""
    return nn.Sequential(convolve(cin, cout), nn.InstanceNorm2d(cout), nn.ReLU())


def head(convolve: Convolution, cin: int, cout: int) -> nn.Sequential:
    """What reads one level of the pyramid: `FPNHead`."""
    first, second = convolve(cin, cout, bias=False), convolve(cout, cout, bias=False)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


def enlarge(x: Tensor, times: int) -> Tensor:
    """Each pixel repeated: (B, C, H, W) -> (B, C, times H, times W)."""
    return interpolate(x, scale_factor=times, mode="nearest")


class Net(nn.Module):
    """Backbone down, pyramid up, its levels read and joined, and the difference added (Fig. 2)."""

    stride = 32
    padding = "reflect"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        taken, convolve = BACKBONES[config.backbone], CONVOLUTIONS[config.convolutions]
        wide = thinned(taken.width, config.divide)
        half = wide // 2
        self.least = taken.least
        self.backbone = features(config.backbone, config.divide)
        self.laterals = nn.ModuleList(
            conv(thinned(width, config.divide), half if level == 0 else wide, kernel=1, bias=False)
            for level, width in enumerate(taken.widths)
        )
        self.merge = nn.ModuleList(normed(convolve, wide, wide) for _ in range(3))  # coarsest first
        self.heads = nn.ModuleList(head(convolve, wide, half) for _ in range(4))  # finest first
        self.smooth = normed(convolve, 4 * half, half)
        self.smooth2 = normed(convolve, half, half // 2)
        self.last = convolve(half // 2, 3)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> [(B, 3, H, W)], clipped to [-1, 1]."""
        finest, *laterals, coarsest = self.levels(blurry)
        pyramid = [coarsest]
        for merge, lateral in zip(self.merge, reversed(laterals), strict=True):
            pyramid.append(merge(lateral + enlarge(pyramid[-1], 2)))
        read = [head(level) for head, level in zip(reversed(self.heads), pyramid, strict=True)]
        joined = torch.cat([enlarge(x, times) for x, times in zip(read, (8, 4, 2, 1), strict=True)], dim=1)
        half = self.smooth2(enlarge(self.smooth(joined), 2) + finest)
        answer = torch.tanh(self.last(enlarge(half, 2))) + blurry
        return [answer.clamp(-1, 1)]

    def levels(self, blurry: Tensor) -> list[Tensor]:
        """The backbone's levels at the pyramid's width: (B, C/2, H/2, W/2), (B, C, H/4, W/4), ... H/32.

        What the backbone's unpadded convolutions took from an edge is mirrored there.
        """
        taken = BACKBONES[self.config.backbone]
        laterals = []
        x = blurry
        for names, reduce, (before, after) in zip(taken.modules, self.laterals, taken.edges, strict=True):
            for name in names:
                x = self.backbone.get_submodule(name)(x)
            lateral = reduce(x)
            if after:
                lateral = pad(lateral, (before, after, before, after), mode="reflect")
            laterals.append(lateral)
        return laterals

    def start_from(self, name: str, state: Mapping[str, Tensor]) -> str:
        """Take timm's weights for ImageNet into the backbone; why not, in words, or nothing.

        Weights with another name are not the backbone's, and ignored.

        Raises:
            ValueError: weights are missing, or of another shape; the message names one.
        """
        if name != self.config.backbone:
            return ""
        if self.config.divide > 1:
            return f"backbone starts from random weights: {name}'s are not for divided widths"
        for used in sum(BACKBONES[name].modules, ()):
            for key, value in self.backbone.get_submodule(used).state_dict(prefix=f"{used}.").items():
                if key not in state or state[key].shape != value.shape:
                    raise ValueError(f"{name}: no weight {key} of shape {tuple(value.shape)}")
                value.copy_(state[key])
        return ""


# Places of the layers in the authors' inverted residuals. In the first one nothing widens.
FIRST = {"conv_dw": 0, "bn1": 1, "conv_pw": 3, "bn2": 4}
OTHERS = {"conv_pw": 0, "bn1": 1, "conv_dw": 3, "bn2": 4, "conv_pwl": 6, "bn3": 7}
AHEAD = (1, 2, 4, 7, 11, 14, 17)  # of the authors' `features`, how many are before each of timm's `blocks`


def authors_name(ours: str, backbone: str) -> str:
    """Where a weight is in the authors' state dict.

    >>> authors_name("merge.1.0.bias", "mobilenetv2_100")
    'fpn.td2.0.bias'
    >>> authors_name("backbone.blocks.3.1.bn3.weight", "mobilenetv2_100")
    'fpn.features.8.conv.7.weight'
    """
    part, rest = ours.split(".", 1)
    number, _, inner = rest.partition(".")
    match part:
        case "laterals":
            return f"fpn.lateral{number}.{inner}"
        case "merge":
            return f"fpn.td{int(number) + 1}.{inner}"
        case "heads":
            layer, _, what = inner.partition(".")
            return f"head{int(number) + 1}.block{int(layer) // 2}.{what}"
        case "last":
            return f"final.{rest}"
        case "backbone" if backbone == "inception_resnet_v2":
            return "fpn.inception." + rest.replace("classif.", "last_linear.")
        case "backbone":
            if found := re.fullmatch(r"blocks\.(\d)\.(\d)\.(\w+)\.(\w+)", rest):
                group, block, layer, what = int(found[1]), int(found[2]), found[3], found[4]
                place = (OTHERS if group else FIRST)[layer]
                return f"fpn.features.{AHEAD[group] + block}.conv.{place}.{what}"
            ends = {"conv_stem": "0.0", "bn1": "0.1", "conv_head": "18.0", "bn2": "18.1"}
            return f"fpn.features.{ends[number]}.{inner}"
    return ours


# Not needed: running statistics, and second names of the backbone's layers.
SPARE = re.compile(r".*\.(running_mean|running_var|num_batches_tracked)|fpn\.enc[0-4]\..*")


def convert(saved: Mapping[str, Any], backbone: str = "inception_resnet_v2") -> dict[str, Tensor]:
    """The authors' weights as a state dict of `Net`.

    Args:
        saved: their file's contents, {"model": state dict}, or the state dict; names may start "module.".
        backbone: a key of BACKBONES.

    Raises:
        ValueError: a weight is missing or unexpected; the message names it.
    """
    theirs: Mapping[str, Tensor] = saved.get("model", saved)
    left = {name.removeprefix("module."): value for name, value in theirs.items()}
    with torch.device("meta"):
        names = Net(Config(backbone)).state_dict().keys()
    state = {}
    for ours in names:
        name = authors_name(ours, backbone)
        if name not in left:
            raise ValueError(f"missing weight: {name}")
        state[ours] = left.pop(name)
    if more := [name for name in left if not SPARE.fullmatch(name)]:
        raise ValueError(f"unexpected weight: {min(more)}")
    return state
