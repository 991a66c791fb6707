"""The gate: against what is printed, and against the results of a git revision; its three outputs."""

import csv
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmark import nets, spec
from benchmark.compare import __main__ as command
from benchmark.compare import baseline, gate, gate_output
from benchmark.compare.baseline import TOLERANCES, Snapshot, Value
from benchmark.compare.gate import Check, Gate
from benchmark.measure import counting
from benchmark.results import COMPLEXITY, Results, read_rows
from benchmark.results.schema import Complexity, Finding, Measurement, Verdict
from tests.project import copy

ROOT = Path(__file__).parents[1]
PROFILE = "embedded"
FOUND = Finding(
    "p", "Table 1", "Ours", "PSNR", "r", "gopro", "psnr", "30.67", 30.67, "retrained", "holds", "", ""
)
HOSTILE = 'a|b <script> & "x" ]]> \x00\x1b é'


def git(folder, *arguments):
    """Run git as a fixed author."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(("git", *who, *arguments), cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with the committed results of this project, as they are in the working tree."""
    copy(tmp_path)
    own, there = Results(PROFILE), Results(PROFILE, tmp_path / "results")
    for source, target in zip(
        (own.measurements, own.findings, own.verdicts, COMPLEXITY),
        (there.measurements, there.findings, there.verdicts, tmp_path / COMPLEXITY),
        strict=True,
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / source).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    call()  # findings and verdicts of exactly these inputs
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "baseline")
    return tmp_path


def call(*options):
    """Call the command line; return its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["compare", *map(str, options)])
        return command.main()


def edit(path, change):
    """Rewrite the rows of a CSV table; `change` returns a row, or None to drop it."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in map(change, rows) if row)


def test_unchanged_results_pass(project, capsys):
    """Against the commit that holds the same results nothing differs; nothing is written."""
    before = {path: path.read_bytes() for path in project.rglob("*.csv")}

    assert call("--gate", "--since", "HEAD") == 0
    out = capsys.readouterr().out
    assert "0 of" in out
    assert "since HEAD" in out
    assert {path: path.read_bytes() for path in project.rglob("*.csv")} == before


@pytest.mark.parametrize(
    ("name", "width", "claim"),
    [
        ("dmphn_stack4", 36, "UNEXPLAINED  sgenet, Table 1, DMPHN [28], Params. [size]: printed 21.7"),
        ("cdgnet", 36, "STALE  cdgnet, Table 1, Ours, FLOPs↓ [macs]: printed 292.57"),
    ],
)
def test_one_width_of_one_network_fails(project, capsys, name, width, claim):
    """36 channels in place of 32, counted anew: a claim is not reproduced, and the gate fails."""
    before = next(row for row in read_rows(ROOT / COMPLEXITY, Complexity) if row.run == name)
    run = spec.load()[1][name]
    wider = counting.count(name, nets.build(replace(run, config=run.config | {"width": width})))
    fields = {key: str(getattr(wider, key)) for key in baseline.COUNTS}
    edit(project / COMPLEXITY, lambda cells: cells | fields if cells["run"] == name else cells)

    assert wider.params > before.params
    assert call("--gate") == 1
    assert call("--gate", "--since", "HEAD") == 1
    out = capsys.readouterr().out
    assert claim in out
    assert f"DIFFERS  {name}: params: {before.params} -> {wider.params}" in out
    assert call() == 0
    failed = [row for row in read_rows(Results(PROFILE).verdicts, Verdict) if row.outcome == "not reproduced"]
    assert any(row.run == name and row.explanation in ("unexplained", "stale") for row in failed)


def test_a_difference_that_the_baseline_lists_passes(project):
    """Once the commit to compare with has the same unexplained difference, it is noted."""
    edit(project / COMPLEXITY, lambda c: c | {"params": "19700000"} if c["run"] == "sgenet" else c)
    call()
    git(project, "commit", "-qam", "wider")

    assert call("--gate") == 1
    assert call("--gate", "--since", "HEAD") == 0
    assert call("--gate", "--since", "HEAD~1") == 1


def test_a_missing_measurement_fails(project, capsys):
    """A run whose PSNR the baseline has and the working tree lacks; a trailer says that it is meant."""
    path = Results(PROFILE).measurements
    edit(path, lambda c: None if (c["run"], c["quantity"]) == ("mprnet", "psnr") else c)

    assert call("--gate", "--since", "HEAD") == 1
    assert "MISSING  mprnet: psnr on embedded" in capsys.readouterr().out
    git(project, "commit", "-qam", "Drop it\n\nChanges-Results: mpr*: its weights were of another network")
    assert call("--gate", "--since", "HEAD~1") == 0
    assert "meant  mprnet: psnr on embedded" in capsys.readouterr().out


def test_drift_is_beyond_the_tolerance_of_its_quantity(project, capsys):
    """0.04 dB pass, 0.06 fail, and 0.06 after other steps are not compared."""

    def drift(by, note=None):
        git(project, "checkout", "-q", "--", ".")

        def change(cells):
            if (cells["run"], cells["quantity"]) != ("mprnet", "psnr"):
                return cells
            value = f"{float(cells['value']) + by:.6f}"
            return cells | {"value": value, "note": cells["note"] if note is None else note}

        edit(Results(PROFILE).measurements, change)
        return call("--gate", "--since", "HEAD")

    assert TOLERANCES["psnr"].absolute == 0.05
    assert drift(0.04) == 0
    assert drift(-0.06) == 1
    assert "DIFFERS  mprnet: psnr on embedded" in capsys.readouterr().out
    assert drift(-0.06, "90 of 100 steps") == 0
    assert "other conditions  mprnet: psnr on embedded" in capsys.readouterr().out


