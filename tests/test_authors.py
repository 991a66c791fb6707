"""Stage authors: published weights on real sets, measured once, kept, and said where they cannot be had."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import uniform_filter1d
from skimage.metrics import peak_signal_noise_ratio

from benchmark.data.pairs import image
from benchmark.datasets import gopro
from benchmark.models import dmphn
from benchmark.plugins import names
from benchmark.results import Measurement, read_rows
from benchmark.results.schema import Score
from benchmark.weights import published
from benchmark.weights.published import Asset, Published
from pipelines import authors
from tests import project
from tests.test_dmphn import authors_names
from tests.test_metrics import GOLDEN

PARAMS = """
profile: tiny
profiles: {tiny: {about: "", data: embedded}}
runs:
  blurred: {model: identity, about: ""}
  small: &small
    model: dmphn
    about: ""
    config: {levels: "1", width: 4}
    train:
      {epochs: 1, batch: 1, crop: 8, optimiser: {lr: 1}, schedule: {}, loss: {}, normalise: {mean: 0.5}}
    weights: small
    test_on: [gopro, hide]
  lost: {<<: *small, weights: lost, test_on: [gopro]}
  evil: {<<: *small, weights: evil, test_on: [gopro]}
  untold: {<<: *small, weights: ""}
"""
RESULTS = Path("results/authors")


def add(*frames):
    """Put pairs of one test sequence on the shelf."""
    for frame in frames:
        sharp = np.random.default_rng(int(frame)).integers(0, 256, (32, 48, 3), np.uint8)
        blurry = uniform_filter1d(sharp.astype(float), 3, axis=1).round().astype(np.uint8)
        for kind, pixels in (("blur", blurry), ("sharp", sharp)):
            path = Path("shelf/GOPRO_Large/test/GOPR0384_11_00", kind, f"{frame}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """A folder with two GoPro pairs, a small network's weights, runs that name them; what was measured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEBLUR_DATA", str(tmp_path / "shelf"))
    monkeypatch.setattr(gopro, "SET", replace(gopro.SET, size=(48, 32)))
    project.write(Path(), PARAMS)
    shelf = tmp_path / "shelf" / "small"
    shelf.mkdir(parents=True)
    for name, state in authors_names(dmphn.Net(dmphn.Config("1", width=4))).items():
        torch.save(state, shelf / f"{name}.pkl")
    torch.save({"a": Path}, shelf / "evil.pkl")
    files = tuple(Asset(path.name) for path in sorted(shelf.glob("*coder*")))
    known = {"of": "a test", "licence": "MIT"}
    entries = {
        "small": Published("small", "small", reads="parts", files=files, **known),
        "evil": Published("evil", "evil", folder="small", files=(Asset("evil.pkl"),), **known),
        "lost": Published("lost", "lost", missing="the authors lost them", **known),
    }
    monkeypatch.setattr(published, "load", lambda: entries)
    add("000001", "000002")
    scored = []
    score = authors.measure

    def measure(run, entry, files, dataset, pairs, here):
        scored.append((run.name, dataset, len(pairs)))
        return score(run, entry, files, dataset, pairs, here)

    monkeypatch.setattr(authors, "measure", measure)
    return scored


def tables():
    """The three files as they are on disk."""
    return [(RESULTS / name).read_bytes() for name in ("quality.csv", "record.json", "measurements.csv")]


def values(run, quantity):
    """A run's values on GoPro by image."""
    rows = read_rows(RESULTS / "quality.csv", Score)
    return {row.image: row.value for row in rows if (row.run, row.quantity) == (run, quantity)}


def measurements():
    """The rows of the table by run, dataset and quantity."""
    rows = read_rows(RESULTS / "measurements.csv", Measurement)
    return {(row.run, row.dataset, row.quantity): row for row in rows}


def test_weights_are_measured_under_every_protocol(measured):
    """Per image, of the saved picture; and one row per protocol that says of how many images."""
    authors.main()

    assert ("small", "gopro", 2) in measured
    assert {row.quantity for row in read_rows(RESULTS / "quality.csv", Score)} == set(names("metrics"))
    for frame, value in values("small", "psnr").items():
        saved = image(RESULTS / "images" / "small" / "gopro" / f"{frame}.png")
        sequence, number = frame.split("/")
        sharp = image(Path("shelf/GOPRO_Large/test", sequence, "sharp", f"{number}.png"))
        assert value == pytest.approx(peak_signal_noise_ratio(sharp, saved), abs=1e-6)
    rows = measurements()
    row = rows["small", "gopro", "psnr"]
    assert row.value == pytest.approx(np.mean(list(values("small", "psnr").values())), abs=1e-6)
    assert (row.n, row.profile) == (2, "authors")
    assert row.note.startswith("2 of 1,111 images; sd over images ")
    pooled = -10 * np.log10(np.mean(list(values("small", "psnr_pooled").values())))
    assert rows["small", "gopro", "psnr_pooled"].value == pytest.approx(pooled, abs=1e-6)
    assert rows["blurred", "gopro", "psnr"].value < 13  # noise, and its means over three columns


