"""The dataset doctor: what is wrong with a folder is said, and nothing is said of a sound one."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image
from scipy.ndimage import shift as moved
from scipy.ndimage import uniform_filter1d

from benchmark import plugins, spec
from benchmark.data import health
from benchmark.data.examine import decode, perceptual, shift, slope
from benchmark.datasets import embedded
from benchmark.results import DATASETS
from pipelines import data as data_stage
from pipelines import doctor as doctor_stage

SHARED = Path(__file__).parents[2] / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no real images here")

SIZE = (96, 64)  # width, height
GOPRO = replace(
    plugins.load("datasets", "gopro").SET, counts={"train": {"A": 2}, "test": {"B": 2}}, size=SIZE
)
KEPT = Path("kept")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory of its own, where data/ is the only place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEBLUR_DATA", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def rendered():
    """Exposures of the simulated camera, whose averages are known."""
    return [embedded.render(split, index)[1] for split, index in (("test", 0), ("test", 7), ("train", 5))]


def path(split, sequence, kind, frame):
    """A file's place in GoPro's layout."""
    return Path(f"data/GOPRO_Large/{split}/{sequence}/{kind}/{frame:06d}.png")


def lay(width=SIZE[0], height=SIZE[1]):
    """A sound set: parts of photographs that differ, and what is left after a motion to the side."""
    photographs = [skimage.data.astronaut(), skimage.data.coffee()]
    for (split, sequence), photograph in zip((("train", "A"), ("test", "B")), photographs, strict=True):
        for frame in (1, 2):
            sharp = photograph[100 * frame :, 150 * frame :][:height, :width]
            blurry = np.rint(uniform_filter1d(sharp.astype(float), 7, axis=1)).astype(np.uint8)
            for kind, pixels in (("blur", blurry), ("sharp", sharp)):
                place = path(split, sequence, kind, frame)
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place)


def verdicts(dataset=GOPRO):
    """Verdict and problems of each split."""
    return {row.split: (row.verdict, row.problems) for row in health.look(dataset, KEPT)}


def test_how_frames_were_averaged(rendered):
    """The slope is 0 for means of encoded frames and 1 for means of light, as the camera model made them."""
    encoded = [slope(shot.blur, shot.sharp) for shot in rendered]
    light = [slope(shot.blur_gamma, shot.sharp) for shot in rendered]

    assert max(encoded) < 0.5 < min(light)
    assert [health.averaged(encoded), health.averaged(light), health.averaged([])] == [
        "linear",
        "gamma",
        "unknown",
    ]
    assert slope(rendered[0].sharp, rendered[0].sharp) is None


@pytest.mark.parametrize("distance", [(0.0, 0.0), (2.0, -3.0), (0.5, 4.25)])
def test_a_shift_is_found_through_blur(distance):
    """A known shift of the blurred image is found to a quarter pixel, though blur removes most detail."""
    sharp = skimage.data.astronaut()[:256, :256]
    blurry = uniform_filter1d(sharp.astype(float), 11, axis=1)
    blurry = np.clip(moved(blurry, (*distance, 0), order=3, mode="nearest"), 0, 255).astype(np.uint8)

    assert shift(blurry, sharp) == pytest.approx(np.hypot(*distance), abs=0.25)


def test_a_hash_knows_an_image_again():
    """Re-encoded and resized it differs in few of 256 bits; another image differs in about half."""
    first, other = skimage.data.astronaut(), skimage.data.coffee()
    Image.fromarray(first).resize((300, 200)).save("again.jpg", quality=60)

    def bits(one, two):
        return bin(int(perceptual(one), 16) ^ int(perceptual(two), 16)).count("1")

    assert bits(first, np.asarray(Image.open("again.jpg"))) <= health.ALIKE
    assert bits(first, other) > 4 * health.ALIKE


def test_a_sound_set_is_complete():
    """As published: complete, without a word more, and the same digest wherever the folder lies."""
    lay()
    rows = health.look(GOPRO, KEPT)

    assert [(row.verdict, row.images, row.expected, row.problems) for row in rows] == [
        ("complete", 2, 2, "")
    ] * 2
    Path("data").rename("disk")
    os.environ["DEBLUR_DATA"] = "disk"
    try:
        assert [row.digest for row in health.look(GOPRO, KEPT)] == [row.digest for row in rows]
    finally:
        del os.environ["DEBLUR_DATA"]


def test_what_is_missing_makes_it_partial():
    """Fewer pairs, a sequence less, a sharp image less; other splits are not touched by it."""
    lay()
    path("test", "B", "sharp", 2).unlink()
    more = replace(GOPRO, counts={"train": {"A": 2}, "test": {"B": 2, "C": 3}})

    assert verdicts(more) == {
        "train": ("complete", ""),
        "test": (
            "partial",
            "1 of 5 pairs; no images of C; 1 of 2 blurred images have no sharp one: nothing to compare with",
        ),
    }


def test_what_is_not_there_is_absent():
    """A set, or a split of it, that is nowhere: with what to do."""
    assert verdicts()["train"][0] == "absent"
    assert "python -m pipelines.data gopro" in verdicts()["train"][1]
    lay()
    for kind in ("blur", "sharp"):
        for frame in (1, 2):
            path("train", "A", kind, frame).unlink()

    assert verdicts()["train"] == ("absent", "GOPRO_Large is here without images of this split")
    assert verdicts()["test"] == ("complete", "")


def damaged(content):
    """A PNG's bytes, damaged in some way."""
    return {
        "empty": b"",
        "truncated": content[: len(content) // 2],
        "one bit": bytes([*content[:500], content[500] ^ 1, *content[501:]]),
        "text": b"<html>quota exceeded</html>",
    }


@pytest.mark.parametrize("damage", damaged(b"0" * 600))
@pytest.mark.parametrize("kind", ["blur", "sharp"])
def test_a_damaged_file_is_named(damage, kind):
    """Any file that is no whole image breaks its split and is named."""
    lay()
    place = path("test", "B", kind, 1)
    place.write_bytes(damaged(place.read_bytes())[damage])
    verdict, problems = verdicts()["test"]

    assert verdict == "broken"
    assert problems.startswith("B/000001: 000001.png is ")


def test_another_format_is_named():
    """A JPEG under a PNG's name has lost detail that the scores would miss."""
    lay()
    place = path("test", "B", "sharp", 1)
    Image.open(place).save(place, format="JPEG")

    with pytest.raises(ValueError, match=r"000001.png holds JPEG"):
        decode(place)


def test_other_sizes_break_it():
    """A set at half its size, and a pair of two sizes."""
    lay(48, 32)
    assert verdicts()["test"] == ("broken", "images that are not 96x64: 4 of 48x32")
    lay()
    place = path("test", "B", "blur", 1)
    Image.open(place).resize((90, 60)).save(place)

    verdict, problems = verdicts()["test"]
    assert verdict == "broken"
    assert "blurred and sharp of two sizes: B/000001" in problems


def test_the_other_average_under_this_name_breaks_it(rendered):
    """`blur_gamma` in the place of `blur` is no `gopro`."""
    for kind in ("blur", "blur_gamma"):
        for frame, shot in enumerate(rendered):
            for name, pixels in (("blur", getattr(shot, kind)), ("sharp", shot.sharp)):
                place = path("test", "B", name, frame)
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place)
        rows = health.look(replace(GOPRO, counts={"test": {"B": 3}}, size=None), KEPT)
        verdict = rows[0].verdict, rows[0].response

        assert verdict == (("complete", "linear") if kind == "blur" else ("broken", "gamma"))


