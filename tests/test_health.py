"""The dataset doctor: every fault of a folder is reported, and nothing is reported of a sound one."""

import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image
from scipy.ndimage import shift as shifted
from scipy.ndimage import uniform_filter1d

from benchmark import spec
from benchmark.data import examinations, health
from benchmark.data.examine import measure_shift, perceptual_hash, response_slope
from benchmark.datasets import embedded
from benchmark.results import DATASETS
from pipelines import data as data_stage
from pipelines import doctor as doctor_stage

SHARED = Path(__file__).parents[2] / "shared" / "data"

SIZE = (96, 64)  # width, height
GOPRO = replace(health.real_set("gopro"), counts={"train": {"A": 2}, "test": {"B": 2}}, size=SIZE)
CACHE = Path("cache")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """A working directory of its own, where data/ is the only data folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEBLUR_DATA", raising=False)


@pytest.fixture(scope="module")
def exposures():
    """Exposures of the simulated camera, averaged as encoded and as light."""
    return [embedded.render(split, index)[1] for split, index in (("test", 0), ("test", 7), ("train", 5))]


def path(split, sequence, kind, frame):
    """Return a file's path in GoPro's layout."""
    return Path(f"data/GOPRO_Large/{split}/{sequence}/{kind}/{frame:06d}.png")


def save(pixels, file):
    """Write an image."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def write_sound_set(width=SIZE[0], height=SIZE[1]):
    """Write a sound set: different parts of photographs, and what is left of them after a motion sideways."""
    photographs = skimage.data.astronaut(), skimage.data.coffee()
    for split, sequence, photograph in zip(("train", "test"), "AB", photographs, strict=True):
        for frame in (1, 2):
            sharp = photograph[100 * frame :, 150 * frame :][:height, :width]
            save(sharp, path(split, sequence, "sharp", frame))
            blurry = np.rint(uniform_filter1d(sharp.astype(float), 7, axis=1)).astype(np.uint8)
            save(blurry, path(split, sequence, "blur", frame))


def verdicts(dataset=GOPRO):
    """Return verdict and problems of each split."""
    return {row.split: (row.verdict, row.problems) for row in health.examine_dataset(dataset, CACHE)}


def test_how_frames_were_averaged(exposures):
    """The slope is 0 for means of encoded frames and 1 for means of light, as the camera model averages."""
    encoded = [response_slope(exposure.blur, exposure.sharp) for exposure in exposures]
    light = [response_slope(exposure.blur_gamma, exposure.sharp) for exposure in exposures]

    assert max(encoded) < 0.5 < min(light)
    assert [health.response_of(slopes) for slopes in (encoded, light, [])] == ["linear", "gamma", "unknown"]
    assert response_slope(exposures[0].sharp, exposures[0].sharp) is None


@pytest.mark.parametrize("distance", [(0.0, 0.0), (2.0, -3.0), (0.5, 4.25)])
def test_a_shift_is_measured_through_blur(distance):
    """The shift of a blurred image is measured to a quarter pixel, though blur removes most detail."""
    sharp = skimage.data.astronaut()[:256, :256]
    blurry = uniform_filter1d(sharp.astype(float), 11, axis=1)
    blurry = np.clip(shifted(blurry, (*distance, 0), order=3, mode="nearest"), 0, 255).astype(np.uint8)

    assert measure_shift(blurry, sharp) == pytest.approx(np.hypot(*distance), abs=0.25)


def test_a_hash_recognises_an_image():
    """Re-encoded and resized it differs in few of 256 bits; another image differs in about half."""
    first, other = skimage.data.astronaut(), skimage.data.coffee()
    Image.fromarray(first).resize((300, 200)).save("again.jpg", quality=60)
    hashes = [perceptual_hash(image) for image in (first, np.asarray(Image.open("again.jpg")), other)]
    again, different = ((int(hashes[0], 16) ^ int(other, 16)).bit_count() for other in hashes[1:])

    assert again <= health.ALIKE
    assert different > 4 * health.ALIKE


