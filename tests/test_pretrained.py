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

SHA = hashlib.sha256(BODY).hexdigest()[:8]


@pytest.fixture
def server(monkeypatch):
    """Serve weights named by what the server does first."""
    monkeypatch.setattr(web, "PATIENCE", 0.3)
    monkeypatch.setattr(fetch, "WAITS", ())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        kinds = ("right", "wrong", "gone", "silent")
        files = {kind: fetch.named(server.url(kind, f"{kind}-{SHA}.pth")) for kind in kinds}
        entries = {kind: Source(file, "MIT", "a test", f"without {kind}") for kind, file in files.items()}
        monkeypatch.setattr(pretrained, "WEIGHTS", entries)
        yield server


@pytest.mark.usefixtures("server")
def test_a_file_is_downloaded_unless_it_is_available(monkeypatch, tmp_path):
    """In the folder, where it arrives under its own name replacing a damaged one, or in any data folder."""
    folder = tmp_path / "folder"
    file = folder / f"right-{SHA}.pth"
    assert pretrained.path("right", folder) is None
    assert pretrained.fallbacks(["right", "gone"], folder) == ["without right", "without gone"]
    folder.mkdir()
    file.write_bytes(BODY[:100])

    pretrained.prepare(["right"], folder)

    assert file.read_bytes() == BODY
    assert pretrained.path("right", folder) == file
    assert pretrained.fallbacks(["right", "gone"], folder) == ["without gone"]
    elsewhere = tmp_path / "disk" / "pretrained" / f"gone-{SHA}.pth"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(BODY)
    monkeypatch.setenv("DEBLUR_DATA", str(tmp_path / "disk"))
    pretrained.prepare(["gone"], folder)
    assert pretrained.path("gone", folder) == elsewhere
    assert list(folder.iterdir()) == [file]


def test_prepare_downloads_what_is_available(server, tmp_path, capsys):
    """The data stage never fails here: a line for each file, and the rest arrives."""
    server.times = 2

    pretrained.prepare(["gone", "wrong", "right"], tmp_path)

    gone, wrong, right = capsys.readouterr().out.splitlines()
    assert gone.startswith("gone: ")
    assert gone.endswith("HTTP status 404 Not Found; without gone")
    assert f"wrong-{SHA}.pth: its sha256 starts " in wrong
    assert right == f"right: {tmp_path / f'right-{SHA}.pth'}"
    assert [str(file) for file in tmp_path.iterdir()] == [right.removeprefix("right: ")]
    with pytest.raises(ValueError, match="pretrained: no 'vgg'; allowed: right, wrong, gone, silent"):
        pretrained.prepare(["vgg"], tmp_path)


def test_without_a_network_prepare_gives_up_soon(server, tmp_path, capsys):
    """A silent server gets one request, not one per file."""
    pretrained.prepare(["silent", "right", "gone"], tmp_path / "folder")

    assert [trouble for trouble, _ in server.requests] == ["silent"]
    lines = capsys.readouterr().out.splitlines()
    assert [text.rsplit("; ")[-1] for text in lines] == ["without silent", "without right", "without gone"]
    assert (tmp_path / "folder").is_dir()  # a stage's output, even when it is empty


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_read_gives_the_tensors(ending, tmp_path):
    """Both formats; and not if the file is not what its name promises."""
    file, state = tmp_path / f"some.{ending}", {"a": torch.rand(3), "b": torch.rand(2, 2)}
    torch.save(state, file) if ending == "pth" else save_file(state, file)
    torch.testing.assert_close(pretrained.read(file), state)

    file = file.rename(tmp_path / f"some-00000000.{ending}")
    with pytest.raises(ValueError, match=rf"00.{ending}: its sha256 starts \w{{8}}, not 00000000; remove it"):
        pretrained.read(file)


def test_a_file_cannot_run_anything(tmp_path):
    """A pickle of something else than tensors is refused."""
    torch.save({"a": Path}, tmp_path / "evil.pth")

    with pytest.raises(
        ValueError, match=r"evil.pth: refused, not a file of plain tensors \(\w+: Weights only"
    ):
        pretrained.read(tmp_path / "evil.pth")


@pytest.mark.parametrize("name", WEIGHTS)
def test_each_source_is_complete(name):
    """Over https, checked by the digits in the file's own name, with a licence and the fallback in words."""
    entry = WEIGHTS[name]

    assert all(url.startswith("https://") for url in entry.file.urls)
    assert len(entry.file.sha256) == 8
    assert all((entry.licence, entry.about, entry.without))
