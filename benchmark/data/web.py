"""Talk to one web server: a response in time and its body in chunks, or one line that says what is wrong."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import Future
from http.client import HTTPException
from threading import Thread
from typing import TYPE_CHECKING

from benchmark.trouble import one_line as one_line  # also for those who import it from here

if TYPE_CHECKING:
    from requests import Response

PATIENCE = 8.0  # seconds until a server must have responded
STALL = 30.0  # seconds without a byte after which a connection counts as broken
SLOWEST = 1 << 10  # bytes per second over that time; a slower connection counts as broken too
CHUNK = 1 << 20  # bytes
# Compressed bodies would differ from their length and checksum; a kept connection may be closed when reused.
HEADERS = {"User-Agent": "deblur-bench", "Accept-Encoding": "identity", "Connection": "close"}


class UnreachableError(ValueError):
    """The server cannot be reached: requesting other files from it is no use."""


class BrokenError(ValueError):
    """The connection broke: the bytes that arrived can be resumed."""


def request(url: str, headers: dict[str, str]) -> "Response":
    """Return a server's response within PATIENCE seconds, redirects followed, its body unread.

    A thread sends the request and is left behind when it takes too long: no timeout of a connection covers
    names that do not resolve, or servers with several addresses that discard packets.

    Raises:
        UnreachableError: no connection or no response in time; a proxy on the way is named.
        BrokenError: the connection ended before the response.
        ValueError: the response is an error, or leads to an address that is not http or https.
    """
    import requests  # not at the top: machines that only measure networks may not have it

    schemes = ("https:",) if url.startswith("https:") else ("http:", "https:")  # no way back to http
    future: Future[Response] = Future()

    def send() -> None:
        try:
            with requests.Session() as session:
                for prefix in list(session.adapters):
                    if not prefix.startswith(schemes):
                        del session.adapters[prefix]
                session.headers.update(HEADERS)
                future.set_result(session.get(url, headers=headers, stream=True, timeout=STALL))
        except Exception as error:  # whatever it is, it belongs to the caller
            future.set_exception(error)

    Thread(target=send, daemon=True).start()
    try:
        response = future.result(PATIENCE)
    except TimeoutError:
        future.add_done_callback(close_late)
        raise UnreachableError(f"{url}: no response in {PATIENCE:g} s{via_proxy(url)}") from None
    except requests.exceptions.InvalidSchema as error:
        raise ValueError(f"{url}: only {' and '.join(schemes)} are allowed: {one_line(error)}") from None
    except (requests.ConnectionError, requests.Timeout) as error:
        cause = root_cause(error)
        broken = isinstance(cause, HTTPException | ConnectionResetError | BrokenPipeError)
        kind = BrokenError if broken else UnreachableError
        raise kind(f"{url}: {one_line(cause)}{via_proxy(url)}") from None
    except Exception as error:
        raise ValueError(f"{url}: {one_line(error)}") from None
    if response.status_code < 400:
        return response
    response.close()
    if response.status_code == 416 and headers:  # it has no such bytes: it has another file by now
        return request(url, {})
    raise ValueError(f"{url}: HTTP status {response.status_code} {response.reason}")


def close_late(future: "Future[Response]") -> None:
    """Close a response that came after nobody waited for it any more."""
    if not future.exception():
        future.result().close()


def root_cause(error: BaseException) -> BaseException:
    """Return the error at the bottom of a chain: libraries wrap that of a socket several times."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


def via_proxy(url: str) -> str:
    """Name the proxy that requests for an address use, without its password; empty without a proxy."""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    return f" (proxy {proxy.rpartition('@')[2]})" if proxy else ""


def read_chunks(url: str, response: "Response", start: int, size: int) -> Iterator[bytes]:
    """Yield the body of a file of `size` bytes (0: unknown) from `start` on, then an empty chunk.

    Raises:
        BrokenError: the body ends early or stalls.
        ValueError: it has more bytes than `size`, or none.
    """
    received, received_then, since = start, start, time.monotonic()
    while True:
        try:
            chunk = response.raw.read1(CHUNK)
        except Exception as error:  # of urllib3, http.client or the socket
            cause = f"after {received} of {size or 'unknown'} bytes: {one_line(root_cause(error))}"
            raise BrokenError(f"{url}: the connection broke {cause}") from None
        received += len(chunk)
        if not received:
            raise ValueError(f"{url}: sends nothing")
        if size and received > size:
            raise ValueError(f"{url}: sends more than its {size} bytes")
        if not chunk and received < size:
            raise BrokenError(f"{url}: the connection broke after {received} of {size} bytes")
        yield chunk
        if (now := time.monotonic()) - since > STALL:
            if received - received_then < SLOWEST * STALL:
                raise BrokenError(f"{url}: sends {received - received_then} bytes in {now - since:.0f} s")
            since, received_then = now, received


def validator(response: "Response") -> str:
    """Return what tells two versions of a file apart: a strong ETag or the date; empty without either."""
    tag = response.headers.get("ETag", "W/")
    return response.headers.get("Last-Modified", "") if tag.startswith("W/") else tag


def page_title(start: bytes, response: "Response") -> str:
    """Return the title of the web page whose first bytes these are; empty for other files."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")[: 1 << 16]
    is_html = response.headers.get("Content-Type", "").startswith("text/html") and text.startswith(b"<")
    if not is_html and not text[:14].lower().startswith((b"<!doctype html", b"<html")):
        return ""
    title = re.search(rb"<title[^>]*>(.*?)</title", text, re.IGNORECASE | re.DOTALL)
    return one_line(title[1].decode(errors="replace"))[:80] if title else "without a title"