def test_a_changed_verdict_is_noted():
    """A claim that held and is now contradicted is about the paper, and fails nothing."""
    old = Verdict(
        "p", "Table 1", "Ours", "PSNR", "r", "gopro", "psnr", "30.67", 30.67, "holds", "retrained", "", ""
    )
    new = replace(old, outcome="contradicted", kind="own_paper", basis="print")
    checks = gate.judge([FOUND], [new], "main", Snapshot({}, [], [old])).checks

    assert [check.status for check in checks] == ["passes", "noted"]
    assert "holds (retrained) -> contradicted (print)" in checks[1].says


def test_measuring_nothing_fails():
    """Undecided findings, and prints held against prints, are no measurement."""
    undecided = replace(FOUND, outcome="undecided")
    printed = replace(FOUND, kind="own_paper")

    for findings in ([], [undecided], [printed]):
        assert [check.word for check in gate.judge(findings).of("fails")] == ["nothing was measured"]
    assert gate.judge([FOUND]).status == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--gate", "--since", "no-such"], "compare: --since 'no-such': no revision of this repository"),
        (["--gate", "--since", ""], "compare: --since '': no revision of this repository"),
        (["--since", "HEAD"], "compare: --since belongs to --gate"),
        (["--gate", "--markdown", "x", "--junit", "x"], "compare: --markdown and --junit are two files"),
        (["--gate", "--since", "HEAD", "--profile", "smoke"], "compare: --since HEAD: has no results/smoke/"),
        (["--gate", "--junit", "no/such/folder.xml"], "compare: no/such/folder.xml: cannot be written"),
        (["--results", "a.csv"], "compare: --results and --claims belong together"),
    ],
)
def test_bad_input_is_one_line(project, capsys, options, says):
    """Unknown revisions, missing files and options that do not go together exit with 2."""
    assert call(*options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(says)


def test_without_git_or_repository(project, capsys, monkeypatch):
    """No repository, and no git at all, are one line each."""
    (project / ".git").rename(project / "not-git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    assert call("--gate", "--since", "HEAD") == 2
    monkeypatch.setenv("PATH", "")
    assert call("--gate", "--since", "HEAD") == 2

    repository, missing = capsys.readouterr().err.splitlines()
    assert "not a git repository" in repository
    assert missing == "compare: --since needs git, which is not installed"


def test_the_three_outputs_agree(project, tmp_path, monkeypatch, capsys):
    """JUnit counts what the text counts; Markdown is written and added to GitHub's summary."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files = ["--markdown", tmp_path / "gate.md", "--junit", tmp_path / "gate.xml"]
    edit(project / COMPLEXITY, lambda c: c | {"params": "19700000"} if c["run"] == "sgenet" else c)

    assert call("--gate", "--since", "HEAD", *files) == 1
    out = capsys.readouterr().out.splitlines()
    suites = ElementTree.parse(tmp_path / "gate.xml").getroot()
    failures = [case for case in suites.iter("testcase") if case.find("failure") is not None]
    assert len(failures) == sum(int(suite.get("failures")) for suite in suites)
    assert out[-1].startswith(f"compare: {len(failures)} of {len(list(suites.iter('testcase')))} checks fail")
    markdown = (tmp_path / "gate.md").read_text()
    assert markdown.startswith("### Claims gate: fails")
    assert summary.read_text() == f"before\n{markdown}"


def test_outputs_escape_what_they_hold():
    """Markup, pipes and control characters leave Markdown's table and the XML whole."""
    judged = Gate((Check(gate.CLAIMED, HOSTILE, "fails", "unexplained", f"{HOSTILE}\nnext"),))
    case = ElementTree.fromstring(gate_output.junit(judged)).find(".//testcase")
    row = gate_output.markdown(judged).splitlines()[6]

    assert "a|b <script>" in case.get("name")
    assert row.replace("\\|", "").count("|") == 4
    assert "<script" not in row


def test_a_comment_fits_github():
    """However much fails, the text stays below the 65,536 characters of a comment."""
    checks = [Check(gate.CLAIMED, f"claim {i}", "fails", "unexplained", "x" * 1000) for i in range(5000)]
    noted = [replace(check, status="noted") for check in checks]

    assert len(gate_output.markdown(Gate((*checks, *noted)))) < 65_536


def test_every_tolerance_has_a_reason_and_is_documented():
    """docs/audit.md names each of them."""
    text = (ROOT / "docs" / "audit.md").read_text()
    for name, tolerance in TOLERANCES.items():
        assert tolerance.why
        assert not name or f"`{name}" in text
        assert f"{tolerance.absolute or tolerance.relative:g}" in text or not name


def test_values_come_from_the_counts():
    """A width changed in complexity.csv alone is a change, whatever measurements.csv still repeats."""
    row = Complexity("r", 5, 0, 0, "", 0, 0, 0)
    before, after = (
        Snapshot(baseline.values([], [], [each]), [], []) for each in (row, replace(row, params=6))
    )
    (change,) = baseline.changes(before, after, {})

    assert (change.quantity, change.before, change.after) == ("params", Value(5.0), Value(6.0))
    assert change.status == "differs"


def test_ours_and_the_authors_values_are_two_things():
    """A retraining on a real set that got worse is a change, though the authors' weights score as before."""

    def measured(value):
        return Measurement("srn", "gopro", "psnr", value, "dB", 1111, "cpu", "2", "paper", "")

    theirs = [measured(30.26)]
    before, after = (
        Snapshot(baseline.values([measured(value)], theirs, []), [], []) for value in (30.2, 27.0)
    )
    (change,) = baseline.changes(before, after, {})

    assert (change.dataset, change.before.value, change.after.value) == ("gopro", 30.2, 27.0)
