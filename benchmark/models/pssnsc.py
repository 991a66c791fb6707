"""PSS-NSC: SRN's three scales with some layers shared between them and some of each scale's own.

Paper     H. Gao, X. Tao, X. Shen, J. Jia. Dynamic Scene Deblurring with Parameter Selective Sharing and
          Nested Skip Connections. CVPR 2019
Sources   the authors' code, github.com/firenxygao/deblur @5791a82: layers and widths model.py; initialisation
          and recipe the graph that trained the released weights, kept beside them: checkpoints/default/
          deblur_model.meta (training code was never released; issue #5 confirms the initialisation)
Unstated  nothing; where they differ, the graph holds: model.py, which only restores, initialises by Xavier
Shapes    B batch, N one-channel images (3B: R, G and B of a picture are three), C width, H W image;
          widths and sizes of a class are those of its own input
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from benchmark.models._layers import ResBlock, conv, upsample
from benchmark.models.srn import Down, Variable, double, from_tensorflow, pyramid


@dataclass(frozen=True)
class Config:
    """The published network."""

    width: int = 32  # model.py; doubles at each of three sizes

    def thin(self, factor: int) -> "Config":
        """The same network with every width divided."""
        return replace(self, width=max(4, self.width // factor))


def transform(width: int) -> nn.Sequential:
    """Four nonlinear steps f with nested skips, `DenseBlock`: (N, C, H, W) -> (N, C, H, W).

    Each step sees x + f1(x) + f2(x + f1(x)) + ... of all steps before, and the answer is that sum to the
    last step: these are residual blocks one after another.
    """
    return nn.Sequential(*(ResBlock(width) for _ in range(4)))


class Own(nn.Module):
    """What a scale does not share: the layers that change the size or the number of channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.enters = nn.ModuleList((conv(2, w), Down(w, 2 * w, 3), Down(2 * w, 4 * w, 3)))
        self.leaves = nn.ModuleList((upsample(4 * w), upsample(2 * w), conv(w, 1)))


class Net(nn.Module):
    """Quarter, half and full size; each adds to the blurry image, given the guess of the one before."""

    stride = 16  # the coarsest scale's 4, times its own 4

    def __init__(self, config: Config) -> None:
        super().__init__()
        w = config.width
        self.encoders = nn.ModuleList(transform(wide) for wide in (w, 2 * w, 4 * w))
        self.decoders = nn.ModuleList(transform(wide) for wide in (4 * w, 2 * w, w))
        self.scales = nn.ModuleList(Own(w) for _ in range(3))
        initialise(self)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H/4, W/4), (B, 3, H/2, W/2), (B, 3, H, W)], the answer last."""
        batch, _, height, width = blurry.shape
        sizes = pyramid(blurry.reshape(-1, 1, height, width))
        guess = sizes[0]
        answers: list[Tensor] = []
        for image, own in zip(sizes, self.scales, strict=True):
            if answers:
                guess = double(guess.detach())  # a scale learns from its own image's error alone
            guess = image + self.restore(image, guess, own)
            answers.append(guess.reshape(batch, -1, *guess.shape[-2:]))
        return answers

    def restore(self, image: Tensor, guess: Tensor, own: nn.Module) -> Tensor:
        """What one scale adds: (N, 1, H, W) twice -> (N, 1, H, W)."""
        assert isinstance(own, Own)
        x = torch.cat((image, guess), dim=1)
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


# Of the filters, from the finest size to the coarsest and back.
DEVIATIONS = {"enters": (0.05, 0.03, 0.02), "leaves": (0.02, 0.01, 0.01)}


def initialise(net: Net) -> None:
    """Filters from normal distributions cut off at two deviations, biases zero."""
    shared = {"enters": net.encoders, "leaves": net.decoders}
    for layers, deviations in DEVIATIONS.items():
        for size, std in enumerate(deviations):
            parts = [getattr(own, layers)[size] for own in net.scales]
            for module in nn.ModuleList([shared[layers][size], *parts]).modules():
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                    nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
                    assert module.bias is not None
                    nn.init.zeros_(module.bias)


# Where a layer of the authors' is here. The first number is the size, counted from the finest; of a
# scale's own layers the last is the scale, counted from the coarsest.
LAYERS = {
    **{
        f"{theirs}_2/d{step + 1}/conv{half}": f"{ours}.{step}.body.{2 * half - 2}"
        for theirs, ours in (
            *((f"enc{size}", f"encoders.{size - 1}") for size in (1, 2, 3)),
            *((f"dec{size}", f"decoders.{3 - size}") for size in (3, 2, 1)),
        )
        for step in range(4)
        for half in (1, 2)
    },
    **{
        f"{theirs}_{scale}": f"scales.{scale}.{ours}"
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


def convert(variables: Mapping[str, Variable]) -> dict[str, Tensor]:
    """The authors' weights as a state dict of `Net`.

    Args:
        variables: by TensorFlow's name, "g_net/enc1_1_0/weights", and as TensorFlow shapes them; what the
            checkpoint keeps of Adam and the step count may be there.

    Raises:
        ValueError: a variable is missing or unexpected; the message names it.
    """
    return from_tensorflow(variables, LAYERS)
