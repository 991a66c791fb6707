"""The embedded set: its pixels, and the promises of `prepare` and `pairs`."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.pairs import read_pairs
from benchmark.datasets import embedded
from benchmark.datasets.simulation import camera, exposure
from benchmark.datasets.simulation.camera import SIZE
from benchmark.datasets.simulation.photographs import PHOTOGRAPHS

# Over decoded pixels: a PNG with depth and an object, a JPEG, and leaves. Other pixels are another data set.
# All have 11 frames, so that level_11 is blur.
CHECKSUMS = {
    ("test", 7): {  # motorcycle/000002
        "blur": "b5fcc4491ba6c06f", "blur_gamma": "97d618786b3fd782", "sharp": "0ad581626bc8c4a5",
        "before": "15af7ce180aacada", "after": "69cad45c7d5dff8e", "motion": "d7355a165deebdb2",
        "moving": "b67bf11b11d6752f", "level_3": "bb7486971efdcffc", "level_9": "220cf00a085c5601",
        "level_11": "b5fcc4491ba6c06f",
    },
    ("train", 28): {  # china/000002
        "blur": "db6ea2d7359417fa", "blur_gamma": "521cd286028a75a4", "sharp": "d0c87a5e78bee634",
        "before": "8fc965de8cc22a33", "after": "fccad5521a16f973", "motion": "34d5c6b00691494a",
        "moving": "22a14120a4c14b95", "level_3": "f6e44bbcf3373309", "level_9": "c90b19f6fa59a5eb",
        "level_11": "db6ea2d7359417fa",
    },
    ("train", 1): {  # leaves/000001
        "blur": "98f08269120cf560", "blur_gamma": "39cddb148ddcb4f3", "sharp": "2189e661e1d49832",
        "before": "bd5d2890ff70f975", "after": "b069e1971c9f476c", "motion": "43687ffa9c2f89cb",
        "moving": "330daf20cbeeb182", "level_3": "65c40d0f16f13eb8", "level_9": "6f28e154b8fde1aa",
        "level_11": "98f08269120cf560",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def exposures() -> dict[tuple[str, int], tuple[exposure.Exposure, float]]:
    """The images of CHECKSUMS, and how far outside its texture the background was sampled."""
    rendered = {}
    with pytest.MonkeyPatch.context() as patch:
        outside = [0.0]

        def watched(planes: camera.Floats, x: camera.Floats, y: camera.Floats) -> camera.Floats:
            if len(planes) == 3:
                height, width = planes.shape[1:]
                outside.append(max(-x.min(), x.max() - (width - 1), -y.min(), y.max() - (height - 1)))
            return camera.sample(planes, x, y)

        patch.setattr(exposure, "sample", watched)
        for split, index in CHECKSUMS:
            outside[:] = []
            rendered[split, index] = embedded.render(split, index)[1], max(outside)
    return rendered


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "embedded"
    embedded.prepare(folder, {"train": 1, "validation": 1, "test": 1})
    return folder


def test_nothing_beyond_the_photograph_is_seen(exposures: dict) -> None:
    for _, outside in exposures.values():
        assert outside <= 0


@pytest.mark.parametrize("key", CHECKSUMS, ids=str)
def test_same_pixels_on_every_machine(exposures: dict, key: tuple[str, int]) -> None:
    rendered_ = exposures[key][0]
    assert {kind: embedded.checksum(getattr(rendered_, kind))[:16] for kind in CHECKSUMS[key]} == CHECKSUMS[
        key
    ]


def test_layout_is_read_pairs(prepared: Path) -> None:
    for split in embedded.SPLITS:
        pairs = embedded.pairs(prepared, split)
        assert pairs.names == read_pairs(prepared / split).names
        assert [p[0].shape for p in (pairs.blurry, pairs.sharp)] == [(SIZE, SIZE, 3)] * 2
        assert pairs.extras == {}
        gamma = read_pairs(prepared / split, "blur_gamma")
        assert gamma.blurry[0].mean() > pairs.blurry[0].mean()


def test_more_images_are_trained_on_too(tmp_path: Path) -> None:
    """They lie beside those of "train", show photographs of their own, and are no split."""
    embedded.prepare(tmp_path / "set", {"train": 1, "more": 2})
    names = [name.split("/")[0] for name in embedded.pairs(tmp_path / "set", "train").names]
    of = [PHOTOGRAPHS[name].split for name in names]

    assert sorted(of) == ["more", "more", "train"]
    with pytest.raises(ValueError, match="unknown split 'more'"):
        embedded.pairs(tmp_path / "set", "more")


def test_extras_are_those_named(prepared: Path) -> None:
    kinds = {
        "motion": ((SIZE, SIZE, 2), "float16"),
        "moving": ((SIZE, SIZE, 1), "bool"),
        **dict.fromkeys(("before", "after"), ((SIZE, SIZE, 3), "uint8")),
        **{f"level_{n}": ((SIZE, SIZE, 3), "uint8") for n in (3, 5, 7, 9, 11)},
    }
    rendered_ = embedded.render("test", 0)[1]
    for kind, (shape, dtype) in kinds.items():
        extras = embedded.pairs(prepared, "test", (kind,)).extras
        assert list(extras) == [kind]
        assert (extras[kind][0].shape, extras[kind][0].dtype.name) == (shape, dtype)
        expected = getattr(rendered_, kind)
        np.testing.assert_array_equal(
            extras[kind][0], expected[..., None] > 0 if kind == "moving" else expected
        )
    assert list(embedded.pairs(prepared, "test", tuple(kinds)).extras) == list(kinds)


def test_image_does_not_depend_on_how_many(prepared: Path) -> None:
    manifest = json.loads((prepared / "manifest.json").read_text())
    name, rendered_ = embedded.render("test", 0)
    sequence, frame = name.split("/")
    assert manifest["pixels"][f"test/{sequence}/blur/{frame}.png"] == embedded.checksum(rendered_.blur)


def test_second_prepare_does_nothing(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "render", None)  # would fail when called
    embedded.prepare(prepared, {"train": 1, "validation": 1, "test": 1})


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renderer that is interrupted at the second image."""
    render = embedded.render

    def interrupted(split: str, index: int) -> tuple[str, exposure.Exposure]:
        if index == 1:
            raise KeyboardInterrupt
        return render(split, index)

    monkeypatch.setattr(embedded, "render", interrupted)


