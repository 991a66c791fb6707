"""The committed results of the embedded profile: complete, plausible, and what the README says."""

import math
from collections import defaultdict
from pathlib import Path
from statistics import mean, median

import pytest

from benchmark import spec
from benchmark.report import inputs, readme, summary
from benchmark.results import Measurement, Results, read_frame, read_rows
from benchmark.results.schema import CurvePoint, Score

ROOT = Path(__file__).parents[1]
PROFILE, RUNS = spec.load(ROOT / "params.yaml", "embedded")
RESULTS = Results("embedded", ROOT / "results")
TRAINED = [name for name, run in RUNS.items() if run.train]
CURVES = {run: curve for run, curve in read_frame(RESULTS.curves, CurvePoint).groupby("run")}


def test_every_run_is_trained_and_measured():
    """At least 50 runs, 7 of them DMPHN and 17 CDGNet, have PSNR and both SSIMs on every test image."""
    rows = {(row.run, row.quantity): row for row in read_rows(RESULTS.measurements, Measurement)}

    assert {
        (name, q) for name in RUNS for q in ("psnr", "ssim", "ssim_matlab", "params", "macs_720p")
    } <= rows.keys()
    assert len(TRAINED) >= 50
    assert sum(RUNS[name].model == "dmphn" for name in TRAINED) >= 7
    assert sum(RUNS[name].model == "cdgnet" for name in TRAINED) >= 17
    assert {rows[name, "psnr"].n for name in RUNS} == {PROFILE.images["test"]}


def test_means_are_those_of_the_images():
    """Each value is the mean of the committed per-image values, or the PSNR of their mean error."""
    images = defaultdict(list)
    for score in read_rows(RESULTS.quality, Score):
        images[score.run, score.quantity].append(score.value)
    for row in read_rows(RESULTS.measurements, Measurement):
        if row.dataset and row.value is not None:
            value = mean(images.pop((row.run, row.quantity)))
            if row.quantity == "psnr_pooled":
                value = -10 * math.log10(value)

            assert row.value == pytest.approx(value, abs=1e-5)
    assert not images


@pytest.mark.parametrize("name", [name for name in CURVES if RUNS[name].pixel_loss])
def test_training_gains(name):
    """At the end a network restores its training images better than at the start, or than the input.

    A new run has no committed curve yet.
    """
    gains = CURVES[name]["train"].dropna()

    assert gains.iloc[-1] > min(gains.iloc[0], 0)


def test_networks_restore_more_than_the_input_has():
    """Four of five networks end clearly above the blurred input on the test images, and none far below it.

    Sun's and Gong's networks estimate motion; what is restored by it has docs/classical.md.
    """
    rows = read_rows(RESULTS.measurements, Measurement)
    psnr = {row.run: row.value for row in rows if row.quantity == "psnr"}
    restoring = [name for name in TRAINED if (name, "epe") not in {(row.run, row.quantity) for row in rows}]
    gains = [psnr[name] - psnr["identity"] for name in restoring]

    assert sum(gain > 0.02 for gain in gains) >= 0.8 * len(gains)
    assert min(gains) > -0.3
    assert median(gains) >= 0.12


def test_the_readme_says_what_the_results_say(monkeypatch):
    """The README's findings are those that the committed results give."""
    monkeypatch.chdir(ROOT)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    findings = text.split(readme.BEGIN)[1].split(readme.END)[0].strip()

    assert findings == readme.section(summary.summarise(inputs.read("embedded")))
