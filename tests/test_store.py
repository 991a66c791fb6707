"""Decoded images on disk: the pixels of the files, complete or not at all, in the page cache alone."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data import store
from benchmark.data.pairs import PairFiles, image
from tests.hostile import listing

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data"


def drawn(path, height, width, seed=0):
    """Write an image file of random pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path, compress_level=0)
    return path


def write_pairs(folder, sizes):
    """Write a pair of files for each (height, width)."""
    return [
        PairFiles(
            str(i), *(drawn(folder / kind / f"{i}.png", *size, seed=2 * i + j) for j, kind in enumerate("bs"))
        )
        for i, size in enumerate(sizes)
    ]


def test_images_are_those_of_the_files(tmp_path):
    """Sizes may differ between pairs; a file that two pairs share is kept once; nobody can write into it."""
    pairs = write_pairs(tmp_path, [(5, 7), (9, 4), (1, 1)])
    pairs.append(replace(pairs[0], name="again"))
    blurry, sharp = store.load(pairs, tmp_path / "decoded")

    assert all(np.array_equal(pixels, image(pair.blurry)) for pixels, pair in zip(blurry, pairs, strict=True))
    assert all(np.array_equal(pixels, image(pair.sharp)) for pixels, pair in zip(sharp, pairs, strict=True))
    assert (tmp_path / "decoded" / "pixels").stat().st_size == 2 * 3 * (5 * 7 + 9 * 4 + 1)
    assert listing(tmp_path / "decoded") == ["index.json", "pixels"]
    assert not blurry[0].flags.writeable


def test_grey_and_opaque_files_are_rgb(tmp_path):
    """Images have three channels, whatever a file has, unless it cannot be shown without loss."""
    grey, clear = tmp_path / "grey.png", tmp_path / "clear.png"
    Image.new("L", (3, 2), 100).save(grey)
    Image.new("RGBA", (3, 2), (1, 2, 3, 255)).save(clear)
    blurry, sharp = store.load([PairFiles("a", grey, clear)], tmp_path / "decoded")

    assert blurry[0].tolist() == [[[100] * 3] * 3] * 2
    assert sharp[0].tolist() == [[[1, 2, 3]] * 3] * 2


def test_files_are_decoded_once_and_again_when_they_change(tmp_path, monkeypatch):
    """A second load reads no image; a changed, a removed or an added source is noticed."""
    pairs = write_pairs(tmp_path, [(4, 6), (4, 6)])
    store.load(pairs, tmp_path / "decoded")
    with monkeypatch.context() as patched:
        patched.setattr(store, "image", lambda path: pytest.fail(f"{path} is read again"))
        store.load(pairs, tmp_path / "decoded")
    old = store.load(pairs, tmp_path / "decoded")[1][1]
    kept = old.copy()
    drawn(pairs[1].sharp, 4, 6, seed=9)
    os.utime(pairs[1].sharp, ns=(0, 0))  # the same size in bytes, another time
    new = store.load(pairs, tmp_path / "decoded")[1][1]

    assert np.array_equal(new, image(pairs[1].sharp))
    assert np.array_equal(old, kept)  # images in use keep their pixels
    assert not np.array_equal(old, new)
    assert len(store.load(pairs[1:], tmp_path / "decoded")[0]) == 1


@pytest.mark.parametrize("harm", ["index.json", "pixels"])
def test_a_damaged_store_is_decoded_again(tmp_path, harm):
    """Half an index or too few pixels are not taken for the set."""
    pairs = write_pairs(tmp_path, [(4, 6)])
    store.load(pairs, tmp_path / "decoded")
    file = tmp_path / "decoded" / harm
    file.write_bytes(file.read_bytes()[:-20])

    assert np.array_equal(store.load(pairs, tmp_path / "decoded")[0][0], image(pairs[0].blurry))


