"""Verdicts of every kind, and the gate's exit status."""

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmark import spec
from benchmark.claims import Claim, Paper
from benchmark.compare import __main__ as command
from benchmark.compare import evidence as sources
from benchmark.compare.evidence import KEY, Evidence
from benchmark.compare.findings import findings
from benchmark.results import AUTHORS, DATASETS, Measurement, Results, read_rows, write
from benchmark.results.schema import DatasetSplit, DecodedColumn, Finding, PrintedTime, Score
from tests.project import copy

ROOT = Path(__file__).parents[1]
PROFILE, RUNS = spec.load(ROOT / "params.yaml", "paper")
CLAIM = Claim("p", "Table 1", "Ours", "PSNR", "cdgnet", "gopro", "psnr", "30.67")
SSIM = replace(CLAIM, column="SSIM", quantity="ssim", printed="0.945")
PARAMS = replace(CLAIM, quantity="params", printed="6.7", scale=1e6)
MACS = replace(PARAMS, quantity="macs_720p", printed="689.20", scale=1e9)
PLACE = ("p", "Table 1", "SSIM", "gopro", "ssim")
DECODED = DecodedColumn(*PLACE, "ssim_matlab", "decided", None, "", None, 3, "")


def measurements(n=1111, dataset="gopro", **values):
    """Measurements of run cdgnet: counts without a dataset, qualities on one."""
    rows = [
        ("cdgnet", "" if name.startswith(("params", "macs")) else dataset, name, value, n, "no such file")
        for name, value in values.items()
    ]
    return pd.DataFrame(rows, columns=[*KEY, "value", "n", "note"]).astype({"value": float})


def evidence(authors=None, decoded=(), profile=PROFILE, **values):
    """Evidence of the paper profile with measurements of run cdgnet, and its recipes."""
    authors = measurements() if authors is None else authors
    measured = pd.concat([sources.counted([], RUNS), measurements(**values)])
    return Evidence(profile, RUNS, measured, authors, {"gopro": 1111}, list(decoded))


def judged(claim, known):
    """The finding of one claim."""
    (finding,) = findings([Paper("p", "", "", None, [], [claim])], known)
    return finding


@pytest.mark.parametrize(
    ("claim", "measured", "verdict"),
    [
        (CLAIM, {"psnr": 30.3651}, "agrees"),
        (CLAIM, {"psnr": 30.9749}, "agrees"),
        (CLAIM, {"psnr": 30.08}, "close"),
        (CLAIM, {"psnr": 30.06}, "differs"),
        (CLAIM, {"psnr": 30.98}, "differs"),
        (SSIM, {"ssim": 0.9406}, "agrees"),
        (SSIM, {"ssim": 0.9375}, "close"),
        (SSIM, {"ssim": 0.9365}, "differs"),
        (PARAMS, {"params": 6749999}, "agrees"),
        (PARAMS, {"params": 6760000}, "differs"),
        (MACS, {"macs_720p": 687085977600}, "close"),
        (replace(PARAMS, explain="because"), {"params": 9000000}, "explained"),
        (replace(PARAMS, explain="because"), {"params": 6700000}, "differs"),
        (replace(CLAIM, printed="—"), {"psnr": 30.67}, "untested"),
        (replace(CLAIM, run=None), {"psnr": 30.67}, "untested"),
        (replace(CLAIM, run="no_such"), {"psnr": 30.67}, "untested"),
        (replace(CLAIM, printed="two"), {"psnr": 30.67}, "untested"),
        (replace(CLAIM, dataset="dvd"), {"psnr": 30.67}, "untested"),
        (replace(CLAIM, quantity="seconds", printed="6", scale=1e-3), {}, "untested"),
    ],
)
def test_verdicts(claim, measured, verdict):
    """Rounding, band, explanation and the reasons for not testing or for a difference."""
    finding = judged(claim, evidence(**measured))

    assert finding.verdict == verdict
    assert finding.reason or verdict in ("agrees", "close", "differs")
    # A retrained network far above its paper's number is another network, or another protocol.
    better = verdict == "differs" and measured.get("psnr", 0) > 30.67
    assert ("better than printed" in finding.reason) == better


