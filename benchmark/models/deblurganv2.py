"""DeblurGAN-v2: a feature pyramid over an ImageNet backbone predicts the residual of the blurry image.

Paper     O. Kupyn, T. Martyniuk, J. Wu, Z. Wang. DeblurGAN-v2: Deblurring (Orders-of-Magnitude) Faster and
          Better. ICCV 2019. arXiv:1908.03826
Sources   the authors' code, github.com/VITA-Group/DeblurGANv2 @00e96a9: models/fpn_inception.py,
          models/fpn_mobilenet.py, norms in models/networks.py. Backbones: timm's, which are layer by layer
          pretrainedmodels' InceptionResNetV2 and the authors' models/mobilenet_v2.py. Training: config.yaml
          from @ca1c5ee to @00e96a9; the latest commit c16bd9f has another one (lr 0.01, 10 epochs)
Unstated  MobileNet-DSC: not in the code. Every 3x3 convolution outside the backbone becomes a depthwise one
          without bias followed directly by a 1x1 one; in the backbone only the first convolution is not
          separable yet, and it is kept so that ImageNet weights fit. Table 1 prints 14.83 GFLOPs: here 9.6
          GMAC (MobileNet is printed 43.75 and Inception 411.34: the authors' code has 38.9 and 273.9)
          norms: by the statistics of each image. The code trains on one image at a time and stays in train
          mode even to restore ("it's not a bug", predict.py), so both its batch norms and its instance norms
          do this. It stores running statistics and never reads them; here there are none
          ImageNet weights: Inception's are TensorFlow's in both; MobileNet's were tonylins'
          mobilenet_v2.pth.tar, here timm's mobilenetv2_100. Without them: PyTorch's initialisation
          frozen backbone in the first 3 of 200 epochs (`warmup_num`): not done here
          padding: reflected, as in test_metrics.py, which pads on both sides; predict.py pads with grey
Shapes    B batch, C width of the pyramid, H W image
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from benchmark.models import _layers
from benchmark.models._layers import InstanceNorm, conv, weight_names
from benchmark.weights.names import rename


@dataclass(frozen=True)
class Config:
    """With Inception-ResNet-v2, the best of the paper's three."""

    backbone: str = "inception_resnet_v2"  # a key of BACKBONES
    convolutions: str = "full"  # a key of CONVOLUTIONS, of what is not the backbone
    divide: int = 1  # all widths by 1, 2, 4 or 8; 1 is the published network

    def thin(self, factor: int) -> "Config":
        """Divide every width by the factor, rounded down to 2, 4 or 8.

        Inception concatenates branches, so their widths must divide exactly.
        """
        return replace(self, divide=2 ** min(3, (self.divide * factor).bit_length() - 1))


@dataclass(frozen=True)
class Backbone:
    """The five levels that the pyramid uses of a network for ImageNet, the finest (H/2) first."""

    modules: tuple[tuple[str, ...], ...]  # timm's names of the modules between a level and the previous one
    widths: tuple[int, ...]  # of the levels
    edges: tuple[tuple[int, int], ...]  # pixels lost to unpadded convolutions: top and left, bottom and right
    width: int  # of the pyramid: `num_filters_fpn`; its heads' `num_filters` is half of it
    smallest_side: int  # height and width at which the coarsest level is two pixels wide


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
        smallest_side=128,
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
        smallest_side=64,
    ),
}


class ImageNorm(InstanceNorm):
    """Replace timm's batch norm and its activation: normalise by the statistics of each image alone."""

    def __init__(self, width: int, layer: nn.Module) -> None:
        super().__init__(width, eps=layer.eps, affine=True)  # type: ignore[arg-type]
        self.act = layer.act

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return self.act(super().forward(x))  # type: ignore[operator]


def thinned(width: int, divide: int) -> int:
    """Divide a layer's width, except the three channels of an image.

    >>> [thinned(width, 4) for width in (3, 16, 320)]
    [3, 4, 80]
    """
    return width if width == 3 else _layers.thinned(width, divide)


def layer_like(layer: nn.Module, divide: int) -> nn.Module | None:
    """Make a freshly drawn, thinner layer to replace one of timm's; None for a layer without weights."""
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
    """Make timm's network with every width divided; it keeps the names of all weights.

    Running statistics are dropped. Weights that lead to no level of the pyramid are in the authors' networks
    and in their printed sizes; nothing uses them, so they are frozen.

    Raises:
        ImportError: timm is not installed.
    """
    try:
        timm = import_module("timm")
    except ImportError:
        raise ImportError(f"the backbone {name} is timm's; install it: pip install timm") from None
    # Inception's classifier is in the authors' network, MobileNet's is not.
    head = {"num_classes": 0} if name == "mobilenetv2_100" else {}
    with torch.device("meta"):  # every layer with weights is replaced below
        net: nn.Module = timm.create_model(name, **head)
    for path, layer in list(net.named_modules()):
        if (new := layer_like(layer, divide)) is not None:
            parent, _, child = path.rpartition(".")
            setattr(net.get_submodule(parent), child, new)
    net.requires_grad_(False)
    for used in sum(BACKBONES[name].modules, ()):
        net.get_submodule(used).requires_grad_(True)
    return net


def separable(cin: int, cout: int, bias: bool = True) -> nn.Sequential:
    """Make a depthwise separable convolution: 3x3 on each channel, then 1x1 on all of them."""
    each = nn.Conv2d(cin, cin, 3, padding=1, groups=cin, bias=False)
    return nn.Sequential(each, conv(cin, cout, kernel=1, bias=bias))


