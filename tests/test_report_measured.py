"""The report on retrained networks: ablations, quality and curves."""

import numpy as np
import pytest

from benchmark.report import inputs, page
from benchmark.results import write
from benchmark.results.schema import CurvePoint
from tests.invented import CHOSEN, IMAGES, PROFILE, RUNS, mean_psnr, psnr, section


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


def test_a_loss_below_zero_does_not_stretch_its_axis(tmp_path):
    """Losses with an adversary can fall below zero; their axis keeps its range and its ticks."""
    losses = [2.0, 0.5, -3.0]
    points = [CurvePoint("mscnn_gan", step, 1e-4, loss) for step, loss in enumerate(losses, 1)]
    write(tmp_path / "curves.csv", CurvePoint, points)
    curve = inputs.read_curves(tmp_path / "curves.csv")

    assert list(curve["relative"]) == [1, 0.25, 0.01]
