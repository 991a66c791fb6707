"""Authors' weights: the list is complete, files are theirs and run nothing, and they fit our networks."""

import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark import nets, plugins, spec
from benchmark.data import fetch
from benchmark.models import dmphn
from benchmark.weights import published
from benchmark.weights.published import Asset, Published
from tests import golden
from tests.hostile import serve
from tests.test_dmphn import WEIGHTS, authors_names

ENTRIES = published.load()
RUNS = spec.load()[1]


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder that a server on this machine shows, and entries with the folder's files, unchecked."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("DEBLUR_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "served"
    folder.mkdir()

    def offer(name: str, **changes: str) -> Published:
        files = tuple(Asset(path.name) for path in sorted(folder.iterdir()))
        return replace(ENTRIES[name], urls=(server.url("folder", ""),), files=files, **changes)

    with serve() as server:
        server.folder = folder
        yield folder, offer


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_complete(name):
    """It fits a run whose model knows the authors' names, and has files with addresses or says why not."""
    entry = ENTRIES[name]

    assert entry.fits in RUNS
    assert entry.of
    assert entry.licence
    assert entry.missing or (entry.files and entry.tested)
    assert entry.missing or hasattr(plugins.load("models", RUNS[entry.fits].model), "convert")
    for asset in entry.files:
        urls = entry.file(asset).urls
        assert urls
        assert all(url.startswith(("https://", "http://")) and not url.endswith("/") for url in urls)
        assert len(asset.sha256) in (0, 64)
        assert len(asset.git) in (0, 40)
        assert len(asset.drive) in (0, 33)


@pytest.mark.parametrize("name", [name for name, run in RUNS.items() if run.weights])
def test_a_run_names_weights_that_fit_it(name):
    """The entry is for this run."""
    assert ENTRIES[RUNS[name].weights].fits == name


def test_the_list_refuses_what_it_does_not_know(tmp_path):
    """A mistyped key or format is named with its place and what is allowed."""
    path = tmp_path / "published.yaml"
    path.write_text("a: {fits: b, of: c, licence: d, filez: []}\n")
    with pytest.raises(ValueError, match=r"published.yaml: a: unknown key 'filez'; did you mean 'files'\?"):
        published.load(path)
    path.write_text("a: {fits: b, of: c, licence: d, reads: tensorflaw}\n")
    with pytest.raises(ValueError, match=r"a.reads: no 'tensorflaw'; did you mean 'tensorflow'\?"):
        published.load(path)


def test_sizes_on_the_list_are_those_of_the_networks():
    """DMPHN's files are float32 and 0.2 % names: their sizes say how many parameters the run has."""
    for name in ("dmphn_1_2_4", "dmphn_1_2_4_8", "dmphn_stack2", "dmphn_stack3", "dmphn_stack4"):
        with torch.device("meta"):
            parameters = sum(p.numel() for p in nets.build(RUNS[name]).parameters())
        size = sum(asset.size for asset in ENTRIES[name].files)
        assert size == pytest.approx(4 * parameters, rel=0.003)


@pytest.mark.skipif(not WEIGHTS.exists(), reason="needs the authors' weights")
def test_real_files_are_used_where_they_are(monkeypatch):
    """The authors' six files are found in place, have the sums on the list, and fill the network."""
    monkeypatch.setenv("DEBLUR_DATA", str(WEIGHTS.parent))
    entry = ENTRIES["dmphn_1_2_4"]

    paths = published.obtain(entry)
    net = nets.build(RUNS["dmphn_1_2_4"])
    published.fill(net, published.read(entry, "dmphn", paths), entry)

    assert {path.parent for path in paths} == {WEIGHTS}
    theirs = torch.load(WEIGHTS / "encoder_lv1.pkl", weights_only=True, map_location="cpu")
    assert torch.equal(net.get_parameter("stages.0.encoders.0.scales.0.0.weight"), theirs["layer1.weight"])


def official(name: str) -> dict[str, torch.Tensor]:
    """Weights with the names and shapes of an official network, those of a golden case."""
    return golden.weights(golden.case(name)["shapes"])