@pytest.mark.usefixtures("failing")
def test_interrupted_leaves_what_was_there(prepared: Path, tmp_path: Path) -> None:
    before = sorted(prepared.rglob("*"))
    for folder in (tmp_path / "set", prepared):
        with pytest.raises(KeyboardInterrupt):
            embedded.prepare(folder, {"train": 2})
    assert list(tmp_path.iterdir()) == []
    assert sorted(prepared.rglob("*")) == before
    assert [path.name for path in prepared.parent.iterdir()] == [prepared.name]


def test_damage_is_repaired(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    embedded.prepare(folder, {"train": 1})
    (damaged,) = folder.glob("train/*/sharp/*.png")
    content = damaged.read_bytes()
    damaged.write_bytes(content[:1000])
    embedded.prepare(folder, {"train": 1})
    assert damaged.read_bytes() == content


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path}: holds something else (no manifest.json)")):
        embedded.prepare(tmp_path, {"train": 1})
    assert (tmp_path / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({}, "images: empty; allowed: counts for train, validation, test, more"),
        ({"val": 3}, "images: unknown split 'val'; allowed: train, validation, test, more"),
        ({"train": 0}, "images.train: 0 images; allowed: whole numbers from 1"),
        ({"test": 1.5}, "images.test: 1.5 images; allowed: whole numbers from 1"),
        ({"test": True}, "images.test: True images; allowed: whole numbers from 1"),
    ],
)
def test_bad_images(tmp_path: Path, images: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        embedded.prepare(tmp_path / "set", images)
    assert list(tmp_path.iterdir()) == []


def test_bad_split_or_extra(prepared: Path, tmp_path: Path) -> None:
    extras = "motion, moving, before, after, level_3, level_5, level_7, level_9, level_11"
    for folder, split, kinds, message in (
        (prepared, "val", (), "embedded: unknown split 'val'; allowed: train, validation, test"),
        (tmp_path, "train", (), f"{tmp_path}: no manifest.json; prepare the embedded set first"),
        (prepared, "train", ("motion", "x"), f"embedded: unknown extra 'x'; allowed: {extras}"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            embedded.pairs(folder, split, kinds)
