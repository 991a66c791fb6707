"""Pictures for git: what they show, where images differ most, what is made again, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.transform import resize

from benchmark import spec
from benchmark.data.pairs import Pairs
from benchmark.data.windows import corners, spread, windows
from benchmark.results import Results, read_rows
from benchmark.results.schema import Picture, Window
from pipelines import pictures
from tests import project

SETTINGS = """
profile: tiny
profiles:
  tiny:
    about: a few images
    data: embedded
    images: {train: 1, test: 2}
    steps: 1
    batch: 1
    crop: 16
    thin: 1
runs:
  identity: {model: identity, about: the input, test_on: [gopro]}
  one:
    model: dmphn
    about: one
    train: &train
      epochs: 1
      batch: 1
      crop: 16
      optimiser: {lr: 1.0}
      schedule: {name: constant}
      loss: {name: pixel, distance: l1}
  two: {model: cdgnet, about: two, train: {<<: *train, loss: {name: components, mu: 0.9}}}
  twos: {model: cdgnet, about: of two, ablates: two, train: {<<: *train, loss: {name: components, mu: 0.99}}}
"""


def photograph(name, height=96, width=112):
    """Shrink a photograph of scikit-image: (H, W, 3) uint8."""
    return (255 * resize(getattr(data, name)(), (height, width), anti_aliasing=True)).round().astype(np.uint8)


@pytest.fixture(scope="module")
def sharp():
    """Return two sharp images by name."""
    return {"cat/000001": photograph("chelsea"), "cup/000004": photograph("coffee")}


@pytest.fixture
def folder(tmp_path, monkeypatch, sharp):
    """Lay out a project whose runs have restored two images, and stand in it."""
    project.write(tmp_path, SETTINGS)
    monkeypatch.chdir(tmp_path)
    rng, results = np.random.default_rng(0), Results("tiny")
    blurred = {name: (image // 2 + image[:, ::-1] // 2).astype(np.uint8) for name, image in sharp.items()}
    monkeypatch.setattr(
        pictures.selection,
        "pairs",
        lambda profile, dataset, split: Pairs(list(sharp), list(blurred.values()), list(sharp.values())),
    )
    for index, run in enumerate(("one", "two", "twos")):
        for name, image in sharp.items():
            restored = image.copy()
            restored[8:40, 60:92] += np.uint8(40 * (index + 1))  # where the runs differ, by overflow too
            restored[70:80, 10:20] += rng.integers(0, 3, (10, 10, 3), np.uint8)
            path = results.images(run) / "embedded" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(restored).save(path)
    maps = results.train("two") / "maps"
    maps.mkdir(parents=True)
    for step in (0, 10, 20, 30, 40, 50, 60):
        np.savez_compressed(
            maps / f"{step:07d}.npz", ms=np.full((4, 4), step, np.float32) + np.eye(4, dtype=np.float32)
        )
    return blurred


def rows():
    """Read the table of pictures."""
    return read_rows(Results("tiny").picture_rows, Picture)


def test_every_picture_is_the_image_that_its_row_names(folder, sharp):
    """Decoded by Pillow, each is near the pixels it was made from, by scikit-image's PSNR as the row says."""
    pictures.main()
    results = Results("tiny")
    found = {(row.image, row.kind, row.run, row.name, row.step): row for row in rows()}

    assert {row.kind for row in rows()} == {"blurred", "sharp", "restored", "crop", "map", "mask"}
    assert [row.run for row in rows() if row.kind == "restored"] == ["one", "two"] * 2
    for (image, kind, run, _, _), row in found.items():
        if kind in ("blurred", "sharp", "restored", "crop"):
            source = {"blurred": folder, "sharp": sharp}.get(kind, {}).get(image)
            if source is None:
                source = np.asarray(Image.open(results.images(run) / "embedded" / f"{image}.png"))
            source = source[row.y : row.y + row.height, row.x : row.x + row.width]
            shown = np.asarray(Image.open(results.pictures / row.file).convert("RGB"))
            assert peak_signal_noise_ratio(source, shown) == pytest.approx(row.fidelity, abs=1e-3)
            assert row.fidelity > 30


