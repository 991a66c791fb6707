"""Files from the web: whole and right, or one line that says why not.

A download goes on from what a broken connection left (`<name>.part`, described in `<name>.part.json`), is
checked by size and sha256, and ends in a rename. Where no sum is published the first download is trusted: its
sum is kept in `sums.json`, and a later one must have the same.
"""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import ENOSPC
from fcntl import LOCK_EX, flock
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
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
