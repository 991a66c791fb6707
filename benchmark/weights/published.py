"""Find or download trained weights that authors published, check them, and load them into a run's network.

published.yaml lists them. None of them is in this repository: a file is used from any folder for data that
has it (`<folder>/<entry>/<name>`), and downloaded to data/authors otherwise. Only tensors are read from it; a
file that contains code is refused.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from torch import Tensor, nn

from benchmark import plugins, trouble
from benchmark.data import archives, fetch, folders, web
from benchmark.spec import build, nearest, read_yaml
from benchmark.weights import pretrained
from benchmark.weights.formats import caffemodel, checkpoint

LIST = Path(__file__).with_suffix(".yaml")
FOLDER = Path("data/authors")  # of downloads


@dataclass(frozen=True)
class Asset:
    """One file of an entry."""

    name: str
    size: int = 0  # bytes; 0: unknown
    sha256: str = ""
    drive: str = ""  # the file's id on Google Drive
    git: str = ""  # the file's id in the authors' repository: SHA-1 of "blob <size>", a zero byte, its bytes


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
        """Describe the download of one of the entry's files."""
        urls = [url + asset.name if url.endswith("/") else url for url in self.urls]
        drive = [fetch.drive(asset.drive)] if asset.drive else []
        name = f"{self.folder or self.name}/{asset.name}"
        return fetch.File((*drive, *urls), name, asset.size, asset.sha256)


def load(path: Path = LIST) -> dict[str, Published]:
    """Read every entry, in the file's order.

    Raises:
        ValueError: an entry has an unknown key or a bad value; the message names the place.
    """
    entries = {}
    for name, entry in read_yaml(path).items():
        entries[name] = build(Published, f"{path.name}: {name}", {"name": name, **entry})
        if entries[name].reads not in READERS:
            hint = nearest(entries[name].reads, list(READERS))
            raise ValueError(f"{path.name}: {name}.reads: no {entries[name].reads!r}; {hint}")
    return entries


def obtain(entry: Published, folder: Path = FOLDER, silent: set[str] | None = None) -> list[Path]:
    """Return the paths of the entry's files; download those that are not available, see `fetch.download`.

    Raises:
        ValueError: no weights are published, no host answers, or a file is not the authors'.
    """
    if entry.missing:
        raise ValueError(entry.missing)
    paths = []
    for asset in entry.files:
        file = entry.file(asset)
        try:
            path = folders.find(file.name) or fetch.download(file, folder, silent)
        except web.UnreachableError:
            hosts = dict.fromkeys(urlsplit(url).netloc for url in file.urls)
            proxies = "".join(dict.fromkeys(web.via_proxy(url) for url in file.urls))
            raise ValueError(
                f"{file.name}: not at hand, and no answer from {' or '.join(hosts)}{proxies}"
            ) from None
        check(path, asset)
        paths.append(path)
    return paths


def check(path: Path, asset: Asset) -> None:
    """Raise a ValueError unless a file has the checksums of the authors' file."""
    fetch.check(path, asset.sha256)
    content = path.read_bytes() if asset.git else b""
    actual = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    if asset.git and actual != asset.git:
        raise ValueError(f"{path}: its git id starts {actual[:8]}, not {asset.git[:8]}; remove it")


def read(entry: Published, model: str, paths: Iterable[Path], folder: Path = FOLDER) -> dict[str, Tensor]:
    """Read the weights in an entry's files, under the names that `convert` of the model's file gives them.

    Raises:
        ValueError: a file does not contain these weights.
    """
    paths = list(paths)
    if entry.member:
        paths = [unpacked(paths[0], entry, folder)]
    contents = READERS[entry.reads](paths)
    if entry.key:
        contents = member(contents, entry.key, paths[0])
    contents = plain(contents, paths[0], parts=entry.reads == "parts")
    module = plugins.load("models", model)
    try:
        with trouble.reading(paths[0], f"weights of {entry.fits}"):
            return dict(module.convert(contents, **entry.convert))
    except ValueError as error:
        raise ValueError(f"{entry.name}: {error}") from None


def member(contents: Mapping[str, Any], key: str, path: Path) -> Any:
    """Return an entry of a file's contents; raise a ValueError where it has none of this name."""
    if key not in contents:
        keys = ", ".join(str(name) for name in list(contents)[:5])
        raise ValueError(f"{path}: no entry {key!r}; it has {keys or 'none'}")
    return contents[key]


def plain(contents: Any, path: Path, parts: bool) -> dict[str, Any]:
    """Return weights by name, without what wraps them: a `state_dict` and the `module.` of DataParallel.

    Args:
        contents: what a file holds or, for several files, the contents of each by the name of its part.
        path: of the file, or of the first one, where errors place what they refuse.
        parts: whether the contents are those of several files.

    Raises:
        ValueError: it is no dictionary of tensors, or an entry has another kind of value.
    """
    if parts and isinstance(contents, dict):
        return {name: plain(part, path.with_stem(name), parts=False) for name, part in contents.items()}
    if isinstance(contents, dict) and isinstance(contents.get("state_dict"), dict):
        contents = contents["state_dict"]
    if not isinstance(contents, dict) or not contents:
        kind = "nothing" if contents in ({}, None) else f"a {type(contents).__name__}"
        raise ValueError(f"{path}: holds {kind}; allowed: tensors by name")
    for name, value in contents.items():
        if not isinstance(name, str):
            raise ValueError(f"{path}: has an entry {name!r}; allowed: names in letters")
        arrays = value if isinstance(value, list) and value else [value]  # Caffe has several of a name
        kinds = (np.ndarray,) if isinstance(value, list) else (Tensor, np.ndarray)
        if not all(isinstance(array, kinds) for array in arrays):
            raise ValueError(f"{path}: {name} is a {type(value).__name__}; allowed: a tensor")
    prefix = "module." if all(name.startswith("module.") for name in contents) else ""
    return {name.removeprefix(prefix): value for name, value in contents.items()}


def fill(net: nn.Module, state: Mapping[str, Tensor], entry: Published) -> None:
    """Load weights into a network.

    Raises:
        ValueError: names or shapes do not match, or weights were stored with fewer bits or are not finite.
    """
    own = net.state_dict()
    for name, value in state.items():
        if name in own and own[name].is_floating_point():
            if value.dtype not in (torch.float32, torch.float64):
                kind = str(value.dtype).removeprefix("torch.")
                raise ValueError(f"{entry.name}: {name} has {kind} numbers; allowed: float32, float64")
            if bad := int((~value.isfinite()).sum()):
                raise ValueError(f"{entry.name}: {name}: {bad} of {value.numel()} numbers are not finite")
    try:
        net.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{entry.name}: not {entry.fits}'s network: {web.one_line(error)}") from None


def unpacked(archive: Path, entry: Published, folder: Path) -> Path:
    """Unpack an archive and return the one file that matches the entry's `member`."""
    inside = folder / (entry.folder or entry.name) / archive.stem
    if not inside.exists():
        archives.unpack(archive, inside)
    files = sorted(inside.glob(entry.member))
    if len(files) != 1:
        raise ValueError(f"{archive}: {len(files)} files in it are {entry.member}, not one")
    return files[0]


# By `reads` of an entry: one state dict, one per file, or variables of other frameworks by name.
READERS: dict[str, Callable[[list[Path]], dict[str, Any]]] = {
    "torch": lambda paths: pretrained.tensors(paths[0]),
    "parts": lambda paths: {path.stem: pretrained.tensors(path) for path in paths},
    "tensorflow": lambda paths: dict(checkpoint(paths[0])),
    "caffe": lambda paths: dict(caffemodel(paths[0])),
}
