"""Real sets in their official layouts, made small: what is found, paired by name, and downloaded whole."""

import http.server
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark import plugins
from benchmark.data import archives
from benchmark.data.fetch import File
from benchmark.data.pairs import image

REAL = ("dvd", "gopro", "gopro_gamma", "hide", "realblur_j", "realblur_r", "rwbi", "voc")
SHARED = Path(__file__).parents[2] / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no real images here")

RB_J = "RealBlur-J_ECC_IMCORR_centroid_itensity_ref/scene001"
RB_R = "RealBlur-R_BM3D_ECC_IMCORR_centroid_itensity_ref/scene001"
# Files of an official archive, made few; what is found in it: split -> {name: has a sharp image}.
LAYOUTS = {
    "gopro": (
        "test/GOPR0384_11_00/blur/000001.png test/GOPR0384_11_00/blur/000002.png "
        "test/GOPR0384_11_00/sharp/000002.png test/GOPR0384_11_00/blur_gamma/000003.png "
        "train/GOPR0372_07_00/blur/000047.png train/GOPR0372_07_00/sharp/000047.png",
        {
            "train": {"GOPR0372_07_00/000047": True},
            "test": {"GOPR0384_11_00/000001": False, "GOPR0384_11_00/000002": True},
        },
    ),
    "gopro_gamma": (
        "test/GOPR0384_11_00/blur/000001.png test/GOPR0384_11_00/blur_gamma/000002.png "
        "test/GOPR0384_11_00/sharp/000002.png",
        {"train": {}, "test": {"GOPR0384_11_00/000002": True}},
    ),
    "hide": (
        "train/1fromGOPR1.png test/test-close-ups/2fromGOPR2.MP4.png GT/2fromGOPR2.MP4.png "
        "test/test-long-shot/3fromGOPR3.png GT/1fromGOPR1.png test/4fromGOPR4.png",
        {
            "train": {"train/1fromGOPR1": True},
            "test": {
                "test-close-ups/2fromGOPR2.MP4": True,
                "test-long-shot/3fromGOPR3": False,
                "test/4fromGOPR4": False,
            },
        },
    ),
    "dvd": (
        "quantitative_datasets/IMG_0003/input/00001.jpg quantitative_datasets/IMG_0003/GT/00001.jpg "
        "quantitative_datasets/IMG_0004/input/00001.jpg quantitative_datasets/IMG_0004/GT/00001.jpg "
        "qualitative_datasets/bicycle/input/00001.jpg",
        {"train": {"IMG_0004/00001": True}, "test": {"IMG_0003/00001": True}},
    ),
    "realblur_j": (
        f"{RB_J}/blur/blur_1.png {RB_J}/blur/blur_2.png {RB_J}/blur/blur_3.png "
        f"{RB_J}/gt/gt_1.png {RB_J}/gt/gt_2.png {RB_J}/gt/gt_3.png",
        {"train": {"scene001/blur_2": True}, "test": {"scene001/blur_1": True}},
    ),
    "realblur_r": (
        f"{RB_R}/blur/blur_1.png {RB_R}/blur/blur_2.png {RB_R}/gt/gt_1.png {RB_R}/gt/gt_2.png",
        {"train": {"scene001/blur_2": True}, "test": {"scene001/blur_1": True}},
    ),
    "rwbi": ("a/1.jpg b/c/2.PNG", {"test": {"a/1": False, "c/2": False}}),
    "voc": (
        "VOC2012/JPEGImages/2008_000001.jpg VOC2012/SegmentationClass/2008_000001.png",
        {"test": {"2008/2008_000001": False}},
    ),
}


def the(name):
    """The RealSet of a dataset's file."""
    return plugins.load("datasets", name).SET


def put(path, seed=0, size=(24, 16)):
    """A small image that no other path has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, *path.stem.encode()])
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)


def lay(name, place):
    """The layout of a set below a place, with RealBlur's lists."""
    folder = place / the(name).folder
    for number, path in enumerate(LAYOUTS[name][0].split()):
        put(folder / path, number)
    for letter, scene in (("J", RB_J), ("R", RB_R)):
        if name == f"realblur_{letter.lower()}":
            for split, number in (("train", 2), ("test", 1)):
                line = f"{scene}/gt/gt_{number}.png {scene}/blur/blur_{number}.png\n"
                gone = f"{scene}/gt/gt_9.png {scene}/blur/blur_9.png\n"
                (folder / f"RealBlur_{letter}_{split}_list.txt").write_text(line + gone)
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory with nothing in it, and no other place to look in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEBLUR_DATA", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "split", "pairs", "sequences"),
    [
        ("gopro", "train", 2103, 22),  # README of DeepDeblur_release
        ("gopro", "test", 1111, 11),
        ("gopro_gamma", "test", 1111, 11),
        ("dvd", "train", 5708, 61),  # the paper: 71 videos, 6,708 pairs, 10 videos for testing
        ("dvd", "test", 1000, 10),
        ("hide", "train", 6397, 1),  # README of HA_deblur
        ("hide", "test", 2025, 1),
        ("realblur_j", "train", 3758, 1),  # the paper: 4,738 pairs
        ("realblur_j", "test", 980, 1),
    ],
)
def test_official_numbers(name, split, pairs, sequences):
    """The numbers by sequence add up to what the authors print."""
    assert the(name).total(split) == pairs
    assert len(the(name).counts[split]) == sequences


def test_every_real_set_says_what_and_whose():
    """Each file has a source, a licence and an address to get it from."""
    assert tuple(n for n in plugins.names("datasets") if hasattr(plugins.load("datasets", n), "SET")) == REAL
    for name in REAL:
        module = plugins.load("datasets", name)

        assert module.SET.name == name
        assert set(module.SOURCE) == {"what", "licence"}
        assert all(url.startswith("http") for url in module.SET.archive.urls)


