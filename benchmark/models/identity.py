"""The blurred input itself: the lower bound that every network has to exceed.

Paper     none
Sources   none
Unstated  nothing
Shapes    B batch, H W image
"""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """No settings."""

    def thin(self, factor: int) -> "Config":
        """Return the same: there is no width to divide."""
        return self


class Net(nn.Module):
    """Return the image unchanged, without any parameter."""

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H, W)]."""
        return [blurry]