def test_masks_are_where_the_structural_similarity_exceeds_mu(folder, sharp):
    """One at each mu of a recipe, as scikit-image's map of SSIM has it away from the border."""
    pictures.main()
    for row in (row for row in rows() if row.kind == "mask"):
        shown = np.asarray(Image.open(Results("tiny").pictures / row.file))
        _, similarity = structural_similarity(
            folder[row.image] / 255,
            sharp[row.image] / 255,
            channel_axis=-1,
            data_range=1.0,
            full=True,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        inside = (slice(8, -8), slice(8, -8))
        expected = similarity.mean(-1)

        assert shown.dtype == bool
        assert row.share == pytest.approx(shown.mean(), abs=1e-6)
        near = np.abs(expected - float(row.name))[inside] < 1e-6
        assert np.array_equal(shown[inside][~near], (expected > float(row.name))[inside][~near])
    assert sorted({row.name for row in rows() if row.kind == "mask"}) == ["0.9", "0.99"]


def test_crops_and_windows_are_where_the_runs_differ(folder):
    """The first window covers the planted square; a variant keeps that part of one image per sequence."""
    pictures.main()
    places = read_rows(Results("tiny").windows, Window)
    crops = [row for row in rows() if row.kind == "crop"]

    for place in {row.image: row for row in reversed(places)}.values():
        assert place.x <= 60 < 92 <= place.x + place.side
        assert place.y <= 8 < 40 <= place.y + place.side
        assert {place.best, place.worst} == {"one", "two"}
        assert place.best_psnr > place.worst_psnr
    assert [(row.run, row.image) for row in crops] == [("twos", "cat/000001"), ("twos", "cup/000004")]
    assert {(row.x, row.y, row.width) for row in crops} == {
        (p.x, p.y, p.side) for p in places if (p.x, p.y) in {(c.x, c.y) for c in crops}
    }


def test_maps_are_kept_at_four_steps_with_their_ends(folder):
    """First and last step, evenly spread between; smallest and largest value of each."""
    pictures.main()
    kept = {row.step: (row.low, row.high) for row in rows() if row.kind == "map"}

    assert kept == {step: (step, step + 1) for step in (0, 20, 40, 60)}


def test_only_what_changed_is_made_again(folder):
    """A second call writes no picture; another image writes its own; a run that left leaves nothing."""
    pictures.main()
    results = Results("tiny")
    before = {
        path: path.stat().st_mtime_ns for path in results.pictures.rglob("*.*") if path.suffix != ".csv"
    }
    table = results.picture_rows.read_bytes()
    pictures.main()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert results.picture_rows.read_bytes() == table

    changed = results.images("one") / "embedded" / "cup" / "000004.png"
    Image.fromarray(255 - np.asarray(Image.open(changed))).save(changed)
    pictures.main()
    again = {path.name for path, when in before.items() if path.stat().st_mtime_ns != when}
    assert again == {"restored-one.avif"} | ({"crop-twos.avif"} & again)

    (results.pictures / "cat" / "000001" / "left over.txt").write_text("x")
    for path in (results.images("one") / "embedded").rglob("*.png"):
        path.unlink()
    pictures.main()
    listed = {results.pictures / row.file for row in rows()}
    assert {
        path for path in results.pictures.rglob("*") if path.is_file() and path.suffix != ".csv"
    } == listed
    assert not any("one" in row.file for row in rows())


def test_images_of_real_sets_are_not_published(folder, monkeypatch):
    """A profile without a stand-in has empty tables and no picture."""
    profile, runs = spec.load()
    monkeypatch.setattr(pictures.spec, "load", lambda: (replace(profile, data=""), runs))
    pictures.main()

    assert rows() == []
    assert {path.name for path in Results("tiny").pictures.iterdir()} == {"pictures.csv", "windows.csv"}


def test_damaged_images_are_refused_by_name(folder):
    """A cut image, one of another size, and maps that are no archive."""
    results = Results("tiny")
    path = results.images("one") / "embedded" / "cat" / "000001.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(ValueError, match=r"one/embedded/cat/000001\.png: cannot be read as an image"):
        pictures.main()
    Image.new("RGB", (8, 9)).save(path)
    with pytest.raises(ValueError, match=r"000001\.png: \(9, 8\) pixels; allowed: \(96, 112\)"):
        pictures.main()
    path.write_bytes(whole)
    (results.train("two") / "maps" / "0000060.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"0000060\.npz: cannot be read as maps"):
        pictures.main()


def test_spread_is_the_variance_over_images():
    """Of numpy, averaged over colours."""
    images = list(np.random.default_rng(1).integers(0, 256, (5, 6, 7, 3), np.uint8))

    assert np.allclose(spread(images), np.var(np.array(images, float), axis=0).mean(-1))


def test_windows_are_the_best_of_all_places():
    """Compared with a search over every place; the next one does not touch the first."""
    values = np.random.default_rng(2).random((20, 24))
    (x, y), (other_x, other_y) = list(corners(values, 5, 2))
    sums = {(i, j): values[j : j + 5, i : i + 5].sum() for i in range(20) for j in range(16)}
    free = {at: total for at, total in sums.items() if max(abs(at[0] - x), abs(at[1] - y)) >= 5}

    assert (x, y) == max(sums, key=sums.get)
    assert (other_x, other_y) == max(free, key=free.get)


def test_one_image_differs_nowhere(sharp):
    """There is no window with fewer than two runs, and a perfect one has a finite PSNR."""
    image = sharp["cat/000001"]
    two = {"a": image, "b": 255 - image}

    assert list(windows("d", "i", image, {"a": image}, image)) == []
    assert next(windows("d", "i", image, two, image)).best_psnr == 100.0
