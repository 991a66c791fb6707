"""Small pairs, a small network and a recipe, for tests of the training."""

import torch
from torch import nn
from torch.nn.functional import interpolate

from benchmark.data.pairs import Pairs
from benchmark.spec import Normalise, Optimiser, Recipe

RECIPE = Recipe(10, 2, 16, Optimiser(2e-3), {"name": "constant"}, {"name": "pixel"}, Normalise(0.5))


def pairs(count=3, side=24):
    """Draw smooth random images and blur them by the mean of three columns."""
    rng = torch.Generator().manual_seed(5)
    sharp = interpolate(torch.rand(count, 3, 6, 6, generator=rng), size=side, mode="bicubic").clamp(0, 1)
    blurry = (sharp + sharp.roll(1, -1) + sharp.roll(-1, -1)) / 3
    images = [[(i.permute(1, 2, 0) * 255).byte().numpy() for i in kind] for kind in (blurry, sharp)]
    return Pairs([f"s/{i}" for i in range(count)], *images)


class Small(nn.Module):
    """Two convolutions with dropout between them."""

    stride = 1

    def __init__(self):
        super().__init__()
        first, last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        self.net = nn.Sequential(first, nn.ReLU(), nn.Dropout2d(0.2), last)

    def forward(self, x):
        """Return the restored image as the only output."""
        return [self.net(x)]


def network():
    """Build a small convolutional network with a fixed seed."""
    torch.manual_seed(0)
    return Small()
