"""Build a run's network and restore images with it."""

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from benchmark import plugins
from benchmark.spec import Normalise, Run
from benchmark.spec import build as build_dataclass
from benchmark.weights import pretrained


def build(run: Run, thin: int = 1, seed: int = 0) -> nn.Module:
    """The run's network with freshly drawn weights; `thin` divides its widths.

    Raises:
        ValueError: no such model, a key its Config does not have, or a choice its file does not know.
    """
    module = plugins.load("models", run.model)
    config = build_dataclass(module.Config, f"runs.{run.name}.config", run.config)
    torch.manual_seed(seed)
    try:
        return module.Net(config.thin(thin) if thin > 1 else config)
    except KeyError as choice:  # a config's choices are keys of the model file's tables
        tables = f"see the tables in benchmark/models/{run.model}.py"
        raise ValueError(f"runs.{run.name}.config: no choice {choice}; {tables}") from None


def start(net: nn.Module, names: Iterable[str]) -> list[str]:
    """Put pretrained weights into a network that starts from some; what is not at hand, in words.

    A model that starts from weights of others has `start_from(name, state)`, which says in words why it
    could not use them ("" when it could). Other names are losses' own affair.
    """
    notes = []
    for name in names:
        path = pretrained.path(name)
        if path is None:
            notes += pretrained.fallbacks([name])
        elif hasattr(net, "start_from"):
            notes.append(cast(Any, net).start_from(name, pretrained.read(path)))
    return [note for note in notes if note]


def attention(net: nn.Module, blurry: Tensor, normalise: Normalise) -> dict[str, NDArray[np.float32]]:
    """The model's attention maps for an image (1, 3, H, W) in [0, 1], channels averaged; most have none.

    The image is cropped to a multiple of the network's stride.
    """
    if not hasattr(net, "attention"):
        return {}
    stride, _ = grid(net)
    height, width = (side // stride * stride for side in blurry.shape[-2:])
    maps: dict[str, Tensor] = cast(Any, net).attention(
        (blurry[..., :height, :width] - normalise.mean) * normalise.scale
    )
    return {name: values[0].float().mean(dim=0).cpu().numpy() for name, values in maps.items()}


def grid(net: nn.Module) -> tuple[int, int]:
    """The multiple that heights and widths must be, and the smallest that works."""
    stride = cast(int, net.stride)
    return stride, cast(int, getattr(net, "least", stride))


def fitting(net: nn.Module, side: int) -> int:
    """The next height or width that the network takes.

    >>> net = nn.Identity()
    >>> net.stride = 32
    >>> [fitting(net, side) for side in (720, 1280)]
    [736, 1280]
    """
    stride, least = grid(net)
    return max(least, -(-side // stride) * stride)


def tensor(image: NDArray[np.uint8], dtype: torch.dtype = torch.float64) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(dtype) / 255


def restore(net: nn.Module, blurry: Tensor, normalise: Normalise) -> Tensor:
    """The restored image: pad to what the network takes, restore, crop. (B, 3, H, W) -> (B, 3, H, W).

    The blurry image is in [0, 1]; values of the answer are the network's own, so some may lie outside.

    The border is replicated, the padding most official test scripts that pad use (MS-CNN, SRN, PSS-NSC), at
    the bottom and right; a model whose authors do otherwise says so in its `padding` ("reflect").
    """
    height, width = blurry.shape[-2:]
    x = (blurry - normalise.mean) * normalise.scale
    while x.shape[-2:] != (size := (fitting(net, height), fitting(net, width))):
        bottom, right = (want - have for want, have in zip(size, x.shape[-2:], strict=True))
        mode = getattr(net, "padding", "replicate")
        if mode == "reflect":  # it cannot add more than there is
            bottom, right = min(bottom, x.shape[-2] - 1), min(right, x.shape[-1] - 1)
        x = pad(x, (0, right, 0, bottom), mode=mode)
    x = x.contiguous(memory_format=torch.channels_last)
    answer = net(x)[-1][..., :height, :width]
    return answer / normalise.scale + normalise.mean


def device() -> str:
    """Where networks run here: "cuda" when there is one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name() -> str:
    """The device in words, for the device column."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