@pytest.mark.parametrize(
    ("claim", "value", "verdict"),
    [
        (CLAIM, 30.6949, "agrees"),
        (CLAIM, 30.6451, "agrees"),
        (CLAIM, 30.58, "close"),
        (CLAIM, 30.76, "close"),
        (CLAIM, 30.56, "differs"),
        (SSIM, 0.9464, "agrees"),
        (SSIM, 0.9478, "close"),
        (SSIM, 0.9419, "differs"),
        (replace(CLAIM, explain="because"), 29.2, "explained"),
        (replace(CLAIM, explain="because"), 30.67, "differs"),
    ],
)
def test_author_weights_have_a_narrower_band(claim, value, verdict):
    """On the whole test set they must give the printed number except for rounding and libraries."""
    finding = judged(claim, evidence(measurements(**{claim.quantity: value})))

    assert (finding.verdict, finding.authors_verdict) == ("untested", verdict)
    assert (finding.authors_measured, finding.authors_images) == (value, 1111)


def test_a_part_of_the_set_tests_nothing():
    """Ten images are shown, with their number, whatever they give."""
    finding = judged(CLAIM, evidence(measurements(10, psnr=30.67)))
    authors = (finding.authors_measured, finding.authors_verdict, finding.authors_reason)
    retrained = replace(evidence(), measured=measurements(10, psnr=30.67))

    assert authors == (30.67, "untested", "10 of 1,111 images")
    assert judged(CLAIM, retrained).verdict == "untested"


def test_the_reason_for_no_value_with_author_weights():
    """No weights are published, not measured, or not available; a size has nothing to do with weights."""
    dmphn = replace(CLAIM, run="dmphn_1_2_4")
    runs = RUNS | {"dmphn_1_2_4": replace(RUNS["dmphn_1_2_4"], weights="dmphn_1_2_4")}
    bare = RUNS | {CLAIM.run: replace(RUNS[CLAIM.run], weights="")}
    without = evidence(measurements(0, psnr=None, ssim=None), [DECODED], params=6700000)

    def reason(claim, known):
        return judged(claim, known).authors_reason

    assert reason(CLAIM, replace(evidence(), runs=bare)) == "no weights of its authors are known"
    assert reason(dmphn, replace(evidence(), runs=runs)) == "psnr on gopro is not measured"
    assert reason(CLAIM, without) == reason(SSIM, without) == "no such file"
    assert (judged(PARAMS, without).authors_verdict, reason(PARAMS, without)) == ("", "")


def test_one_explanation_serves_both_sides():
    """An explanation that one side needs may be needless for the other; needless for both, it differs."""
    claim = replace(CLAIM, explain="because")
    both = [judged(claim, evidence(measurements(psnr=value), psnr=30.5)) for value in (29.2, 30.67)]

    assert [(finding.verdict, finding.authors_verdict) for finding in both] == [
        ("agrees", "explained"),
        ("differs", "differs"),
    ]


def test_a_number_is_compared_with_the_decoded_protocol():
    """In its table and its paper's prose; elsewhere with the family's own name, and the reason says so.

    A row that the decoder flags differs from its table, and the reason names the protocol that fits it.
    """
    mixed = replace(DECODED, mixed="Ours: ssim_cw; Theirs: ssim")
    odd = judged(SSIM, evidence(measurements(ssim_matlab=0.9), [mixed]))
    known = evidence(measurements(ssim=0.901, ssim_matlab=0.945), [DECODED])
    undecided = replace(known, decoded=[replace(DECODED, verdict="inconclusive")])

    assert judged(SSIM, known).authors_verdict == "agrees"
    assert judged(replace(SSIM, table="Sec. 4.1"), known).authors_verdict == "agrees"
    assert judged(replace(SSIM, paper="q"), known).authors_verdict == "differs"
    assert judged(SSIM, undecided).authors_reason == "held against ssim, as the protocol is not decided"
    assert (odd.authors_verdict, odd.authors_reason) == ("differs", "fits ssim_cw instead")


