"""Exports of every table: places, escapes, the same numbers in every format, and LaTeX that compiles."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmark import claims
from benchmark.claims import Claim, Table
from benchmark.claims.direction import BETTER
from benchmark.compare import export, latex
from benchmark.compare.evidence import gather, place
from benchmark.compare.findings import claims as listed
from benchmark.compare.findings import findings
from benchmark.compare.verdicts import verdicts
from benchmark.report.measured import protocol

ROOT = Path(__file__).parents[1]
HOSTILE = r"50 % & $x_1^2$ {#} ~ \input{/etc/passwd} <a|b> [1] é ñ ł λ μ ↑ ✓ 日 “q” -- \\ "


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Every table of the committed results, exported."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        evidence = gather(claims.read())
        rows = findings(evidence)
        files = export.export(folder, evidence.papers, rows, verdicts(listed(evidence), rows))
    return folder, evidence.papers, files


def table(columns, rows):
    """A table of invented systems: PSNR and seconds, or whatever the columns say."""
    cells = {
        (i, j): Claim("p", "Table 1", label, head, f"run{i}", "gopro", quantity, text)
        for i, (label, texts) in enumerate(rows)
        for j, ((head, quantity), text) in enumerate(zip(columns, texts, strict=True))
    }
    return Table("p", "Table 1", "about", [head for head, _ in columns], rows, claims=cells)


def values(of):
    """The printed numbers of a table."""
    return {where: claim.value for where, claim in of.claims.items() if claim.value is not None}


def balanced(text):
    """Decide whether braces and environments are closed, in order; escaped braces are text."""
    depth, open_ones = 0, []
    for token in re.findall(r"\\begin\{\w+\}|\\end\{\w+\}|\\.|[{}]", text):
        if token.startswith("\\begin"):
            open_ones.append(token[7:-1])
        elif token.startswith("\\end{"):
            if not open_ones or open_ones.pop() != token[5:-1]:
                return False
        elif token in "{}":
            depth += 1 if token == "{" else -1
            if depth < 0:
                return False
    return depth == 0 and not open_ones


def test_every_table_in_every_format(exported):
    """Four files for each printed table, and every printed number with its verdict in CSV and JSON."""
    folder, papers, files = exported
    stems = {f"{paper.key}-{export.slug(t.name)}" for paper in papers for t in paper.tables}

    assert {path.name for path in files} == {"tables.tex"} | {
        f"{stem}.{suffix}" for stem in stems for suffix in ("csv", "json", "md", "tex")
    }
    for paper in papers:
        for printed in paper.tables:
            stem = folder / f"{paper.key}-{export.slug(printed.name)}"
            with stem.with_suffix(".csv").open(newline="") as file:
                rows = list(csv.DictReader(file))
            kept = [claim for claim in printed.claims.values() if not claim.blank]
            assert [row["printed"] for row in rows] == [claim.printed for claim in kept]
            assert all(row["outcome"] in export.MARKS for row in rows)
            entries = json.loads(stem.with_suffix(".json").read_text())["rows"]
            assert [entry["claimed"] for entry in entries] == [place(claim)[-1] for claim in kept]
            assert stem.with_suffix(".md").read_text().count("\n| ") == len(printed.rows) + 1


def test_the_best_of_sgenets_table(exported):
    """SGENet's Table 1: 32.96 dB before 32.66 dB, 2.6 M before 2.84 M, 0.017 s before 0.018 s."""
    text = (exported[0] / "sgenet-table-1.tex").read_text()

    for best, second in (("32.96", "32.66"), ("2.6", "2.84"), ("0.017", "0.018"), ("30.96", "30.71")):
        assert rf"\textbf{{{best}}}" in text
        assert rf"\underline{{{second}}}" in text


def test_ties_directions_and_systems_in_columns():
    """Equal values share a place; lower seconds are better; a row of one quantity compares its columns."""
    down = table([("PSNR", "psnr"), ("Time", "seconds")], [("A", ["30.1", "2 s"]), ("B", ["30.1", "1 min"])])
    assert export.places(down, values(down)) == {(0, 1): "1", (1, 1): "2"}

    three = table([("PSNR", "psnr")], [("A", ["30.1"]), ("B", ["31"]), ("C", ["31"]), ("D", ["29"])])
    assert export.places(three, values(three)) == {(1, 0): "1", (2, 0): "1", (0, 0): "2"}

    across = table([("A", "psnr"), ("B", "psnr"), ("C", "psnr")], [("Image 1", ["30", "32", "31"])])
    assert export.places(across, values(across)) == {(0, 1): "1", (0, 2): "2"}


def test_settings_have_no_best():
    """Nobody says whether more epochs are better."""
    epochs = table([("Epochs", "setting.epochs")], [("A", ["100"]), ("B", ["200"])])

    assert export.places(epochs, values(epochs)) == {}


def test_directions_agree_with_the_metrics():
    """Families are as good as the metric files of the same name declare."""
    for family in ("psnr", "ssim"):
        assert protocol(family, "").declared.better == BETTER[family]


def test_what_decides_nothing_is_no_best_and_in_italics(exported):
    """In the embedded profile reproduced qualities are stand-ins: none has a place."""
    for path in exported[0].glob("*.csv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                assert row["decides"] or not row["place_reproduced"]


def test_structure_is_balanced(exported):
    """Braces and environments of every file are closed, hostile labels included."""
    for path in exported[0].glob("*.tex"):
        assert balanced(path.read_text()), path.name
    assert balanced(latex.escape(HOSTILE))
    assert latex.escape(HOSTILE).isascii()
    assert not balanced("{")
    assert not balanced(r"\begin{a}\end{b}")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not on this machine")
def test_it_compiles(exported, tmp_path):
    """All tables, and one of hostile labels, become a PDF without an error."""
    for path in exported[0].glob("*.tex"):
        shutil.copy(path, tmp_path)
    hostile = latex.table(
        [HOSTILE], [(latex.escape(HOSTILE), [latex.ranked(HOSTILE, "1")])], HOSTILE, "tab:x"
    )
    (tmp_path / "hostile.tex").write_text(hostile)
    shown = [*sorted(path.name for path in exported[0].glob("*-*.tex")), "hostile.tex"]
    (tmp_path / "tables.tex").write_text(latex.document(shown))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "tables.tex"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=300
    )

    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 10_000
    assert "root:" not in (tmp_path / "tables.log").read_text(errors="replace")


def test_a_folder_that_cannot_be_written(exported, tmp_path):
    """The error names the file."""
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="cannot be written"):
        export.export(tmp_path / "out", exported[1][:1], [], [])
