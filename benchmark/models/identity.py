"""The blurred input itself: the floor that every network has to beat.

Paper     none
Sources   none
Unstated  nothing
Shapes    B batch, H W image
"""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """Nothing to choose."""

    def thin(self, factor: int) -> "Config":
        """The same: there is no width to divide."""
        return self


class Net(nn.Module):
    """Hands the image through; it has no parameters."""

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H, W)]."""
        return [blurry]
