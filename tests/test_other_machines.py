"""What happens on other people's machines: each case comes from a public report of such trouble."""

import io
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from benchmark import trouble
from benchmark.data import folders, health
from benchmark.data.pairs import image
from benchmark.datasets import gopro
from benchmark.models import dmphn
from benchmark.results import DATASETS, Measurement, read_rows
from benchmark.results.schema import Score
from benchmark.weights import published
from benchmark.weights.published import Asset, Published
from pipelines import authors, doctor, runtime
from tests.people import (
    GOPRO,
    SEQUENCE,
    SIZE,
    frames,
    official,
    one_line,
    save,
    told,
    without_rights,
    write_project,
)
from tests.project import ROOT
from tests.test_dmphn import authors_names

NAMES = [f"{SEQUENCE}/00000{n}" for n in (1, 2)]


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A folder of its own without other data folders, and a GoPro_Large of two pairs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEBLUR_DATA", raising=False)
    monkeypatch.setattr(gopro, "SET", GOPRO)
    monkeypatch.setattr(health, "real_set", {"gopro": GOPRO}.get)
    monkeypatch.setattr(authors, "real_set", {"gopro": GOPRO}.get)
    write_project(tmp_path)
    return tmp_path


@pytest.fixture
def measured(monkeypatch):
    """Call stage authors on GoPro_Large alone; return its rows by quantity, and its output."""

    def call():
        monkeypatch.setattr(authors, "paired_datasets", lambda: {"gopro": GOPRO})
        assert authors.main() == 0
        return {row.quantity: row for row in read_rows(Path("results/authors/measurements.csv"), Measurement)}

    return call


def seen(capsys):
    """Call stage doctor; return what it prints."""
    doctor.main()
    out, err = capsys.readouterr()
    return out + err


def verdict():
    """Return verdict and problems of the test split."""
    row = health.examine_dataset(GOPRO, Path("cache"))[0]
    return row.verdict, row.problems


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
    assert "params.yaml, line 2: key 'a' is also in line 2" in one_line(told("a", runtime.read_rates, capsys))


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_that_lacks_letters(encoding, monkeypatch):
    """A name in Greek is escaped, and the stage ends well."""
    (official("data") / "test" / SEQUENCE / "blur" / "αβγ.png").write_text("no image")
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
    status = trouble.told("doctor", doctor.main)

    assert status == 0
    assert rb"\u03b1\u03b2\u03b3.png cannot be read as an image" in out.getvalue()


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


# Weights.

KNOWN = {"of": "a test", "licence": "MIT"}
STATE = authors_names(dmphn.Net(dmphn.Config("1", width=4)))


def entry_of(contents, reads="parts", **more):
    """Write files of weights; return their entry and paths."""
    Path("w").mkdir(exist_ok=True)
    for name, content in contents.items():
        torch.save(content, Path("w", f"{name}.pkl"))
    paths = sorted(Path("w").iterdir())
    return Published("w", "w", reads=reads, files=tuple(Asset(p.name) for p in paths), **KNOWN, **more), paths


def filled(contents):
    """Read DMPHN's parts from files and fill the network."""
    entry, paths = entry_of(contents)
    net = dmphn.Net(dmphn.Config("1", width=4))
    published.fill(net, published.read(entry, "dmphn", paths), entry)
    return net


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (None, "holds a NoneType, not weights by name"),
        (torch.zeros(2), "holds a Tensor, not weights by name"),
        ({}, "w/w.pkl: holds nothing; allowed: tensors by name"),
        ({0: torch.zeros(2)}, "has an entry 0; allowed: names in letters"),
        ({"model": [torch.zeros(2)]}, "w/w.pkl: model is a list; allowed: a tensor"),
        ({"model": {"a": torch.zeros(2)}}, "w/w.pkl: model is a dict; allowed: a tensor"),
        ({"Encoder.x": torch.zeros(2)}, "w: w/w.pkl: cannot be read as weights of w"),
    ],
)
def test_weights_of_an_unexpected_shape(contents, reason):
    """One line with the file, what it holds and what is allowed."""
    entry, paths = entry_of({"w": contents}, reads="torch")
    with pytest.raises(ValueError, match=r"^w") as caught:
        published.read(entry, "mimo_unet", paths)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("contents", [[torch.zeros(2)], None, torch.zeros(2), {"b": torch.zeros(2)}])
