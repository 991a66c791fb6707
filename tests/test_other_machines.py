"""What happens on other people's machines: each case comes from a public report of such trouble."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmark import trouble
from benchmark.results import DATASETS, read_rows
from benchmark.results.schema import DatasetSplit, Score
from benchmark.timing import prices
from benchmark.weights import published
from benchmark.weights.published import Asset, Published
from pipelines import authors, doctor
from tests.people import (
    GOPRO,
    SEQUENCE,
    official,
    one_line,
    seen,
    told,
    verdict,
    without_rights,
)
from tests.project import ROOT

pytestmark = pytest.mark.usefixtures("machine")
NAMES = [f"{SEQUENCE}/00000{n}" for n in (1, 2)]


# A. A reason that is known is shown.


@pytest.mark.parametrize("kinds", [("input", "target"), ("blur", "sharp")])
def test_the_layout_of_other_authors_copies(kinds, capsys, measured):
    """MPRNet's `test/{input,target}` is read, with the official names; a flat one is explained."""
    official("data", "test/{kind}/{sequence}-{frame}.png", kinds)
    text = seen(capsys)

    if kinds == ("input", "target"):
        assert "test complete, 2 of 2" in text
        assert measured()["psnr"].n == 2
        assert {row.image for row in read_rows(Path("results/authors/quality.csv"), Score)} == set(NAMES)
    else:
        assert "found 2 in GOPRO_Large/test/blur, 2 in GOPRO_Large/test/sharp" in text
        assert "allowed: <split>/<sequence>/{blur,sharp}/<frame>.png" in text


def test_an_earlier_row_does_not_hide_the_reason(capsys):
    """The row of another machine stays; why this one has nothing is said all the same."""
    folder = official("data")
    seen(capsys)
    table = DATASETS.read_text()
    (folder / "test" / SEQUENCE).rename(folder / "elsewhere")
    text = seen(capsys)

    assert DATASETS.read_text() == table
    assert "found 2 in GOPRO_Large/elsewhere/blur" in text
    assert "the row of an earlier examination is kept" in text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("/no/such/folder", "DEBLUR_DATA: /no/such/folder: No such file or directory"),
        ("/one,/two", "No such file or directory; folders are separated by ':'"),
        ("~nosuch/x", "DEBLUR_DATA: ~nosuch/x: No such file or directory"),
        ("params.yaml", "DEBLUR_DATA: params.yaml: Not a directory"),
    ],
)
def test_a_folder_that_cannot_be_searched_is_named(value, reason, capsys, monkeypatch, measured):
    """By both stages; and where was looked."""
    monkeypatch.setenv("DEBLUR_DATA", value)
    text = seen(capsys)

    assert reason in text
    assert "doctor: looked for sets in data, " in text
    measured()
    assert reason in capsys.readouterr().err


def test_the_folder_of_the_set_itself_is_its_place(capsys, monkeypatch):
    """DEBLUR_DATA=/sets/GOPRO_Large is as good as /sets."""
    monkeypatch.setenv("DEBLUR_DATA", str(official("sets").resolve()))

    assert "test complete, 2 of 2" in seen(capsys)


def test_an_empty_folder_hides_nothing(capsys, monkeypatch):
    """A full one elsewhere is used; without it the set is downloaded in the empty one's place."""
    Path("data/GOPRO_Large/test").mkdir(parents=True)
    official("sets")
    monkeypatch.setenv("DEBLUR_DATA", "sets")
    assert "test complete, 2 of 2" in seen(capsys)

    monkeypatch.delenv("DEBLUR_DATA")
    asked = []
    monkeypatch.setattr("benchmark.data.archives.download_and_unpack", lambda *words: asked.append(words))
    with pytest.raises(ValueError, match="a folder without images; allowed: the set, or nothing"):
        GOPRO.prepare(Path("data"), {})
    Path("data/GOPRO_Large/test").rmdir()
    GOPRO.prepare(Path("data"), {})
    assert [words[2] for words in asked] == [Path("data/GOPRO_Large")]


def test_a_file_in_the_place_of_a_set(capsys):
    """A file of the set's name is no set, and stops the download with a reason."""
    Path("data").mkdir()
    Path("data/GOPRO_Large").write_text("a link that a ZIP program has made a file of")

    assert "test absent, 0 of 2" in seen(capsys)
    with pytest.raises(ValueError, match="data/GOPRO_Large: a file; allowed: the set, or nothing"):
        GOPRO.prepare(Path("data"), {})


def test_a_dead_proxy_is_named(monkeypatch):
    """Where no host answers, the proxy on the way is in the reason."""
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    entry = Published("a", "a", "", "", urls=("http://example.org/",), files=(Asset("w.pth"),))

    with pytest.raises(ValueError, match=r"no answer from example.org \(proxy 127.0.0.1:9\)"):
        published.obtain(entry)
    kept = authors.unmeasured(authors.TestImages(1), "no answer from example.org (proxy 127.0.0.1:9)")
    assert kept["lacks"] == "no answer from example.org"  # the committed table is of no machine


# B. The user's trouble is one line, and the other runs go on.


