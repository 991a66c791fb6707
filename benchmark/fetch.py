"""Files from the web and from archives: whole and right, or one line that says why not.

A download goes on from what a broken connection left (`<name>.part`, described in `<name>.part.json`), is
checked by size and sha256, and ends in a rename. Where no sum is published the first download is trusted: its
sum is kept in `sums.json`, and a later one must have the same. An archive is unpacked beside its folder.
"""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import shutil
import stat
import tarfile
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EACCES, EDQUOT, EFBIG, EIO, ENOENT, ENOSPC, EPERM, EROFS
from fcntl import LOCK_EX, flock
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path, PurePosixPath
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tqdm import tqdm

PATIENCE = 8.0  # seconds until a server must have answered
STALL = 30.0  # seconds without a byte until a connection has broken
SLOWEST = 1 << 10  # bytes per second over that time; less is no download
WAITS = (1.0, 2.0, 4.0)  # seconds until a broken connection is tried again
CHUNK = 1 << 20  # bytes
BAR: dict[str, Any] = {"unit": "B", "unit_scale": True, "leave": False, "disable": None}  # on terminals alone
PART = ".part"  # ends the names of files and folders in the making

# Archives: GOPRO_Large has 9 GB, VOC 2012 60,000 members; images hardly shrink.
MOST_BYTES = 64 << 30
MOST_MEMBERS = 500_000
MOST_TIMES = 100  # the size of the archive
HARMLESS = 16 << 20  # bytes, from an archive however small
MACHINE = {EACCES, EDQUOT, EFBIG, EIO, ENOENT, ENOSPC, EPERM, EROFS}  # errors that no archive is to blame for


@dataclass(frozen=True)
class File:
    """A file on the web."""

    urls: tuple[str, ...]  # the official one first, then mirrors
    name: str  # path in a folder of downloads
    size: int = 0  # bytes; 0: unknown
    sha256: str = ""  # as many leading digits as are published; none: the first download is trusted


class UnreachableError(ValueError):
    """There is no way to the server: asking it for other files is no use."""


class BrokenError(ValueError):
    """The connection broke: what has arrived may be resumed."""


class RefusedError(ValueError):
    """An archive is broken or hostile: unpacking it again is no use."""


def drive(key: str) -> str:
    """The address of a file on Google Drive, past the page that says it is too large for a virus scan.

    >>> drive("1abc")
    'https://drive.usercontent.google.com/download?id=1abc&export=download&confirm=t'
    """
    return f"https://drive.usercontent.google.com/download?id={key}&export=download&confirm=t"


def places() -> list[Path]:
    """Folders that may hold data: `data`, then those of the environment variable DEBLUR_DATA."""
    given = os.environ.get("DEBLUR_DATA", "").split(os.pathsep)
    return [Path("data"), *(Path(place).expanduser() for place in given if place)]


def find(name: str) -> Path | None:
    """The first of `<place>/<name>` and `<place>/*/<name>` that is there, and not in the making."""
    for place in places():
        inner = sorted(place.iterdir()) if place.is_dir() else []
        for folder in (place, *(path for path in inner if path.suffix != PART)):
            if (folder / name).exists():
                return folder / name
    return None