def test_a_sound_set_is_complete(monkeypatch):
    """As published: complete, without problems, and with the same digest in whatever folder it is."""
    write_sound_set()
    rows = health.examine_dataset(GOPRO, CACHE)
    Path("data").rename("disk")
    monkeypatch.setenv("DEBLUR_DATA", "disk")

    expected = [("complete", 2, 2, "")] * 2
    assert [(row.verdict, row.images, row.expected, row.problems) for row in rows] == expected
    assert [row.digest for row in health.examine_dataset(GOPRO, CACHE)] == [row.digest for row in rows]


def test_gaps_make_it_partial():
    """Fewer pairs, a sequence less, a sharp image less; other splits are unaffected."""
    write_sound_set()
    path("test", "B", "sharp", 2).unlink()
    gone = "1 of 5 pairs; no images of C; 1 of 2 blurred images have no sharp one: nothing to compare with"

    result = verdicts(replace(GOPRO, counts={"train": {"A": 2}, "test": {"B": 2, "C": 3}}))
    assert result == {"train": ("complete", ""), "test": ("partial", gone)}


def test_a_set_or_split_without_images_is_absent():
    """With the command that downloads it."""
    assert verdicts()["train"][0] == "absent"
    assert "python -m pipelines.data gopro" in verdicts()["train"][1]
    write_sound_set()
    Path("data/GOPRO_Large/train").rename("elsewhere")

    assert verdicts() == {
        "train": ("absent", "GOPRO_Large is here without images of this split"),
        "test": ("complete", ""),
    }


def as_jpeg(content):
    """Encode a file's pixels as JPEG."""
    out = io.BytesIO()
    Image.open(io.BytesIO(content)).save(out, "JPEG")
    return out.getvalue()


DAMAGE = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "one bit": lambda content: bytes([*content[:500], content[500] ^ 1, *content[501:]]),
    "text": lambda content: b"<html>quota exceeded</html>",
    "another format": as_jpeg,  # under a PNG's name; it has lost detail that the scores would miss
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("kind", ["blur", "sharp"])
def test_a_damaged_file_is_named(damage, kind):
    """Any file that is no complete image breaks its split and is named."""
    write_sound_set()
    file = path("test", "B", kind, 1)
    file.write_bytes(damage(file.read_bytes()))
    verdict, problems = verdicts()["test"]

    assert verdict == "broken"
    assert re.match(
        "B/000001: 000001.png (is empty|cannot be read as an image \\(.+\\)|holds JPEG)", problems
    )


def test_other_sizes_and_shifts_break_it():
    """A set at half its size, a pair of two sizes, sharp images some pixels to the side."""
    write_sound_set(48, 32)
    assert verdicts()["test"] == ("broken", "images that are not 96x64: 4 of 48x32")
    write_sound_set()
    file = path("test", "B", "blur", 1)
    Image.open(file).resize((90, 60)).save(file)

    assert verdicts()["test"][0] == "broken"
    assert "blurred and sharp of two sizes: B/000001" in verdicts()["test"][1]
    write_sound_set()
    for frame in (1, 2):
        file = path("test", "B", "sharp", frame)
        save(np.roll(np.asarray(Image.open(file)), 5, axis=1), file)
    assert verdicts()["test"][0] == "broken"
    assert "pixels apart (median of 2 images)" in verdicts()["test"][1]


@pytest.mark.parametrize(
    ("kind", "expected"), [("blur", ("complete", "linear")), ("blur_gamma", ("broken", "gamma"))]
)
def test_the_other_average_under_this_name_breaks_it(kind, expected, exposures):
    """`blur_gamma` in the folder of `blur` is not `gopro`."""
    for frame, exposure in enumerate(exposures):
        save(getattr(exposure, kind), path("test", "B", "blur", frame))
        save(exposure.sharp, path("test", "B", "sharp", frame))
    row = health.examine_dataset(replace(GOPRO, counts={"test": {"B": 3}}, size=None), CACHE)[0]

    assert (row.verdict, row.response) == expected


def test_leaks_between_train_and_test():
    """The same file or sequence in both breaks a set; a similar image and a file of no pair are noted."""
    write_sound_set()
    path("test", "B", "sharp", 1).write_bytes(path("train", "A", "sharp", 2).read_bytes())
    assert "files in train and test: B/000001" in verdicts()["test"][1]
    write_sound_set()
    similar = np.asarray(Image.open(path("train", "A", "sharp", 1))).copy()
    similar[:2, :2] = 0
    save(similar, path("test", "B", "sharp", 2))
    (Path("data/GOPRO_Large") / "Thumbs.db").write_bytes(b"x")

    assert "test images that look like one in train: B/000002" in verdicts()["test"][1]
    assert "files that belong to no pair: Thumbs.db" in verdicts()["test"][1]
    Path("data/GOPRO_Large/test/B").rename("data/GOPRO_Large/test/A")
    assert "sequences in train and test: A" in verdicts()["test"][1]
    assert "A has 2 images, officially 0" in verdicts()["test"][1]


