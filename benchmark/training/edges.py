"""Draw weights anew so that a network that classifies starts at differences between pixels (`start: edges`).

For profiles whose trainings are too short for a model's own initialisation. Filters drawn around zero answer
to how bright an image is, by far its greatest signal, and a blur shows only in its differences.

Source    K. He, X. Zhang, S. Ren, J. Sun. Delving Deep into Rectifiers. ICCV 2015 (signals keep their size)
"""

import math

import torch
from torch import nn

from benchmark.spec import Normalise
from benchmark.training.start import convolutions

WIDER = 3.0  # times are filters of the first layer drawn, as differences are small


def at_edges(net: nn.Module, normalise: Normalise) -> None:
    """Draw weights: the first layer's filters have a mean of zero, the others' keep the size of a signal.

    Layers of single pixels, which score classes, stay as the model draws them.
    """
    first, *others = [layer for layer in convolutions(net) if math.prod(layer.kernel_size) > 1]
    for layer in (first, *others):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    with torch.no_grad():
        first.weight -= first.weight.mean(dim=(2, 3), keepdim=True)
        first.weight *= WIDER
