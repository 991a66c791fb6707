"""Weights of other people's networks that recipes start from or measure with: where they are, and when not.

Nothing here is needed to run: what a recipe does without a file is said in words, and noted beside its
results. A file put into the folder by hand is as good as a download.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmark.data.fetch import File, digest, download, find

FOLDER = Path("data/pretrained")


@dataclass(frozen=True)
class Source:
    """A file of weights on the web."""

    url: str
    sha256: str  # as many digits as its publisher gives; the file name has them
    licence: str
    about: str
    without: str  # what a recipe does when the file is not at hand

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
    """Where a file of weights is from.

    Raises:
        ValueError: no such weights.
    """
    if name not in WEIGHTS:
        raise ValueError(f"pretrained: no {name!r}; known: {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def path(name: str, folder: Path = FOLDER) -> Path | None:
    """The file, in the folder or in `pretrained` of a place for data; None when it is not at hand.

    Raises:
        ValueError: no such weights.
    """
    file = folder / source(name).file
    return file if file.exists() else find(f"{FOLDER.name}/{file.name}")


def lacks(names: Iterable[str], folder: Path = FOLDER) -> list[str]:
    """What is done without the weights that are not at hand, in words.

    >>> lacks(["vgg19"], Path("nowhere"))
    ['content loss on pixels: VGG19 weights not at hand']
    """
    return [source(name).without for name in names if path(name, folder) is None]


def read(file: Path) -> dict[str, Tensor]:
    """The state dict in a file, on the CPU. Only tensors are read: a file cannot run anything.

    Raises:
        ValueError: its contents are not what its name promises.
    """
    wanted = {entry.file: entry.sha256 for entry in WEIGHTS.values()}.get(file.name, "")
    if not (found := digest(file)).startswith(wanted):
        raise ValueError(f"{file}: its sha256 starts {found[: len(wanted)]}, not {wanted}; remove it")
    if file.suffix == ".safetensors":
        return load_file(file)
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def fetch(name: str, folder: Path = FOLDER, silent: set[str] | None = None) -> Path:
    """The file, downloaded into the folder unless it is at hand; `silent` as for `fetch.download`.

    Raises:
        UnreachableError: the server does not answer.
        ValueError: no such weights, or the server sends something else; the message is one line.
    """
    entry, found = source(name), path(name, folder)
    if found and digest(found).startswith(entry.sha256):
        return found
    return download(File((entry.url,), entry.file, sha256=entry.sha256), folder, silent)


def prepare(names: Sequence[str], folder: Path = FOLDER) -> None:
    """Get what can be had; one line for each that cannot. A server that does not answer is asked once."""
    folder.mkdir(parents=True, exist_ok=True)
    silent = set[str]()
    for name in names:
        try:
            print(f"{name}: {fetch(name, folder, silent)}")
        except ValueError as error:
            print(f"{name}: {error}; {source(name).without}")
