"""The committed results of the embedded profile: complete, plausible, and what the README says."""

import json
import math
from collections import defaultdict
from pathlib import Path
from statistics import mean, median

import pytest

from benchmark import spec
from benchmark.report import inputs, readme, summary
from benchmark.results import Results, read

ROOT = Path(__file__).parents[1]
PROFILE, RUNS = spec.load(ROOT / "params.yaml", "embedded")
RESULTS = Results("embedded", ROOT / "results")
TRAINED = [name for name, run in RUNS.items() if run.train]


def test_every_run_is_trained_and_measured():
    """At least 50 runs, seven of them DMPHN and 17 CDGNet, have PSNR and both SSIMs on every test image."""
    rows = {(row["run"], row["quantity"]): row for row in read(RESULTS.measurements)}

    assert {
        (name, q) for name in RUNS for q in ("psnr", "ssim", "ssim_matlab", "params", "macs_720p")
    } <= rows.keys()
    assert len(TRAINED) >= 50
    assert sum(RUNS[name].model == "dmphn" for name in TRAINED) == 7
    assert sum(RUNS[name].model == "cdgnet" for name in TRAINED) >= 17
    assert {rows[name, "psnr"]["n"] for name in RUNS} == {str(PROFILE.images["test"])}


def test_means_are_those_of_the_images():
    """Each value is the mean of the committed per-image values, or the PSNR of their mean error."""
    images = defaultdict(list)
    for row in read(RESULTS.quality):
        images[row["run"], row["quantity"]].append(float(row["value"]))
    for row in read(RESULTS.measurements):
        if row["dataset"] and row["value"]:
            value = mean(images.pop((row["run"], row["quantity"])))
            if row["quantity"] == "psnr_pooled":
                value = -10 * math.log10(value)

            assert float(row["value"]) == pytest.approx(value, abs=1e-5)
    assert not images


CURVES = {row["run"] for row in read(RESULTS.curves)}


@pytest.mark.parametrize("name", [n for n in TRAINED if n in CURVES and not RUNS[n].train.adversary])
def test_the_loss_falls(name):
    """The mean loss of the last tenth of the curve is below that of the first tenth, or validation rises.

    A network that starts as the identity gains less than crops differ, so its loss may hide what its
    validation, always on the same crops, shows. With an adversary neither need be: what the network is told
    changes with who tells it.
    """
    rows = [row for row in read(RESULTS.curves) if row["run"] == name]
    losses = [float(row["loss"]) for row in rows]
    checks = [float(row["psnr"]) for row in rows if row["psnr"]]
    tenth = len(losses) // 10

    floor = json.loads(RESULTS.environment.read_text(encoding="utf-8"))["validation_floor"]
    identity = abs(checks[0] - floor) < 0.25  # dB
    assert mean(losses[-tenth:]) < mean(losses[:tenth]) or (identity and checks[-1] > checks[0])


def test_pixel_losses_restore_more_than_the_input_has():
    """The median PSNR over runs trained for PSNR is above that of the blurred input."""
    psnr = {
        row["run"]: float(row["value"]) for row in read(RESULTS.measurements) if row["quantity"] == "psnr"
    }

    assert median(psnr[name] for name in TRAINED if RUNS[name].pixel_loss) > psnr["identity"]


def test_the_readme_says_what_the_results_say(monkeypatch):
    """The README's findings are those that the committed results give."""
    monkeypatch.chdir(ROOT)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    said = text.split(readme.BEGIN)[1].split(readme.END)[0].strip()

    assert said == readme.section(summary.summarise(inputs.read("embedded")))
