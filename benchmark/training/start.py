"""Draw weights anew so that a network starts near handing on its input.

For profiles whose trainings are too short for a model's own initialisation (`start: input`): DMPHN's weights
halve the signal in each layer, so its output is grey at first, and most of a short run teaches nothing but to
copy the input. The rules look at layers, not at models; what they reach is measured on an image.

Sources   zero at the end of residual branches: Goyal et al. Accurate, Large Minibatch SGD. arXiv:1706.02677
          convolutions that start as the identity: Zagoruyko, Komodakis. DiracNets. arXiv:1706.00388
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmark import nets
from benchmark.spec import Normalise

Convolution = nn.Conv2d | nn.ConvTranspose2d
SIDE = 96  # of the image that a network is tried on, in pixels, if the network accepts it
NOISE = 0.02  # standard deviation of the weights beside an identity, times sqrt(fan-in)
MOST = 100.0  # factor by which an image may be too weak
NEAR, BEARABLE = 0.1, 0.2  # errors of a good start and of the worst that is used; see `error`


def near_input(net: nn.Module, normalise: Normalise) -> None:
    """Draw weights with which the network nearly hands on its input.

    In a network that adds to the image it is enough that the last convolutions are zero; all else stays as
    the model draws it. In others, residual branches end in zeros, and RULES for the convolutions between them
    are tried in order until one gives the input. Where none does, the best is drawn again if it is bearable;
    else every convolution keeps the size of its signal.
    """
    last = [layer for layer in convolutions(net) if layer.out_channels in (1, 3)]
    image = smooth_image(normalise, nets.round_up_side(net, SIDE))
    net.eval()  # a single image has no statistics for batch normalisation
    choose_weights(net, last, image)
    net.train()


def choose_weights(net: nn.Module, last: list[Convolution], image: Tensor) -> None:
    """Do what `near_input` says; `last` are the convolutions that give an image."""
    with zero(last):
        adds_to_the_image = error(net, image) < NEAR
    if adds_to_the_image:
        blank(last)
        return
    branches = residual_branches(net, image)
    inner = {layer for branch in branches for layer in branch}
    drawn = [layer for layer in convolutions(net) if layer.weight.count_nonzero()]  # zero gates stay zero

    def draw(rule: Callable[[Convolution], None]) -> float:
        for layer in drawn:
            (keep_size if layer in inner else rule)(layer)
        blank(branch[-1] for branch in branches)
        if rule is not keep_size:
            calibrate(net, last, image)
        return error(net, image)

    errors = {}
    for rule in RULES:
        errors[rule] = draw(rule)
        if errors[rule] < NEAR:
            return
    best = min(RULES, key=errors.__getitem__)
    draw(best if errors[best] < BEARABLE else keep_size)


STARTS: dict[str, Callable[[nn.Module, Normalise], None]] = {"input": near_input}


def keep_size(layer: Convolution) -> None:
    """Draw weights that keep the size of a signal: with the standard deviation 1/sqrt(fan-in)."""
    inputs = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
    if isinstance(layer, nn.ConvTranspose2d):
        inputs //= math.prod(layer.stride)
    nn.init.normal_(layer.weight, std=1 / math.sqrt(inputs))


def through_coefficients(layer: Convolution) -> None:
    """Let the layer hand on its first channels, at half size as coefficients of a Haar transform.

    A convolution with stride 2 computes the coefficients of 2x2 pixels, low frequencies first, as many as it
    has channels; the transposed convolution of the same widths makes pixels of them.
    """
    hand_on(layer, haar(layer.weight.shape[1]))


def through_pixels(layer: Convolution) -> None:
    """Let the layer hand on its first channels, at half size every pixel as a channel, and lift the image.

    Lifted values are positive, so they pass ReLUs that no shortcut bridges; `calibrate` lowers them again.
    """
    filters = torch.eye(4).view(4, 2, 2)
    hand_on(layer, [(channel, filters[k]) for channel, k in product(range(layer.weight.shape[1]), range(4))])
    if layer.in_channels == 3 and layer.bias is not None:
        nn.init.ones_(layer.bias)


def hand_on(layer: Convolution, bands: list[tuple[int, Tensor]]) -> None:
    """Draw small weights and add an identity; with stride 2, (channel, 2x2 filter) for each row."""
    keep_size(layer)
    with torch.no_grad():
        layer.weight *= NOISE
        if layer.bias is not None:
            layer.bias.zero_()
        if layer.stride == (1, 1):
            centre = [size // 2 for size in layer.kernel_size]
            for channel in range(min(layer.weight.shape[:2])):
                layer.weight[channel, channel, centre[0], centre[1]] += 1
        elif layer.stride == (2, 2):
            y, x = (int(n) for n in layer.padding)  # the taps on the first pixel of 2x2
            for row, (channel, band) in enumerate(bands[: len(layer.weight)]):
                layer.weight[row, channel, y : y + 2, x : x + 2] += band


def through_skips(layer: Convolution) -> None:
    """Let the layer hand on its first channels at full size, and nothing come back from smaller sizes."""
    if layer.stride == (1, 1):
        through_coefficients(layer)
    elif isinstance(layer, nn.ConvTranspose2d):
        blank([layer])
    else:
        keep_size(layer)


RULES = (through_coefficients, through_skips, through_pixels)


def haar(channels: int) -> list[tuple[int, Tensor]]:
    """List (channel, 2x2 filter) from low to high frequencies.

    The channels are an image's three, and after them its details from an earlier transform.
    """
    flat, edge = torch.tensor([0.5, 0.5]), torch.tensor([0.5, -0.5])
    details = [0, *[1] * 2, 2]  # of a filter: in how many directions it is an edge
    filters = [2 * torch.outer(a, b) for a, b in product((flat, edge), repeat=2)]
    level = [0] * 3 + [1] * 6 + [2] * 3 + [9] * channels  # of a channel; later ones are empty
    order = sorted(product(range(channels), range(4)), key=lambda at: 2 * level[at[0]] + details[at[1]])
    return [(channel, filters[band]) for channel, band in order]


def convolutions(net: nn.Module) -> list[Convolution]:
    """List the convolutions that are trained, in the order of their definition."""
    return [layer for layer in net.modules() if isinstance(layer, Convolution) and layer.weight.requires_grad]


def blank(layers: Iterable[Convolution]) -> None:
    """Set weights and biases to zero."""
    for layer in layers:
        for values in layer.parameters():
            nn.init.zeros_(values)


@contextmanager
def zero(layers: list[Convolution]) -> Iterator[None]:
    """Set weights and biases to zero for a while."""
    parameters = [values for layer in layers for values in layer.parameters()]
    saved = [values.detach().clone() for values in parameters]
    blank(layers)
    try:
        yield
    finally:
        with torch.no_grad():
            for values, old in zip(parameters, saved, strict=True):
                values.copy_(old)


def smooth_image(normalise: Normalise, side: int) -> Tensor:
    """Draw a smooth image (1, 3, side, side) in the network's range."""
    image = interpolate(torch.rand(1, 3, side // 8, side // 8), side, mode="bicubic").clamp(0, 1)
    return (image - normalise.mean) * normalise.scale


def error(net: nn.Module, image: Tensor) -> float:
    """Compare the network's output with its input: standard deviation of the difference over the input's."""
    with torch.no_grad():
        difference = net(image)[-1] - image
    return float(difference.std() / image.std())


def calibrate(net: nn.Module, last: Iterable[Convolution], image: Tensor) -> None:
    """Scale convolutions that give an image, in the order of execution, to the input's contrast and mean.

    Levels and scales whose images are summed grow otherwise.
    """

    def scale(layer: Any, args: Any, output: Tensor) -> Tensor:
        factor = float(image.std() / output.std())
        if factor > MOST:  # this layer gives no image
            return output
        shift = image.mean() - factor * output.mean() if layer.bias is not None else 0
        with torch.no_grad():
            for values in layer.parameters():
                values.mul_(factor)
            if layer.bias is not None:
                layer.bias += shift
        return output * factor + shift

    hooks = [layer.register_forward_hook(scale) for layer in last]
    with torch.no_grad():
        net(image)
    for hook in hooks:
        hook.remove()


def residual_branches(net: nn.Module, image: Tensor) -> list[list[Convolution]]:
    """List the convolutions of every residual branch.

    A module is a branch with its shortcut if it hands on its input when its last convolution is zero.
    """
    branches = []
    for module, args in calls(net, image):
        layers = convolutions(module)
        if layers and layers[-1].out_channels == args[0].shape[1]:
            with zero(layers[-1:]), torch.no_grad():
                output = module(*args)
            if isinstance(output, Tensor) and torch.equal(output, args[0]):
                branches.append(layers)
    return branches


def calls(net: nn.Module, image: Tensor) -> list[tuple[nn.Module, tuple[Any, ...]]]:
    """Record the arguments of the modules that give a tensor of the shape of their first argument."""
    seen: dict[nn.Module, tuple[Any, ...]] = {}

    def record(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if (
            args
            and isinstance(args[0], Tensor)
            and isinstance(output, Tensor)
            and output.shape == args[0].shape
        ):
            seen.setdefault(module, args)

    parts = [module for module in net.modules() if module is not net and list(module.children())]
    hooks = [module.register_forward_hook(record) for module in parts]
    with torch.no_grad():
        net(image)
    for hook in hooks:
        hook.remove()
    return list(seen.items())
