"""Downloads: complete and verified, or one line and nothing left; and the next run recovers."""

import hashlib
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
import requests

from benchmark.data import fetch, folders, web
from benchmark.data.fetch import File
from benchmark.data.web import UnreachableError
from tests.hostile import BODY, HALF, OTHER, listing, serve

SHA = hashlib.sha256(BODY).hexdigest()
NAME = "file.zip"
PART = [f"{NAME}.part", f"{NAME}.part.json"]
BROKE = f"connection broke after {HALF}"


@pytest.fixture(scope="module")
def running():
    """One server for all tests of this file."""
    with serve() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    """The server at its first trouble, which is tried once."""
    monkeypatch.setattr(fetch, "WAITS", ())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running.body, running.tag, running.times = BODY, '"one"', 1
    running.requests.clear()
    return running


def file_at(server, *troubles, size=0, sha256=SHA[:8]):
    """The file, at addresses with these troubles."""
    return File(tuple(server.url(trouble) for trouble in troubles), NAME, size, sha256)


def fails(file, folder, message, kind=ValueError):
    """Check that a download ends with one line that matches."""
    with pytest.raises(kind, match=message) as error:
        fetch.download(file, folder)
    assert "\n" not in str(error.value)
    assert type(error.value) is kind


@pytest.mark.parametrize(
    ("trouble", "message", "left"),
    [
        ("cut", f"{BROKE} of {len(BODY)} bytes: IncompleteRead", PART),
        ("hush", f"{BROKE} of {len(BODY)} bytes: timed out", PART),
        ("drip", r"sends \d bytes in 0 s", PART),
        ("bare", f"{BROKE} of {len(BODY)} bytes", []),
        ("torn", f"{BROKE} of {len(BODY)} bytes: ", PART),
        ("piece", f"{BROKE} of {len(BODY)} bytes", PART),
        ("unsized", f"{BROKE} of {len(BODY)} bytes", PART),
        ("hangup", "closed connection without response", []),
        ("babble", r"\?\? what\?", []),
        ("longer", f"has {len(BODY) + 4} bytes, not {len(BODY)}", []),
        ("shorter", f"has {len(BODY) - 4} bytes, not {len(BODY)}", []),
        ("endless", f"sends more than its {len(BODY)} bytes", []),
        ("wrong", rf"its sha256 starts \w{{8}}, not {SHA[:8]}$", []),
        ("empty", "sends nothing", []),
        ("none", "HTTP status 204", []),
        ("page", "sends a web page, 'Google Drive - Quota exceeded', in place of the file", []),
        ("login", "sends a web page, 'without a title', in place of the file", []),
        ("gone", "HTTP status 404 Not Found", []),
        ("busy", "HTTP status 503 Service Unavailable", []),
        ("loop", "Exceeded 30 redirects", []),
        ("inward", "only http: and https: are allowed: .*'file:///etc/passwd'", []),
        ("ftp", "only http: and https: are allowed: .*'ftp://127.0.0.1/file.zip'", []),
        ("elsewhere", "HTTP status 206", []),
    ],
)
def test_trouble_is_one_line_and_the_next_run_recovers(trouble, message, left, server, monkeypatch, tmp_path):
    """The line has the address and the reason; a part is left where the next run can continue it."""
    file = file_at(server, trouble, size=len(BODY))
    with monkeypatch.context() as quick:
        quick.setattr(web, "STALL", 0.3 if trouble in ("hush", "drip") else 30)
        fails(file, tmp_path, rf"^{server.url(trouble)}: .*{message}")
    assert listing(tmp_path) == left

    server.times = 0
    assert fetch.download(file, tmp_path).read_bytes() == BODY
    assert listing(tmp_path) == [NAME]
    assert (server.requests[-1][1] is not None) == bool(left)


@pytest.mark.parametrize("trouble", ["right", "pieces", "clings", "moved", "more", "packed"])
def test_the_file_arrives(trouble, server, tmp_path):
    """Below the folder, under its name, byte for byte as sent; a second call requests nothing."""
    file = File((server.url(trouble),), f"set/{NAME}", sha256=SHA.upper()[:12])

    path = fetch.download(file, tmp_path / "new")

    assert path == tmp_path / "new" / "set" / NAME
    assert path.read_bytes() == BODY
    requested = len(server.requests)
    assert fetch.download(file, tmp_path / "new") == path
    assert len(server.requests) == requested
    assert listing(tmp_path) == ["new", "new/set", f"new/set/{NAME}"]