def digest(path: Path) -> str:
    """Its sha256, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def line(reason: object) -> str:
    """An error's text on one line, of a length and of characters that a line may have."""
    text = " ".join(str(reason).split())[:300] or type(reason).__name__
    return "".join(character if character.isprintable() else "?" for character in text)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process at a time, by a lock beside the path; it ends with its process, however that ends."""
    lock = path.with_name(f"{path.name}.lock")
    while True:
        with lock.open("a") as stream:
            flock(stream, LOCK_EX)
            try:
                ours = os.path.samestat(os.fstat(stream.fileno()), lock.stat())
            except FileNotFoundError:
                ours = False
            if ours:  # and not one that was removed while this process waited
                try:
                    yield
                finally:
                    lock.unlink()
                return


def get(file: File, folder: Path, silent: set[str] | None = None) -> Path:
    """The file in the folder, downloaded unless it is there. It appears whole and right, or not at all.

    Args:
        file: what, and from where.
        folder: of downloads.
        silent: hosts that do not answer, for several calls: those in it are not asked, those met are added.

    Raises:
        UnreachableError: no server answers.
        ValueError: none sends the file; the message is one line with a reason for each address.
    """
    path, silent = folder / file.name, set() if silent is None else silent
    try:
        if right(path, file, folder):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path):
            if not right(path, file, folder):  # another process may have got it meanwhile
                obtain(path, file, folder, silent)
    except OSError as error:  # a full disk, a folder that cannot be written
        raise ValueError(f"{path}: {line(error)}") from None
    return path


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


def right(path: Path, file: File, folder: Path) -> bool:
    """Whether the file is there, as far as can be known."""
    if not path.is_file() or file.size not in (0, path.stat().st_size):
        return False
    wanted = wanted_sum(file, folder)
    return not wanted or digest(path).startswith(wanted)


def wanted_sum(file: File, folder: Path) -> str:
    """The digits that are published, or those of the first download; none when there was none."""
    return file.sha256.lower() or sums(folder).get(file.name, {}).get("sha256", "")


def sums(folder: Path) -> dict[str, dict[str, Any]]:
    """What the first downloads were, by name: sha256, size, url."""
    path = folder / "sums.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path}: {line(error)}; remove it") from None


def record(name: str, what: dict[str, Any], folder: Path) -> None:
    """Keep what the first download was; nothing of it to forget it."""
    path = folder / "sums.json"
    with alone(path):
        known = {key: entry for key, entry in (sums(folder) | {name: what}).items() if entry}
        aside = path.with_name(path.name + PART)
        aside.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        os.replace(aside, path)


def obtain(path: Path, file: File, folder: Path, silent: set[str]) -> None:
    """Ask one address after the other."""
    part, reasons = path.with_name(path.name + PART), list[ValueError]()
    begun = notes(part).get("url")
    for url in sorted(file.urls, key=lambda url: url != begun):  # what was begun goes on
        host = urlsplit(url).hostname or ""
        try:
            if host in silent:
                raise UnreachableError(f"{url}: {host} does not answer")
            download(url, part, file, bool(wanted_sum(file, folder)))
            check(url, part, file, folder)
            os.replace(part, path)
            return drop(part)
        except ValueError as error:
            reasons.append(error)
            if isinstance(error, UnreachableError):
                silent.add(host)
    unreachable = reasons and all(isinstance(reason, UnreachableError) for reason in reasons)
    says = "; ".join(map(str, reasons)) or f"{path}: not there, and no address to get it from"
    raise UnreachableError(says) if unreachable else ValueError(says)


def check(url: str, part: Path, file: File, folder: Path) -> None:
    """Compare the sum of a whole download; the first one is recorded where none is published."""
    wanted, found = wanted_sum(file, folder), digest(part)
    if not found.startswith(wanted):
        drop(part)
        start = len(wanted) if file.sha256 else 8
        says = f"{url}: its sha256 starts {found[:start]}, not {wanted[:start]}"
        if file.sha256:
            raise ValueError(says)
        known = folder / "sums.json"
        raise ValueError(f"{says}, as at the first download; remove {file.name!r} in {known} to take it")
    if not wanted:
        record(file.name, {"sha256": found, "size": part.stat().st_size, "url": url}, folder)


def notes(part: Path) -> dict[str, str]:
    """What a partial file is part of: url and validator."""
    try:
        return json.loads(part.with_name(f"{part.name}.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}


def drop(part: Path) -> None:
    """Remove a partial file and its notes."""
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.json").unlink(missing_ok=True)


def download(url: str, part: Path, file: File, known: bool) -> None:
    """All bytes into the part, over as many connections as patience has.

    Args:
        url: one address of the file.
        part: where to; what is there already is resumed.
        file: its size is checked on the way.
        known: whether its sum is.
    """
    for wait in WAITS:
        try:
            return attempt(url, part, file, known)
        except BrokenError:
            time.sleep(wait)
    return attempt(url, part, file, known)


def attempt(url: str, part: Path, file: File, known: bool) -> None:
    """All bytes into the part, over one connection."""
    answer, have = resume(url, part)
    with answer:
        total = None if answer.length is None else have + answer.length
        expected, whole_by_itself = total or file.size, answer.chunked
        body = read(url, answer, have, expected)
        chunk = next(body, b"")
        if not have and (title := page(chunk, answer.headers)):
            raise ValueError(f"{url}: sends a web page, {title!r}, in place of the file")
        if file.size and total not in (None, file.size):
            raise ValueError(f"{url}: has {total} bytes, not {file.size}")
        if not (expected or known or whole_by_itself):
            raise ValueError(f"{url}: does not say how long it is, so half of it would look whole")
        if expected - have > (free := shutil.disk_usage(part.parent).free):
            raise OSError(ENOSPC, f"{expected - have} bytes to come, {free} free", str(part.parent))
        keep = validator(answer.headers)
        try:
            with (
                part.open("ab") as out,
                tqdm(total=expected or None, initial=have, desc=file.name, **BAR) as bar,
            ):
                out.truncate(have)
                if not have:
                    text = json.dumps({"url": url, "validator": keep})
                    part.with_name(f"{part.name}.json").write_text(text)
                while chunk:
                    out.write(chunk)
                    bar.update(len(chunk))
                    chunk = next(body, b"")
        except BaseException as error:
            if not (keep and isinstance(error, BrokenError | KeyboardInterrupt)):
                drop(part)
            raise


def resume(url: str, part: Path) -> tuple[HTTPResponse, int]:
    """An answer, and how many bytes of the part it goes on from."""
    known = notes(part)
    keep, have = known.get("validator"), part.stat().st_size if part.exists() else 0
    if known.get("url") == url and keep and have:
        answer = ask(url, {"Range": f"bytes={have}-", "If-Range": keep})
        follows = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if answer.status == 206 and follows and validator(answer.headers) == keep:
            return answer, have
        if answer.status == 200:  # the server knows no ranges, or has another file by now
            return answer, 0
        answer.close()
    answer = ask(url, {})
    if answer.status != 200:
        answer.close()
        raise ValueError(f"{url}: HTTP status {answer.status}")
    return answer, 0


def validator(headers: HTTPMessage) -> str:
    """What tells two versions of a file apart; none when the server sends nothing that does."""
    tag = headers.get("ETag", "W/")
    return headers.get("Last-Modified", "") if tag.startswith("W/") else tag


def read(url: str, answer: HTTPResponse, size: int, expected: int) -> Iterator[bytes]:
    """The chunks of a body that goes on after `size` bytes.

    Raises:
        BrokenError: it ends before `expected` bytes, or stalls.
        ValueError: it has more of them, or none.
    """
    of = f" of {expected}" if expected else ""
    whole_by_itself, answer.length = answer.chunked, None  # read on, past what was promised
    began, before = time.monotonic(), size
    while True:
        try:
            chunk = answer.read1(CHUNK)
        except (OSError, HTTPException) as error:
            if size == expected:  # all is here, but the server holds the line
                return
            raise BrokenError(f"{url}: the connection broke after {size}{of} bytes: {line(error)}") from None
        if not chunk:
            break
        size += len(chunk)
        if expected and size > expected:
            raise ValueError(f"{url}: sends more than its {expected} bytes")
        yield chunk
        if (now := time.monotonic()) - began > STALL:
            if size - before < SLOWEST * STALL:
                raise BrokenError(f"{url}: sends {size - before} bytes in {now - began:.0f} s")
            began, before = now, size
    if not size:
        raise ValueError(f"{url}: sends nothing")
    if size < expected:
        kind = ValueError if whole_by_itself else BrokenError
        raise kind(f"{url}: the connection broke after {size}{of} bytes")


def page(start: bytes, headers: HTTPMessage) -> str:
    """The title of a web page, of which this is the start; "" for other files."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")[: 1 << 16]
    typed = headers.get_content_type() == "text/html" and text.startswith(b"<")
    if not typed and not text[:14].lower().startswith((b"<!doctype html", b"<html")):
        return ""
    title = re.search(rb"<title[^>]*>(.*?)</title", text, re.IGNORECASE | re.DOTALL)
    return line(title[1].decode(errors="replace"))[:80] if title else "without a title"


