"""The report as a page: what it says, that it is one well-formed file, and the same file every time."""

import html
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from benchmark import claims
from benchmark.report import cells, entries, figures, headlines, page, printed, summary
from benchmark.report.__main__ import main
from benchmark.report.inputs import Judged, place
from benchmark.results import Results
from benchmark.results.schema import OUTCOMES, Finding, Verdict
from tests import invented
from tests.invented import HOSTILE, PAPERS, PROFILE, ROOT, RUNS, element, read, section, verdicts, words


@pytest.fixture(scope="module")
def text(full_summary):
    """Return the page of the full folder."""
    return page.render(full_summary)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Return summary and page of a folder with nothing but params.yaml."""
    root = tmp_path_factory.mktemp("empty")
    invented.params(root)
    bare = summary.summarise(read(root))
    return bare, page.render(bare)


class Tags(HTMLParser):
    """Collects elements that are open, and end tags that close another."""

    VOID = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.wrong = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Open an element."""
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag):
        """Close an element."""
        if tag not in self.VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(f"{tag} at {self.getpos()}")


def test_everything_printed_and_every_run_appears(text):
    """Tables have their names, subjects, labels and cells, dashes too; so do sentences and all runs."""
    for paper in PAPERS:
        shown = section(text, f"paper-{paper.key}")
        for table in paper.tables:
            anchor = entries.anchor(paper, table)
            part = section(text, f"table-{anchor}")
            labels = [*table.columns, *(text for label, row in table.rows for text in (label, *row))]

            assert section(text, anchor) == " ".join(f"{table.name} : {table.about}".split())
            assert [label for label in labels if " ".join(label.split()) not in part] == []
        sentences = [text for claim in paper.prose for text in (claim.row, claim.printed)]
        assert [sentence for sentence in sentences if " ".join(sentence.split()) not in shown] == []
    assert [name for name in RUNS if f">{name}<" not in text] == []


def test_every_verdict_appears_in_words(text, full_summary):
    """Colour alone says nothing: each verdict is written out, with a mark that no other has, and counted."""
    counts = Counter(map(cells.outcome, verdicts()))
    legend = section(text, "overview")
    meant = section(text, "verdicts")
    for name in cells.COLUMNS:
        mark, tone = cells.MARKS[name]
        assert full_summary.totals[name] == counts[name]
        assert f"{mark} {name} " in meant
        assert page.MEANINGS[name] in meant
        if counts[name]:
            assert f"{counts[name]} {mark} {name} {page.BRIEF[name]}" in legend
            assert re.search(
                rf'class="claim tone-{tone}">.*title="{re.escape(name)}">{re.escape(mark)}</a>', text
            )
    decided = [name for name in cells.COLUMNS if "(" not in name]
    assert len({cells.MARKS[name][0] for name in decided}) == len(decided)
    assert {name for name in counts if "(" not in name} == set(OUTCOMES)


def test_what_an_agreement_rests_on_is_counted_apart():
    """Agreement by construction or with another print is no column of independent agreement."""
    first = next(verdict for verdict in verdicts() if verdict.outcome == "holds")
    names = [cells.outcome(replace(first, basis=b)) for b in ("independent", "print", "by construction")]

    assert names == ["holds", "holds (print)", "holds (by construction)"]
    assert set(names) <= set(cells.COLUMNS)
    assert len({cells.MARKS[name] for name in names}) == 3
    assert set(page.MEANINGS) == set(page.BRIEF) == set(cells.MARKS) == set(cells.COLUMNS)


def test_stand_in_values_are_marked(full_summary, text):
    """A measured but undecided value is grey and italic, and its reason says that it tests nothing."""
    marked = [entry for entry in full_summary.entries if entry.cell.stand_in]
    blurred = [
        cell
        for paper in full_summary.papers
        for table in paper.tables
        for _, row in table.rows
        for cell in row
        if cell.stand_in and not cell.claim
    ]
    tables = "".join(element(text, f"paper-{paper.key}") for paper in PAPERS)

    assert marked
    assert blurred
    in_key = len(PAPERS)  # each paper's page explains it once
    assert tables.count('class="ours stand-in"') == len(marked) + len(blurred) + in_key
    assert element(text, "claims").count('class="ours stand-in"') == len(marked)
    assert re.search(r"\.stand-in \{[^}]*italic", text)
    for entry in marked:
        assert entry.cell.ours
        assert "tests nothing" in entry.cell.reason
        assert "tests nothing" in section(text, f"claim-{entry.id}")


def test_every_reason_is_one_step_from_its_mark(full_summary, text):
    """A mark leads to its row in the list of claims, which has the reason; so has the panel of evidence."""
    reasons = {place(verdict): verdict.reason for verdict in verdicts()}
    ledger, links = element(text, "claims"), Counter(re.findall(r'href="#claim-(\S+)" data-claim="\1"', text))
    for entry in full_summary.entries:
        reason = reasons[place(entry.claim)]
        row = section(ledger, f"claim-{entry.id}")
        assert entry.cell.reason.endswith(reason)
        assert " ".join(reason.split()) in row
        assert full_summary.panels[entry.id]["reason"] == entry.cell.reason
        assert links[entry.id] >= 2  # in the list and in its table
        if entry.outcome == "not reproduced":
            assert HOSTILE in row