SECONDS = replace(CLAIM, column="Time", quantity="seconds", printed="0.20", card="rtx_3090", size="720x1280")
PHYSICS = ("NVIDIA GeForce RTX 3090", "impossible", "its arithmetic")
TIMED = PrintedTime(*("",) * 6, None, *PHYSICS, measured_on="a card (strict, 720x1280)")


def timed(**columns):
    """The finding of a printed time that has these measurements."""
    return judged(SECONDS, replace(evidence(), times={SECONDS: replace(TIMED, **columns)}))


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(0.171, "agrees"), (0.234, "agrees"), (0.164, "differs"), (0.236, "differs"), (1.5, "differs")],
)
def test_a_time_is_tested_on_the_papers_own_card(measured, verdict):
    """Within 15 % and the print's rounding, 0.165 to 0.235 s; on another card the seconds are only shown."""
    own, other = (timed(measured_s=measured, own_card=word) for word in ("yes", ""))

    assert (own.measured, own.verdict, own.authors_verdict) == (measured, verdict, "")
    assert (other.measured, other.verdict) == (measured, "untested")
    assert other.reason.endswith("not on the paper's NVIDIA GeForce RTX 3090; see its ratios")


def test_a_time_that_is_not_tested_has_its_reason():
    """A smaller image's time is in the reason alone; without a time, physics has a verdict and arithmetic."""
    smaller = timed(measured_s=0.3, measured_on="a processor (strict, 128x128)")
    none, quality = timed(), judged(CLAIM, evidence())

    assert (smaller.measured, smaller.verdict, none.verdict) == (None, "untested", "untested")
    assert smaller.reason.startswith("0.3 s on a processor (strict, 128x128), not on the paper's")
    assert none.reason == "no sound measurement on any device; physics says impossible"
    assert (none.physics, none.physics_reason) == ("impossible", "its arithmetic")
    assert (quality.physics, quality.physics_reason) == ("", "")


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
def test_printed_settings_are_compared_with_the_recipe(quantity, printed, verdict):
    """A setting in the prose agrees with the recipe, or differs, whatever the profile cuts."""
    claim = replace(CLAIM, quantity=quantity, printed=printed)
    embedded, _ = spec.load(ROOT / "params.yaml", "embedded")

    assert judged(claim, evidence()).verdict == verdict
    assert judged(claim, evidence(profile=embedded)).verdict == verdict


def test_a_cut_profile_tests_no_quality():
    """On stand-in data the value is shown beside the claim but never judged."""
    profile, _ = spec.load(ROOT / "params.yaml", "embedded")
    shown = replace(evidence(profile=profile), measured=measurements(12, "embedded", psnr=30.67))
    finding = judged(CLAIM, shown)

    assert (finding.measured, finding.verdict) == (30.67, "untested")
    assert "embedded data in place of the real set" in finding.reason


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the committed counts; the function replaces cells of theirs."""
    copy(tmp_path)
    monkeypatch.chdir(tmp_path)

    def complexity(changes=None, keep=True):
        with (ROOT / "results" / "complexity.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        path = tmp_path / "results" / "complexity.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(row | (changes or {}).get(row["run"], {}) for row in rows if keep)
        return Results(spec.load()[0].name)

    return complexity


def run(*options):
    """Call the command line; return its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["compare", *options])
        return command.main()


def test_the_committed_counts_pass_the_gate(project, capsys):
    """Every printed size and MAC count agrees, is close, or is explained."""
    project()

    assert run("--gate") == 0
    assert "none differs without a reason" in capsys.readouterr().out