def test_what_cannot_be_had_is_a_row_with_the_reason(measured, capsys):
    """Neither a system without weights, a hostile file nor a set that is not there stops the others."""
    authors.main()

    rows = {(run, dataset): row for (run, dataset, _), row in measurements().items()}
    assert rows["lost", "gopro"].note == "the authors lost them"
    assert rows["evil", "gopro"].note.startswith("small/evil.pkl: refused, not a file of plain tensors")
    assert rows["small", "hide"].note.startswith("hide: not at hand; ")
    for key in (("lost", "gopro"), ("evil", "gopro"), ("small", "hide")):
        assert (rows[key].value, rows[key].n) == (None, 0)
    assert not any(run == "untold" for run, _ in rows)
    assert json.loads((RESULTS / "record.json").read_text())["small"]["gopro"]["total"] == 1111
    printed = capsys.readouterr().out.splitlines()
    assert "authors: gopro: 2 of 1,111 images" in printed
    assert "evil.pkl: refused, not a file of plain tensors" in printed[-1]


def test_what_was_measured_is_kept(measured):
    """Not again while nothing changes, and not less when data, weights or some of the images are gone."""
    authors.main()
    before = tables()
    measured.clear()

    authors.main()
    assert before == tables()

    Path("shelf/GOPRO_Large").rename(
        "elsewhere"
    )  # not even the reasons change: who had the images knew better
    assert json.loads((RESULTS / "record.json").read_text())["evil"]["gopro"]["lacks"]
    authors.main()
    assert before == tables()

    Path("elsewhere").rename("shelf/GOPRO_Large")
    Path("shelf/GOPRO_Large/test/GOPR0384_11_00/blur/000002.png").unlink()
    authors.main()
    Path("shelf").rename("hidden")
    authors.main()
    assert before[0] == tables()[0]
    assert [m for m in measured if m[0] != "evil"] == []


def test_what_changed_is_measured_and_what_is_gone_leaves_nothing(measured):
    """A further image or another configuration is a reason to measure; a run's rows go with its weights."""
    authors.main()
    measured.clear()

    add("000003")
    authors.main()
    assert {("blurred", "gopro", 3), ("small", "gopro", 3)} <= set(measured)
    assert len(values("small", "psnr")) == 3

    measured.clear()
    project.write(Path(), PARAMS.replace("mean: 0.5", "mean: 0.4"))
    authors.main()
    assert [m for m in measured if m[0] != "evil"] == [("small", "gopro", 3)]

    project.write(Path(), PARAMS.replace("weights: small", "weights: ''"))
    authors.main()
    assert {row.run for row in read_rows(RESULTS / "quality.csv", Score)} == {"blurred"}


def test_an_interrupted_stage_keeps_what_is_finished(measured, monkeypatch):
    """The first run's values are on disk while the second is measured, and are not measured again."""
    whole = authors.measure

    def once(run, *more):
        if run.name == "small":
            raise KeyboardInterrupt
        return whole(run, *more)

    monkeypatch.setattr(authors, "measure", once)
    assert authors.main() == 130
    assert {row.run for row in read_rows(RESULTS / "quality.csv", Score)} == {"blurred"}

    measured.clear()
    monkeypatch.setattr(authors, "measure", whole)
    authors.main()
    assert ("blurred", "gopro", 2) not in measured
    assert ("small", "gopro", 2) in measured


def test_weights_that_are_not_listed_are_an_error(measured):
    """The message names the run and the nearest entry."""
    project.write(Path(), PARAMS.replace("weights: lost", "weights: loss"))

    with pytest.raises(ValueError, match=r"lost.weights: no 'loss' in published.yaml; did you mean 'lost'\?"):
        authors.main()


def test_the_committed_table_has_the_golden_values():
    """DMPHN(1-2-4) with its weights, and the blurred frames: every printed number, digit for digit."""
    rows = read_rows(Path(__file__).parents[1] / RESULTS / "quality.csv", Score)
    scores = {(row.run, row.dataset, row.image, row.quantity): row.value for row in rows}
    blurred = {"blur": ("identity", "gopro"), "blur_gamma": ("identity", "gopro_gamma")}
    for kind, frame, quantity, printed in GOLDEN:
        score = scores[*blurred.get(kind, (kind, "gopro")), frame, quantity]
        assert score == pytest.approx(float(printed), abs=0.5 * 10 ** -len(printed.split(".")[1]) + 1e-6)
