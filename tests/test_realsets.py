"""Real sets in small copies of their official layouts: listed, paired by name, downloaded complete."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark import plugins
from benchmark.data import archives
from benchmark.data.fetch import File
from benchmark.data.health import real_set
from benchmark.data.pairs import image
from tests.hostile import serve

REAL_SETS = [name for name in plugins.names("datasets") if real_set(name)]
SPLITS = ("train", "test")
SHARED = Path(__file__).parents[2] / "shared" / "data"

GOPR = "GOPR0384_11_00"
FRAMES = {
    split: sum(count * int(name.split("_")[1]) for name, count in real_set("gopro").counts[split].items())
    for split in SPLITS
}
RB_J = "RealBlur-J_ECC_IMCORR_centroid_itensity_ref/scene001"
RB_R = "RealBlur-R_BM3D_ECC_IMCORR_centroid_itensity_ref/scene001"
# A few files of an official archive; the expected images: split -> {name: has a sharp image}.
LAYOUTS = {
    "gopro": (
        f"test/{GOPR}/blur/000001.png test/{GOPR}/blur/000002.png "
        f"test/{GOPR}/sharp/000002.png test/{GOPR}/blur_gamma/000003.png "
        "train/GOPR0372_07_00/blur/000047.png train/GOPR0372_07_00/sharp/000047.png",
        {"train": {"GOPR0372_07_00/000047": True}, "test": {f"{GOPR}/000001": False, f"{GOPR}/000002": True}},
    ),
    "gopro_gamma": (
        f"test/{GOPR}/blur/000001.png test/{GOPR}/blur_gamma/000002.png test/{GOPR}/sharp/000002.png",
        {"train": {}, "test": {f"{GOPR}/000002": True}},
    ),
    "gopro_all": (
        f"test/{GOPR}/000001.png test/{GOPR}/000002.png train/GOPR0372_07_00/000323.png",
        {
            "train": {"GOPR0372_07_00/000323": False},
            "test": {f"{GOPR}/000001": False, f"{GOPR}/000002": False},
        },
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


def save(path, seed=0, size=(24, 16)):
    """Write a small image that no other path has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, *path.stem.encode()])
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)


def write_layout(name, root):
    """Write the layout of a set below a data folder, with RealBlur's lists."""
    folder = root / real_set(name).folder
    for number, path in enumerate(LAYOUTS[name][0].split()):
        save(folder / path, number)
    for split, number in (("train", 2), ("test", 1)) if name.startswith("realblur") else ():
        letter, scene = ("J", RB_J) if name == "realblur_j" else ("R", RB_R)
        lines = [f"{scene}/gt/gt_{n}.png {scene}/blur/blur_{n}.png\n" for n in (number, 9)]  # 9 is missing
        (folder / f"RealBlur_{letter}_{split}_list.txt").write_text("".join(lines))
    return folder


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """An empty working directory, and no other data folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEBLUR_DATA", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "split", "pairs", "sequences"),
    [
        ("gopro", "train", 2103, 22),  # README of DeepDeblur_release
        ("gopro", "test", 1111, 11),
        ("gopro_gamma", "test", 1111, 11),
        ("gopro_all", "train", FRAMES["train"], 1),  # as many frames as GoPro_Large averages
        ("gopro_all", "test", FRAMES["test"], 1),
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
    assert real_set(name).total(split) == pairs
    assert len(real_set(name).counts[split]) == sequences


@pytest.mark.parametrize("name", REAL_SETS)
def test_every_real_set_states_source_and_licence(name):
    """Each file has a source, a licence, addresses and official numbers."""
    module = plugins.load("datasets", name)

    assert module.SET.name == name
    assert set(module.SOURCE) == {"what", "licence"}
    assert all(url.startswith("http") for url in module.SET.archive.urls)
    assert all(module.SET.total(split) > 0 for split in module.SET.counts)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_official_layout_is_listed(name, empty_folder):
    """Every blurred image by name, with the sharp one of the same name where there is one."""
    write_layout(name, empty_folder / "data")
    for split, names in LAYOUTS[name][1].items():
        listed = real_set(name).pair_files(split)

        assert {files.name: files.sharp is not None for files in listed} == names
        assert [files.name for files in listed] == sorted(names)


@pytest.mark.parametrize("name", ["gopro", "hide", "dvd", "realblur_j"])
def test_pairs_are_those_with_a_sharp_image(name, empty_folder):
    """The pixels are those of the files, paired by name, mapped from below data/decoded."""
    write_layout(name, empty_folder / "data")
    pairs = plugins.load("datasets", name).pairs(Path("data"), "test")
    paired = [files for files in real_set(name).pair_files("test") if files.sharp]

    assert pairs.names == [files.name for files in paired]
    for files, blurry, sharp in zip(paired, pairs.blurry, pairs.sharp, strict=True):
        assert np.array_equal(blurry, image(files.blurry))
        assert np.array_equal(sharp, image(files.sharp))
    assert not pairs.blurry[0].flags.writeable
    assert (empty_folder / "data" / "decoded" / name / "test").is_dir()


def test_a_set_elsewhere_is_used_in_place(empty_folder, monkeypatch):
    """A folder that DEBLUR_DATA names is as good as data/, one deeper too; nothing is downloaded."""
    folder = write_layout("gopro", empty_folder / "disk" / "deblurring")
    monkeypatch.setenv("DEBLUR_DATA", str(empty_folder / "disk"))
    monkeypatch.setattr(archives, "download", None)
    plugins.load("datasets", "gopro").prepare(Path("data"), {})

    assert real_set("gopro").locate() == folder
    assert not (empty_folder / "data").exists()


def test_a_folder_inside_itself(empty_folder):
    """Archives from macOS have a second folder beside the set's own, so that neither is removed."""
    write_layout("gopro", empty_folder / "data" / "GOPRO_Large")
    (empty_folder / "data" / "GOPRO_Large" / "__MACOSX").mkdir()

    assert real_set("gopro").locate() == Path("data/GOPRO_Large/GOPRO_Large")
    assert len(real_set("gopro").pair_files("test")) == 2


