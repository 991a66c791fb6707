"""A web server on this machine that misbehaves.

The address is `/<trouble>/<name>`. The trouble comes with the first `Web.times` responses; after them the
server sends `Web.body`, as a good server does.
"""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = bytes(range(256)) * 2000
OTHER = BODY[::-1]
PAGE = b"\n<!DOCTYPE html><html><head><title>Google Drive -\n Quota exceeded</title></head></html>"
FORM = b"<!-- please --><form>log in</form>"
HALF = len(BODY) // 2


def listing(folder):
    """List everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class Web(ThreadingHTTPServer):
    """What the server sends, how many responses are troubled first, and the requests it got."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Reply)
        self.body, self.tag, self.times = BODY, '"one"', 1
        self.requests = []  # (trouble, the Range header)
        self.over = threading.Event()

    def url(self, trouble, name="file.zip"):
        """Return the address with this trouble."""
        return f"http://127.0.0.1:{self.server_port}/{trouble}/{name}"

    def handle_error(self, request, client_address):
        """Print nothing when a client goes away."""


class Reply(BaseHTTPRequestHandler):
    """One response."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Send the trouble while `times` lasts, then the file."""
        trouble = self.path.split("/")[1]
        self.server.requests.append((trouble, self.headers.get("Range")))
        self.close_connection = True
        self.body, self.length = self.server.body, len(self.server.body)
        troubled, self.server.times = self.server.times > 0, max(0, self.server.times - 1)
        TROUBLES[trouble if troubled else "right"](self)

    def log_message(self, *args):
        """Print nothing."""

    def send(self, body, status=200, length=None, **headers):
        """Send a response, perhaps of another length than it states. A header that is None is left out."""
        self.send_response(status)
        stated = {"Content-Length": len(body) if length is None else length}
        stated |= {"ETag": self.server.tag, "Connection": "close"}
        for name, value in (stated | {k.replace("_", "-"): v for k, v in headers.items()}).items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def file(self, share=1.0, careful=True, wait=False):
        """Send the file, or the rest of it (RFC 9110), or a share of what the headers state."""
        start, first = 0, self.headers.get("Range")
        if first and (not careful or self.headers.get("If-Range") in (self.server.tag, None)):
            start = int(first.removeprefix("bytes=").removesuffix("-"))
        if start >= self.length:
            return self.send(b"", 416, Content_Range=f"bytes */{self.length}")
        rest = self.body[start:]
        part = {"Content_Range": f"bytes {start}-{self.length - 1}/{self.length}"} if start else {}
        self.send(rest[: int(share * len(rest))], 206 if start else 200, len(rest), **part)
        return self.server.over.wait() if wait else None

    def from_folder(self):
        """Send the file of that name in the server's folder, whatever `times` says."""
        self.server.times += 1
        self.send((self.server.folder / self.path.split("/")[2]).read_bytes())

    def drip(self):
        """Send a byte now and then."""
        self.send(b"", length=self.length)
        for byte in self.body:
            self.wfile.write(bytes([byte]))
            if self.server.over.wait(0.05):
                return

    def chunks(self, body, times=1, end=b"0\r\n\r\n"):
        """Send the body so many times, in chunks."""
        self.send(b"", Content_Length=None, Transfer_Encoding="chunked")
        for _ in range(times):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
        self.wfile.write(end)

    def redirect(self, location, more=0):
        """Send elsewhere; `more` of the next responses are troubled too."""
        self.server.times += more
        self.send(b"", 302, Location=location)


TROUBLES = {
    "right": Reply.file,
    "folder": Reply.from_folder,
    "cut": lambda reply: reply.file(0.5),
    "hush": lambda reply: reply.file(0.5, wait=True),  # half of it, then nothing, for ever
    "clings": lambda reply: reply.file(wait=True),  # all of it, but the connection stays open
    "careless": lambda reply: reply.file(careful=False),  # looks at Range, but not at If-Range
    "drip": Reply.drip,
    "bare": lambda reply: reply.send(reply.body[:HALF], length=reply.length, ETag=None),
    "silent": lambda reply: reply.server.over.wait(),
    "hangup": lambda reply: None,
    "babble": lambda reply: reply.wfile.write(b"\x00\x01 what?\r\n\r\n"),
    "more": lambda reply: reply.send(reply.body + b"more", length=reply.length),
    "longer": lambda reply: reply.send(reply.body + b"more"),
    "shorter": lambda reply: reply.send(reply.body[:-4]),
    "pieces": lambda reply: reply.chunks(reply.body),
    "piece": lambda reply: reply.chunks(reply.body[:HALF]),
    "torn": lambda reply: reply.chunks(reply.body[:HALF], end=b""),
    "endless": lambda reply: reply.chunks(reply.body, 1 << 30),
    "unsized": lambda reply: reply.send(reply.body[:HALF], Content_Length=None),
    "packed": lambda reply: reply.send(reply.body, Content_Encoding="gzip"),  # as a .tar.gz is at times
    "wrong": lambda reply: reply.send(OTHER),
    "empty": lambda reply: reply.send(b""),
    "none": lambda reply: reply.send(b"", 204, Content_Length=None),
    "page": lambda reply: reply.send(PAGE, Content_Type="application/octet-stream"),
    "form": lambda reply: reply.send(FORM, Content_Type="text/html; charset=utf-8"),
    "gone": lambda reply: reply.send(b"no", 404),
    "busy": lambda reply: reply.send(b"no", 503),
    "moved": lambda reply: reply.redirect(reply.server.url("right")),
    "login": lambda reply: reply.redirect(reply.server.url("form"), more=1),
    "loop": lambda reply: reply.redirect(reply.server.url("loop"), more=1),
    "inward": lambda reply: reply.redirect("file:///etc/passwd"),
    "ftp": lambda reply: reply.redirect("ftp://127.0.0.1/file.zip"),
    "deaf": lambda reply: reply.send(reply.body),  # the whole file, whatever the Range
    "never": lambda reply: reply.send(b"", 416),
    "elsewhere": lambda reply: reply.send(
        reply.body[5:], 206, Content_Range=f"bytes 5-{reply.length - 1}/{reply.length}"
    ),
}


@contextmanager
def serve():
    """Run the server."""
    web = Web()
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield web
    web.over.set()
    web.shutdown()
    web.server_close()
    thread.join()
