"""Folders from archives: whole, and with nothing in them that an archive of images should not have."""

import bz2
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from errno import EACCES, EDQUOT, EFBIG, EIO, ENOENT, ENOSPC, EPERM, EROFS
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tqdm import tqdm

from benchmark.data.fetch import CHUNK, PART, File, alone, get, line, record, sums

# GOPRO_Large has 9 GB, VOC 2012 60,000 members; images hardly shrink.
MOST_BYTES = 64 << 30
MOST_MEMBERS = 500_000
MOST_TIMES = 100  # the size of the archive
HARMLESS = 16 << 20  # bytes, from an archive however small
MACHINE = {EACCES, EDQUOT, EFBIG, EIO, ENOENT, ENOSPC, EPERM, EROFS}  # errors that no archive is to blame for

Member = tuple[str, int, IO[bytes] | None]  # name, bytes, contents; a folder has none


class RefusedError(ValueError):
    """An archive is broken or hostile: unpacking it again is no use."""


def get_unpacked(file: File, downloads: Path, folder: Path, silent: set[str] | None = None) -> Path:
    """The folder that an archive holds, downloaded and unpacked unless it is there.

    A first download that turns out to be no good archive is forgotten with its sum: the next call asks again.

    Raises:
        ValueError: as `get` and `unpack`.
    """
    if not folder.exists():
        archive = get(file, downloads, silent)
        try:
            unpack(archive, folder)
        except RefusedError:
            if not file.sha256 and file.name in sums(downloads):
                record(file.name, {}, downloads)
                archive.unlink(missing_ok=True)
            raise
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """A zip or tar, compressed or not, as a folder that appears whole or not at all; one that is there stays.

    A single top folder of the same name is not repeated. Files and folders come out, inside the folder and
    under the names that they have; an archive that asks for anything else is refused.

    Raises:
        RefusedError: what is wrong with it, in one line.
        ValueError: the disk is full, the archive is not there.
    """
    part = folder.with_name(folder.name + PART)
    try:
        with archive.open("rb") as stream:
            start = stream.read(2)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            if folder.exists():
                return
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
            try:
                write(unzip(archive) if start == b"PK" else untar(archive, start), archive, part)
                inner = part / folder.name
                os.rename(inner if list(part.iterdir()) == [inner] and inner.is_dir() else part, folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except Exception as error:  # the modules for archives raise anything over broken ones
        if isinstance(error, OSError) and error.errno in MACHINE:
            raise ValueError(f"{archive}: {line(error)}") from None
        raise RefusedError(f"{archive}: no good archive: {line(error)}") from None


def write(members: Iterable[Member], archive: Path, folder: Path) -> None:
    """Write members below a folder."""
    room = min(MOST_BYTES, max(HARMLESS, MOST_TIMES * archive.stat().st_size))
    seen = set[str]()
    folder.mkdir()
    for count, (name, size, body) in enumerate(tqdm(members, archive.name, leave=False, disable=None)):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or re.search(r"^[A-Za-z]:|\\", name):
            raise ValueError(f"{name!r} leads out of the folder")
        if not name.isprintable():
            raise ValueError(f"{name!r} has characters that no file name should have")
        room -= size
        if size < 0 or room < 0:
            raise ValueError(f"{name!r} has {size} bytes, which makes more than such an archive should have")
        if count >= MOST_MEMBERS:
            raise ValueError(f"has more than {MOST_MEMBERS} members")
        if path.parts[:1] == ("__MACOSX",):  # what macOS adds to archives
            continue
        if body is None:
            (folder / path).mkdir(parents=True, exist_ok=True)
            continue
        key = unicodedata.normalize("NFC", str(path)).casefold()
        if key in seen:
            raise ValueError(f"{name!r} is there twice, at least where case does not count")
        seen.add(key)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("xb") as out:
            shutil.copyfileobj(body, out, CHUNK)
            if out.tell() != size:
                raise ValueError(f"{name!r} has {out.tell()} bytes, not {size}")
    if not seen:
        raise ValueError("holds no file")


def unzip(archive: Path) -> Iterator[Member]:
    """The members of a zip archive."""
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            if info.flag_bits & 1:
                raise ValueError(f"{info.filename!r} is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others fill the memory
                raise ValueError(f"{info.filename!r} is packed by method {info.compress_type}; known: 0, 8")
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{info.filename!r} is neither a file nor a folder")
            if info.is_dir():
                yield info.filename, 0, None
            else:
                with packed.open(info) as body:
                    yield info.filename, info.file_size, body


class Pieces(io.BufferedReader):
    """A stream that is read in small pieces: a tar's header that says it is long would fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """At most so many bytes."""
        if size is None or not 0 <= size <= CHUNK:
            raise ValueError(f"has a header of {size} bytes")
        return super().read(size)


OPENERS: dict[bytes, Callable[[Path, str], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZ": bz2.open,
    b"\xfd7": lzma.open,
}


def untar(archive: Path, start: bytes) -> Iterator[Member]:
    """The members of a tar archive, compressed or not."""
    with OPENERS.get(start, open)(archive, "rb") as opened, Pieces(opened) as stream:
        with tarfile.open(fileobj=stream, mode="r:") as packed:
            for member in packed:
                tarfile.data_filter(member, str(archive.parent))
                if not (member.isfile() or member.isdir()):
                    raise ValueError(f"{member.name!r} is neither a file nor a folder")
                yield member.name, member.size, packed.extractfile(member)
        stream.seek(packed.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise ValueError("is cut off")
        while stream.read(CHUNK):  # up to the end, where a compressed stream has its sum
            pass
