"""Downloads and archives: whole and right, or one line and nothing left; and the next run recovers."""

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
import urllib.request
from collections import namedtuple
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.data import fetch
from benchmark.data.fetch import File, UnreachableError
from tests.hostile import BODY, HALF, OTHER, serve

SHA = hashlib.sha256(BODY).hexdigest()
NAME = "file.zip"
PART = [f"{NAME}.part", f"{NAME}.part.json"]
NOBODY = "http://127.0.0.1:9/file.zip"


@pytest.fixture(scope="module")
def server():
    """One server for all tests of this file."""
    with serve() as web:
        yield web


@pytest.fixture
def web(server, monkeypatch):
    """The server at its first trouble, which is tried once."""
    monkeypatch.setattr(fetch, "WAITS", ())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.body, server.tag, server.times = BODY, '"one"', 1
    server.asked.clear()
    return server


def file(web, *troubles, size=0, sha256=SHA[:8]):
    """The file, at addresses with these troubles."""
    return File(tuple(web.url(trouble) for trouble in troubles), NAME, size, sha256)


def listing(folder):
    """All that is in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def fails(wanted, folder, says, kind=ValueError):
    """One line that says so."""
    with pytest.raises(kind, match=says) as error:
        fetch.get(wanted, folder)
    assert "\n" not in str(error.value)
    assert type(error.value) is kind


BROKE = f"connection broke after {HALF}"


@pytest.mark.parametrize(
    ("trouble", "says", "left"),
    [
        ("cut", f"{BROKE} of {len(BODY)} bytes$", PART),
        ("hush", f"{BROKE} of {len(BODY)} bytes: timed out", PART),
        ("drip", r"sends \d bytes in 0 s", PART),
        ("bare", f"{BROKE} of {len(BODY)} bytes", []),
        ("torn", f"{BROKE} of {len(BODY)} bytes: IncompleteRead", PART),
        ("hangup", "closed connection without response", []),
        ("babble", r"does not speak HTTP: \?\? what\?", []),
        ("more", f"sends more than its {len(BODY)} bytes", []),
        ("longer", f"has {len(BODY) + 4} bytes, not {len(BODY)}", []),
        ("shorter", f"has {len(BODY) - 4} bytes, not {len(BODY)}", []),
        ("endless", f"sends more than its {len(BODY)} bytes", []),
        ("piece", f"{BROKE} of {len(BODY)} bytes", []),
        ("unsized", f"{BROKE} of {len(BODY)} bytes", PART),
        ("wrong", rf"its sha256 starts \w{{8}}, not {SHA[:8]}$", []),
        ("empty", "sends nothing", []),
        ("none", "HTTP status 204", []),
        ("page", "sends a web page, 'Google Drive - Quota exceeded', in place of the file", []),
        ("login", "sends a web page, 'without a title', in place of the file", []),
        ("gone", "HTTP Error 404: Not Found", []),
        ("busy", "HTTP Error 503: Service Unavailable", []),
        ("loop", "infinite loop", []),
        ("inward", "HTTP Error 302: .*'file:///etc/passwd' is not allowed", []),
        ("ftp", "leads to ftp://127.0.0.1/file.zip; followed: http, https", []),
        ("elsewhere", "HTTP status 206", []),
    ],
)
def test_trouble_is_one_line_and_the_next_run_recovers(trouble, says, left, web, monkeypatch, tmp_path):
    """The line has the address and the reason; what is left is the part that the next run goes on from."""
    wanted = file(web, trouble, size=len(BODY))
    with monkeypatch.context() as quick:
        quick.setattr(fetch, "STALL", 0.3 if trouble in ("hush", "drip") else 30)
        fails(wanted, tmp_path, rf"^{web.url(trouble)}: .*{says}")
    assert listing(tmp_path) == left

    web.times = 0
    assert fetch.get(wanted, tmp_path).read_bytes() == BODY
    assert listing(tmp_path) == [NAME]
    assert (web.asked[-1][1] is not None) == bool(left)


@pytest.mark.parametrize("trouble", ["right", "pieces", "clings", "moved"])
def test_the_file_arrives(trouble, web, monkeypatch, tmp_path):
    """Below the folder, under its name, by chunks, past a redirect; and it is not asked for again."""
    monkeypatch.setattr(fetch, "STALL", 0.3 if trouble == "clings" else 30)
    wanted = File((web.url(trouble),), f"set/{NAME}", sha256=SHA.upper()[:12])

    path = fetch.get(wanted, tmp_path / "new")

    assert path == tmp_path / "new" / "set" / NAME
    assert path.read_bytes() == BODY
    asked = len(web.asked)
    assert fetch.get(wanted, tmp_path / "new") == path
    assert len(web.asked) == asked
    assert listing(tmp_path) == ["new", "new/set", f"new/set/{NAME}"]


@pytest.mark.parametrize(
    ("url", "says", "kind"),
    [
        ("silent", "no answer in 0.3 s", UnreachableError),
        (NOBODY, "refused", UnreachableError),
        ("file:///etc/passwd", "not an address of the web; known: http, https", ValueError),
        ("ftp://127.0.0.1/file", "not an address of the web", ValueError),
        (None, "not there, and no address to get it from", ValueError),
    ],
)
def test_no_way_to_the_server(url, says, kind, web, monkeypatch, tmp_path):
    """Said within the time that patience has."""
    monkeypatch.setattr(fetch, "PATIENCE", 0.3)
    url = web.url(url) if url == "silent" else url

    fails(File((url,) if url else (), NAME), tmp_path, says, kind)

    assert listing(tmp_path) == []


def test_a_silent_host_is_asked_once(web, monkeypatch, tmp_path):
    """Several calls share what they know."""
    monkeypatch.setattr(fetch, "PATIENCE", 0.3)
    silent = set()

    for _ in range(2):
        with pytest.raises(UnreachableError, match=r"no answer in|127.0.0.1 does not answer"):
            fetch.get(file(web, "silent", "right"), tmp_path, silent)

    assert silent == {"127.0.0.1"}
    assert len(web.asked) == 1


def test_mirrors_follow_the_official_address(web, tmp_path):
    """In order; when all fail, each has its reason in the line."""
    wanted = file(web, "gone", "wrong", "page")
    web.times = 3
    fails(wanted, tmp_path, rf"gone/{NAME}: HTTP Error 404: .*; http.*wrong/{NAME}: its .*; http.*page")

    web.times, web.asked[:] = 2, []
    assert fetch.get(wanted, tmp_path).read_bytes() == BODY
    assert [trouble for trouble, _ in web.asked] == ["gone", "wrong", "page"]


def test_a_broken_connection_is_tried_again_from_where_it_broke(web, monkeypatch, tmp_path):
    """Three times half of what is left, then all of it."""
    monkeypatch.setattr(fetch, "WAITS", (0, 0, 0))
    web.times = 3

    assert fetch.get(file(web, "cut"), tmp_path).read_bytes() == BODY

    starts = [HALF, HALF + HALF // 2, HALF + HALF // 2 + HALF // 4]
    assert [place for _, place in web.asked] == [None, *(f"bytes={start}-" for start in starts)]


@pytest.mark.parametrize("trouble", ["deaf", "never", "elsewhere", "careless", "right", "moved"])
@pytest.mark.parametrize("changed", [False, True])
def test_a_part_is_resumed_only_into_the_same_file(trouble, changed, web, tmp_path):
    """Ranges ignored or refused, the file changed meanwhile: all of it is read again."""
    wanted = file(web, "cut", sha256="")
    fails(wanted, tmp_path, BROKE)
    (tmp_path / PART[1]).write_text((tmp_path / PART[1]).read_text().replace("/cut/", f"/{trouble}/"))
    web.times = 1
    if changed:
        web.body, web.tag = OTHER, '"two"'

    assert fetch.get(file(web, trouble, sha256=""), tmp_path).read_bytes() == web.body
    assert web.asked[1] == (trouble, f"bytes={HALF}-")
    assert listing(tmp_path) == [NAME, "sums.json"]


def test_a_mirror_goes_on_with_what_it_began(web, tmp_path):
    """The official address is asked after it, and one that has no file does not cost what is there."""
    wanted = file(web, "gone", "cut")
    web.times = 2
    fails(wanted, tmp_path, f"404: Not Found; .*{BROKE}")
    web.times = 2
    fails(wanted, tmp_path, "connection broke after .*; .*404: Not Found")
    assert listing(tmp_path) == PART

    assert fetch.get(wanted, tmp_path).read_bytes() == BODY
    assert [trouble for trouble, _ in web.asked] == ["gone", "cut", "cut", "gone", "cut"]


@pytest.mark.parametrize("body", [BODY, OTHER, BODY + b"more"])
def test_a_part_that_is_whole_or_not_of_the_file(body, web, tmp_path):
    """A process killed before the rename, bytes of another file, notes that cannot be read."""
    (tmp_path / PART[0]).write_bytes(body)
    (tmp_path / PART[1]).write_text(json.dumps({"url": web.url("right"), "validator": web.tag}))
    assert fetch.get(file(web, "right"), tmp_path).read_bytes() == BODY

    (tmp_path / NAME).unlink()
    (tmp_path / PART[0]).write_bytes(body)
    (tmp_path / PART[1]).write_text('{"url": ')
    assert fetch.get(file(web, "right"), tmp_path).read_bytes() == BODY
    assert listing(tmp_path) == [NAME]


def test_the_first_download_is_trusted(web, tmp_path):
    """Its sum is kept; another file under its name is an error until a person takes it."""
    wanted = file(web, "wrong", sha256="")
    web.times = 0
    path = fetch.get(wanted, tmp_path)
    entry = {"sha256": SHA, "size": len(BODY), "url": web.url("wrong")}
    assert json.loads((tmp_path / "sums.json").read_text()) == {NAME: entry}

    path.write_bytes(b"damaged")
    web.times = 1
    fails(wanted, tmp_path, rf"not {SHA[:8]}, as at the first download; remove '{NAME}' in .*json to take it")
    assert listing(tmp_path) == [NAME, "sums.json"]
    assert fetch.get(wanted, tmp_path).read_bytes() == BODY

    path.unlink()
    (tmp_path / "sums.json").write_text("{}")
    web.times = 1
    assert fetch.get(wanted, tmp_path).read_bytes() == OTHER

    (tmp_path / "sums.json").write_text("{")
    fails(wanted, tmp_path, r"sums.json: Expecting .*; remove it")


def test_half_a_file_is_not_trusted(web, tmp_path):
    """Without a length, a size or a sum nobody knows where a body ends."""
    fails(file(web, "unsized", sha256=""), tmp_path, "does not say how long it is")

    assert listing(tmp_path) == []


@contextmanager
def no_room(how, monkeypatch):
    """A disk that is nearly full, and says so or not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as patch:
        if how == "said":
            patch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(1000))
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("how", "says"), [("said", "512000 bytes to come, 1000 free"), ("met", "too large")])
def test_a_full_disk(how, says, web, monkeypatch, tmp_path):
    """Said before the download where the length is known; nothing stays on the disk that is full."""
    web.times = 0
    with no_room(how, monkeypatch):
        fails(file(web, "right"), tmp_path, f"{NAME}: .*{says}")
    assert listing(tmp_path) == []

    assert fetch.get(file(web, "right"), tmp_path).read_bytes() == BODY


