"""Weights from the web: only the requested file arrives, and any failure is one line."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmark.data import fetch, web
from benchmark.weights import pretrained
from benchmark.weights.pretrained import WEIGHTS, Source
from tests.hostile import BODY, serve

SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(monkeypatch):
    """Weights named by what a server does first."""
    monkeypatch.setattr(web, "PATIENCE", 0.3)
    monkeypatch.setattr(fetch, "WAITS", ())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        urls = {
            kind: server.url(kind, f"weights-{kind}.pth") for kind in ("right", "wrong", "gone", "silent")
        }
        entries = {
            name: Source(url, SHA[:8], "MIT", "a test", f"without {name}") for name, url in urls.items()
        }
        monkeypatch.setattr(pretrained, "WEIGHTS", entries)
        yield server


@pytest.mark.usefixtures("server")
def test_a_file_is_downloaded_unless_it_is_available(monkeypatch, tmp_path):
    """In the folder, where it arrives under its own name, or in any place for data."""
    folder = tmp_path / "new" / "folder"
    assert pretrained.path("right", folder) is None

    file = pretrained.download("right", folder)

    assert file == folder / "weights-right.pth"
    assert file.read_bytes() == BODY
    assert pretrained.path("right", folder) == file
    assert pretrained.fallbacks(["right", "gone"], folder) == ["without gone"]

    place = tmp_path / "place" / "pretrained"
    place.mkdir(parents=True)
    (place / "weights-gone.pth").write_bytes(BODY)
    monkeypatch.setenv("DEBLUR_DATA", str(tmp_path / "place"))
    assert pretrained.path("gone", folder) == place / "weights-gone.pth"
    assert pretrained.download("gone", folder) == place / "weights-gone.pth"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong", rf"wrong/weights-wrong.pth: its sha256 starts \w{{8}}, not {SHA[:8]}"),
        ("gone", "weights-gone.pth: HTTP status 404 Not Found"),
        ("vgg", "pretrained: no 'vgg'; allowed: right, wrong, gone, silent"),
    ],
)
@pytest.mark.usefixtures("server")
def test_anything_else_leaves_nothing_behind(name, message, tmp_path):
    """One line says what is wrong, and the folder stays empty."""
    with pytest.raises(ValueError, match=message):
        pretrained.download(name, tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("server")
def test_a_wrong_file_that_is_there_is_replaced(tmp_path):
    """Half a download of another program is not taken for the file."""
    (tmp_path / "weights-right.pth").write_bytes(BODY[:100])

    assert pretrained.download("right", tmp_path).read_bytes() == BODY


def test_prepare_downloads_what_is_available(server, tmp_path, capsys):
    """The data stage never fails here: a line for each file, and the rest arrives."""
    server.times = 2

    pretrained.prepare(["gone", "wrong", "right"], tmp_path)

    lines = capsys.readouterr().out.splitlines()
    assert [text.split(":")[0] for text in lines] == ["gone", "wrong", "right"]
    assert lines[0].endswith("HTTP status 404 Not Found; without gone")
    assert [file.name for file in tmp_path.iterdir()] == ["weights-right.pth"]


def test_without_a_network_prepare_gives_up_soon(server, tmp_path, capsys):
    """A silent server gets one request, not one per file."""
    pretrained.prepare(["silent", "right", "gone"], tmp_path / "folder")

    assert [trouble for trouble, _ in server.requests] == ["silent"]
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