def test_a_truncated_image_is_named_and_leaves_nothing(tmp_path):
    """One line that names the file, an empty folder, and the next run is right once the file is."""
    pairs = write_pairs(tmp_path, [(40, 60)] * 3)
    content = pairs[1].blurry.read_bytes()
    pairs[1].blurry.write_bytes(content[: len(content) // 2])

    with pytest.raises(ValueError, match=r"b/1\.png: cannot be read as an image \(.*truncated.*\)$"):
        store.load(pairs, tmp_path / "decoded")
    assert listing(tmp_path / "decoded") == []

    pairs[1].blurry.write_bytes(content)

    assert np.array_equal(store.load(pairs, tmp_path / "decoded")[0][1], image(pairs[1].blurry))


def test_what_cannot_be_a_pair_is_refused(tmp_path):
    """No pairs, no sharp image, no file, two sizes: each in one line, each leaving nothing."""
    one, other = write_pairs(tmp_path, [(4, 6), (6, 4)])
    for pairs, message in (
        ([], r"decoded: no images to decode$"),
        ([replace(one, sharp=None)], r"b/0\.png: has no sharp image to be compared with$"),
        ([replace(one, sharp=tmp_path / "x")], r"x: cannot be read as an image \(No such file .*\)$"),
        ([replace(one, sharp=other.sharp)], r"b/0\.png: 6x4 but .*s/1\.png is 4x6$"),
    ):
        with pytest.raises(ValueError, match=message):
            store.load(pairs, tmp_path / "decoded")
        assert not (tmp_path / "decoded").exists() or listing(tmp_path / "decoded") == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_one_line(tmp_path):
    """The line names the folder; nothing stays that would keep the disk full."""
    (tmp_path / "decoded").mkdir()
    (tmp_path / "decoded" / "pixels.part").symlink_to("/dev/full")

    with pytest.raises(ValueError, match=r"decoded: cannot be written \(No space left on device\)$"):
        store.load(write_pairs(tmp_path, [(4, 6)]), tmp_path / "decoded")
    assert listing(tmp_path / "decoded") == []


LOADER = """
import sys
from pathlib import Path
import numpy as np
from benchmark.data import store
from benchmark.data.pairs import PairFiles
folder = Path(sys.argv[1])
pairs = [PairFiles(p.stem, p, folder / "s" / p.name) for p in sorted((folder / "b").iterdir())]
"""


def started(code, folder):
    """Start a Python process that has `pairs` and a store in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-c", LOADER + code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_processes_at_once_decode_once(tmp_path):
    """The second waits for the first and maps the same file."""
    write_pairs(tmp_path, [(40, 60)] * 20)
    code = """
read = []
image, store.image = store.image, lambda path: read.append(path) or image(path)
blurry, sharp = store.load(pairs, folder / "decoded")
print(len(read), sum(int(x.sum()) for x in blurry + sharp))
"""
    outputs = [process.communicate()[0].split() for process in [started(code, tmp_path) for _ in range(2)]]

    assert sorted(count for count, _ in outputs) == ["0", "40"]
    assert outputs[0][1] == outputs[1][1]


def test_a_killed_process_leaves_no_store(tmp_path):
    """Its partial file is no store, keeps nobody waiting, and is removed by the next run."""
    pairs = write_pairs(tmp_path, [(40, 60)] * 4)
    code = """
import time
image, store.image = store.image, lambda path: time.sleep(60 * (path.name == "3.png")) or image(path)
store.load(pairs, folder / "decoded")
"""
    process = started(code, tmp_path)
    part = tmp_path / "decoded" / "pixels.part"
    while not part.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    left = listing(tmp_path / "decoded")
    blurry, _ = store.load(pairs, tmp_path / "decoded")

    assert left == ["pixels.part"]
    assert np.array_equal(blurry[3], image(pairs[3].blurry))
    assert listing(tmp_path / "decoded") == ["index.json", "pixels"]


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="no kinds of memory without Linux")
def test_the_page_cache_is_all_the_memory_it_takes(tmp_path):
    """Crops from all over a set of 48 MB: its pages are mapped, the process's own memory does not grow."""
    write_pairs(tmp_path, [(1000, 1000)] * 8)
    code = """
def kinds():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}

store.load(pairs, folder / "decoded")
rng, before = np.random.default_rng(0), kinds()
blurry, sharp = store.load(pairs, folder / "decoded")
total = 0
for _ in range(2000):
    index, y, x = rng.integers(8), *rng.integers(1000 - 64, size=2)
    total += sum(int(images[index][y : y + 64, x : x + 64].sum()) for images in (blurry, sharp))
after = kinds()
print(after["Rss"] - before["Rss"], after["Anonymous"] - before["Anonymous"])
"""
    resident, own = map(float, started(code, tmp_path).communicate()[0].split())

    assert resident > 40
    assert own < 2


@pytest.mark.skipif(not REAL.is_dir(), reason="needs real images")
def test_real_frames_are_decoded_as_they_are(tmp_path):
    """A pair of GoPro_Large, read back pixel by pixel from the store."""
    folder = REAL / "GOPRO_Large" / "test" / "GOPR0384_11_00"
    pair = PairFiles("1", folder / "blur" / "000001.png", folder / "sharp" / "000001.png")
    blurry, sharp = store.load([pair], tmp_path / "decoded")

    assert blurry[0].shape == (720, 1280, 3)
    assert np.array_equal(blurry[0], image(pair.blurry))
    assert np.array_equal(sharp[0], image(pair.sharp))
    assert len(json.loads((tmp_path / "decoded" / "index.json").read_text())["places"]) == 2
