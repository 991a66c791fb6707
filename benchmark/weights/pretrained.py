"""Weights of other people's networks that recipes load or measure with, and the fallback without them.

Nothing here is needed to run: what a recipe does without a file is stated in `Source.without`, and noted
beside its results. A file put into the folder by hand is as good as a download.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmark.data import fetch

FOLDER = Path("data/pretrained")


@dataclass(frozen=True)
class Source:
    """A file of weights on the web."""

    url: str
    sha256: str  # as many digits as its publisher states; the file name has them
    licence: str
    about: str
    without: str  # what a recipe does without the file

    @property
    def file(self) -> str:
        """Its name in the folder."""
        return self.url.rsplit("/", 1)[-1]


TIMM = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights"
WEIGHTS: dict[str, Source] = {
    # torchvision's VGG19_Weights.IMAGENET1K_V1
    "vgg19": Source(
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9d",
        licence="BSD-3-Clause",
        about="torchvision's VGG19, ImageNet; 548 MB",
        without="content loss on pixels: VGG19 weights not at hand",
    ),
    # timm's, models/inception_resnet_v2.py up to 0.6: a port of TensorFlow's
    "inception_resnet_v2": Source(
        url=f"{TIMM}/inception_resnet_v2-940b1cd6.pth",
        sha256="940b1cd6",
        licence="Apache-2.0",
        about="timm's Inception-ResNet-v2, ImageNet; 213 MB",
        without="backbone starts from random weights: Inception-ResNet-v2's not at hand",
    ),
    # timm's, models/efficientnet.py
    "mobilenetv2_100": Source(
        url=f"{TIMM}/mobilenetv2_100_ra-b33bc2c4.pth",
        sha256="b33bc2c4",
        licence="Apache-2.0",
        about="timm's MobileNetV2 1.0, ImageNet; 14 MB",
        without="backbone starts from random weights: MobileNetV2's not at hand",
    ),
}


def source(name: str) -> Source:
    """Return where a file of weights is published.

    Raises:
        ValueError: no such weights.
    """
    if name not in WEIGHTS:
        raise ValueError(f"pretrained: no {name!r}; allowed: {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def path(name: str, folder: Path = FOLDER) -> Path | None:
    """Return the file, from the folder or from `pretrained` in a data folder; None if it is in neither.

    Raises:
        ValueError: no such weights.
    """
    file = folder / source(name).file
    return file if file.exists() else fetch.find(f"{FOLDER.name}/{file.name}")


def fallbacks(names: Iterable[str], folder: Path = FOLDER) -> list[str]:
    """State what is done instead of using each of the weights that are not available.

    >>> fallbacks(["vgg19"], Path("nowhere"))
    ['content loss on pixels: VGG19 weights not at hand']
    """
    return [source(name).without for name in names if path(name, folder) is None]


def read(file: Path) -> dict[str, Tensor]:
    """Read the state dict in a file, on the CPU. Only tensors are read: a file cannot run anything.

    Raises:
        ValueError: its checksum is not the one in its name.
    """
    expected = {entry.file: entry.sha256 for entry in WEIGHTS.values()}.get(file.name, "")
    if not (actual := fetch.digest(file)).startswith(expected):
        raise ValueError(f"{file}: its sha256 starts {actual[: len(expected)]}, not {expected}; remove it")
    if file.suffix == ".safetensors":
        return load_file(file)
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def download(name: str, folder: Path = FOLDER, silent_hosts: set[str] | None = None) -> Path:
    """Return the file; download it into the folder unless it is available.

    Raises:
        UnreachableError: the server does not respond.
        ValueError: no such weights, or the server sends another file; the message is one line.
    """
    entry, file = source(name), path(name, folder)
    if file and fetch.digest(file).startswith(entry.sha256):
        return file
    return fetch.download(fetch.File((entry.url,), entry.file, sha256=entry.sha256), folder, silent_hosts)


def prepare(names: Sequence[str], folder: Path = FOLDER) -> None:
    """Download what is available, and print a line for each file. A silent server gets one request."""
    folder.mkdir(parents=True, exist_ok=True)
    silent_hosts = set[str]()
    for name in names:
        try:
            print(f"{name}: {download(name, folder, silent_hosts)}")
        except ValueError as error:
            print(f"{name}: {error}; {source(name).without}")