@pytest.mark.parametrize(
    ("name", "key", "wrap"),
    [
        ("mtrnn", "", lambda state: state),
        ("mimo_unet", "model", lambda state: {"model": state, "epoch": 3000}),
        ("mtrnn", "net", lambda state: {"net": {f"module.{name}": value for name, value in state.items()}}),
    ],
    ids=["plain", "nested", "DataParallel"],
)
def test_downloads_become_networks(name, key, wrap, served):
    """From a server, in the official file's form: every weight arrives; the second time from the disk."""
    folder, offer = served
    theirs = official(name)
    torch.save(wrap(theirs), folder / "official.pth")
    entry, model = offer(name, key=key), RUNS[name].model

    state = published.read(entry, model, published.obtain(entry))

    expected = plugins.load("models", model).convert(theirs)
    torch.testing.assert_close(state, expected, rtol=0, atol=0)
    published.fill(nets.build(RUNS[name]), state, entry)
    (folder / "official.pth").unlink()
    assert published.obtain(entry) == [Path("data/authors", name, "official.pth")]


def test_several_files_become_one_network(served):
    """DMPHN's sub-networks have a file each; their names say which they are."""
    folder, offer = served
    net = dmphn.Net(dmphn.Config("1-2").thin(8))
    for part, state in authors_names(net).items():
        torch.save(state, folder / f"{part}.pkl")
    entry = offer("dmphn_1_2_4")

    state = published.read(entry, "dmphn", published.obtain(entry))

    torch.testing.assert_close(state, dict(net.state_dict()), rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"dmphn_1_2_4: not dmphn_1_2_4's network: .*Missing key"):
        published.fill(nets.build(RUNS["dmphn_1_2_4"]), state, entry)


def test_a_file_inside_an_archive(served):
    """The matching member is read, from the archive's copy beside the download; two are too many."""
    folder, offer = served
    torch.save(official("mtrnn"), "model-9.pth")
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.write("model-9.pth", "GOPRO/models/model-9.pth")
        archive.writestr("GOPRO/models/model-8.pth", "an older one")
    entry = offer("mtrnn", member="**/model-9.pth")
    files = published.obtain(entry)

    assert published.read(entry, "mtrnn", files).keys() == nets.build(RUNS["mtrnn"]).state_dict().keys()
    assert Path("data/authors/mtrnn/all/GOPRO/models/model-9.pth").exists()
    with pytest.raises(ValueError, match=r"all.zip: 2 files in it are \*\*/\*.pth, not one"):
        published.read(replace(entry, member="**/*.pth"), "mtrnn", files)


class Evil:
    """An object whose pickle writes a file when it is loaded."""

    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ({"model": Evil()}, "refused, not a file of plain tensors"),
        ([1, 2], "holds a list, not weights by name"),
        ({"net": {}}, "no entry 'model'; it has net"),
        ({"model": {"a.weight": torch.zeros(1)}}, "mimo_unet: w.pth: .*missing weight: "),
        (None, "refused, not a file of plain tensors"),
    ],
)
def test_what_is_no_plain_weights_is_refused(contents, says, tmp_path, monkeypatch):
    """In one line, and nothing is run."""
    monkeypatch.chdir(tmp_path)
    if contents is None:
        Path("w.pth").write_bytes(b"<html>sign in</html>" * 99)
    else:
        torch.save(contents, "w.pth")

    with pytest.raises(ValueError, match=says) as error:
        published.read(ENTRIES["mimo_unet"], "mimo_unet", [Path("w.pth")])

    assert "\n" not in str(error.value)
    assert not Path("ran").exists()


def test_another_file_under_the_name_is_refused(tmp_path, monkeypatch):
    """By sha256, or by the id that git gives it where no sha256 is known."""
    monkeypatch.setenv("DEBLUR_DATA", str(tmp_path))
    path = tmp_path / "mtrnn" / "w.pt"
    path.parent.mkdir()
    path.write_bytes(bytes(range(256)))
    asked = ["git", "hash-object", "--no-filters", str(path)]
    git = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    right = Asset("w.pt", sha256=fetch.digest(path), git=git)
    entry = replace(ENTRIES["mtrnn"], files=(right,))

    assert published.obtain(entry) == [path]
    for wrong, says in (
        (replace(right, sha256="0" * 64), "sha256"),
        (replace(right, git="0" * 40), "git id"),
    ):
        with pytest.raises(ValueError, match=rf"w.pt: its {says} starts \w{{8}}, not 00000000; remove it"):
            published.obtain(replace(entry, files=(wrong,)))


def test_where_there_is_nothing_the_reason_is_said(tmp_path, monkeypatch):
    """A system without public weights has a reason in place of files; a server may not respond."""
    with pytest.raises(ValueError, match="neither code nor weights are public"):
        published.obtain(ENTRIES["cdgnet"])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    nobody = replace(ENTRIES["mtrnn"], urls=("http://127.0.0.1:9/",))
    with pytest.raises(
        ValueError, match=r"^mtrnn/model_best.pt: not at hand, and no answer from 127.0.0.1:9$"
    ):
        published.obtain(nobody)
