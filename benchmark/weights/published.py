"""Trained weights that authors published: where they are, and how they become a run's network.

published.yaml lists them. None of them is in this repository: a file is used wherever a folder of data has it
(`<place>/<entry>/<name>`), and downloaded to data/authors otherwise. Only tensors are read from it; a file
that would have to run code to be read is refused.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmark import plugins
from benchmark.data import archives, fetch, web
from benchmark.spec import build, nearest
from benchmark.weights.formats import caffemodel, checkpoint

LIST = Path(__file__).with_suffix(".yaml")
FOLDER = Path("data/authors")  # of downloads


@dataclass(frozen=True)
class Asset:
    """One file of an entry."""

    name: str
    size: int = 0  # bytes; 0: unknown
    sha256: str = ""
    drive: str = ""  # its id on Google Drive
    git: str = ""  # its id in the authors' repository: SHA-1 of "blob <size>", a zero byte, its bytes


@dataclass(frozen=True)
class Published:
    """One entry of published.yaml, where the fields are explained."""

    name: str
    fits: str
    of: str
    licence: str
    tested: str = ""
    reads: str = "torch"
    key: str = ""
    member: str = ""
    convert: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    urls: tuple[str, ...] = ()
    files: tuple[Asset, ...] = ()
    missing: str = ""

    def file(self, asset: Asset) -> fetch.File:
        """What to ask for, and where."""
        urls = [url + asset.name if url.endswith("/") else url for url in self.urls]
        first = [fetch.drive(asset.drive)] if asset.drive else []
        name = f"{self.folder or self.name}/{asset.name}"
        return fetch.File((*first, *urls), name, asset.size, asset.sha256)


def load(path: Path = LIST) -> dict[str, Published]:
    """Every entry, in the file's order.

    Raises:
        ValueError: an entry says something that is not allowed; the message names the place.
    """
    entries = {}
    for name, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        assets = [build(Asset, f"{path.name}: {name}.files", asset) for asset in entry.get("files", ())]
        entry = {"name": name, **entry, "files": tuple(assets), "urls": tuple(entry.get("urls", ()))}
        entries[name] = build(Published, f"{path.name}: {name}", entry)
        if entries[name].reads not in READERS:
            hint = nearest(entries[name].reads, list(READERS))
            raise ValueError(f"{path.name}: {name}.reads: no {entries[name].reads!r}; {hint}")
    return entries


def obtain(entry: Published, folder: Path = FOLDER, silent: set[str] | None = None) -> list[Path]:
    """The entry's files, downloaded where they are not at hand.

    Args:
        entry: which weights.
        folder: of downloads.
        silent: hosts that do not answer, see `fetch.download`.

    Raises:
        ValueError: there is nothing to load, nothing answers, or a file is not the authors'.
    """
    if entry.missing:
        raise ValueError(entry.missing)
    paths = []
    for asset in entry.files:
        file = entry.file(asset)
        try:
            path = fetch.find(file.name) or fetch.download(file, folder, silent)
        except web.UnreachableError:
            hosts = dict.fromkeys(urlsplit(url).netloc for url in file.urls)
            raise ValueError(f"{file.name}: not at hand, and no answer from {' or '.join(hosts)}") from None
        check(path, asset)
        paths.append(path)
    return paths


def check(path: Path, asset: Asset) -> None:
    """Refuse a file that is not the one that the authors published.

    Raises:
        ValueError: its sum is another one.
    """
    if not (found := fetch.digest(path)).startswith(asset.sha256):
        raise ValueError(f"{path}: its sha256 starts {found[:8]}, not {asset.sha256[:8]}; remove it")
    if asset.git and (found := blob(path)) != asset.git:
        raise ValueError(f"{path}: its git id starts {found[:8]}, not {asset.git[:8]}; remove it")


def blob(path: Path) -> str:
    """The id that git gives a file's contents."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def read(entry: Published, model: str, paths: Iterable[Path], folder: Path = FOLDER) -> dict[str, Tensor]:
    """The weights under the names that they have here.

    Args:
        entry: what the files are.
        model: the file in benchmark/models that knows the authors' names.
        paths: the files, see `obtain`.
        folder: where an archive is unpacked.

    Raises:
        ValueError: a file holds something else.
    """
    paths = list(paths)
    if entry.member:
        paths = [unpacked(paths[0], entry, folder)]
    contents = READERS[entry.reads](paths)
    if entry.key:
        if entry.key not in contents:
            has = ", ".join(str(name) for name in list(contents)[:5])
            raise ValueError(f"{paths[0]}: no entry {entry.key!r}; it has {has}")
        contents = contents[entry.key]
    prefix = "module." if all(name.startswith("module.") for name in contents) else ""  # of DataParallel
    contents = {name.removeprefix(prefix): value for name, value in contents.items()}
    try:
        state: dict[str, Tensor] = plugins.load("models", model).convert(contents, **entry.convert)
    except ValueError as error:
        raise ValueError(f"{entry.name}: {error}") from None
    return state


def fill(net: nn.Module, state: Mapping[str, Tensor], entry: Published) -> None:
    """Put weights into a network; every one must have its place there, and its size.

    Raises:
        ValueError: they are another network's.
    """
    try:
        net.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{entry.name}: not {entry.fits}'s network: {web.one_line(error)}") from None


def unpacked(archive: Path, entry: Published, folder: Path) -> Path:
    """The one file of an archive that is wanted.

    Raises:
        ValueError: there is none, or there are several.
    """
    inside = folder / (entry.folder or entry.name) / archive.stem
    if not inside.exists():
        archives.unpack(archive, inside)
    found = sorted(inside.glob(entry.member))
    if len(found) != 1:
        raise ValueError(f"{archive}: {len(found)} files in it are {entry.member}, not one")
    return found[0]


def tensors(path: Path) -> dict[str, Any]:
    """What a file of PyTorch or safetensors holds, on the CPU.

    Raises:
        ValueError: it is damaged, or would have to run code to be read.
    """
    try:
        held = load_file(path) if path.suffix == ".safetensors" else plain(path)
    except Exception as error:  # a hostile or damaged file may raise anything
        why = web.one_line(error).split(". ")[0]
        raise ValueError(
            f"{path}: refused, not a file of plain tensors ({type(error).__name__}: {why})"
        ) from None
    if not isinstance(held, dict):
        raise ValueError(f"{path}: holds a {type(held).__name__}, not weights by name")
    return held


def plain(path: Path) -> Any:
    """A file of PyTorch, without its pickle being run."""
    return torch.load(path, map_location="cpu", weights_only=True)


# What the files of an entry hold, by name: one state dict, one per file, or variables of other frameworks.
READERS: dict[str, Callable[[list[Path]], dict[str, Any]]] = {
    "torch": lambda paths: tensors(paths[0]),
    "parts": lambda paths: {path.stem: tensors(path) for path in paths},
    "tensorflow": lambda paths: dict(checkpoint(paths[0])),
    "caffe": lambda paths: dict(caffemodel(paths[0])),
}
