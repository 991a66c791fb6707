"""Verdicts: each kind, and the gate's exit status."""

import csv
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmark import spec
from benchmark.claims import Claim, Paper
from benchmark.compare import __main__ as gate
from benchmark.compare import findings as verdicts
from benchmark.compare.decode import Decoded
from benchmark.compare.findings import Evidence, Judgement, judge
from benchmark.compare.times import Timed
from benchmark.results import Results
from benchmark.results.legacy import Measurement, columns, read, write
from tests.project import copy

ROOT = Path(__file__).parents[1]
PROFILE, RUNS = spec.load(ROOT / "params.yaml", "paper")
CLAIM = Claim("p", "Table 1", "Ours", "PSNR", "cdgnet", "gopro", "psnr", "30.67")
SSIM = replace(CLAIM, column="SSIM", quantity="ssim", printed="0.945")
PARAMS = replace(CLAIM, quantity="params", printed="6.7", scale=1e6)
MACS = replace(PARAMS, quantity="macs_720p", printed="689.20", scale=1e9)
DECODED = Decoded("p", "Table 1", "SSIM", "gopro", "ssim", "ssim_matlab", "decided", "", "", "", 3, "")


def rows(values, n=1111, run="cdgnet", dataset="gopro"):
    """Measurements of one run on one dataset."""
    return {
        (run, dataset, name): {"dataset": dataset, "value": value, "n": str(n), "note": "no such file"}
        for name, value in values.items()
    }


def evidence(*decoded, authors=None, profile=PROFILE, **values):
    """Evidence of the paper profile with these values of run cdgnet, qualities on gopro."""
    measured = {key: value for key, value in values.items() if key.startswith(("psnr", "ssim"))}
    counts = {("cdgnet", key): value for key, value in values.items() if key not in measured}
    return Evidence(profile, RUNS, counts, rows(measured), authors or {}, {"gopro": 1111}, list(decoded))