def test_an_entry_of_an_unexpected_shape(contents):
    """Where the weights are an entry of the file: `{'model': [...]}`."""
    entry, paths = entry_of({"w": {"model": contents}}, reads="torch", key="model")

    with pytest.raises(ValueError, match=r"w/w.pkl: .*(allowed: tensors by name|cannot be read as weights)"):
        published.read(entry, "mimo_unet", paths)


def test_weights_that_are_no_numbers_or_few_bits():
    """NaN, infinite and 8-bit weights do not load; the message has the name and what is allowed."""
    for value, reason in (
        (torch.tensor(float("nan")), r"\d+ of \d+ numbers are not finite"),
        (torch.tensor(float("inf")), r"\d+ of \d+ numbers are not finite"),
        (torch.tensor(1, dtype=torch.int8), "has int8 numbers; allowed: float32, float64"),
        (torch.tensor(1.0, dtype=torch.float16), "has float16 numbers; allowed: float32, float64"),
    ):
        part, name = next((part, name) for part, state in STATE.items() for name in state)
        spoilt = {**STATE, part: STATE[part] | {name: value.expand_as(STATE[part][name]).clone()}}
        with pytest.raises(ValueError, match=reason):
            filled(spoilt)


@pytest.mark.parametrize("wrap", ["module.", "state_dict"])
def test_parts_in_a_wrapper(wrap):
    """DMPHN's files saved from DataParallel, or as `{'state_dict': ...}`, are the same weights."""

    def wrapped(state):
        if wrap == "state_dict":
            return {wrap: state}
        return {f"{wrap}{name}": value for name, value in state.items()}

    right, other = filled(STATE), filled({part: wrapped(state) for part, state in STATE.items()})

    assert all(torch.equal(a, b) for a, b in zip(right.parameters(), other.parameters(), strict=True))


def test_one_bad_file_does_not_stop_the_others(measured, monkeypatch, capsys):
    """The run with a strange checkpoint has a row with the reason; the runs after it are measured."""
    official("data")
    torch.save({"model": [1]}, Path("w.pth"))
    entry = Published("w", "w", files=(Asset("w.pth"),), **KNOWN)
    monkeypatch.setattr(authors, "entries_by_run", lambda runs: dict.fromkeys(runs) | {"odd": entry})
    monkeypatch.setattr(published, "obtain", lambda entry, silent: [Path("w.pth")])
    runs = authors.spec.load()[1]
    odd = replace(runs["blurred"], name="odd", model="mimo_unet", weights="w", test_on=("gopro",))
    monkeypatch.setattr(authors.spec, "load", lambda: (None, {"odd": odd, **runs}))
    measured()
    rows = read_rows(Path("results/authors/measurements.csv"), Measurement)

    assert {(row.run, row.value is None) for row in rows} == {("odd", True), ("blurred", False)}
    assert "model is a list" in next(row.note for row in rows if row.run == "odd")


# C. What is not as published is not accepted.


def test_sixteen_bits_are_not_clipped():
    """An image of 16 bits is refused; grey was clipped at 255, which gave 52.66 dB where 24.11 is right."""
    path = official("data") / "test" / SEQUENCE / "sharp" / "000001.png"
    colour = cv2.imread(str(path)).astype(np.uint16) * 257
    for pixels in (colour, colour[..., 0]):
        cv2.imwrite(str(path), pixels)
        with pytest.raises(ValueError, match=r"16 bits a channel; allowed: 8"):
            image(path)