def test_images_that_do_not_lie_on_each_other_break_it():
    """Sharp images of another camera, some pixels to the side."""
    lay()
    for frame in (1, 2):
        place = path("test", "B", "sharp", frame)
        Image.fromarray(np.roll(np.asarray(Image.open(place)), 5, axis=1)).save(place)
    verdict, problems = verdicts()["test"]

    assert verdict == "broken"
    assert "pixels apart (median of 2 images)" in problems


def test_leaks_between_train_and_test():
    """The same file or sequence in both breaks a set; a similar image and a file of no pair are noted."""
    lay()
    path("test", "B", "sharp", 1).write_bytes(path("train", "A", "sharp", 2).read_bytes())
    assert "files in train and test: B/000001" in verdicts()["test"][1]
    lay()
    alike = np.asarray(Image.open(path("train", "A", "sharp", 1))).copy()
    alike[:2, :2] = 0
    Image.fromarray(alike).save(path("test", "B", "sharp", 2))
    (Path("data/GOPRO_Large") / "Thumbs.db").write_bytes(b"x")
    problems = verdicts()["test"][1]

    assert "test images that look like one in train: B/000002" in problems
    assert "files that belong to no pair: Thumbs.db" in problems
    Path("data/GOPRO_Large/test/B").rename("data/GOPRO_Large/test/A")
    assert "sequences in train and test: A" in verdicts()["test"][1]
    assert "A has 2 images, officially 0" in verdicts()["test"][1]