def full(cin: int, cout: int, bias: bool = True) -> nn.Conv2d:
    """Make an ordinary 3x3 convolution."""
    return conv(cin, cout, bias=bias)


Convolution = Callable[..., nn.Module]  # of two widths, and perhaps without bias

CONVOLUTIONS: dict[str, Convolution] = {"full": full, "separable": separable}


def normed(convolve: Convolution, cin: int, cout: int) -> nn.Sequential:
    """Make a convolution, instance normalisation without scale or shift, and ReLU.

    The normalisation cancels the convolution's bias, which is kept because the authors' network has it.
    """
    return nn.Sequential(convolve(cin, cout), InstanceNorm(cout), nn.ReLU())


def head(convolve: Convolution, cin: int, cout: int) -> nn.Sequential:
    """Make the head of one level of the pyramid: `FPNHead`."""
    first, second = convolve(cin, cout, bias=False), convolve(cout, cout, bias=False)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


def enlarge(x: Tensor, times: int) -> Tensor:
    """Repeat each pixel: (B, C, H, W) -> (B, C, times H, times W)."""
    return interpolate(x, scale_factor=times, mode="nearest")


class Net(nn.Module):
    """Run the backbone down and the pyramid up, join the heads of its levels, add the residual (Fig. 2)."""

    stride = 32
    padding = "reflect"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        backbone, convolve = BACKBONES[config.backbone], CONVOLUTIONS[config.convolutions]
        wide = thinned(backbone.width, config.divide)
        half = wide // 2
        self.smallest_side = backbone.smallest_side
        self.backbone = features(config.backbone, config.divide)
        self.laterals = nn.ModuleList(
            conv(thinned(width, config.divide), half if level == 0 else wide, kernel=1, bias=False)
            for level, width in enumerate(backbone.widths)
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
        maps = [head(level) for head, level in zip(reversed(self.heads), pyramid, strict=True)]
        joined = torch.cat([enlarge(x, times) for x, times in zip(maps, (8, 4, 2, 1), strict=True)], dim=1)
        half = self.smooth2(enlarge(self.smooth(joined), 2) + finest)
        restored = torch.tanh(self.last(enlarge(half, 2))) + blurry
        return [restored.clamp(-1, 1)]

    def levels(self, blurry: Tensor) -> list[Tensor]:
        """Compute the backbone's levels at the pyramid's width: (B, C/2, H/2, W/2), (B, C, H/4, W/4), ...

        Pixels that the backbone's unpadded convolutions cut off an edge are replaced by mirroring.
        """
        levels = BACKBONES[self.config.backbone]
        laterals = []
        x = blurry
        for names, reduce, (before, after) in zip(levels.modules, self.laterals, levels.edges, strict=True):
            for name in names:
                x = self.backbone.get_submodule(name)(x)
            lateral = reduce(x)
            if after:
                lateral = pad(lateral, (before, after, before, after), mode="reflect")
            laterals.append(lateral)
        return laterals

    def load_pretrained(self, name: str, state: Mapping[str, Tensor]) -> str:
        """Load timm's weights for ImageNet into the backbone; return why they cannot be used, or "".

        Weights of another name are not the backbone's and are ignored.

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


# The authors' names of layers outside the backbone -> ours.
PYRAMID = {"smooth": "smooth", "smooth2": "smooth2", "final": "last"}
PYRAMID |= {f"fpn.lateral{k}": f"laterals.{k}" for k in range(5)}
PYRAMID |= {f"fpn.td{k + 1}": f"merge.{k}" for k in range(3)}
PYRAMID |= {f"head{k + 1}.block{n}": f"heads.{k}.{2 * n}" for k in range(4) for n in range(2)}

# Layers of MobileNet's inverted residuals in the authors' order -> timm's; the first block does not widen.
FIRST_RESIDUAL = {0: "conv_dw", 1: "bn1", 3: "conv_pw", 4: "bn2"}
LATER_RESIDUALS = {0: "conv_pw", 1: "bn1", 3: "conv_dw", 4: "bn2", 6: "conv_pwl", 7: "bn3"}


def mobilenet_layers() -> dict[str, str]:
    """Map the authors' names of MobileNet's layers, numbered in one sequence, to timm's, which has groups."""
    layers = {"0.0": "conv_stem", "0.1": "bn1", "18.0": "conv_head", "18.1": "bn2"}
    blocks = [(group, block) for group, count in enumerate((1, 2, 3, 4, 3, 3, 1)) for block in range(count)]
    for number, (group, block) in enumerate(blocks, start=1):
        for place, layer in (LATER_RESIDUALS if group else FIRST_RESIDUAL).items():
            layers[f"{number}.conv.{place}"] = f"blocks.{group}.{block}.{layer}"
    return {f"fpn.features.{theirs}": f"backbone.{ours}" for theirs, ours in layers.items()}


LAYERS = {
    "inception_resnet_v2": PYRAMID
    | {"fpn.inception": "backbone", "fpn.inception.last_linear": "backbone.classif"},
    "mobilenetv2_100": PYRAMID | mobilenet_layers(),
}
# In the authors' files and not needed: running statistics, and second names of the backbone's layers.
UNUSED = re.compile(r".*\.(running_mean|running_var|num_batches_tracked)|fpn\.enc[0-4]\..*")


def convert(weights: Mapping[str, Tensor], backbone: str = "inception_resnet_v2") -> dict[str, Tensor]:
    """Convert the authors' weights for a key of BACKBONES to a state dict of `Net`."""
    used = {name: value for name, value in weights.items() if not UNUSED.fullmatch(name)}
    return rename(used, LAYERS[backbone], weight_names(Net, Config(backbone)))