def dead_link(path):
    """Replace an image by a link to nothing, as git-annex and datalad leave it."""
    path.unlink()
    path.symlink_to("nowhere/000001.png")


def directory(path):
    """Replace an image by a folder of its name."""
    path.unlink()
    path.mkdir()


def enormous(path):
    """Replace an image by one of 400 megapixels."""
    Image.new("1", (20_000, 20_000)).save(path)


def sixteen_bits(path):
    """Replace an image by its grey values in 16 bits."""
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(path), grey.astype(np.uint16) * 257)


SPOILT = {
    dead_link: "000001.png does not exist",
    directory: "000001.png cannot be read as an image (Is a directory)",
    enormous: "000001.png cannot be read as an image (DecompressionBomb",
    sixteen_bits: "000001.png cannot be read as an image (16 bits a channel; allowed: 8)",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda function: function.__name__)
def test_a_spoilt_image_is_named_by_both_stages(spoil, capsys, measured):
    """Neither ends in a traceback or measures the rest as if nothing was."""
    spoil(official("data") / "test" / SEQUENCE / "sharp" / "000001.png")

    assert SPOILT[spoil] in seen(capsys)
    assert SPOILT[spoil] in measured()["psnr"].note
    assert SPOILT[spoil] in capsys.readouterr().out


STAGES = {"doctor": doctor.main, "authors": authors.main}


@pytest.mark.skipif(sys.platform != "linux", reason="rights of root are taken away as Linux does it")
@pytest.mark.parametrize("name", STAGES)
def test_what_may_not_be_read(name, capsys, monkeypatch):
    """A disk's lost+found is left out; an image without rights is named."""
    monkeypatch.setenv("DEBLUR_DATA", "disk")
    monkeypatch.setattr(authors, "paired_datasets", lambda: {"gopro": GOPRO})
    folder = official("disk") / "test" / SEQUENCE / "blur"
    lost = Path("disk/a lost+found")
    lost.mkdir(mode=0)
    (folder / "000002.png").chmod(0)
    with without_rights():
        status, out, errors = told(name, STAGES[name], capsys)
    lost.chmod(0o700)

    assert (status, errors) == (0, "")
    assert "000002.png cannot be read as an image (Permission denied)" in out


@pytest.mark.skipif(sys.platform != "linux", reason="rights of root are taken away as Linux does it")
def test_a_folder_that_may_not_be_read():
    """It does not look like one without images."""
    folder = official("data") / "test" / SEQUENCE / "sharp"
    folder.chmod(0)
    with without_rights():
        found = verdict()
    folder.chmod(0o700)

    assert found[0] == "broken"
    assert (
        f"GOPRO_Large/test/{SEQUENCE}/sharp: Permission denied; allowed: what this user may read and write"
        in found[1]
    )


@pytest.mark.skipif(sys.platform != "linux", reason="rights of root are taken away as Linux does it")
@pytest.mark.parametrize("name", STAGES)
def test_results_that_cannot_be_written(name, capsys, monkeypatch):
    """One line with the place and what is allowed."""
    monkeypatch.setattr(authors, "paired_datasets", lambda: {"gopro": GOPRO})
    official("data")
    Path("results").mkdir(mode=0o500)
    with without_rights():
        line = one_line(told(name, STAGES[name], capsys))

    assert "cannot be written (Permission denied; allowed: what this user may read and write)" in line
    assert line.startswith(f"{name}: results/")


def test_two_keys_in_params(capsys):
    """YAML takes the last; a reader of the file may mean the first."""
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(f"{text}profile: smoke\n")
    assert "params.yaml, line 2: key 'profile' is also in line 1" in one_line(told("a", authors.main, capsys))

    Path("params.yaml").write_text(f"{text}rates: {{a: 1, a: 2}}\n")
    assert "params.yaml, line 2: key 'a' is also in line 2" in one_line(told("a", prices.read_rates, capsys))


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_that_lacks_letters(encoding, monkeypatch):
    """A name in Greek is escaped, and the stage ends well."""
    (official("data") / "test" / SEQUENCE / "blur" / "αβγ.png").write_text("no image")
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
    status = trouble.told("doctor", doctor.main)

    assert status == 0
    assert rb"\u03b1\u03b2\u03b3.png cannot be read as an image" in out.getvalue()


def test_an_ascii_locale(machine):
    """Without UTF-8 and without HOME, in a folder with blanks and umlauts, the table is the same."""
    official("ein Ordner/größer/data")
    folder = machine / "ein Ordner" / "größer"
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    environment |= {"PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "pipelines.doctor"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=300)
    rows = {(row.dataset, row.split): row for row in read_rows(folder / DATASETS, DatasetSplit)}

    assert (done.returncode, done.stderr) == (0, b"")
    assert rows["gopro", "test"].problems.startswith("images that are not 1280x720: 4 of 96x64")


def test_a_reader_that_goes_away():
    """`python -m pipelines.doctor | head -1` is no trouble."""
    code = "from pipelines import run_stage; run_stage('doctor', print, 'x' * 1_000_000)"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()

    assert (process.returncode, errors) == (128 + signal.SIGPIPE, b"")
