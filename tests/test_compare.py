"""Verdicts: each kind, and the gate's exit status."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import compare, spec
from benchmark.claims import Claim
from benchmark.compare import Evidence, judge

ROOT = Path(__file__).parents[1]
PROFILE, RUNS = spec.load(ROOT / "params.yaml", "paper")
CLAIM = Claim("p", "Table 1", "Ours", "PSNR", "cdgnet", "gopro", "psnr", "30.67")
PARAMS = replace(CLAIM, quantity="params", printed="6.7", scale=1e6)
MACS = replace(PARAMS, quantity="macs_720p", printed="689.20", scale=1e9)


def evidence(**values):
    """Evidence of the paper profile with these values of run cdgnet: psnr on gopro, counts on nothing."""
    keys = {key: ("cdgnet", "gopro" if key in ("psnr", "ssim") else "", key) for key in values}
    return Evidence(PROFILE, RUNS, {keys[key]: value for key, value in values.items()})


@pytest.mark.parametrize(
    ("claim", "measured", "verdict"),
    [
        (CLAIM, {"psnr": "30.6749"}, "agrees"),
        (CLAIM, {"psnr": "30.58"}, "close"),
        (CLAIM, {"psnr": "30.5"}, "differs"),
        (CLAIM, {"psnr": "30.9"}, "differs"),
        (replace(CLAIM, quantity="ssim", printed="0.945"), {"ssim": "0.9466"}, "close"),
        (PARAMS, {"params": "6749999"}, "agrees"),
        (PARAMS, {"params": "6760000"}, "differs"),
        (MACS, {"macs_720p": "687085977600"}, "close"),
        (replace(PARAMS, explain="because"), {"params": "9000000"}, "explained"),
        (replace(PARAMS, explain="because"), {"params": "6700000"}, "differs"),
        (replace(CLAIM, printed="—"), {"psnr": "30.67"}, "untested"),
        (replace(CLAIM, run=None), {"psnr": "30.67"}, "untested"),
        (replace(CLAIM, run="no_such"), {"psnr": "30.67"}, "untested"),
        (replace(CLAIM, printed="two"), {"psnr": "30.67"}, "untested"),
        (replace(CLAIM, dataset="dvd"), {"psnr": "30.67"}, "untested"),
        (replace(CLAIM, quantity="seconds", printed="6", scale=1e-3), {}, "untested"),
    ],
)  # fmt: skip
def test_verdicts(claim, measured, verdict):
    """Rounding, band, explanation and the reasons for not testing."""
    _, found, reason = judge(claim, evidence(**measured))

    assert found == verdict
    assert reason or verdict in ("agrees", "close", "differs")


@pytest.mark.parametrize(
    ("quantity", "printed", "verdict"),
    [
        ("setting.epochs", "3000", "agrees"),
        ("setting.lr", "0.0001", "agrees"),
        ("setting.batch", "16", "differs"),
        ("setting.mu", "0.96", "agrees"),
        ("setting.width", "128", "untested"),
    ],
)
def test_printed_settings_are_held_against_the_recipe(quantity, printed, verdict):
    """A setting in the prose agrees with params.yaml, or differs, whatever the profile cuts."""
    claim = replace(CLAIM, quantity=quantity, printed=printed)

    assert judge(claim, evidence())[1] == verdict
    assert (
        judge(claim, replace(evidence(), profile=spec.load(ROOT / "params.yaml", "embedded")[0]))[1]
        == verdict
    )


def test_a_cut_profile_tests_no_quality():
    """On stand-in data the value is shown beside the claim but never judged."""
    profile, _ = spec.load(ROOT / "params.yaml", "embedded")
    shown = Evidence(profile, RUNS, {("cdgnet", "embedded", "psnr"): "30.67"})
    measured, verdict, reason = judge(CLAIM, shown)

    assert (measured, verdict) == ("30.67", "untested")
    assert "embedded data in place of the real set" in reason


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params.yaml and a results/complexity.csv of every run, all zero."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["compare"])

    def complexity(rows):
        with (tmp_path / "results" / "complexity.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["run", "params", "macs_256", "macs_720p", "uncounted"])
            writer.writerows(rows)

    return complexity


def committed():
    """The committed counts."""
    with (ROOT / "results" / "complexity.csv").open(newline="") as file:
        return [
            [r["run"], r["params"], r["macs_256"], r["macs_720p"], r["uncounted"]]
            for r in csv.DictReader(file)
        ]


def test_the_committed_counts_pass_the_gate(project, capsys):
    """Every printed size and MAC count agrees, is close, or is explained."""
    project(committed())

    assert compare.main() == 0
    assert " 0 differs" in capsys.readouterr().out


def test_an_unexplained_difference_fails_the_gate(project, capsys):
    """One wrong parameter count, and the gate names the cell and exits with 1."""
    rows = committed()
    for row in rows:
        if row[0] == "dmphn_stack4":
            row[1] = "5424393"
    project(rows)

    assert compare.main() == 1
    assert "DIFFERS  sgenet, Table 1, DMPHN [28], Params.: printed 21.7" in capsys.readouterr().out


def test_a_gate_that_tests_nothing_fails(project, capsys, monkeypatch):
    """Without a count and without settings nothing was tested, which is no success."""
    project([])
    monkeypatch.setattr(compare, "SETTINGS", {})

    assert compare.main() == 1
    assert "no claim could be tested" in capsys.readouterr().err


def test_missing_input_is_one_line(tmp_path, monkeypatch, capsys):
    """Outside a project, or before complexity ran: one line that names the file, exit status 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["compare"])

    assert compare.main() == 2
    assert "params.yaml: cannot be read" in capsys.readouterr().err