def test_a_difference_without_a_reason_says_so(filled):
    """Where compare has no reason, the page says that nothing explains the difference."""
    claim = claims.Claim("p", "t", "r", "c", "run", None, "params", "20", scale=1e6)
    where, outcome = ("p", "t", "r", "c", "run", "", "params", "20", 2e7), "not reproduced"
    finding = Finding(*where, "size", outcome, "", "", 2.1e7)
    judged = Judged(Verdict(*where, outcome, "size", "independent", ""), {"size": finding})
    cell = cells.fill(read(filled), claim, judged, "p-t1-r1-c1")

    assert cell == cells.Cell("20", "p-t1-r1-c1", outcome, "", "21", "+5 %", reason=cells.UNEXPLAINED)


@pytest.mark.parametrize(
    ("text", "scale", "measured", "ours"),
    [
        ("25.57", 1e6, 26_805_308, "26.81"),
        ("20 min", 1, 1230, "20 min"),
        ("7.15s", 1, 7.2, "7.20 s"),
        ("3,000", 1, 2400, "2,400"),
        ("10^-4", 1, 0.0002, "0.0002"),
        ("10^-4", 1, 0.0001, "10^-4"),
    ],
)
def test_ours_is_in_the_printed_unit_and_precision(text, scale, measured, ours):
    """Our number reads like the printed one: its unit, its scale, its decimals."""
    claim = claims.Claim("", "", "", "", None, None, "x", text, scale=scale)

    assert cells.format_like(claim, measured) == ours


def test_html_is_one_well_formed_file(text, empty):
    """Tags balance, ids are unique, jumps have targets, nothing is loaded, text of a CSV is no markup."""
    for whole in (text, empty[1]):
        tags = Tags(whole)
        ids = re.findall(r'<[^>]*\sid="([^"]*)"', re.sub(r"(?s)(<script[^>]*>).*?</script>", r"\1", whole))
        jumps = {jump.split("?")[0] for jump in re.findall(r'\shref="#([^"]*)"', whole)}
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', whole)[1]
        markup = re.sub(r"(?s)<script.*?</script>", "", whole)

        assert (tags.wrong, tags.open) == ([], [])
        assert len(set(ids)) == len(ids)
        assert jumps <= {*ids}
        assert "default-src 'none'" in policy
        assert not re.search(r"https?:|\*|'self'|connect-src|blob:|unsafe-eval", policy)
        assert not re.search(
            r'<(?!a\s)[^>]*href="(?!#|data:)|\s(?:src|srcset|poster|action)="(?!data:)', markup
        )
        assert not re.search(r"<(iframe|object|embed|base)\b|<script[^>]*\ssrc=", whole)
        assert not re.search(r"@import|url\(\s*['\"]?(?!#|['\"]?data:)", markup)
    assert html.escape(HOSTILE).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text
    assert "<script>alert" not in text


def test_same_inputs_give_the_same_bytes_on_any_terminal(filled, full_summary):
    """A process with another hash seed and a Latin-1 terminal writes the same page and loads no torch."""
    program = (
        f"import sys; from benchmark.report.__main__ import main; code = main(['--profile', '{PROFILE}']); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    variables = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1"}
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=filled,
        capture_output=True,
        check=False,
        env={**os.environ, **variables},
    )
    lines = process.stdout.decode("latin-1").splitlines()

    assert process.returncode == 0, process.stderr
    assert lines[0] == f"results/{PROFILE}/report.html"
    assert [line[:3] for line in lines[1:]] == ["1. ", "2. ", "3. ", "4. ", "5. ", "6. "]
    assert "?" in lines[3]  # a quotation mark that Latin-1 lacks
    written = filled / lines[0]
    with figures.Drawing(full_summary.plots.all, written.parent / "figures") as drawing:
        assert not drawing.processes  # every figure is drawn from the same data
        assert written.read_text(encoding="utf-8") == page.render(full_summary, picture=drawing.picture)
    assert (filled / lines[0]).stat().st_size < 10_000_000


def test_empty_folder_gives_a_page_that_says_so(empty):
    """Without a single result the page has all tables, and says in each place what is not measured yet."""
    bare, whole = empty

    for name in ("protocols", "authors", "datasets", "sizes", "times", "quality", "environment"):
        assert "not measured yet" in section(whole, name).lower(), name
    assert all(headlines.WAITING in sentence.text for sentence in bare.headlines)
    assert "is not trained yet" in section(whole, "overview")
    assert f"{len(bare.entries)} printed numbers are newer than verdicts.csv" in section(whole, "overview")
    assert {entry.cell.reason for entry in bare.entries} == {cells.NOT_COMPARED}
    assert (bare.impossible, bare.arithmetic) == (None, None)
    assert "30.67" in whole
    assert all(f">{name}<" in whole for name in RUNS)