@pytest.mark.parametrize(
    ("claim", "measured", "verdict"),
    [
        (CLAIM, {"psnr": "30.3651"}, "agrees"),
        (CLAIM, {"psnr": "30.9749"}, "agrees"),
        (CLAIM, {"psnr": "30.08"}, "close"),
        (CLAIM, {"psnr": "30.06"}, "differs"),
        (CLAIM, {"psnr": "30.98"}, "differs"),
        (SSIM, {"ssim": "0.9406"}, "agrees"),
        (SSIM, {"ssim": "0.9375"}, "close"),
        (SSIM, {"ssim": "0.9365"}, "differs"),
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
    here, _ = judge(claim, evidence(**measured))

    assert here.verdict == verdict
    assert here.reason or verdict in ("agrees", "close", "differs")


@pytest.mark.parametrize(
    ("claim", "value", "verdict"),
    [
        (CLAIM, "30.6949", "agrees"),
        (CLAIM, "30.6451", "agrees"),
        (CLAIM, "30.58", "close"),
        (CLAIM, "30.76", "close"),
        (CLAIM, "30.56", "differs"),
        (SSIM, "0.9464", "agrees"),
        (SSIM, "0.9478", "close"),
        (SSIM, "0.9419", "differs"),
        (replace(CLAIM, explain="because"), "29.2", "explained"),
        (replace(CLAIM, explain="because"), "30.67", "differs"),
    ],
)
def test_author_weights_have_a_narrower_band(claim, value, verdict):
    """On the whole test set they must give the printed number but for rounding and libraries."""
    here, authors = judge(claim, evidence(authors=rows({claim.quantity: value})))

    assert (here.verdict, authors.verdict) == ("untested", verdict)
    assert (authors.measured, authors.images) == (value, "1111")


def test_a_part_of_the_set_tests_nothing():
    """Ten images are shown, with their number, whatever they give."""
    _, authors = judge(CLAIM, evidence(authors=rows({"psnr": "30.67"}, n=10)))

    assert authors == Judgement("30.67", "untested", "10 of 1,111 images", "10")
    assert judge(CLAIM, replace(evidence(), measured=rows({"psnr": "30.67"}, n=10)))[0].verdict == "untested"


def test_why_there_is_no_value_with_author_weights():
    """None are known, none could be had, the images are not at hand; a size has nothing to do with them."""
    dmphn = replace(CLAIM, run="dmphn_1_2_4")
    runs = RUNS | {"dmphn_1_2_4": replace(RUNS["dmphn_1_2_4"], weights="dmphn_1_2_4")}

    bare = RUNS | {CLAIM.run: replace(RUNS[CLAIM.run], weights="")}

    assert judge(CLAIM, replace(evidence(), runs=bare))[1].reason == "no weights of its authors are known"
    assert judge(dmphn, replace(evidence(), runs=runs))[1].reason == "psnr on gopro is not measured"
    assert judge(CLAIM, evidence(authors=rows({"psnr": ""}, n=0)))[1].reason == "no such file"
    assert judge(SSIM, evidence(DECODED, authors=rows({"ssim": ""}, n=0)))[1].reason == "no such file"
    assert judge(PARAMS, evidence(params="6700000"))[1] == Judgement(verdict="")


def test_better_than_printed_needs_a_reason_too():
    """A retrained network far above its paper's number is another network, or another protocol."""
    here, _ = judge(CLAIM, evidence(psnr="31.2"))

    assert here.verdict == "differs"
    assert "better than printed" in here.reason


def test_one_explanation_serves_both_sides():
    """What one side needs, the other may have for nothing; what neither needs is a difference."""
    claim = replace(CLAIM, explain="because")
    both = [judge(claim, evidence(psnr="30.5", authors=rows({"psnr": v}))) for v in ("29.2", "30.67")]

    assert [(here.verdict, authors.verdict) for here, authors in both] == [
        ("agrees", "explained"),
        ("differs", "differs"),
    ]


def test_the_decoded_protocol_is_the_one_held_against():
    """In its table and in the prose of its paper; elsewhere the family's own name, and the reason says so."""
    known = evidence(DECODED, authors=rows({"ssim": "0.901", "ssim_matlab": "0.945"}))
    undecided = replace(known, decoded=[replace(DECODED, verdict="inconclusive")])
    elsewhere = replace(SSIM, paper="q")

    assert judge(SSIM, known)[1].verdict == "agrees"
    assert judge(replace(SSIM, table="Sec. 4.1"), known)[1].verdict == "agrees"
    assert judge(elsewhere, known)[1].verdict == "differs"
    assert judge(SSIM, undecided)[1].reason == "held against ssim, as the protocol is not decided"


def test_a_cell_of_another_protocol_says_which():
    """A row that the decoder flags differs from its table, and the reason names what it fits."""
    mixed = replace(DECODED, mixed="Ours: ssim_cw; Theirs: ssim")
    _, authors = judge(SSIM, evidence(mixed, authors=rows({"ssim_matlab": "0.9"})))

    assert (authors.verdict, authors.reason) == ("differs", "fits ssim_cw instead")


SECONDS = replace(CLAIM, column="Time", quantity="seconds", printed="0.20", card="rtx_3090", size="720x1280")
TIMED = Timed(
    *("",) * 7,
    "NVIDIA GeForce RTX 3090",
    "impossible",
    "its arithmetic",
    measured="a card (strict, 720x1280)",
)


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        ("0.171", "agrees"),
        ("0.234", "agrees"),
        ("0.164", "differs"),
        ("0.236", "differs"),
        ("1.5", "differs"),
    ],
)
def test_a_time_is_tested_on_the_papers_own_card(measured, verdict):
    """Within 15 % and the print's rounding, 0.165 to 0.235 s; on another card the seconds are only shown."""
    own = replace(TIMED, measured_s=measured, own_card="yes")
    other = replace(own, own_card="")
    here, authors = judge(SECONDS, replace(evidence(), times={SECONDS: own}))
    elsewhere, _ = judge(SECONDS, replace(evidence(), times={SECONDS: other}))

    assert (here.measured, here.verdict, authors.verdict) == (measured, verdict, "")
    assert (elsewhere.measured, elsewhere.verdict) == (measured, "untested")
    assert elsewhere.reason.endswith("not on the paper's NVIDIA GeForce RTX 3090; see its ratios")


def test_the_time_of_a_smaller_image_is_not_shown_beside_a_printed_one():
    """It stands in the reason, with its size."""
    small = replace(TIMED, measured_s="0.3", measured="a processor (strict, 128x128)")
    here, _ = judge(SECONDS, replace(evidence(), times={SECONDS: small}))

    assert (here.measured, here.verdict) == ("", "untested")
    assert here.reason.startswith("0.3 s on a processor (strict, 128x128), not on the paper's")


def test_a_time_that_nothing_measured_has_its_physics():
    """The reason says what the laws say; the finding has verdict and arithmetic in columns of their own."""
    known = replace(evidence(), times={SECONDS: TIMED})
    paper = Paper("p", "", "", None, [], [SECONDS, CLAIM])
    time, quality = verdicts.findings([paper], known)

    assert (time.verdict, time.reason) == (
        "untested",
        "no sound measurement on any device; physics says impossible",
    )
    assert (time.physics, time.physics_reason) == ("impossible", "its arithmetic")
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
def test_printed_settings_are_held_against_the_recipe(quantity, printed, verdict):
    """A setting in the prose agrees with params.yaml, or differs, whatever the profile cuts."""
    claim = replace(CLAIM, quantity=quantity, printed=printed)
    embedded, _ = spec.load(ROOT / "params.yaml", "embedded")

    assert judge(claim, evidence())[0].verdict == verdict
    assert judge(claim, evidence(profile=embedded))[0].verdict == verdict