def test_a_second_examination_decodes_nothing(monkeypatch):
    """Measurements are kept by path, size and time; only a changed file is examined again."""
    write_sound_set()
    first = health.examine_dataset(GOPRO, CACHE)
    decoded = []
    examine = examinations.examine
    monkeypatch.setattr(
        examinations, "examine", lambda pair, align: decoded.append(pair.name) or examine(pair, align)
    )

    assert health.examine_dataset(GOPRO, CACHE) == first
    assert decoded == []
    file = path("test", "B", "blur", 2)
    save(255 - np.asarray(Image.open(file)), file)
    health.examine_dataset(GOPRO, CACHE)
    assert decoded == ["B/000002"]


def test_the_stage_keeps_rows_of_absent_splits(monkeypatch, capsys):
    """A split that was examined on another machine keeps its verdict; one with images gets a new one."""
    monkeypatch.setattr(health, "real_set", {"gopro": GOPRO}.get)
    write_sound_set()
    doctor_stage.main()
    table = DATASETS.read_text()
    assert capsys.readouterr().out == "gopro: train complete, 2 of 2; test complete, 2 of 2\n"
    Path("data/GOPRO_Large/test").rename("elsewhere")
    doctor_stage.main()

    assert DATASETS.read_text() == table
    assert "test absent, 0 of 2; the row of an earlier examination is kept" in capsys.readouterr().out
    Path("elsewhere").rename("data/GOPRO_Large/test")
    path("test", "B", "blur", 1).write_bytes(b"")
    doctor_stage.main()
    assert "broken" in DATASETS.read_text().splitlines()[2]
    assert "000001.png is empty" in capsys.readouterr().out


def test_a_profile_without_a_stand_in_needs_sound_sets(monkeypatch):
    """The manifest identifies the images of sound splits; broken ones are refused."""
    monkeypatch.setattr(health, "real_set", {"gopro": GOPRO}.get)
    profile = spec.Profile("paper", "nothing cut")
    monkeypatch.setattr(spec, "load", lambda: (profile, {"identity": spec.Run("identity", "identity", "")}))
    write_sound_set()
    data_stage.main()
    digest = health.examine_dataset(GOPRO, CACHE)[1].digest

    assert json.loads(data_stage.manifest(profile).read_text()) == {"gopro": f"test:{digest}"}
    path("test", "B", "blur", 1).write_bytes(b"")
    with pytest.raises(ValueError, match=r"gopro/test is broken: B/000001: 000001.png is empty"):
        data_stage.main()
    for frame in (1, 2):
        path("test", "B", "sharp", frame).unlink()
    with pytest.raises(ValueError, match=r"gopro/test is .* 2 of 2 blurred images have no sharp one"):
        data_stage.main()
    with pytest.raises(ValueError, match="embedded: is rendered by its profile"):
        data_stage.download_sets("embedded")


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs real images")
def test_the_real_images(monkeypatch):
    """GoPro's two averages differ in response; four images of HIDE have no sharp ones."""
    monkeypatch.setenv("DEBLUR_DATA", os.fspath(SHARED))
    sets = map(health.real_set, ("gopro", "gopro_gamma", "hide"))
    rows = {(row.dataset, row.split): row for one in sets for row in health.examine_dataset(one, CACHE)}
    gopro, gamma = rows["gopro", "test"], rows["gopro_gamma", "test"]

    assert (gopro.verdict, gopro.images, gopro.sequences, gopro.response) == ("partial", 10, 6, "linear")
    assert gopro.problems.startswith("10 of 1,111 pairs; no images of GOPR0384_11_05, ")
    assert rows["gopro", "train"].images == 1
    assert (gamma.verdict, gamma.response) == ("partial", "gamma")
    assert "4 of 4 blurred images have no sharp one" in rows["hide", "test"].problems