def test_a_folder_that_cannot_be_written(web, tmp_path):
    """One line as well."""
    (tmp_path / "folder").write_text("a file")

    fails(file(web, "right"), tmp_path / "folder", "folder/file.zip: .*(exists|Not a directory)")


SCRIPT = """
import sys; from pathlib import Path; from benchmark import fetch
print(fetch.get(fetch.File((sys.argv[1],), sys.argv[2]), Path(sys.argv[3])).stat().st_size)
"""


def start(url, name, folder):
    """Another process that gets the file."""
    command, pipe = [sys.executable, "-c", SCRIPT, url, name, str(folder)], subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, cwd=Path(__file__).parents[1])


def test_processes_at_once(web, tmp_path):
    """One downloads, the others wait for it; sums of other files are kept beside. Nothing on the console."""
    web.times = 0
    running = [start(web.url("right", name), name, tmp_path) for name in (NAME, NAME, "b.zip")]

    assert [process.communicate() for process in running] == [(b"%d\n" % len(BODY), b"")] * 3

    assert len(web.asked) == 2
    assert listing(tmp_path) == ["b.zip", NAME, "sums.json"]
    assert set(json.loads((tmp_path / "sums.json").read_text())) == {NAME, "b.zip"}


def test_a_killed_process_loses_nothing(web, tmp_path):
    """Its part is resumed, and its lock holds nobody."""
    running = start(web.url("hush"), NAME, tmp_path)
    while not (tmp_path / PART[0]).exists() or (tmp_path / PART[0]).stat().st_size < 4096:
        time.sleep(0.01)
    running.kill()
    running.communicate()

    assert fetch.get(file(web, "hush"), tmp_path).read_bytes() == BODY
    assert web.asked[1][1].startswith("bytes=")
    assert listing(tmp_path) == [NAME]


