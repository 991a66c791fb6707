"""A web server on this machine that misbehaves.

The address is `/<trouble>/<name>`. The trouble comes with the first `Web.times` answers; after them the
server sends `Web.body`, as a good server does.
"""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = bytes(range(256)) * 2000
OTHER = BODY[::-1]
PAGE = b"\n<!DOCTYPE html><html><head><title>Google Drive -\n Quota exceeded</title></head></html>"
HALF = len(BODY) // 2


class Web(ThreadingHTTPServer):
    """What it sends, how often it is troubled first, and what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.body, self.tag, self.times = BODY, '"one"', 1
        self.asked = []  # (trouble, the Range header)
        self.over = threading.Event()

    def url(self, trouble, name="file.zip"):
        """An address with this trouble."""
        return f"http://127.0.0.1:{self.server_port}/{trouble}/{name}"

    def handle_error(self, request, client_address):
        """Clients go away; nothing to the console."""


class Answer(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """The trouble, while there is some; else the file."""
        trouble = self.path.split("/")[1]
        self.server.asked.append((trouble, self.headers.get("Range")))
        self.close_connection = True
        if self.server.times > 0:
            self.server.times -= 1
            getattr(self, trouble)()
        else:
            self.right()

    def log_message(self, *args):
        """Nothing to the console."""

    def send(self, body, status=200, length=None, **headers):
        """One answer; of another length than it says, if need be. A header named None is left out."""
        self.send_response(status)
        promised = {"Content-Length": len(body) if length is None else length, "ETag": self.server.tag}
        for name, value in (promised | {k.replace("_", "-"): v for k, v in headers.items()}).items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def right(self, share=1.0):
        """The file, or the rest of it, as RFC 9110 has it; or a share of what the headers promise."""
        body, start, first = self.server.body, 0, self.headers.get("Range")
        if first and self.headers.get("If-Range") in (self.server.tag, None):
            start = int(first.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.send(b"", 416, Content_Range=f"bytes */{len(body)}")
        rest = body[start:]
        places = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        return self.send(rest[: int(share * len(rest))], 206 if start else 200, len(rest), **places)

    def cut(self):
        """Half of what is to come."""
        self.right(0.5)

    def bare(self):
        """Half of it, and nothing that would tell it from another file."""
        self.send(self.server.body[:HALF], length=len(self.server.body), ETag=None)

    def hush(self):
        """Half of it, and then nothing, for ever."""
        self.right(0.5)
        self.server.over.wait()

    def drip(self):
        """A byte now and then."""
        self.send(b"", length=len(self.server.body))
        for byte in self.server.body:
            self.wfile.write(bytes([byte]))
            if self.server.over.wait(0.05):
                return

    def clings(self):
        """All of it, but the connection stays open."""
        self.right()
        self.server.over.wait()

    def silent(self):
        """No answer at all."""
        self.server.over.wait()

    def hangup(self):
        """The connection ends at once."""

    def babble(self):
        """Not HTTP."""
        self.wfile.write(b"\x00\x01 what?\r\n\r\n")

    def more(self):
        """More bytes than promised."""
        self.send(self.server.body + b"more", length=len(self.server.body))

    def longer(self):
        """Another file, longer."""
        self.send(self.server.body + b"more")

    def shorter(self):
        """Another file, shorter."""
        self.send(self.server.body[:-4])

    def endless(self):
        """Chunks without an end."""
        self.chunks(self.server.body, 1 << 30)

    def pieces(self):
        """The file in chunks, with an end of their own."""
        self.chunks(self.server.body, 1)

    def piece(self):
        """Half of the file in chunks, with an end of their own."""
        self.chunks(self.server.body[:HALF], 1)

    def torn(self):
        """Half of the file in chunks without an end."""
        self.chunks(self.server.body[:HALF], 1, b"")

    def chunks(self, body, times, end=b"0\r\n\r\n"):
        """The body so many times."""
        self.send(b"", length=None, Content_Length=None, Transfer_Encoding="chunked")
        for _ in range(times):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
        self.wfile.write(end)

    def unsized(self):
        """Nobody could say whether this is all."""
        self.send(self.server.body[:HALF], Content_Length=None)

    def wrong(self):
        """Other bytes."""
        self.send(OTHER)

    def empty(self):
        """Nothing, politely."""
        self.send(b"")

    def none(self):
        """Nothing, with the status that says so."""
        self.send(b"", 204, Content_Length=None)

    def page(self):
        """A page that says why there is no file."""
        self.send(PAGE, Content_Type="application/octet-stream")

    def login(self):
        """The way to a page that is no file."""
        self.server.times += 1
        self.send(b"", 302, Location=self.server.url("form"))

    def form(self):
        """A page without much on it."""
        self.send(b"<!-- please --><form>log in</form>", Content_Type="text/html; charset=utf-8")

    def gone(self):
        """No such file."""
        self.send(b"no", 404)

    def busy(self):
        """Later, perhaps."""
        self.send(b"no", 503)

    def moved(self):
        """The way to the file."""
        self.send(b"", 302, Location=self.server.url("right"))

    def loop(self):
        """The way to itself."""
        self.server.times += 1
        self.send(b"", 302, Location=self.server.url("loop"))

    def inward(self):
        """The way to a file of the reader's own machine."""
        self.send(b"", 302, Location="file:///etc/passwd")

    def ftp(self):
        """The way to where no sum of a connection is."""
        self.send(b"", 302, Location="ftp://127.0.0.1/file.zip")

    def deaf(self):
        """The whole file, whatever was asked for."""
        self.send(self.server.body)

    def never(self):
        """No such bytes, whatever was asked for."""
        self.send(b"", 416)

    def elsewhere(self):
        """Other bytes of the file than asked for."""
        rest = self.server.body[5:]
        self.send(rest, 206, Content_Range=f"bytes 5-{len(self.server.body) - 1}/{len(self.server.body)}")

    def careless(self):
        """The rest of another file: the server looks at Range, but not at If-Range."""
        del self.headers["If-Range"]
        self.right()


@contextmanager
def serve():
    """A running server."""
    web = Web()
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield web
    web.over.set()
    web.shutdown()
    web.server_close()
    thread.join()