def test_physics_has_a_table_and_a_line_and_no_say_in_the_status(project, capsys):
    """Impossible times are shown and counted; the exit status is that of the other claims."""
    results = project()

    assert run() == 0
    counts = "17 possible, 3 not credible, 6 impossible, 15 untested"
    assert f"41 run times, by physics: {counts}" in capsys.readouterr().out
    rows = {(f.paper, f.row): f for f in read_rows(results.findings, Finding) if f.physics}
    times = {(t.paper, t.row): t.verdict for t in read_rows(results.times, PrintedTime)}
    assert len(times) == 41
    assert {place: f.physics for place, f in rows.items()} == times
    assert "292.57 GMAC printed" in rows["cdgnet", "Ours"].physics_reason


def test_an_unexplained_difference_fails_the_gate(project, capsys):
    """With a wrong parameter count the gate names the cell and exits with 1; the stage succeeds."""
    results = project({"dmphn_stack4": {"params": "5424393"}})

    assert run("--gate") == 1
    assert not results.findings.exists()
    assert run() == 0
    assert "differs" in {finding.verdict for finding in read_rows(results.findings, Finding)}
    printed = capsys.readouterr().out
    assert "DIFFERS  sgenet, Table 1, DMPHN [28], Params.: printed 21.7 (21700000)" in printed
    assert "measured 5424393." in printed


def write_authors(psnr, n):
    """Write the tables of the authors' weights, and of the test sets' sizes, for DMPHN on GoPro."""
    key = ("dmphn_1_2_4", "gopro")
    write(AUTHORS.measurements, Measurement, [Measurement(*key, "psnr", psnr, "", n, "", "", "authors")])
    scores = [Score(*key, f"s{i % 11}/{i:06}", "psnr", psnr) for i in range(n)]
    write(AUTHORS.quality, Score, scores)
    sizes = {"train": 2103, "test": 1111}
    splits = [DatasetSplit("gopro", s, "absent", 0, k, 0, None, "", "", "", "") for s, k in sizes.items()]
    write(DATASETS, DatasetSplit, splits)


def test_author_weights_that_differ_fail_the_gate(project, capsys):
    """CDGNet's table has DMPHN with 30.21 dB: 29.9 on all 1,111 images fails; 30.2, or ten images, do not."""
    results = project()
    for psnr, images, status in ((30.2, 1111, 0), (29.9, 10, 0), (29.9, 1111, 1)):
        write_authors(psnr, images)
        assert run("--gate") == status
    assert run() == 0
    assert {d.verdict for d in read_rows(results.decoded, DecodedColumn)} == {"untested", "inconclusive"}
    printed = capsys.readouterr().out
    assert "DIFFERS  cdgnet, Table 1, DMPHN 2019 [15], PSNR↑: printed 30.21 (30.21), with author" in printed
    assert "PROTOCOL cdgnet, Table 1, PSNR↑: psnr, inconclusive" in printed


def test_a_gate_that_tests_nothing_fails(project, capsys, monkeypatch):
    """Without a count and without settings nothing was tested, which is no success."""
    project(keep=False)
    monkeypatch.setattr(sources, "SETTINGS", {})
    monkeypatch.setattr("benchmark.compare.findings.SETTINGS", {})

    assert run("--gate") == 1
    assert "no claim could be tested" in capsys.readouterr().err


def test_missing_and_broken_input_is_one_line(project, tmp_path, capsys):
    """The line names the file, or the file, row and column; the exit status is 2."""
    project({"srn": {"params": "many"}})
    assert run() == 2
    (tmp_path / "params.yaml").unlink()
    assert run("--gate") == 2

    broken, missing = capsys.readouterr().err.splitlines()
    assert broken.startswith("compare: results/complexity.csv, line ")
    assert broken.endswith("params 'many'; allowed: whole numbers >= 0")
    assert missing.startswith("compare: params.yaml: cannot be read")
