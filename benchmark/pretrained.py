"""Weights of other people's networks that recipes start from or measure with: where they are, and when not.

Nothing here is needed to run: what a recipe does without a file is said in words, and noted beside its
results. A file put into the folder by hand is as good as a download.
"""

import hashlib
import http.client
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import torch
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path("data/pretrained")
PATIENCE = 4.0  # seconds until a server must have answered
STALL = 30.0  # seconds without a byte until a download has broken
CHUNK = 1 << 20


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


class UnreachableError(ValueError):
    """There is no way to the server: asking it for other files is no use."""


class Answer(Protocol):
    """A server's answer, its body still to come."""

    headers: http.client.HTTPMessage

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""

    def close(self) -> None:
        """No more will be read."""


def source(name: str) -> Source:
    """Where a file of weights is from.

    Raises:
        ValueError: no such weights.
    """
    if name not in WEIGHTS:
        raise ValueError(f"pretrained: no {name!r}; known: {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def path(name: str, folder: Path = FOLDER) -> Path | None:
    """The file, or None when it is not at hand.

    Raises:
        ValueError: no such weights.
    """
    file = folder / source(name).file
    return file if file.exists() else None


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


def digest(file: Path) -> str:
    """Its sha256, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch(name: str, folder: Path = FOLDER) -> Path:
    """The file, downloaded unless it is there. It appears in the folder whole and right, or not at all.

    Raises:
        UnreachableError: the server does not answer.
        ValueError: no such weights, or the server sends something else; the message is one line.
    """
    entry = source(name)
    file = folder / entry.file
    if file.exists() and digest(file).startswith(entry.sha256):
        return file
    folder.mkdir(parents=True, exist_ok=True)
    answer = ask(entry.url)
    handle, part = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            found = copy(answer, out.write, entry.url)
        if not found.startswith(entry.sha256):
            start = found[: len(entry.sha256)]
            raise ValueError(f"{entry.url}: its sha256 starts {start}, not {entry.sha256}")
        Path(part).chmod(0o644)
        os.replace(part, file)
    finally:
        answer.close()
        Path(part).unlink(missing_ok=True)
    return file


def ask(url: str) -> Answer:
    """A server's answer.

    Names that do not resolve and addresses that swallow packets take minutes to fail, and no timeout covers
    them. So a thread asks, and is left behind when it takes too long.

    Raises:
        UnreachableError: there is none in time.
        ValueError: it is an error.
    """
    box: SimpleQueue[Answer | Exception] = SimpleQueue()
    given_up = Event()

    def run() -> None:
        try:
            answer = urlopen(url, timeout=STALL)
        except Exception as error:  # whatever it is, it belongs to who asked
            box.put(error)
            return
        if given_up.is_set():
            answer.close()
        else:
            box.put(answer)

    Thread(target=run, daemon=True).start()
    try:
        answer = box.get(timeout=PATIENCE)
    except Empty:
        given_up.set()
        raise UnreachableError(f"{url}: no answer in {PATIENCE:g} s") from None
    if isinstance(answer, HTTPError):
        answer.close()
        raise ValueError(f"{url}: {line(answer)}")
    if isinstance(answer, OSError):
        reason = answer.reason if isinstance(answer, URLError) else answer
        raise UnreachableError(f"{url}: {line(reason)}")
    if isinstance(answer, Exception):
        raise ValueError(f"{url}: {line(answer)}")
    return answer


def copy(answer: Answer, write: Callable[[bytes], object], url: str) -> str:
    """Write a body away; its sha256.

    Raises:
        ValueError: the connection broke.
    """
    hashed, size = hashlib.sha256(), 0
    length = int(answer.headers.get("Content-Length") or 0)
    while True:
        try:
            chunk = answer.read(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise ValueError(f"{url}: the connection broke after {size} bytes: {line(error)}") from None
        if not chunk:
            break
        write(chunk)
        hashed.update(chunk)
        size += len(chunk)
    if size < length:
        raise ValueError(f"{url}: the connection broke after {size} of {length} bytes")
    return hashed.hexdigest()


def line(reason: object) -> str:
    """An error's text on one line."""
    return " ".join(str(reason).split()) or type(reason).__name__


def prepare(names: Sequence[str], folder: Path = FOLDER) -> None:
    """Get what can be had; one line for each that cannot. A server that does not answer is asked once."""
    folder.mkdir(parents=True, exist_ok=True)
    silent: set[str | None] = set()
    for name in names:
        host = urlsplit(source(name).url).hostname
        try:
            if host in silent and path(name, folder) is None:
                raise UnreachableError(f"{source(name).url}: {host} does not answer")
            print(f"{name}: {fetch(name, folder)}")
        except UnreachableError as error:
            silent.add(host)
            print(f"{name}: {error}; {source(name).without}")
        except (ValueError, OSError) as error:  # an OSError is a full disk
            print(f"{name}: {line(error)}; {source(name).without}")