def test_errors(empty_folder):
    """No folder, no such split, nothing to compare with, extras, and RealBlur without its lists."""
    with pytest.raises(ValueError, match=r"gopro: not at hand; `python -m pipelines.data gopro`, or put"):
        real_set("gopro").pair_files("test")
    with pytest.raises(ValueError, match="voc: unknown split 'train'; allowed: test"):
        real_set("voc").total("train")
    save(empty_folder / "data" / "HIDE_dataset" / "test" / "1fromGOPR1.png")
    with pytest.raises(ValueError, match="hide: test has no sharp image among 1 blurred images"):
        real_set("hide").pairs(Path("data"), "test")
    with pytest.raises(ValueError, match="hide: no 'moving'; allowed: no extra"):
        real_set("hide").pairs(Path("data"), "train", ("moving",))
    with pytest.raises(ValueError, match="gopro: no 'moving'; allowed: motion, level_3"):
        real_set("gopro").pairs(Path("data"), "train", ("moving",))
    (empty_folder / "data" / "RealBlur").mkdir()
    with pytest.raises(ValueError, match=r"RealBlur/RealBlur_J_test_list\.txt: missing"):
        real_set("realblur_j").pair_files("test")


def test_a_set_is_downloaded_complete(empty_folder, monkeypatch):
    """An archive becomes the set's folder; a broken one leaves no folder, and the next try recovers."""
    write_layout("gopro", empty_folder / "source")
    shutil.make_archive("GOPRO_Large", "zip", "source", "GOPRO_Large")
    content = Path("GOPRO_Large.zip").read_bytes()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        archive = File((server.url("right", "GOPRO_Large.zip"),), "GOPRO_Large.zip", len(content))
        dataset = replace(real_set("gopro"), archive=archive)
        server.times, server.body = 0, content[:-30] + bytes(30)
        with pytest.raises(ValueError, match="GOPRO_Large"):
            dataset.prepare(Path("data"), {})
        assert dataset.locate() is None

        server.body = content
        dataset.prepare(Path("data"), {})

    assert dataset.locate() == Path("data/GOPRO_Large")
    assert [files.name for files in dataset.pair_files("train")] == ["GOPR0372_07_00/000047"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs real images")
def test_real_folders_are_recognised(monkeypatch):
    """The real images, in place: ten and one pairs of GoPro, 21 and 39 of DVD, none of four of HIDE."""
    monkeypatch.setenv("DEBLUR_DATA", str(SHARED))
    paired = {
        name: [sum(bool(files.sharp) for files in real_set(name).pair_files(split)) for split in SPLITS]
        for name in ("gopro", "gopro_gamma", "dvd", "hide")
    }

    assert paired == {"gopro": [1, 10], "gopro_gamma": [0, 1], "dvd": [39, 21], "hide": [0, 0]}
    assert len(real_set("hide").pair_files("test")) == 4
