"""Download files and find them again: `download` returns a complete, verified file or raises one line.

A download continues from the bytes that a broken connection left (`<name>.part`, described in
`<name>.part.json`), is checked by size and sha256, and ends in a rename. Where no checksum is published, the
first download is trusted: its checksum is kept in `sums.json`, and a later download must have the same.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filelock import FileLock
from tqdm import tqdm

from benchmark.data import web
from benchmark.data.folders import PART, find
from benchmark.data.web import BrokenError, UnreachableError
from benchmark.trouble import line, one_line, write_text

if TYPE_CHECKING:
    from requests import Response

WAITS = (1.0, 2.0, 4.0)  # seconds before each retry of a broken connection
BAR: dict[str, Any] = {"unit": "B", "unit_scale": True, "leave": False, "disable": None}  # None: on terminals


@dataclass(frozen=True)
class File:
    """A file on the web."""

    urls: tuple[str, ...]  # the official address first, then mirrors
    name: str  # path below a folder of downloads
    size: int = 0  # bytes; 0: unknown
    sha256: str = ""  # as many leading digits as are published; empty: the first download is trusted


def named(*urls: str, size: int = 0) -> File:
    """Describe a file of weights whose last address has its name and, if any, the digits of its checksum.

    >>> named("https://example.org/vgg16-397923af.pth").sha256
    '397923af'
    """
    name = urls[-1].rsplit("/", 1)[-1]
    digits = re.search(r"-([0-9a-f]{8})\.", name)
    return File(urls, name, size, digits[1] if digits else "")


def drive(key: str) -> str:
    """Return the address of a file on Google Drive that skips the page about virus scans.

    >>> drive("1abc")
    'https://drive.usercontent.google.com/download?id=1abc&export=download&confirm=t'
    """
    return f"https://drive.usercontent.google.com/download?id={key}&export=download&confirm=t"


def digest(path: Path) -> str:
    """Compute a file's sha256 in hexadecimal digits.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(line(error)) from None


def check(path: Path, sha256: str) -> None:
    """Raise a ValueError unless a file's sha256 starts with these digits."""
    if not (actual := digest(path)).startswith(sha256):
        raise ValueError(f"{path}: its sha256 starts {actual[:8]}, not {sha256[:8]}; remove it")


def find_weights(file: File, folder: Path) -> Path | None:
    """Return a file from the folder, or from any data folder; None if it is in neither."""
    path = folder / file.name
    return path if path.exists() else find(f"{folder.name}/{file.name}") or find(file.name)


def prepare(files: Iterable[tuple[str, File, str]], folder: Path) -> None:
    """Download what is available, and print a line for each file. A silent server gets one request.

    Each of `files` has the name of the weights, their file, and what is done without it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    silent_hosts = set[str]()
    for name, file, without in files:
        try:
            path = find_weights(file, folder)
            complete = path and digest(path).startswith(file.sha256)
            print(f"{name}: {path if complete else download(file, folder, silent_hosts)}")
        except ValueError as error:
            print(f"{name}: {error}; {without}")


@contextmanager
def locked(path: Path, timeout: float = -1) -> Iterator[None]:
    """Let one process at a time work on a path. The lock, a file beside it, ends with its process.

    Args:
        path: a file or folder.
        timeout: seconds to wait for another process; -1: until it ends.

    Raises:
        Timeout: the other process still works on it.
    """
    lock = path.with_name(f"{path.name}.lock")
    with FileLock(lock, timeout=timeout):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # FileLock notices this in waiting processes: they create a new one


def download(file: File, folder: Path, silent_hosts: set[str] | None = None) -> Path:
    """Return the file's path in the folder; download it, complete and verified, unless it is there.

    Servers that do not respond are added to `silent_hosts`, and those in it are skipped.

    Raises:
        UnreachableError: no server responds.
        ValueError: no server sends the file; the message is one line with a reason for each address.
    """
    path = folder / file.name
    try:
        if not is_complete(path, file, folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path):
                if not is_complete(path, file, folder):  # another process may have downloaded it meanwhile
                    try_addresses(path, file, folder, set() if silent_hosts is None else silent_hosts)
    except OSError as error:  # a full disk, a folder that cannot be written
        raise ValueError(f"{path}: {one_line(error)}") from None
    return path


def is_complete(path: Path, file: File, folder: Path) -> bool:
    """Check that the file exists with the published (or recorded) size and checksum."""
    if not path.is_file() or file.size not in (0, path.stat().st_size):
        return False
    expected = expected_sum(file, folder)
    return not expected or digest(path).startswith(expected)


def expected_sum(file: File, folder: Path) -> str:
    """Return the published digits, or those of the first download; empty if there are neither."""
    return file.sha256.lower() or load_sums(folder).get(file.name, {}).get("sha256", "")


def load_sums(folder: Path) -> dict[str, dict[str, Any]]:
    """Read sha256, size and url of the first downloads, by file name."""
    path = folder / "sums.json"
    try:
        sums = json.loads(path.read_text(encoding="utf-8"))
        return {name: {"sha256": str(entry["sha256"]), **entry} for name, entry in sums.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: {one_line(error)}; remove it") from None


def record_sum(name: str, entry: dict[str, Any], folder: Path) -> None:
    """Keep sha256, size and url of a first download; an empty entry forgets it."""
    path = folder / "sums.json"
    with locked(path):
        sums = {key: kept for key, kept in (load_sums(folder) | {name: entry}).items() if kept}
        write_text(path, json.dumps(sums, indent=1, sort_keys=True) + "\n")


def try_addresses(path: Path, file: File, folder: Path, silent_hosts: set[str]) -> None:
    """Download from the first address that sends the right file; raise as `download` does."""
    part, errors = path.with_name(path.name + PART), list[ValueError]()
    begun = load_notes(part).get("url")
    for url in sorted(file.urls, key=lambda url: url != begun):  # a partial download is continued first
        host = urlsplit(url).hostname or ""
        try:
            if host in silent_hosts:
                raise UnreachableError(f"{url}: {host} does not respond")
            retry(url, part, file, bool(expected_sum(file, folder)))
            verify(url, part, file, folder)
            part.replace(path)
            return remove(part)
        except ValueError as error:
            errors.append(error)
            if isinstance(error, UnreachableError):
                silent_hosts.add(host)
    unreachable = errors and all(isinstance(error, UnreachableError) for error in errors)
    message = "; ".join(map(str, errors)) or f"{path}: does not exist, and no address offers it"
    raise UnreachableError(message) if unreachable else ValueError(message)


def verify(url: str, part: Path, file: File, folder: Path) -> None:
    """Compare a complete download's checksum with the expected one; record it where there is none."""
    expected, actual = expected_sum(file, folder), digest(part)
    if not expected:
        record_sum(file.name, {"sha256": actual, "size": part.stat().st_size, "url": url}, folder)
    elif not actual.startswith(expected):
        remove(part)
        message = f"{url}: its sha256 starts {actual[:8]}, not {expected[:8]}"
        if not file.sha256:
            message += f", as at the first download; remove {file.name!r} in {folder}/sums.json to accept it"
        raise ValueError(message)


