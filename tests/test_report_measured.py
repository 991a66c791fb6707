"""The report on retrained networks: ablations, quality, curves, crops and attention maps."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmark.report import attention, crops, figures, inputs, page
from benchmark.results import Results, write
from benchmark.results.schema import CurvePoint
from tests.invented import (
    CHOSEN,
    DATA,
    IMAGES,
    PROFILE,
    RUNS,
    fill,
    keep_maps,
    mean_psnr,
    psnr,
    read,
    section,
)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with every input, to change."""
    fill(tmp_path)
    return tmp_path


def pixels(tile):
    """Decode the image of a tile."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(tile.uri.split(",")[1]))))


def test_ablation_steps_are_differences(full_summary):
    """The page has the printed difference and the mean paired one, with the direction and its reason."""
    table = next(table for table in full_summary.ablations if table.printed.name == "Table 3")
    gains = [psnr("cdgnet", image) - psnr("cdgnet_baseline", image) for image in IMAGES]
    first, shown = table.steps[0], section(page.render(full_summary), "ablations")

    assert (first.before, first.after, first.printed) == ("DMPHN 1", "DMPHN+ACDA", 0.01)
    assert table.steps[-1].measured is None
    assert "leaves" in table.steps[-1].reason
    assert table.whole.printed == 1.89
    assert table.whole.measured == pytest.approx(np.mean(gains), abs=1e-5)
    for row in (*table.steps, table.whole):
        assert row.reason in shown


def test_every_variant_is_grouped(full_summary):
    """Each run with `ablates` is in the group of the run it is a variant of."""
    grouped = {(row.first, row.second) for variants in full_summary.groups.values() for row, _ in variants}

    assert grouped == {(run.ablates, name) for name, run in RUNS.items() if run.ablates}


def test_studies_change_one_setting(full_summary):
    """A study of the recipes has its parent and its variants, in order of value, with or without curve."""
    labels = {s.title: {*s.points["label"], *s.absent} for s in full_summary.studies}
    study = next(study for study in full_summary.studies if study.title.startswith("Distance"))

    assert labels["Weight λ of the branch losses"] == {"λ 0", "λ 0.01", "λ 0.1", "λ 1"}
    assert labels["Threshold μ of the sharpness mask"] >= {"μ 0.9", "μ 0.96", "μ 0.99"}
    assert list(study.points["label"].unique()) == ["distance mse", "distance ssim"]
    assert study.absent == ("distance l1",)


def test_quality_is_beside_the_blurred_input(full_summary):
    """The blurred input comes first; every other run shows its gain over it and the spread over images."""
    (table,) = full_summary.quality
    measured = table.runs[table.runs["images"] > 0]
    left_out = table.runs[table.runs["images"] == 0]
    spread = np.std([psnr("cdgnet", image) for image in IMAGES], ddof=1)

    assert table.runs.index[0] == "identity"
    assert list(measured.index) == [name for name in RUNS if name in CHOSEN]
    assert (left_out["note"] == f"left out by profile {PROFILE}").all()
    assert table.spread["psnr"]["cdgnet"] == pytest.approx(spread, abs=1e-5)
    gain = mean_psnr("cdgnet") - mean_psnr("identity")
    assert table.gain["psnr"]["cdgnet"] == pytest.approx(gain, abs=1e-5)
    assert np.isnan(table.gain["psnr"]["identity"])


def test_crops_show_the_same_window(filled, full_summary):
    """Each tile of a strip is the same window of its own image, and has that image's PSNR."""
    first = full_summary.strips[0]
    sequence, frame = first.image.split("/")
    test = filled / "data" / PROFILE / "test"
    sharp = np.asarray(Image.open(test / sequence / "sharp" / f"{frame}.png"))
    shown = [strip.image.split("/")[0] for strip in full_summary.strips]

    assert len(set(shown)) == len(shown) == min(len(crops.RANKS), len({seq.name for seq in test.iterdir()}))
    assert (first.tiles[0].run, first.tiles[-1].label) == ("identity", "sharp original")
    assert first.tiles[0].psnr == pytest.approx(psnr("identity", first.image))
    assert all(pixels(tile).shape == (40, 48, 3) for tile in first.tiles)
    np.testing.assert_array_equal(pixels(first.tiles[-1]), sharp)


def test_images_that_cannot_be_shown_have_a_reason(folder):
    """Images are not in git: a missing, truncated or resized one leaves a reason in its place."""
    images = folder / "results" / PROFILE / "images"
    for path in (folder / "data").rglob("*.png"):
        path.unlink()
    for path in (images / "identity").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:100])
    network = crops.networks(read(folder), DATA)[1]
    for path in (images / network).rglob("*.png"):
        Image.open(path).resize((8, 8)).save(path)
    tiles = crops.strips(read(folder))[0].tiles

    assert "cannot be read" in tiles[0].reason
    assert tiles[1].uri
    assert (tiles[2].uri, tiles[2].reason) == ("", "has another size")
    assert "dvc repro" in tiles[-1].reason


def test_attention_maps_are_shown_through_training(folder, full_summary):
    """First, last and two steps between, from smallest to largest value; a truncated file is named."""
    kept = keep_maps(folder)
    maps = attention.maps(read(folder))
    tiles = maps.runs["cdgnet"]["large_map"]
    image = pixels(tiles[-1])

    assert {run: list(drawn) for run, drawn in maps.runs.items()} == {"cdgnet": ["large_map", "small_map"]}
    assert [tile.step for tile in tiles] == [10, 30, 40, 60]
    assert [(tile.smallest, tile.largest) for tile in tiles] == [(0, kept[t.step].max()) for t in tiles]
    assert image.shape[0] * 4 == image.shape[1] * 3
    assert image[0, 0].astype(int).sum() < image[-1, -1].astype(int).sum()  # dark to bright
    assert "large_map of cdgnet at step 60" in page.render(replace(full_summary, maps=maps, curves=()))
    (Results(PROFILE, folder / "results").train("cdgnet") / "maps" / "0000010.npz").write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"0000010.npz: cannot be read as maps"):
        attention.maps(read(folder))


def test_figures_keep_text_and_follow_the_theme(full_summary):
    """Labels of a plot are text, its ids carry its name, its ink is the page's, and it has no date."""
    curves = [name for name in RUNS if name in CHOSEN and RUNS[name].train]
    studies = [study.name for study in full_summary.studies if study.comparable]
    plots = figures.curves(full_summary)

    assert list(plots) == curves + studies
    for name, plot in plots.items():
        prefix = name if name in studies else f"curve-{name}"
        assert re.search(r"gain( in PSNR)? \(dB\)</text>", plot)
        assert "var(--ink)" in plot
        assert not re.search(r"#(0\d0\d|000000|0a0b0c)|dc:date|<metadata", plot)
        assert set(re.findall(rf'\bid="(?!{prefix}-)[^"]*"', plot)) == set()


def test_a_loss_below_zero_does_not_stretch_its_axis(tmp_path):
    """Losses with an adversary can fall below zero; their axis keeps its range and its ticks."""
    losses = [2.0, 0.5, -3.0]
    points = [CurvePoint("mscnn_gan", step, 1e-4, loss) for step, loss in enumerate(losses, 1)]
    write(tmp_path / "curves.csv", CurvePoint, points)
    curve = inputs.read_curves(tmp_path / "curves.csv")
    plot = figures.panel("mscnn_gan", curve, curve)

    assert list(curve["relative"]) == [1, 0.25, 0.01]
    assert all(f'">{tick}</text>' in plot for tick in (0.01, 0.1, 1))