class Redirects(HTTPRedirectHandler):
    """Leads to http or https alone, and from https not back to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The request that follows.

        Raises:
            ValueError: it leads elsewhere.
        """
        allowed = ("https",) if req.type == "https" else ("http", "https")
        if urlsplit(newurl).scheme not in allowed:
            fp.close()
            raise ValueError(f"leads to {newurl}; followed: {', '.join(allowed)}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def ask(url: str, headers: dict[str, str]) -> HTTPResponse:
    """A server's answer.

    Names that do not resolve and addresses that swallow packets take minutes to fail, and no timeout covers
    them. So a thread asks, and is left behind when it takes too long.

    Raises:
        UnreachableError: there is none in time.
        BrokenError: the connection ended before it.
        ValueError: it is an error.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url}: not an address of the web; known: http, https")
    request = Request(url, headers={"User-Agent": "deblur-bench"} | headers)
    box: SimpleQueue[HTTPResponse | Exception] = SimpleQueue()
    given_up = Event()

    def run() -> None:
        try:
            answer = build_opener(Redirects).open(request, timeout=STALL)
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
    match answer:
        case HTTPResponse():
            return answer
        case HTTPError():
            answer.close()
            if answer.code == 416 and headers:  # it has no such bytes: it has another file by now
                return ask(url, {})
            raise ValueError(f"{url}: {line(answer)}")
        case URLError():
            raise UnreachableError(f"{url}: {line(answer.reason)}")
        case OSError():
            raise BrokenError(f"{url}: {line(answer)}")
        case HTTPException():
            raise ValueError(f"{url}: does not speak HTTP: {line(answer)}")
    raise ValueError(f"{url}: {line(answer)}")


Member = tuple[str, int, IO[bytes] | None]  # name, bytes, contents; a folder has none


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
