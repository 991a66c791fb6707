"""Measure what a sentence says of a network's layout: how many modules, which kernels, how many channels.

A measurement is a word and a pattern of module names, as `named_modules` has them (`*` also crosses dots):

    count decoders.* Decoder         modules of these classes, or of any class without one
    kernel fuse.0.large.0            "1x3": height and width of the convolutions' kernels
    stride, in, out encoder.*        of the convolutions: stride along rows, input and output channels

All convolutions that a pattern matches must share the value. The layout alone is measured, so that a network
on the meta device will do.
"""

from fnmatch import fnmatchcase

from torch import nn

WORDS = ("count", "kernel", "stride", "in", "out")
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


def measure(net: nn.Module, measurement: str) -> str:
    """Measure a network; return a whole number or a kernel such as "3x3", as text.

    Raises:
        ValueError: an unknown word, no such module, or convolutions that differ.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, (1, 3)), nn.Conv2d(8, 8, (1, 3), stride=2))
    >>> measure(net, "count * Conv2d"), measure(net, "kernel *"), measure(net, "in 0")
    ('2', '1x3', '3')
    >>> measure(net, "in *")
    Traceback (most recent call last):
    ValueError: 'in *': 3, 8; allowed: one value
    """
    word, pattern, *classes = measurement.split()
    if word not in WORDS:
        raise ValueError(f"{measurement!r}: {word!r}; allowed: {', '.join(WORDS)}")
    named = [module for name, module in net.named_modules() if name and fnmatchcase(name, pattern)]
    if word == "count":
        return str(sum(not classes or type(module).__name__ in classes for module in named))
    values = dict.fromkeys(value(word, module) for module in named if isinstance(module, CONVOLUTIONS))
    if len(values) != 1:
        raise ValueError(f"{measurement!r}: {', '.join(values) or 'no convolution'}; allowed: one value")
    return next(iter(values))


def value(word: str, convolution: nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d) -> str:
    """Read one property of a convolution."""
    if word == "kernel":
        return "x".join(map(str, convolution.kernel_size))
    if word == "stride":
        return str(convolution.stride[0])
    return str(convolution.in_channels if word == "in" else convolution.out_channels)
