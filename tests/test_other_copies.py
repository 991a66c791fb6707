"""Copies of a set that are not as it was published, and lists of pairs as editors leave them."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from benchmark.data import folders, health
from benchmark.data.pairs import image
from benchmark.results import read_rows
from benchmark.results.schema import Score
from tests.people import (
    GOPRO,
    SEQUENCE,
    SIZE,
    frames,
    official,
    save,
    seen,
    verdict,
)

pytestmark = pytest.mark.usefixtures("machine")
NAMES = [f"{SEQUENCE}/00000{n}" for n in (1, 2)]


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