def test_progress_is_for_terminals(web, monkeypatch, tmp_path):
    """Size and time left there, nothing elsewhere."""
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    web.times = 0

    fetch.get(file(web, "right"), tmp_path)

    assert re.search(r"file.zip: +0%.*0.00/512k \[00:00<\?", terminal.getvalue())


def test_https_does_not_lead_back():
    """What was asked for in secret does not arrive in the open."""
    request = urllib.request.Request("https://127.0.0.1/file")

    with pytest.raises(ValueError, match=r"leads to http://127.0.0.1/file; followed: https$"):
        fetch.Redirects().redirect_request(request, io.BytesIO(), 302, "Found", {}, "http://127.0.0.1/file")


def test_places(monkeypatch, tmp_path):
    """`data` first, then what the environment names; directly in a place or one folder deeper."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEBLUR_DATA", os.pathsep.join(("", "one", str(tmp_path / "two"))))
    assert fetch.places() == [Path("data"), Path("one"), tmp_path / "two"]

    assert fetch.find("set") is None
    (tmp_path / "data" / "set.part" / "set").mkdir(parents=True)
    assert fetch.find("set") is None
    (tmp_path / "two" / "deep" / "set").mkdir(parents=True)
    assert fetch.find("set") == tmp_path / "two" / "deep" / "set"
    (tmp_path / "data" / "some" / "deep" / "set").mkdir(parents=True)
    assert fetch.find("set") == tmp_path / "two" / "deep" / "set"
    assert fetch.find("deep/set") == Path("data/some/deep/set")
    (tmp_path / "data" / "set").mkdir()
    assert fetch.find("set") == Path("data/set")