@pytest.mark.parametrize(
    ("url", "message", "kind"),
    [
        ("silent", r"no response in 0.3 s$", UnreachableError),
        ("http://127.0.0.1:9/file.zip", "refused$", UnreachableError),
        ("http://nowhere.invalid/file.zip", r"refused \(proxy 127.0.0.1:9\)$", UnreachableError),
        ("file:///etc/passwd", "only http: and https: are allowed", ValueError),
        ("ftp://127.0.0.1/file", "only http: and https: are allowed", ValueError),
        (None, "does not exist, and no address offers it", ValueError),
    ],
)
def test_no_way_to_the_server(url, message, kind, server, monkeypatch, tmp_path):
    """Reported within PATIENCE seconds; a proxy that does not respond is named, without its password."""
    monkeypatch.setattr(web, "PATIENCE", 0.3)
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    url = server.url(url) if url == "silent" else url

    fails(File((url,) if url else (), NAME), tmp_path, message, kind)

    assert listing(tmp_path) == []


def test_a_silent_host_is_asked_once(server, monkeypatch, tmp_path):
    """Several calls share the hosts that do not respond."""
    monkeypatch.setattr(web, "PATIENCE", 0.3)
    silent_hosts = set()

    for _ in range(2):
        with pytest.raises(UnreachableError, match=r"no response in|127.0.0.1 does not respond"):
            fetch.download(file_at(server, "silent", "right"), tmp_path, silent_hosts)

    assert silent_hosts == {"127.0.0.1"}
    assert len(server.requests) == 1


def test_https_does_not_lead_back_to_http(monkeypatch, tmp_path):
    """A redirect from https to http is not followed."""

    def redirect(self, request, **options):
        response = requests.Response()
        response.status_code, response.request, response.raw = 302, request, io.BytesIO()
        response.headers["Location"] = "http://127.0.0.1/file"
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", redirect)

    https = File(("https://127.0.0.1/file",), NAME)
    fails(https, tmp_path, "only https: are allowed: .*'http://127.0.0.1/file'")


def test_mirrors_follow_the_official_address(server, tmp_path):
    """In order; when all fail, the line has a reason for each."""
    file = file_at(server, "gone", "wrong", "page")
    server.times = 3
    fails(file, tmp_path, rf"gone/{NAME}: HTTP status 404 .*; http.*wrong/{NAME}: its .*; http.*page")

    server.times, server.requests[:] = 2, []
    assert fetch.download(file, tmp_path).read_bytes() == BODY
    assert [trouble for trouble, _ in server.requests] == ["gone", "wrong", "page"]


def test_a_broken_connection_is_tried_again_from_where_it_broke(server, monkeypatch, tmp_path):
    """Three times half of the rest, then all of it."""
    monkeypatch.setattr(fetch, "WAITS", (0, 0, 0))
    server.times = 3

    assert fetch.download(file_at(server, "cut"), tmp_path).read_bytes() == BODY

    starts = [HALF, HALF + HALF // 2, HALF + HALF // 2 + HALF // 4]
    assert [start for _, start in server.requests] == [None, *(f"bytes={start}-" for start in starts)]


@pytest.mark.parametrize("trouble", ["deaf", "never", "elsewhere", "careless", "right", "moved"])
@pytest.mark.parametrize("changed", [False, True])
def test_a_part_is_resumed_only_into_the_same_file(trouble, changed, server, tmp_path):
    """Ranges ignored or refused, the file changed meanwhile: all of it is read again."""
    fails(file_at(server, "cut", sha256=""), tmp_path, BROKE)
    notes = tmp_path / PART[1]
    notes.write_text(notes.read_text().replace("/cut/", f"/{trouble}/"))
    server.times = 1
    if changed:
        server.body, server.tag = OTHER, '"two"'

    assert fetch.download(file_at(server, trouble, sha256=""), tmp_path).read_bytes() == server.body
    assert server.requests[1] == (trouble, f"bytes={HALF}-")
    assert listing(tmp_path) == [NAME, "sums.json"]


def test_a_mirror_continues_what_it_began(server, tmp_path):
    """The official address follows it, and one that has no file does not cost the part."""
    file = file_at(server, "gone", "cut")
    server.times = 2
    fails(file, tmp_path, f"404 Not Found; .*{BROKE}")
    server.times = 2
    fails(file, tmp_path, "connection broke after .*; .*404 Not Found")
    assert listing(tmp_path) == PART

    assert fetch.download(file, tmp_path).read_bytes() == BODY
    assert [trouble for trouble, _ in server.requests] == ["gone", "cut", "cut", "gone", "cut"]


@pytest.mark.parametrize("body", [BODY, OTHER, BODY + b"more"])
@pytest.mark.parametrize("readable", [True, False])
def test_a_part_that_is_complete_or_not_of_the_file(body, readable, server, tmp_path):
    """A process killed before the rename, bytes of another file, notes that cannot be read."""
    notes = json.dumps({"url": server.url("right"), "validator": server.tag})
    (tmp_path / PART[0]).write_bytes(body)
    (tmp_path / PART[1]).write_text(notes if readable else notes[:8])

    assert fetch.download(file_at(server, "right"), tmp_path).read_bytes() == BODY
    assert listing(tmp_path) == [NAME]


def test_the_first_download_is_trusted(server, tmp_path):
    """Its checksum is kept; another file under its name is an error until a person accepts it."""
    file = file_at(server, "wrong", sha256="")
    server.times = 0
    path = fetch.download(file, tmp_path)
    entry = {"sha256": SHA, "size": len(BODY), "url": server.url("wrong")}
    assert json.loads((tmp_path / "sums.json").read_text()) == {NAME: entry}

    path.write_bytes(b"damaged")
    server.times = 1
    fails(file, tmp_path, rf"not {SHA[:8]}, as at the first download; remove '{NAME}' in .*json to accept it")
    assert listing(tmp_path) == [NAME, "sums.json"]
    assert fetch.download(file, tmp_path).read_bytes() == BODY

    path.unlink()
    (tmp_path / "sums.json").write_text("{}")
    server.times = 1
    assert fetch.download(file, tmp_path).read_bytes() == OTHER

    (tmp_path / "sums.json").write_text("{")
    fails(file, tmp_path, r"sums.json: Expecting .*; remove it")


@pytest.mark.parametrize(
    ("limited", "message"), [(False, "512000 bytes to come, 1000 free"), (True, "too large")]
)
def test_a_full_disk(limited, message, server, monkeypatch, tmp_path):
    """Reported before the download if the server states the length; nothing stays on the full disk."""
    server.times = 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as patch:
        if limited:
            resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, hard))
        else:
            patch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(1000))
        try:
            fails(file_at(server, "right"), tmp_path, f"{NAME}: .*{message}")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert listing(tmp_path) == []

    assert fetch.download(file_at(server, "right"), tmp_path).read_bytes() == BODY


