"""Rename the weights that authors published to ours."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

# What a TensorFlow checkpoint keeps beside the weights: the step count and the state of Adam.
NO_WEIGHTS = re.compile(r"Variable|.*/Adam(_1)?|.*beta[12]_power")


def rename(
    weights: Mapping[str, Tensor], layers: Mapping[str, str], ours: Iterable[str]
) -> dict[str, Tensor]:
    """Give every weight of the authors the name it has here.

    Args:
        weights: the authors' state dict.
        layers: the authors' name of a layer -> ours; whatever follows these names is the same on both sides.
            Of nested layers the innermost one decides; a weight in none of them has the same name.
        ours: the names that all weights of our network have.

    Raises:
        ValueError: a weight is missing or unexpected; the message has the authors' name of it.
    """
    authors = {layer: name for name, layer in layers.items()}
    remaining, state = dict(weights), {}
    for name in ours:
        layer = next((part for part in prefixes(name) if part in authors), "")
        original = authors.get(layer, "") + name.removeprefix(layer)
        if original not in remaining:
            raise ValueError(f"missing weight: {original}")
        state[name] = remaining.pop(original)
    if remaining:
        raise ValueError(f"unexpected weight: {min(remaining)}")
    return state


def prefixes(name: str) -> list[str]:
    """List a dotted name and the names of all modules around it, the innermost first.

    >>> prefixes("body.0.weight")
    ['body.0.weight', 'body.0', 'body']
    """
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def from_tensorflow(variables: Mapping[str, Any]) -> dict[str, Tensor]:
    """Convert a checkpoint's variables to tensors named and shaped as PyTorch's, without Adam's state.

    "enc1_1/weights", (H, W, in, out) -> "enc1_1.weight", (out, in, H, W). Transposed convolutions too: both
    libraries store their input and output channels the other way round.
    """
    weights = {}
    for name, values in variables.items():
        if NO_WEIGHTS.fullmatch(name):
            continue
        tensor = torch.tensor(values)
        name = name.removesuffix("/weights") + ".weight" if name.endswith("/weights") else name
        name = name.removesuffix("/biases") + ".bias" if name.endswith("/biases") else name
        weights[name] = tensor.permute(3, 2, 0, 1).contiguous() if tensor.dim() == 4 else tensor
    return weights


def from_caffe(layers: Mapping[str, Iterable[Any]]) -> dict[str, Tensor]:
    """Convert a Caffe model's arrays per layer, its weight and its bias, to one tensor per name."""
    return {
        f"{layer}.{kind}": torch.as_tensor(array)
        for layer, arrays in layers.items()
        for kind, array in zip(("weight", "bias"), arrays, strict=False)
    }