def test_a_cut_profile_tests_no_quality():
    """On stand-in data the value is shown beside the claim but never judged."""
    profile, _ = spec.load(ROOT / "params.yaml", "embedded")
    shown = replace(evidence(profile=profile), measured=rows({"psnr": "30.67"}, 12, dataset="embedded"))
    here, _ = judge(CLAIM, shown)

    assert (here.measured, here.verdict) == ("30.67", "untested")
    assert "embedded data in place of the real set" in here.reason


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params.yaml and a results/complexity.csv of every run, all zero."""
    copy(tmp_path)
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

    assert gate.main() == 0
    assert " 0 differs" in capsys.readouterr().out


def test_physics_has_a_table_and_a_line_and_no_say_in_the_gate(project, tmp_path, capsys):
    """Impossible times are found, shown and counted; the exit status is that of the other claims."""
    project(committed())

    assert gate.main() == 0
    assert (
        "41 run times, by physics: 17 possible, 3 not credible, 6 impossible, 15 untested"
        in capsys.readouterr().out
    )
    results = Results(spec.load()[0].name, tmp_path / "results")
    found = {(f["paper"], f["row"]): f for f in read(results.findings) if f["physics"]}
    timed = {(t["paper"], t["row"]): t for t in read(results.times)}
    assert len(found) == len(timed) == 41
    assert {place: f["physics"] for place, f in found.items()} == {p: t["verdict"] for p, t in timed.items()}
    assert "292.57 GMAC printed" in found["cdgnet", "Ours"]["physics_reason"]


def test_an_unexplained_difference_fails_the_gate(project, capsys):
    """One wrong parameter count, and the gate names the cell and exits with 1."""
    rows = committed()
    for row in rows:
        if row[0] == "dmphn_stack4":
            row[1] = "5424393"
    project(rows)

    assert gate.main() == 1
    assert "DIFFERS  sgenet, Table 1, DMPHN [28], Params.: printed 21.7" in capsys.readouterr().out


def measured(folder, values, n=1111):
    """results/authors and results/datasets.csv for DMPHN's weights on GoPro."""
    authors = Results("authors", folder / "results")
    row = ("dmphn_1_2_4", "gopro")
    write(
        authors.measurements,
        columns(Measurement),
        [asdict(Measurement(*row, q, v, "", n, "cpu", "2", "authors")) for q, v in values.items()],
    )
    images = [f"s{i % 11}/{i:06}" for i in range(n)]
    cells = [(*row, image, q, v) for q, v in values.items() for image in images]
    header = ("run", "dataset", "image", "quantity", "value")
    write(authors.quality, header, [dict(zip(header, cell, strict=True)) for cell in cells])
    sizes = [
        {"dataset": "gopro", "split": split, "expected": n} for split, n in (("train", 2103), ("test", 1111))
    ]
    write(folder / "results" / "datasets.csv", ("dataset", "split", "expected"), sizes)


def test_author_weights_that_differ_fail_the_gate(project, tmp_path, capsys):
    """CDGNet's table has DMPHN with 30.21 dB: 30.2 passes, 29.9 on all 1,111 images does not."""
    project(committed())
    measured(tmp_path, {"psnr": "30.2"})

    assert gate.main() == 0
    measured(tmp_path, {"psnr": "29.9"})
    capsys.readouterr()
    assert gate.main() == 1
    said = capsys.readouterr().out
    assert "DIFFERS  cdgnet, Table 1, DMPHN 2019 [15], PSNR↑: printed 30.21 (30.21), with author" in said
    assert "PROTOCOL cdgnet, Table 1, PSNR↑: psnr, inconclusive" in said


def test_author_weights_on_ten_images_pass_the_gate(project, tmp_path):
    """They test nothing, and the findings say so beside the value."""
    project(committed())
    measured(tmp_path, {"psnr": "29.9"}, n=10)

    assert gate.main() == 0
    results = Results(spec.load()[0].name, tmp_path / "results")
    found = [f for f in read(results.findings) if f["authors"]]
    assert {(f["authors"], f["authors_n"], f["authors_verdict"]) for f in found} == {
        ("29.9", "10", "untested")
    }
    assert {f["authors_reason"] for f in found} == {"10 of 1,111 images"}
    assert {d["verdict"] for d in read(results.decoded)} == {"untested", "inconclusive"}


def test_a_gate_that_tests_nothing_fails(project, capsys, monkeypatch):
    """Without a count and without settings nothing was tested, which is no success."""
    project([])
    monkeypatch.setattr(verdicts, "SETTINGS", {})

    assert gate.main() == 1
    assert "no claim could be tested" in capsys.readouterr().err


def test_missing_input_is_one_line(tmp_path, monkeypatch, capsys):
    """Outside a project, or before complexity ran: one line that names the file, exit status 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["compare"])

    assert gate.main() == 2
    assert "params.yaml: cannot be read" in capsys.readouterr().err
