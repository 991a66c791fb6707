"""Weights from the web: only what was asked for arrives, and whatever fails says so in one line."""

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmark import pretrained
from benchmark.pretrained import WEIGHTS, Source

BODY = bytes(range(256)) * 5000  # more than one chunk
SHA = hashlib.sha256(BODY).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Answers by path: the right bytes, wrong ones, half of them, none, or nothing at all."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self):
        """One request."""
        kind = self.path.strip("/").split("/")[0]
        self.asked.append(kind)
        if kind == "silent":
            time.sleep(1)
            return
        if kind == "gone":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write({"wrong": BODY[::-1], "half": BODY[: len(BODY) // 2]}.get(kind, BODY))

    def log_message(self, *args):
        """Nothing to the console."""


@pytest.fixture(scope="module")
def server():
    """The address of a server on this machine."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def weights(server, monkeypatch):
    """Weights named by what the server does; the one named "nobody" is on a port where nothing listens."""
    monkeypatch.setattr(pretrained, "PATIENCE", 0.4)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Server.asked.clear()
    kinds = ("right", "wrong", "half", "gone", "silent")
    urls = {kind: f"{server}/{kind}/weights-{kind}.pth" for kind in kinds}
    urls["nobody"] = "http://127.0.0.1:9/nobody/weights.pth"
    entries = {name: Source(url, SHA[:8], "MIT", "a test", f"without {name}") for name, url in urls.items()}
    monkeypatch.setattr(pretrained, "WEIGHTS", entries)


@pytest.mark.usefixtures("weights")
def test_the_right_bytes_arrive(tmp_path):
    """They are in the folder, under the file's own name, and are not asked for again."""
    folder = tmp_path / "new" / "folder"

    assert pretrained.path("right", folder) is None
    file = pretrained.fetch("right", folder)

    assert file == folder / "weights-right.pth"
    assert file.read_bytes() == BODY
    assert pretrained.path("right", folder) == file
    assert pretrained.fetch("right", folder) == file
    assert Server.asked == ["right"]
    assert pretrained.lacks(["right", "gone"], folder) == ["without gone"]


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wrong", rf"wrong/weights-wrong.pth: its sha256 starts \w{{8}}, not {SHA[:8]}"),
        ("half", f"the connection broke after {len(BODY) // 2} of {len(BODY)} bytes"),
        ("gone", "weights-gone.pth: HTTP Error 404: Not Found"),
        ("silent", "weights-silent.pth: no answer in 0.4 s"),
        ("nobody", "weights.pth: .*refused"),
        ("vgg", "pretrained: no 'vgg'; known: right, wrong, half"),
    ],
)
def test_anything_else_leaves_nothing_behind(name, says, tmp_path):
    """One line says what is wrong with which address, and the folder stays empty."""
    with pytest.raises(ValueError, match=says) as error:
        pretrained.fetch(name, tmp_path)

    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("weights")
def test_a_wrong_file_that_is_there_is_replaced(tmp_path):
    """Half a download of another program is not taken for the file."""
    (tmp_path / "weights-right.pth").write_bytes(BODY[:100])

    assert pretrained.fetch("right", tmp_path).read_bytes() == BODY


@pytest.mark.usefixtures("weights")
def test_prepare_gets_what_can_be_had(tmp_path, capsys):
    """The data stage never fails here: a line for each file, and the rest arrives."""
    pretrained.prepare(["gone", "wrong", "right"], tmp_path)

    lines = capsys.readouterr().out.splitlines()
    assert [text.split(":")[0] for text in lines] == ["gone", "wrong", "right"]
    assert lines[0].endswith("HTTP Error 404: Not Found; without gone")
    assert [file.name for file in tmp_path.iterdir()] == ["weights-right.pth"]


@pytest.mark.usefixtures("weights")
def test_without_a_network_prepare_gives_up_soon(tmp_path, capsys):
    """A server that does not answer is asked once, not once per file."""
    began = time.monotonic()
    pretrained.prepare(["silent", "right", "gone"], tmp_path / "folder")

    assert time.monotonic() - began < 0.8
    assert Server.asked == ["silent"]
    lines = capsys.readouterr().out.splitlines()
    assert [text.rsplit("; ")[-1] for text in lines] == ["without silent", "without right", "without gone"]
    assert (tmp_path / "folder").is_dir()  # a stage's output, even when it is empty


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_read_gives_the_tensors(ending, tmp_path, monkeypatch):
    """Both formats; and not if the file is not what its name promises."""
    file, state = tmp_path / f"some.{ending}", {"a": torch.rand(3), "b": torch.rand(2, 2)}
    torch.save(state, file) if ending == "pth" else save_file(state, file)

    torch.testing.assert_close(pretrained.read(file), state)

    promised = Source(f"https://nowhere/some.{ending}", "00000000", "MIT", "a test", "")
    monkeypatch.setattr(pretrained, "WEIGHTS", {"some": promised})
    with pytest.raises(
        ValueError, match=rf"some.{ending}: its sha256 starts \w{{8}}, not 00000000; remove it"
    ):
        pretrained.read(file)


def test_a_file_cannot_run_anything(tmp_path):
    """A pickle of something else than tensors is refused."""
    file = tmp_path / "evil.pth"
    torch.save({"a": Path}, file)

    with pytest.raises(Exception, match="Weights only load failed"):
        pretrained.read(file)


@pytest.mark.parametrize("name", WEIGHTS)
def test_each_source_is_complete(name):
    """Over https, checked by the digits in the file's own name, with a licence and the fall-back in words."""
    entry = WEIGHTS[name]

    assert entry.url.startswith("https://")
    assert len(entry.sha256) >= 8
    assert f"-{entry.sha256[:8]}." in entry.file
    assert all((entry.licence, entry.about, entry.without))
