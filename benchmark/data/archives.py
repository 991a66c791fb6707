"""Unpack archives into folders that appear complete or not at all; refuse what no archive of images needs."""

import bz2
import gzip
import io
import lzma
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from errno import EEXIST, EISDIR, ENAMETOOLONG, ENOTDIR
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from benchmark.data.fetch import File, download, load_sums, locked, record_sum
from benchmark.data.folders import PART
from benchmark.data.web import CHUNK
from benchmark.trouble import one_line

# GOPRO_Large has 9 GB, VOC 2012 60,000 members; images hardly shrink.
MAX_BYTES = 64 << 30
MAX_MEMBERS = 500_000
MAX_RATIO = 100  # unpacked bytes per byte of the archive
HARMLESS = 16 << 20  # unpacked bytes that are allowed however small the archive is
ARCHIVE_ERRORS = {None, EEXIST, EISDIR, ENAMETOOLONG, ENOTDIR}  # of OSError; others are the machine's
OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}


class RefusedError(ValueError):
    """An archive is broken or hostile: unpacking it again is no use."""


def download_and_unpack(file: File, downloads: Path, folder: Path) -> Path:
    """Return the folder that an archive holds; download and unpack it unless the folder exists.

    A first download that is no good archive is forgotten with its checksum: the next call downloads it again.
    """
    if not folder.exists():
        archive = download(file, downloads)
        try:
            unpack(archive, folder)
        except RefusedError:
            if not file.sha256 and file.name in load_sums(downloads):
                record_sum(file.name, {}, downloads)
                archive.unlink(missing_ok=True)
            raise
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar, compressed or not, into a folder that appears complete or not at all.

    An existing folder is left alone. A single top folder of the same name is not repeated. The archive may
    hold files and folders only, and each must stay inside the folder under its own name.

    Raises:
        RefusedError: the archive is broken or hostile; one line says how.
        ValueError: the disk is full, the archive does not exist.
    """
    part = folder.with_name(folder.name + PART)
    try:
        with archive.open("rb") as stream:
            start = stream.read(2)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            if folder.exists():
                return
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
            try:
                part.mkdir()
                if start == b"PK":
                    unpack_zip(archive, part)
                else:
                    unpack_tar(archive, OPENERS.get(start, open), part)
                if not any(path.is_file() for path in part.rglob("*")):
                    raise ValueError("holds no file")
                inner = part / folder.name
                (inner if list(part.iterdir()) == [inner] and inner.is_dir() else part).rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except Exception as error:  # zipfile and tarfile raise anything over broken archives
        if isinstance(error, OSError) and error.errno not in ARCHIVE_ERRORS:
            raise ValueError(f"{archive}: {one_line(error)}") from None
        raise RefusedError(f"{archive}: no good archive: {one_line(error)}") from None


class Inspector:
    """Checks the members of an archive before they are written."""

    def __init__(self, archive: Path) -> None:
        self.room = min(MAX_BYTES, max(HARMLESS, MAX_RATIO * archive.stat().st_size))
        self.members, self.files = 0, set[str]()

    def admits(self, name: str, size: int, is_folder: bool) -> bool:
        """Return whether to write a member, as all but those of macOS; refuse a hostile one."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or re.search(r"^[A-Za-z]:|\\", name):
            raise ValueError(f"{name!r} leads out of the folder")
        if not name.isprintable():
            raise ValueError(f"{name!r} has characters that no file name should have")
        self.room, self.members = self.room - size, self.members + 1
        if size < 0 or self.room < 0:
            raise ValueError(f"{name!r} has {size} bytes, which makes more than such an archive should have")
        if self.members > MAX_MEMBERS:
            raise ValueError(f"has more than {MAX_MEMBERS} members")
        key = unicodedata.normalize("NFC", str(path)).casefold()
        if key in self.files:
            raise ValueError(f"{name!r} occurs twice, at least where case does not count")
        if not is_folder:
            self.files.add(key)
        return path.parts[:1] != ("__MACOSX",)


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack a zip archive below a folder."""
    inspector = Inspector(archive)
    with zipfile.ZipFile(archive) as packed:
        for info in tqdm(packed.infolist(), archive.name, leave=False, disable=None):
            name = info.filename
            if info.flag_bits & 1:
                raise ValueError(f"{name!r} is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others fill the memory
                raise ValueError(f"{name!r} is packed by method {info.compress_type}; allowed: 0, 8")
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{name!r} is neither a file nor a folder")
            if inspector.admits(name, info.file_size, info.is_dir()):
                path = Path(packed.extract(info, folder))
                if path.is_file() and path.stat().st_size != info.file_size:
                    raise ValueError(f"{name!r} has {path.stat().st_size} bytes, not {info.file_size}")


class Pieces(io.BufferedReader):
    """A stream read in small pieces, as a tar header that claims a great length would fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most CHUNK bytes."""
        if size is None or not 0 <= size <= CHUNK:
            raise ValueError(f"has a header of {size} bytes")
        return super().read(size)


def unpack_tar(archive: Path, opener: Callable[[Path, str], Any], folder: Path) -> None:
    """Unpack a tar archive below a folder; `opener` decompresses it."""
    inspector = Inspector(archive)

    def admit(member: tarfile.TarInfo, destination: str) -> tarfile.TarInfo | None:
        if not (member.isfile() or member.isdir()):
            raise ValueError(f"{member.name!r} is neither a file nor a folder")
        admitted = inspector.admits(member.name, member.size, member.isdir())
        return tarfile.data_filter(member, destination) if admitted else None

    with opener(archive, "rb") as opened, Pieces(opened) as stream:
        with tarfile.open(fileobj=stream, mode="r:") as packed:
            packed.extractall(folder, tqdm(packed, archive.name, leave=False, disable=None), filter=admit)
        stream.seek(packed.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise ValueError("is cut off")
        while stream.read(CHUNK):  # up to the end, where a compressed stream has its checksum
            pass