def load_notes(part: Path) -> dict[str, str]:
    """Read which file a partial download belongs to: its url and validator."""
    notes = part.with_name(f"{part.name}.json")
    try:
        return {key: str(value) for key, value in json.loads(notes.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def remove(part: Path) -> None:
    """Remove a partial download and its notes."""
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.json").unlink(missing_ok=True)


def retry(url: str, part: Path, file: File, has_sum: bool) -> None:
    """Transfer a file over as many connections as WAITS allows."""
    for wait in WAITS:
        try:
            return transfer(url, part, file, has_sum)
        except BrokenError:
            time.sleep(wait)
    return transfer(url, part, file, has_sum)


def transfer(url: str, part: Path, file: File, has_sum: bool) -> None:
    """Download into the part over one connection; a part of the same file is continued.

    Raises:
        BrokenError: the connection broke or stalled.
        ValueError: the server sends another file, or one whose end nobody could check.
    """
    response, start = resume(url, part)
    with response:
        rest, validator = response.raw.length_remaining, web.validator(response)
        total = None if rest is None else start + rest
        size = total or file.size
        chunks = web.read_chunks(url, response, start, size)
        chunk = next(chunks)
        if not start and (title := web.page_title(chunk, response)):
            raise ValueError(f"{url}: sends a web page, {title!r}, in place of the file")
        if file.size and total not in (None, file.size):
            raise ValueError(f"{url}: has {total} bytes, not {file.size}")
        if not (size or has_sum or response.raw.chunked):
            raise ValueError(f"{url}: does not state its length, so half of it would look complete")
        if size - start > (free := shutil.disk_usage(part.parent).free):
            raise OSError(ENOSPC, f"{size - start} bytes to come, {free} free", str(part.parent))
        bar = tqdm(total=size or None, initial=start, desc=file.name, **BAR)
        try:
            with part.open("ab") as out, bar:
                out.truncate(start)
                if not start:
                    notes = json.dumps({"url": url, "validator": validator})
                    part.with_name(f"{part.name}.json").write_text(notes, encoding="utf-8")
                while chunk:
                    out.write(chunk)
                    bar.update(len(chunk))
                    chunk = next(chunks)
        except BaseException as error:
            if not (validator and isinstance(error, BrokenError | KeyboardInterrupt)):
                remove(part)  # it cannot be continued
            raise


def resume(url: str, part: Path) -> tuple["Response", int]:
    """Request a file, from the end of its part if it has one; return how many bytes are there already."""
    notes, start = load_notes(part), part.stat().st_size if part.exists() else 0
    validator = notes.get("validator")
    if notes.get("url") == url and validator and start:
        response = web.request(url, {"Range": f"bytes={start}-", "If-Range": validator})
        continues = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status_code == 206 and continues and web.validator(response) == validator:
            return response, start
        if response.status_code == 200:  # the server ignores ranges, or has another file by now
            return response, 0
        response.close()
    response = web.request(url, {})
    if response.status_code != 200:
        response.close()
        raise ValueError(f"{url}: HTTP status {response.status_code} {response.reason}")
    return response, 0