def saved_twice(folder):
    """Leave a preview beside each image of one folder."""
    for path in (folder / "blur").iterdir():
        Image.open(path).save(path.with_suffix(".jpg"), quality=60)


def sharp_saved_twice(folder):
    """Leave a preview beside each sharp image."""
    for path in (folder / "sharp").iterdir():
        Image.open(path).save(path.with_suffix(".jpg"), quality=60)


def exchanged(folder):
    """Exchange the two folders."""
    (folder / "blur").rename(folder / "x")
    (folder / "sharp").rename(folder / "blur")
    (folder / "x").rename(folder / "sharp")


def copied(folder):
    """Put a sharp image into the blurred one's place."""
    (folder / "blur" / "000001.png").write_bytes((folder / "sharp" / "000001.png").read_bytes())


def as_jpeg(folder):
    """Save the whole set again as JPEG."""
    for path in folder.glob("*/*.png"):
        Image.open(path).save(path.with_suffix(".jpg"), quality=60)
        path.unlink()


def sharp_in_grey(folder):
    """Take the colour out of the sharp images."""
    for path in (folder / "sharp").iterdir():
        Image.open(path).convert("L").save(path)


MISTAKES = {
    saved_twice: f"GOPRO_Large: {NAMES[0]} is there twice (000001.",
    sharp_saved_twice: f"{NAMES[0]} is there twice (000001.",
    exchanged: "blurred and sharp are exchanged: the blurred images are the sharper ones",
    copied: f"blurred and sharp are the same picture: {NAMES[0]}",
    as_jpeg: "saved again, not as PNG: 000001.jpg, 000002.jpg",
    sharp_in_grey: f"without colour, the blurred or the sharp image: {NAMES[0]}, {NAMES[1]}",
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda function: function.__name__)
def test_a_copy_that_is_not_as_published(mistake, capsys, measured):
    """The doctor calls it broken with the reason, and nothing is measured of it."""
    mistake(official("data") / "test" / SEQUENCE)

    assert verdict()[0] == "broken"
    assert MISTAKES[mistake] in verdict()[1]
    assert MISTAKES[mistake] in seen(capsys)
    row = measured()["psnr"]
    assert (row.value, row.n) == (None, 0)
    assert MISTAKES[mistake] in row.note
    assert not read_rows(Path("results/authors/quality.csv"), Score)


def test_a_sound_copy_has_the_number_of_another_library(measured):
    """Of what is measured, the value is scikit-image's."""
    official("data")
    expected = np.mean([peak_signal_noise_ratio(sharp, blurry) for _, sharp, blurry in frames()])

    assert measured()["psnr"].value == pytest.approx(expected, abs=1e-5)


def test_pictures_as_opencv_reads_them():
    """Grey, palette, bilevel, opaque, with a profile, turned by EXIF: OpenCV's pixels; others are refused."""
    sharp = next(frames())[1]
    picture = Image.fromarray(sharp)
    turned = Image.Exif()
    turned[0x0112] = 6
    made = {
        "grey.png": (picture.convert("L"), {}),
        "palette.png": (picture.convert("P"), {}),
        "bilevel.png": (picture.convert("1"), {}),
        "opaque.png": (picture.convert("RGBA"), {}),
        "profile.png": (picture, {"icc_profile": b"x" * 200}),
        "turned.jpg": (picture, {"exif": turned, "quality": 95}),
        "turned.png": (picture, {"exif": turned}),
    }
    for name, (content, more) in made.items():
        content.save(name, **more)
        assert np.array_equal(image(Path(name)), cv2.imread(name)[..., ::-1]), name
    for name, content in (("cmyk.jpg", picture.convert("CMYK")), ("float.tiff", picture.convert("F"))):
        content.save(name)
        with pytest.raises(ValueError, match=f"{name}: cannot be read as an image"):
            image(Path(name))
    see_through = picture.convert("RGBA")
    see_through.putalpha(100)
    see_through.save("clear.png")
    with pytest.raises(ValueError, match="transparent pixels; allowed: none"):
        image(Path("clear.png"))