@pytest.mark.parametrize("name", REAL)
def test_the_official_layout_is_found(name, here):
    """Every blurred image by name, with the sharp one of the same name where there is one."""
    lay(name, here / "data")
    for split, names in LAYOUTS[name][1].items():
        shots = the(name).shots_of(split)

        assert {shot.name: shot.sharp is not None for shot in shots} == names
        assert [shot.name for shot in shots] == sorted(names)


@pytest.mark.parametrize("name", ["gopro", "hide", "dvd", "realblur_j"])
def test_pairs_are_those_with_a_sharp_image(name, here):
    """What is handed on are the files' own pixels, paired by name, mapped from below data/decoded."""
    lay(name, here / "data")
    found = plugins.load("datasets", name).pairs(Path("data"), "test")
    shots = [shot for shot in the(name).shots_of("test") if shot.sharp]

    assert found.names == [shot.name for shot in shots]
    for shot, blurry, sharp in zip(shots, found.blurry, found.sharp, strict=True):
        assert np.array_equal(blurry, image(shot.blurry))
        assert np.array_equal(sharp, image(shot.sharp))
    assert not found.blurry[0].flags.writeable
    assert (here / "data" / "decoded" / name / "test").is_dir()


def test_a_set_elsewhere_is_used_in_place(here, monkeypatch):
    """A folder that DEBLUR_DATA names is as good as data/, one deeper too; nothing is downloaded."""
    folder = lay("gopro", here / "disk" / "deblurring")
    monkeypatch.setenv("DEBLUR_DATA", str(here / "disk"))
    monkeypatch.setattr(archives, "get", None)
    plugins.load("datasets", "gopro").prepare(Path("data"), {})

    assert the("gopro").where() == folder
    assert not (here / "data").exists()


def test_a_folder_inside_itself(here):
    """Archives made on a Mac have a second folder beside the set's own, so that neither is taken off."""
    lay("gopro", here / "data" / "GOPRO_Large")
    (here / "data" / "GOPRO_Large" / "__MACOSX").mkdir()

    assert the("gopro").where() == Path("data/GOPRO_Large/GOPRO_Large")
    assert len(the("gopro").shots_of("test")) == 2


def test_what_is_refused(here):
    """Nothing at hand, no such split, nothing to compare with, extras, and RealBlur without its lists."""
    with pytest.raises(ValueError, match=r"gopro: not at hand; `python -m pipelines.data gopro`, or put"):
        the("gopro").shots_of("test")
    with pytest.raises(ValueError, match="voc: unknown split 'train'; allowed: test"):
        the("voc").total("train")
    put(here / "data" / "HIDE_dataset" / "test" / "1fromGOPR1.png")
    with pytest.raises(ValueError, match="hide: test has no sharp image among 1 blurred images"):
        the("hide").pairs(Path("data"), "test")
    with pytest.raises(ValueError, match="gopro: no 'motion'; a real set has blurred and sharp images alone"):
        the("gopro").pairs(Path("data"), "train", ("motion",))
    (here / "data" / "RealBlur").mkdir()
    with pytest.raises(ValueError, match=r"RealBlur/RealBlur_J_test_list\.txt: not there"):
        the("realblur_j").shots_of("test")


@pytest.fixture
def server(tmp_path):
    """A server of the files in tmp_path/web."""
    (tmp_path / "web").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **more):
            super().__init__(*args, directory=str(tmp_path / "web"), **more)

        def log_message(self, *_):
            pass

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()


def test_a_set_is_downloaded_whole(here, server):
    """An archive becomes the set's folder; one that is broken leaves no folder, and the next try recovers."""
    lay("gopro", here / "made")
    archive, shown = here / "GOPRO_Large.zip", here / "web" / "GOPRO_Large.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((here / "made").rglob("*.png")):
            packed.write(path, path.relative_to(here / "made"))
    whole = archive.read_bytes()
    dataset = replace(
        the("gopro"), archive=File((f"{server}/GOPRO_Large.zip",), "GOPRO_Large.zip", len(whole))
    )
    shown.write_bytes(whole[:-30] + bytes(30))
    with pytest.raises(ValueError, match="GOPRO_Large"):
        dataset.prepare(Path("data"), {})

    assert dataset.where() is None
    (here / "data" / "downloads" / "GOPRO_Large.zip").unlink(missing_ok=True)
    (here / "data" / "downloads" / "sums.json").unlink(missing_ok=True)
    shown.write_bytes(whole)
    dataset.prepare(Path("data"), {})
    assert dataset.where() == Path("data/GOPRO_Large")
    assert [shot.name for shot in dataset.shots_of("train")] == ["GOPR0372_07_00/000047"]


@shared
def test_real_folders_are_recognised(monkeypatch):
    """The real images, in place: ten and one pairs of GoPro, 21 and 39 of DVD, none of four of HIDE."""
    monkeypatch.setenv("DEBLUR_DATA", str(SHARED))
    paired = {
        (name, split): sum(shot.sharp is not None for shot in the(name).shots_of(split))
        for name in ("gopro", "gopro_gamma", "dvd", "hide")
        for split in ("train", "test")
    }

    assert paired == {
        ("gopro", "train"): 1,
        ("gopro", "test"): 10,
        ("gopro_gamma", "train"): 0,
        ("gopro_gamma", "test"): 1,
        ("dvd", "train"): 39,
        ("dvd", "test"): 21,
        ("hide", "train"): 0,
        ("hide", "test"): 0,
    }
    assert len(the("hide").shots_of("test")) == 4
