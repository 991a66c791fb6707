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
    """Build the run's network with freshly drawn weights; `thin` divides its widths.

    Raises:
        ValueError: no such model, a key its Config does not have, or a choice that no table of its file has.
    """
    module = plugins.load("models", run.model)
    config = build_dataclass(module.Config, f"runs.{run.name}.config", run.config)
    torch.manual_seed(seed)
    try:
        return module.Net(config.thin(thin) if thin > 1 else config)
    except KeyError as choice:  # a config's choices are keys of the model file's tables
        tables = f"see the tables in benchmark/models/{run.model}.py"
        raise ValueError(f"runs.{run.name}.config: no choice {choice}; {tables}") from None


def load_pretrained(net: nn.Module, names: Iterable[str]) -> list[str]:
    """Load a recipe's pretrained weights into a network; return a note per file of weights that is not used.

    A model that can use such weights has `load_pretrained(name, state)`, which returns the reason why it did
    not use them, or "". Names that only a loss uses, such as VGG19's, are loaded by the loss.
    """
    notes = []
    for name in names:
        path = pretrained.path(name)
        if path is None:
            notes += pretrained.fallbacks([name])
        elif hasattr(net, "load_pretrained"):
            notes.append(cast(Any, net).load_pretrained(name, pretrained.read(path)))
    return [note for note in notes if note]


def attention(net: nn.Module, blurry: Tensor, normalise: Normalise) -> dict[str, NDArray[np.float32]]:
    """Compute the model's attention maps for an image (1, 3, H, W) in [0, 1], averaged over channels.

    The image is cropped to a multiple of the network's stride. Most models have no maps.
    """
    if not hasattr(net, "attention"):
        return {}
    stride, _ = size_constraint(net)
    height, width = (side // stride * stride for side in blurry.shape[-2:])
    maps: dict[str, Tensor] = cast(Any, net).attention(
        (blurry[..., :height, :width] - normalise.mean) * normalise.scale
    )
    return {name: values[0].float().mean(dim=0).cpu().numpy() for name, values in maps.items()}


def size_constraint(net: nn.Module) -> tuple[int, int]:
    """Return the number that heights and widths must be multiples of, and the smallest side that works."""
    stride = cast(int, net.stride)
    return stride, cast(int, getattr(net, "smallest_side", stride))


def round_up_side(net: nn.Module, side: int) -> int:
    """Round a height or width up to the next one that the network accepts.

    >>> net = nn.Identity()
    >>> net.stride = 32
    >>> [round_up_side(net, side) for side in (720, 1280)]
    [736, 1280]
    """
    stride, smallest = size_constraint(net)
    return max(smallest, -(-side // stride) * stride)


def tensor(image: NDArray[np.uint8], dtype: torch.dtype = torch.float64) -> Tensor:
    """Convert an 8-bit image to a tensor: (H, W, 3) -> (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(dtype) / 255


def restore(net: nn.Module, blurry: Tensor, normalise: Normalise) -> Tensor:
    """Pad blurry images to a size that the network accepts, restore, crop: (B, 3, H, W) -> (B, 3, H, W).

    Blurry images are in [0, 1]; restored values are not clipped and may be outside.

    Padding is at the bottom and right. It replicates the border, as most official test scripts that pad do
    (MS-CNN, SRN, PSS-NSC), unless the model's `padding` is "reflect", because its authors mirror the border.
    """
    height, width = blurry.shape[-2:]
    x = (blurry - normalise.mean) * normalise.scale
    while x.shape[-2:] != (size := (round_up_side(net, height), round_up_side(net, width))):
        bottom, right = (target - current for target, current in zip(size, x.shape[-2:], strict=True))
        mode = getattr(net, "padding", "replicate")
        if mode == "reflect":  # mirroring adds at most the image's side minus one
            bottom, right = min(bottom, x.shape[-2] - 1), min(right, x.shape[-1] - 1)
        x = pad(x, (0, right, 0, bottom), mode=mode)
    x = x.contiguous(memory_format=torch.channels_last)
    restored = net(x)[-1][..., :height, :width]
    return restored / normalise.scale + normalise.mean


def device() -> str:
    """Return the device that networks run on: "cuda" when there is one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name() -> str:
    """Return the device's name for the column "device"."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