def test_verdicts_on_older_claims_do_not_count(filled):
    """A verdict whose printed text is no longer the claim's leaves its cell uncompared."""
    first, *others = verdicts()
    older = replace(read(filled), verdicts=[replace(first, printed="0.1234"), *others])
    listed = entries.entries(older)

    assert [entry.outcome for entry in listed if entry.judged is None] == ["undecided"]
    assert sum(printed.lay_out_paper(paper, older, listed).waiting for paper in older.papers) == 1


def test_findings_have_the_numbers_of_the_tables(filled, full_summary, text):
    """Each of the six sentences has the tables' counts and values, and is on the page with its section."""
    inputs = read(filled)
    tested = headlines.tested(inputs)
    sizes = [entry for entry in tested if entry.finding.kind == "size"]
    off = [entry for entry in tested if entry.finding.outcome == "not reproduced"]
    worst = max(off, key=lambda entry: entry.bands)
    means = {name: invented.mean_psnr(name) for name in invented.CHOSEN}
    gains = {name: mean - means["identity"] for name, mean in means.items() if not RUNS[name].is_input}
    best = max(gains, key=lambda name: gains[name])
    same = sum(step.outcome == "same" for table in full_summary.ablations for step in table.steps)
    restored = headlines.restoration(full_summary.quality, inputs)
    expected = [
        [f"Of {len(verdicts()):,} numbers", "0 only because a recipe"],
        [f"of {len(sizes)} printed sizes"],
        [f"printed {worst.finding.printed}", worst.gap],
        [f"{same} of"],
        [],  # tests/test_report_real.py
        [headlines.WAITING],
    ]

    for sentence, parts in zip(full_summary.headlines, expected, strict=True):
        assert [part for part in parts if part not in sentence.text] == []
        assert " ".join(sentence.text.replace("`", "").split()) in words(text)
        assert element(text, sentence.section)
    for outcome in ("impossible", "contradicted", "not credible", "not reproduced", "contested"):
        assert f"{full_summary.totals[outcome]} {outcome}" in full_summary.headlines[0].text
    assert f"{sum(gain > 0 for gain in gains.values())} of {len(gains)} runs" in restored
    assert f"{best}, has {means[best]:.2f} dB ({gains[best]:+.2f} dB)" in restored


@pytest.mark.parametrize(
    ("quantity", "claimed", "measured", "bands", "gap"),
    [
        ("psnr", 30, 29.4, 1, "0.6 dB apart"),
        ("psnr", 30, 30.6, 2, "0.6 dB apart"),
        ("ssim", 0.94, 0.932, 1, "0.008 apart"),
        ("macs_720p", 100, 150, 50, "1.50 times apart"),
        ("setting.epochs", 100, 50, 100, "2.00 times apart"),
    ],
)
def test_gaps_are_ranked_by_their_bands(quantity, claimed, measured, bands, gap):
    """A gap in dB and one in MACs, as a ratio, are compared by how many times their own band they are off."""
    where = ("p", "t", "r", "c", "run", "", quantity, "", claimed)
    finding = Finding(*where, "size", "not reproduced", "", "", measured)
    entry = headlines.Tested(finding, claimed, measured)

    assert entry.bands == pytest.approx(bands)
    assert entry.gap == gap


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("complexity.csv", "uncounted", "uncountd", "no column 'uncounted'"),
        (f"{PROFILE}/measurements.csv", ",dB,", ",", "line 2: 9 cells, but the header has 10"),
        (f"{PROFILE}/measurements.csv", "dmphn_1,", "identity,", ": a second row of run 'identity'"),
        (f"{PROFILE}/quality.csv", "psnr,2", "psnr,x2", "value 'x20.000000'; allowed: numbers"),
        (f"{PROFILE}/curves.csv", "0.1,", "nan,", "line 3: loss 'nan'; allowed: numbers or an empty cell"),
        (f"{PROFILE}/findings.csv", ",holds,", ",hold,", "outcome 'hold'; allowed: impossible, contradicted"),
        (f"{PROFILE}/findings.csv", ",10,,", ",ten,,", "images 'ten'; allowed"),
        (f"{PROFILE}/verdicts.csv", ",independent,", ",sure,", "basis 'sure'; allowed: independent, print"),
        (f"{PROFILE}/decoded.csv", "decided", "guessed", "verdict 'guessed'; allowed: decided, inconclusive"),
        (f"{PROFILE}/environment.json", "{", "", "cannot be read as JSON"),
        ("authors/measurements.csv", "25.5", "x25.5", "value 'x25.500000'; allowed: numbers"),
        ("datasets.csv", "partial", "fine", "verdict 'fine'; allowed: complete, partial, broken, absent"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, file, old, new, message):
    """A malformed file ends the command with 2 and one line that names file and fault, and writes no page."""
    invented.fill(tmp_path)
    path = tmp_path / "results" / file
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, new, 1), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    assert main(["--profile", PROFILE]) == 2
    error = capsys.readouterr().err
    assert (error.count("\n"), file in error, message in error) == (1, True, True), error
    assert not Results(PROFILE).report.exists()