# D. Lists of pairs.

SCENE = "RealBlur-J_ECC_IMCORR_centroid_itensity_ref/scene001"
REALBLUR = replace(health.real_set("realblur_j"), counts={"test": {"": 2}})
PAIRS = [f"{SCENE}/gt/gt_{n}.png {SCENE}/blur/blur_{n}.png" for n in (1, 2)]


def write_list(content):
    """Write RealBlur's two pairs and a list of them; return what the doctor says."""
    for number, sharp, blurry in frames():
        save(sharp, Path("data/RealBlur", SCENE, "gt", f"gt_{int(number)}.png"))
        save(blurry, Path("data/RealBlur", SCENE, "blur", f"blur_{int(number)}.png"))
    Path("data/RealBlur/RealBlur_J_test_list.txt").write_bytes(content)
    row = health.examine_dataset(REALBLUR, Path("cache"))[0]
    return row.verdict, row.problems


@pytest.mark.parametrize("content", ["\n".join(PAIRS), "\ufeff" + "\r\n".join(PAIRS) + "\r\n\r\n"])
def test_a_list_that_another_editor_saved(content):
    """A byte-order mark and Windows' line ends change nothing: the first pair is not lost."""
    assert write_list(content.encode()) == ("complete", "")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([PAIRS[0], PAIRS[1].split()[0]], ", line 2: '.*gt_2.png'; allowed: the sharp image"),
        ("\n".join(PAIRS).encode("utf-16"), ": 'utf-8' codec can't decode .*; allowed: UTF-8 text"),
        ([pair.replace("/", "\\") for pair in PAIRS], ", line 1: .* has a backslash; allowed: /"),
        ([*PAIRS, PAIRS[0]], ", line 3: blur_1.png is also in line 1; allowed: once"),
        ([" ".join(pair.split()[::-1]) for pair in PAIRS], ", line 1: the blurred image comes first"),
        ([PAIRS[0], "/etc/a/b.png ../../b.png"], ", line 2: '/etc/a/b.png'; allowed: <folder>"),
        ([PAIRS[0], "a/b/c.txt a/b/d.txt"], ", line 2: 'a/b/c.txt' is no image; allowed: .png"),
    ],
    ids=["one name", "UTF-16", "backslashes", "twice", "columns exchanged", "elsewhere", "no image"],
)
def test_a_bad_list_is_named_with_its_line(content, problem):
    """Nothing is left out without a word, nothing counts twice."""
    state, problems = write_list(content if isinstance(content, bytes) else "\n".join(content).encode())

    assert state == "broken"
    assert re.match(f"RealBlur/RealBlur_J_test_list.txt{problem}", problems)


def test_columns_exchanged_under_other_names():
    """Where folders do not tell, the pictures do: the blurred ones are the sharper ones."""
    lines = [f"{SCENE}/a/a_{n}.png {SCENE}/b/b_{n}.png" for n in (1, 2)]
    for number, sharp, blurry in frames():
        save(blurry, Path("data/RealBlur", SCENE, "a", f"a_{int(number)}.png"))
        save(sharp, Path("data/RealBlur", SCENE, "b", f"b_{int(number)}.png"))
    state, problems = write_list("\n".join(lines).encode())

    assert (state, "exchanged" in problems) == ("broken", True)


def test_folders_are_searched_in_order(monkeypatch):
    """`data` first, and an unfinished download nowhere."""
    for place in ("data/x.part/set", "one/set", "one/deep/set"):
        Path(place).mkdir(parents=True)
    monkeypatch.setenv("DEBLUR_DATA", "one")

    assert [str(path) for path in folders.find_all("set")] == ["one/set", "one/deep/set"]
    assert GOPRO.size == SIZE
