"""One linear filter for all images: what a network has to exceed to show that it uses the motion in an image.

A fixed filter cannot react to the blur of a place, so what it gains is sharpening alone. It is trained like a
network. Gains of short trainings are often no larger.

Paper     none
Sources   none; its least-squares solution is Wiener's filter of finite length
Unstated  side: 15 pixels; after profile night a side of 9 gains 0.02 dB less
          initialisation: PyTorch's
          borders: the outermost pixels are repeated
Shapes    B batch, H W image
"""

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark.models._layers import Widths


@dataclass(frozen=True)
class Config(Widths):
    """The filter's size; it has no width."""

    side: int = 15  # pixels, odd


class Net(nn.Module):
    """Convolve each colour with the same filter and add a constant."""

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.filter = nn.Conv2d(1, 1, config.side, padding=config.side // 2, padding_mode="replicate")

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H, W)]."""
        return [self.filter(blurry.reshape(-1, 1, *blurry.shape[2:])).view(blurry.shape)]
