"""Files that nobody wrote on purpose: each reader gives the right values or one line, and runs nothing.

DEBLUR_FUZZ=1000 tries so many files per reader, in place of a few (counts: docs/reliability.md).
"""

import csv
import io
import math
import os
import struct
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmark import claims, spec
from benchmark.compare import audit
from benchmark.data import archives, examinations, fetch, listing
from benchmark.data.pairs import image
from benchmark.results import read_rows
from benchmark.results.schema import Complexity, DatasetSplit, Measurement, Score
from benchmark.timing import prices, storage
from benchmark.training import checkpoint
from benchmark.weights import formats, pretrained
from pipelines import authors
from tests import project
from tests.fuzzing import attempt, saved, write
from tests.test_audit import CLAIMS, RESULTS

ROOT = Path(__file__).parents[1]
TRIES = int(os.environ.get("DEBLUR_FUZZ", "12"))
fuzz = settings(
    max_examples=TRIES,
    deadline=None,
    derandomize="DEBLUR_FUZZ" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@st.composite
def damaged(draw, *originals):
    """Draw one of some files, with up to four changes: bytes, cuts, repetitions, foreign text."""
    content = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        size = draw(st.integers(0, 40))
        change = draw(st.sampled_from(["bit", "cut", "drop", "repeat", "text", "bytes"]))
        if change == "bit" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "cut":
            del content[at:]
        elif change == "drop":
            del content[at : at + size]
        elif change == "repeat":
            content[at:at] = content[at : at + size]
        elif change == "text":
            content[at:at] = draw(st.sampled_from(TEXTS)).encode()
        else:
            content[at:at] = draw(st.binary(max_size=8))
    return bytes(content)


TEXTS = [
    *(
        "\ufeff",
        "\r\n",
        "\n",
        ";",
        ",",
        '"',
        "nan",
        "-1",
        "1e999",
        "inf",
        "null",
        "[",
        "{",
        ": ",
        "&a *a",
        "<<: ",
    ),
    *(
        "\t",
        "\0",
        "∞",
        "0x1F",
        "1_000",
        "٣",
        "..",
        "\\",
        "../" * 9,
        "~",
        "9" * 400,
        "- " * 60,
        "<<<<<<< HEAD\n",
    ),
    "!!python/object/apply:os.system ['touch ran']",
]


# YAML


@fuzz
@given(content=damaged(*[path.read_bytes() for path in sorted((ROOT / "benchmark/claims").glob("*.yaml"))]))
def test_claims(content):
    """A claims file is read or refused."""
    attempt(claims.read_paper, write("tiny.yaml", content), "tiny.yaml")


@fuzz
@given(
    params=damaged((ROOT / "params.yaml").read_bytes()),
    runs=damaged(
        (ROOT / spec.RUNS / "dmphn.yaml").read_bytes(), (ROOT / spec.RUNS / "sgenet.yaml").read_bytes()
    ),
    profile=damaged((ROOT / spec.PROFILES / "embedded.yaml").read_bytes()),
)
def test_params_runs_and_profiles(params, runs, profile):
    """They are read or refused; the prices too."""
    project.copy(Path())
    for name, content in (("params.yaml", params), ("benchmark/runs/dmphn.yaml", runs)):
        write(name, content)
    write("benchmark/profiles/embedded.yaml", profile)
    attempt(spec.load)
    attempt(prices.read_rates)
    read = attempt(spec.read_yaml, Path("params.yaml"))
    if isinstance(read, dict):  # what is read is what another parser reads
        assert repr(yaml.safe_load(params.decode("utf-8"))) == repr(read)
    assert not Path("ran").exists()


@fuzz
@given(claimed=damaged(CLAIMS.encode()), results=damaged(RESULTS.encode()))
def test_audits(claimed, results):
    """An audit of somebody else's paper gives verdicts or one line."""
    attempt(audit.audit, write("tiny.yaml", claimed), write("tiny.csv", results))


# Tables and records

TABLES = {
    "results/complexity.csv": Complexity,
    "results/datasets.csv": DatasetSplit,
    "results/authors/measurements.csv": Measurement,
    "results/authors/quality.csv": Score,
}


def first_lines(name):
    """Return the first lines of a committed table."""
    return b"".join((ROOT / name).read_bytes().splitlines(keepends=True)[:6])


@pytest.mark.parametrize("name", TABLES)
@fuzz
@given(data=st.data())
def test_tables(name, data):
    """A table is refused, or every number is what Python's own parser reads in that cell."""
    content = data.draw(damaged(first_lines(name)))
    rows = attempt(read_rows, write("table.csv", content), TABLES[name])
    if rows is None:
        return
    text = content.decode("utf-8-sig")
    cells = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    assert len(rows) == len(cells) - 1
    for row, line in zip(rows, cells[1:], strict=True):
        for column, cell in zip(cells[0], line, strict=True):
            value = getattr(row, column, None)
            if isinstance(value, int | float):
                assert float(cell) == value
                assert value < 2**63 or value == math.inf


RECORDING = (ROOT / "results/runtime/amd-epyc-2-threads/copy.jsonl").read_bytes().splitlines()[0]


@fuzz
@given(content=damaged(RECORDING))
def test_recordings(content):
    """A line is a recording or refused, in the file too."""
    write("runtime/device/copy.jsonl", content)
    attempt(lambda: list(storage.read(Path("runtime"))))


RECORD = (ROOT / "results/authors/record.json").read_bytes()[:1500] + b'"x": 1}}}'


@fuzz
@given(content=damaged(b'{"a": {"gopro": {"images": 0, "total": 3, "lacks": "why"}}}', RECORD))
def test_records(content):
    """The authors' record, sums of downloads, notes of a part, what the doctor measured: read or refused."""
    write("results/authors/record.json", content)
    record = attempt(authors.read_record)
    for entry in (entry for sets in (record or {}).values() for entry in sets.values()):
        assert type(entry["images"]) is type(entry["total"]) is int
    write("sums.json", content)
    attempt(fetch.load_sums, Path())
    write("x.part.json", content)
    attempt(fetch.load_notes, Path("x.part"))
    assert isinstance(examinations.read_cache(write("cache.json", content)), dict)


# Lists and archives

PAIRS = [f"scene{n}/gt/gt_{n}.png scene{n}/blur/blur_{n}.png" for n in (1, 2, 3)]


@fuzz
@given(content=damaged("\n".join(PAIRS).encode()))
def test_lists(content):
    """A list is refused, or names pairs of the right list: none twice, none elsewhere."""
    for line in PAIRS:
        for name in line.split():
            write(f"RealBlur/{name}", b"")
    write("RealBlur/test.txt", content)
    files = attempt(listing.read_list, Path("RealBlur"), "test", "{split}.txt") or []
    names = [str(pair.blurry) for pair in files]

    assert len(set(names)) == len(names)
    assert set(names) <= {f"RealBlur/{line.split()[1]}" for line in PAIRS}


def packed():
    """Pack two files as zip and as tar."""
    contents = {"set/a/1.png": b"one" * 50, "set/b/2.png": b"two" * 50}
    made = []
    with io.BytesIO() as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
        made.append(out.getvalue())
    for mode in ("w", "w:gz"):
        with io.BytesIO() as out:
            with tarfile.open(fileobj=out, mode=mode) as archive:
                for name, content in contents.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
            made.append(out.getvalue())
    return made


@fuzz
@given(content=damaged(*packed()), place=st.uuids())
def test_archives(content, place):
    """An archive is unpacked inside its folder, or leaves nothing."""
    root = Path(str(place))
    attempt(archives.unpack, write(root / "set.zip", content), root / "in" / "set")
    outside = {path for path in root.rglob("*") if path.is_file()} - {root / "set.zip"}

    assert all((root / "in" / "set") in path.parents for path in outside)


# Images


@st.composite
def pictures(draw):
    """Draw an image file of any mode, size and option."""
    mode = draw(st.sampled_from(["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "CMYK", "I", "F"]))
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shown = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
    if mode == "I;16":
        shown = Image.fromarray(rng.integers(0, 65536, (height, width), np.uint16))
    elif mode in ("LA", "RGBA"):
        shown = shown.convert(mode)
        shown.putalpha(draw(st.sampled_from([255, 254, 0])))
    else:
        shown = shown.convert(mode)
    kind = draw(st.sampled_from(["png", "jpg", "bmp"]))
    more = {}
    if draw(st.booleans()):
        more["exif"] = Image.Exif()
        more["exif"][0x0112] = draw(st.integers(0, 9))
    if draw(st.booleans()):
        more["icc_profile"] = draw(st.binary(min_size=1, max_size=300))
    if kind == "jpg":
        more["progressive"] = draw(st.booleans())
    if kind == "png" and mode in ("RGB", "L") and draw(st.booleans()):
        more["transparency"] = (1, 2, 3) if mode == "RGB" else 7
    with io.BytesIO() as out:
        try:
            shown.save(out, {"png": "PNG", "jpg": "JPEG", "bmp": "BMP"}[kind], **more)
        except (OSError, ValueError):  # no such file exists
            shown.convert("RGB").save(out, "PNG")
            kind = "png"
        return kind, out.getvalue()


@fuzz
@given(drawn=pictures())
def test_images(drawn):
    """An image of any mode is refused, or has the pixels that OpenCV reads."""
    kind, content = drawn
    path = write(f"x.{kind}", content)
    pixels = attempt(image, path)
    if pixels is None:
        return
    theirs = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert pixels.shape == theirs.shape
    tolerance = 0 if kind != "jpg" else 3  # two decoders of JPEG
    assert np.abs(pixels.astype(int) - theirs[..., ::-1]).max() <= tolerance


@fuzz
@given(drawn=pictures(), data=st.data())
def test_damaged_images(drawn, data):
    """A damaged file is refused, or is 8-bit RGB; damage to a PNG's pixels is refused or changes none."""
    kind, original = drawn
    before = attempt(image, write(f"a.{kind}", original))
    after = attempt(image, write(f"b.{kind}", data.draw(damaged(original))))
    assert after is None or (after.dtype == np.uint8 and after.shape[2:] == (3,))
    if kind == "png" and before is not None:
        begin = original.index(b"IDAT")
        flipped = bytearray(original)
        length = int.from_bytes(original[begin - 4 : begin], "big")
        flipped[data.draw(st.integers(begin + 4, begin + 3 + length))] ^= 1 << data.draw(st.integers(0, 7))
        after = attempt(image, write("c.png", flipped))
        assert after is None or np.array_equal(before, after)


SIDES = [(1 << 20, 1 << 20), (8001, 8000), (20000, 20000), (1, 1 << 30)]


@pytest.mark.parametrize(("width", "height"), SIDES)
def test_enormous_images(width, height):
    """A header that claims so many pixels is refused before any memory is taken."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    path = write("x.png", start + struct.pack(">I", zlib.crc32(chunk)) + bytes(20))

    assert attempt(image, path) is None


# Weights


# A layer "c1" with a blob of five numbers, as caffe.proto encodes it.
BLOB = b"\x2a\x14" + struct.pack("<5f", 1, 2, 3, 4, 5) + b"\x3a\x03\x0a\x01\x05"
CAFFE = b"\xa2\x06\x21\x0a\x02c1\x3a\x1b" + BLOB
STATE = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.ones(3)}


@fuzz
@given(content=damaged(saved(STATE), saved(STATE, _use_new_zipfile_serialization=False)))
def test_weights(content):
    """A file of weights is refused or holds a dictionary, and where it has sums the right values."""
    read = attempt(pretrained.tensors, write("w.pth", content))
    if read is None:
        return
    assert isinstance(read, dict)
    if zipfile.is_zipfile("w.pth"):
        for name, value in read.items():
            if name in STATE and isinstance(value, torch.Tensor) and value.shape == STATE[name].shape:
                assert torch.equal(value, STATE[name])


def own():
    """Save a state of training; return the bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "own.safetensors")
        checkpoint.save(path, STATE, {"step": 3})
        return path.read_bytes()


@fuzz
@given(content=damaged(own()))
def test_states_of_training(content):
    """Our own weights and states are refused or have the right values and names."""
    read = attempt(checkpoint.load, write("s.safetensors", content))
    if read is not None and "sum" in content.decode("latin-1"):
        assert read[0].keys() == STATE.keys()
        assert all(torch.equal(value, STATE[name]) for name, value in read[0].items())


def test_the_caffe_file_that_is_damaged_is_a_good_one():
    """Undamaged it has its five numbers."""
    layers = formats.caffemodel(write("x.caffemodel", CAFFE))

    assert layers["c1"][0].tolist() == [1, 2, 3, 4, 5]


@fuzz
@given(content=st.one_of(st.binary(max_size=300), damaged(CAFFE)))
def test_other_frameworks(content):
    """TensorFlow's and Caffe's files are read or refused."""
    attempt(formats.caffemodel, write("x.caffemodel", content))
    attempt(formats.checkpoint, write("x.index", content))