def test_a_second_look_decodes_nothing(monkeypatch):
    """What was seen is kept by path, size and time; only a changed file is looked at again."""
    lay()
    first = health.look(GOPRO, KEPT)
    looked = []
    examine = health.examine
    monkeypatch.setattr(
        health, "examine", lambda shot, align: looked.append(shot.name) or examine(shot, align)
    )

    assert health.look(GOPRO, KEPT) == first
    assert looked == []
    place = path("test", "B", "blur", 2)
    Image.fromarray(255 - np.asarray(Image.open(place))).save(place)
    health.look(GOPRO, KEPT)
    assert looked == ["B/000002"]


def test_the_stage_keeps_rows_of_what_is_not_here(monkeypatch, capsys):
    """A set that was looked at elsewhere keeps its verdict; one that is here gets a new one."""
    monkeypatch.setattr(doctor_stage, "real", {"gopro": GOPRO}.get)
    lay()
    doctor_stage.main()
    seen = DATASETS.read_text()
    assert capsys.readouterr().out == "gopro: train complete, 2 of 2; test complete, 2 of 2\n"
    Path("data/GOPRO_Large/test").rename("gone")
    doctor_stage.main()

    assert DATASETS.read_text() == seen
    assert "test absent, 0 of 2; what an earlier look found stays" in capsys.readouterr().out
    Path("gone").rename("data/GOPRO_Large/test")
    path("test", "B", "blur", 1).write_bytes(b"")
    doctor_stage.main()
    assert "broken" in DATASETS.read_text().splitlines()[2]
    assert "000001.png is empty" in capsys.readouterr().out


def test_a_profile_without_a_stand_in_needs_sound_sets(monkeypatch):
    """The manifest names the images of what is sound; what is broken is refused."""
    monkeypatch.setattr(data_stage, "real", {"gopro": GOPRO}.get)
    profile = spec.Profile("paper", "nothing cut")
    monkeypatch.setattr(spec, "load", lambda: (profile, {"identity": spec.Run("identity", "identity", "")}))
    lay()
    data_stage.main()
    digest = health.look(GOPRO, KEPT)[1].digest

    assert json.loads(data_stage.manifest(profile).read_text()) == {"gopro": f"test:{digest}"}
    path("test", "B", "blur", 1).write_bytes(b"")
    with pytest.raises(ValueError, match=r"gopro/test is broken: B/000001: 000001.png is empty"):
        data_stage.main()
    path("test", "B", "sharp", 1).unlink()
    path("test", "B", "sharp", 2).unlink()
    with pytest.raises(ValueError, match=r"gopro/test is .* 2 of 2 blurred images have no sharp one"):
        data_stage.main()
    with pytest.raises(ValueError, match="embedded: is made by its profile"):
        data_stage.obtain("embedded")


@shared
def test_the_real_images(monkeypatch):
    """GoPro's two averages are told apart and its images aligned; four images of HIDE have no sharp ones."""
    monkeypatch.setenv("DEBLUR_DATA", str(SHARED))
    sets = [plugins.load("datasets", name).SET for name in ("gopro", "gopro_gamma", "hide")]
    rows = {(row.dataset, row.split): row for dataset in sets for row in health.look(dataset, KEPT)}

    assert rows["gopro", "test"].verdict == "partial"
    assert (rows["gopro", "test"].images, rows["gopro", "test"].sequences) == (10, 6)
    assert rows["gopro", "test"].problems.startswith("10 of 1,111 pairs; no images of GOPR0384_11_05, ")
    assert rows["gopro", "train"].images == 1
    assert rows["gopro", "test"].response == "linear"
    assert (rows["gopro_gamma", "test"].verdict, rows["gopro_gamma", "test"].response) == ("partial", "gamma")
    assert "4 of 4 blurred images have no sharp one" in rows["hide", "test"].problems