def test_what_cannot_be_kept(server, tmp_path):
    """A body whose end nobody knows, without a length, a size or a checksum; a folder that is a file."""
    fails(file_at(server, "unsized", sha256=""), tmp_path, "does not state its length")
    assert listing(tmp_path) == []

    (tmp_path / "folder").write_text("a file")
    fails(file_at(server, "right"), tmp_path / "folder", "folder/file.zip: .*(exists|Not a directory)")


SCRIPT = """
import sys; from pathlib import Path; from benchmark.data import fetch
print(fetch.download(fetch.File((sys.argv[1],), sys.argv[2]), Path(sys.argv[3])).stat().st_size)
"""


def start(url, name, folder):
    """Start another process that downloads the file."""
    command, pipe = [sys.executable, "-c", SCRIPT, url, name, str(folder)], subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, cwd=Path(__file__).parents[1])


def test_processes_at_once(server, tmp_path):
    """One downloads, the others wait for it; the checksums of all files are kept; nothing is printed."""
    server.times = 0
    processes = [start(server.url("right", name), name, tmp_path) for name in (NAME, NAME, "b.zip")]

    assert [process.communicate() for process in processes] == [(b"%d\n" % len(BODY), b"")] * 3

    assert len(server.requests) == 2
    assert listing(tmp_path) == ["b.zip", NAME, "sums.json"]
    assert set(json.loads((tmp_path / "sums.json").read_text())) == {NAME, "b.zip"}


def test_a_killed_process_loses_nothing(server, tmp_path):
    """Its part is resumed, and its lock holds nobody up."""
    process = start(server.url("hush"), NAME, tmp_path)
    while not (tmp_path / PART[0]).exists() or (tmp_path / PART[0]).stat().st_size < 4096:
        time.sleep(0.01)
    process.kill()
    process.communicate()

    assert fetch.download(file_at(server, "hush"), tmp_path).read_bytes() == BODY
    assert server.requests[1][1].startswith("bytes=")
    assert listing(tmp_path) == [NAME]


def test_progress_is_for_terminals(server, monkeypatch, tmp_path):
    """A terminal shows size and time left; `test_processes_at_once` shows that other outputs show nothing."""
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    server.times = 0

    fetch.download(file_at(server, "right"), tmp_path)

    assert re.search(r"file.zip: +0%.*0.00/512k \[00:00<\?", terminal.getvalue())


def test_data_folders(monkeypatch, tmp_path):
    """`data` first, then those of the environment; directly in a folder or one level deeper."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEBLUR_DATA", os.pathsep.join(("", "one", str(tmp_path / "two"))))
    assert folders.data_folders() == [Path("data"), Path("one"), tmp_path / "two"]
    assert folders.find("set") is None
    for folder, name, expected in (
        ("data/set.part/set", "set", None),
        ("two/deep/set", "set", tmp_path / "two/deep/set"),
        ("data/some/deep/set", "set", tmp_path / "two/deep/set"),
        ("data/some/deep/set", "deep/set", Path("data/some/deep/set")),
        ("data/set", "set", Path("data/set")),
    ):
        Path(folder).mkdir(parents=True, exist_ok=True)
        assert folders.find(name) == expected
