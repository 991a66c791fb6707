"""Reading pairs from disk: errors name the file."""

import numpy as np
import pytest
from PIL import Image

from benchmark.data.pairs import image, read_pairs


def save(path, height=4, width=6, level=0):
    """Write a PNG of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), level, np.uint8)).save(path)


def test_pairs_are_made_by_name(tmp_path):
    """Frames pair by their names, in order, whatever order the file system lists."""
    for level, stem in enumerate(("000010", "000002")):
        for kind in ("blur", "sharp"):
            save(tmp_path / "s" / kind / f"{stem}.png", level=level)
    pairs = read_pairs(tmp_path)

    assert pairs.names == ["s/000002", "s/000010"]
    assert [int(b[0, 0, 0]) for b in pairs.blurry] == [1, 0] == [int(s[0, 0, 0]) for s in pairs.sharp]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"blur/1": 4, "blur/2": 4, "sharp/2": 4}, "frame '1' is in only one of blur/ and sharp/"),
        ({"blur/1": 4, "sharp/1": 5}, r"\(4, 6, 3\) but sharp is \(5, 6, 3\)"),
        ({}, "no pairs in <sequence>/blur and <sequence>/sharp"),
    ],
)
def test_what_is_no_pair_is_named(files, message, tmp_path):
    """A frame without its partner (not a shift of all later pairs), two sizes in a pair, an empty folder."""
    for name, height in files.items():
        save(tmp_path / "s" / f"{name}.png", height)

    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\0\0"])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    """An empty, foreign or truncated file gives one line with its path."""
    (tmp_path / "x.png").write_bytes(content)

    with pytest.raises(ValueError, match=r"x.png: cannot be read as an image"):
        image(tmp_path / "x.png")
