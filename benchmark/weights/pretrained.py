"""Weights of other people's networks that recipes load or measure with, and the fallback without them.

Nothing here is needed to run: what a recipe does without a file is stated in `Source.without`, and noted
beside its results. A file put into the folder by hand is as good as a download.
"""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmark.data import fetch
from benchmark.data.web import one_line

FOLDER = Path("data/pretrained")
TIMM = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights"


@dataclass(frozen=True)
class Source:
    """A file of weights on the web."""

    file: fetch.File
    licence: str
    about: str
    without: str  # what a recipe does without the file


WEIGHTS = {
    # torchvision's VGG19_Weights.IMAGENET1K_V1
    "vgg19": Source(
        fetch.named("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"),
        "BSD-3-Clause",
        "torchvision's VGG19, ImageNet; 548 MB",
        "content loss on pixels: VGG19 weights not at hand",
    ),
    # timm's, models/inception_resnet_v2.py up to 0.6: a port of TensorFlow's
    "inception_resnet_v2": Source(
        fetch.named(f"{TIMM}/inception_resnet_v2-940b1cd6.pth"),
        "Apache-2.0",
        "timm's Inception-ResNet-v2, ImageNet; 213 MB",
        "backbone starts from random weights: Inception-ResNet-v2's not at hand",
    ),
    # timm's, models/efficientnet.py
    "mobilenetv2_100": Source(
        fetch.named(f"{TIMM}/mobilenetv2_100_ra-b33bc2c4.pth"),
        "Apache-2.0",
        "timm's MobileNetV2 1.0, ImageNet; 14 MB",
        "backbone starts from random weights: MobileNetV2's not at hand",
    ),
    # torchvision's Raft_Large_Weights.C_T_SKHT_V2; see raft.py
    "raft_large": Source(
        fetch.named("https://download.pytorch.org/models/raft_large_C_T_SKHT_V2-ff5fadd5.pth"),
        "BSD-3-Clause",
        "torchvision's RAFT, optical flow; 21 MB",
        "motion estimated by OpenCV's DIS: RAFT's weights not at hand",
    ),
}


def source(name: str) -> Source:
    """Return where a file of weights is published; refuse an unknown name."""
    if name not in WEIGHTS:
        raise ValueError(f"pretrained: no {name!r}; allowed: {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def path(name: str, folder: Path = FOLDER) -> Path | None:
    """Return the file, from the folder or from a data folder; None if it is in neither."""
    return fetch.find_weights(source(name).file, folder)


def fallbacks(names: Iterable[str], folder: Path = FOLDER) -> list[str]:
    """State what is done instead of using each of the weights that are not available.

    >>> fallbacks(["vgg19"], Path("nowhere"))
    ['content loss on pixels: VGG19 weights not at hand']
    """
    return [source(name).without for name in names if path(name, folder) is None]


def read(file: Path) -> dict[str, Tensor]:
    """Read the state dict in a file, see `tensors`; refuse it where its name has another checksum."""
    fetch.check(file, fetch.named(file.name).sha256)
    return tensors(file)


def tensors(path: Path) -> dict[str, Any]:
    """Read a PyTorch or safetensors file of plain tensors on the CPU; refuse any other, and run no code."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if zipfile.is_zipfile(path):  # torch does not compare the sums that its own files have
            with zipfile.ZipFile(path) as packed:
                if damaged := packed.testzip():
                    raise ValueError(f"{damaged} has another checksum")
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile or damaged file may raise anything
        reason = f"{type(error).__name__}: {one_line(error).split('. ')[0]}"
        raise ValueError(f"{path}: refused, not a file of plain tensors ({reason})") from None
    if not isinstance(contents, dict):
        raise ValueError(f"{path}: holds a {type(contents).__name__}, not weights by name; allowed: tensors")
    return contents


def prepare(names: Iterable[str], folder: Path = FOLDER) -> None:
    """Download weights, or print why not and what is done without them: see `fetch.prepare`."""
    fetch.prepare([(name, source(name).file, source(name).without) for name in names], folder)
