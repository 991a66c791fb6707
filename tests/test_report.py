"""The report: what the page must say, and that it says the same twice."""

import base64
import html
import io
import math
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark import claims
from benchmark.compare.findings import VERDICTS, Finding
from benchmark.report import ablation, cells, crops, figures, headlines, page, printed, summary
from benchmark.report.__main__ import main
from benchmark.results import Results
from benchmark.results.legacy import columns, write
from tests.invented import (
    CHOSEN,
    DATA,
    HOSTILE,
    IMAGES,
    PAPERS,
    PROFILE,
    ROOT,
    RUNS,
    fill,
    findings,
    keep_maps,
    params,
    psnr,
    read,
)


@pytest.fixture(scope="module")
def text(made):
    """The page of the full folder."""
    return page.render(made)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Summary and page of a folder with nothing but params.yaml."""
    root = tmp_path_factory.mktemp("empty")
    params(root)
    bare = summary.summarise(read(root))
    return bare, page.render(bare)


class Tags(HTMLParser):
    """Collects what a browser would open, load and jump to."""

    VOID = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.ids, self.jumps, self.loads, self.seen = [], [], [], [], Counter()
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_startendtag(self, tag, attrs):
        """<x/>."""
        self.note(tag, attrs)

    def handle_starttag(self, tag, attrs):
        """<x>."""
        self.note(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """</x>."""
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"{tag} at {self.getpos()}")

    def note(self, tag, attrs):
        """What an element is called, jumps to and loads."""
        self.seen[tag] += 1
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            elif key in ("href", "xlink:href") and value.startswith("#"):
                self.jumps.append(value[1:])
            elif key in ("src", "srcset", "data", "poster", "action") or (
                key.endswith("href") and tag != "a"
            ):
                self.loads.append(value)


def words(text: str) -> str:
    """What a reader sees, without tags and with single spaces."""
    text = re.sub(r"</?code>", "", re.sub(r"(?s)<style.*?</style>", " ", text))
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def test_every_run_appears(text):
    """Each run of params.yaml is named, those that the profile leaves out as well."""
    for name in RUNS:
        assert f">{name}<" in text, name


def test_every_table_appears_as_printed(text):
    """Each table's name, subject, columns, rows and cells are on the page, dashes too."""
    for paper in PAPERS:
        for table in paper.tables:
            found = text[text.index(html.escape(table.about, quote=False)) :]
            shown = words(found[found.index("<table") : found.index("</table>")])

            assert f"{printed.short(paper)}, {table.name}<" in text
            for label in (
                *table.columns,
                *(row for row, _ in table.rows),
                *(c for _, r in table.rows for c in r),
            ):
                assert " ".join(label.split()) in shown, (table.name, label)


def test_every_sentence_appears(text):
    """Each number of the running text is on the page with what it says."""
    shown = words(text)
    for claim in (claim for paper in PAPERS for claim in paper.prose):
        assert " ".join(claim.row.split()) in shown
        assert claim.printed in shown


def test_every_verdict_appears_in_words(text, made):
    """Colour alone says nothing: each verdict is written out, with its symbol, and counted."""
    counts = Counter(f.verdict for f in findings())
    for verdict in VERDICTS:
        assert f"{page.SYMBOLS[verdict]} {verdict}<" in text
        assert f'class="claim {verdict}' in text
        assert made.totals[verdict] == counts[verdict]


def test_stand_in_values_are_marked(made, text):
    """A measured but untested value is grey and italic, and a footnote says that it tests nothing."""
    tables = [table for paper in made.papers for table in paper.tables]
    marked = [(table, cell) for table in tables for _, row in table.rows for cell in row if cell.stand_in]

    assert marked
    assert text.count('class="claim untested stand-in"') == len(marked)
    assert re.search(r"\.stand-in \.ours \{[^}]*italic", text)
    for table, cell in marked:
        assert "tests nothing here" in table.footnotes[cell.notes[0] - 1]
        assert cell.ours


def test_a_difference_shows_its_reason(made, text):
    """A cell that differs has a footnote with the finding's own reason, visible without hovering."""
    for paper in made.papers:
        for table in paper.tables:
            for cell in (cell for _, row in table.rows for cell in row if cell.verdict == "differs"):
                assert HOSTILE in [table.footnotes[n - 1] for n in cell.notes]
                assert f'id="{table.anchor}-{cell.notes[0]}"' in text


def test_a_difference_without_a_reason_says_so():
    """Where compare gives no reason, the page does not leave the footnote out."""
    claim = claims.Claim("p", "t", "r", "c", "run", None, "params", "20", scale=1e6)
    found = Finding("p", "t", "r", "c", "run", "", "params", "20", "20000000", "21000000", "differs", "")

    assert cells.cell(claim, found, "") == (
        cells.Cell("20", "differs", "21", "+5 %"),
        cells.UNEXPLAINED,
    )


def test_equal_reasons_share_a_footnote(made):
    """No footnote of a table is written twice."""
    for paper in made.papers:
        for table in paper.tables:
            assert len(set(table.footnotes)) == len(table.footnotes)


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

    assert cells.like(claim, measured) == ours


def test_hostile_text_is_escaped(text):
    """Text of a CSV cannot become markup, and the page has no script at all."""
    assert "<script" not in text
    assert html.escape(HOSTILE).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text


def test_html_is_well_formed(text, empty):
    """Tags balance, ids are unique and each jump has its target, also on the empty page."""
    for whole in (text, empty[1]):
        tags = Tags(whole)

        assert tags.wrong == []
        assert tags.open == []
        assert len(set(tags.ids)) == len(tags.ids)
        assert set(tags.jumps) <= set(tags.ids)


def test_nothing_is_loaded_from_elsewhere(text):
    """The page is one file: what it loads are data URIs and its own ids."""
    tags = Tags(text)

    assert all(address.startswith(("data:", "#")) for address in tags.loads)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & tags.seen.keys()
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", text)
    assert "xmlns" not in text


def test_same_inputs_give_the_same_bytes(filled, text, tmp_path):
    """Another process with another hash seed writes the same bytes, prints the findings, loads no torch."""
    program = (
        f"import sys; from benchmark.report.__main__ import main; code = main(['--profile', '{PROFILE}']); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=filled,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
    )
    lines = done.stdout.splitlines()

    assert done.returncode == 0, done.stderr
    assert lines[0] == f"results/{PROFILE}/report.html"
    assert [line[:3] for line in lines[1:]] == ["1. ", "2. ", "3. ", "4. ", "5. ", "6. "]
    assert (filled / lines[0]).read_text(encoding="utf-8") == text
    assert len(text) < 3_000_000


def test_empty_folder_gives_a_page_that_says_so(empty):
    """Without a single result the page has all tables, and says in each place what is not measured yet."""
    bare, whole = empty

    sections = ["verdicts", "protocols", "authors", "datasets", "sizes", "times", "quality", "convergence"]
    for section in [*sections, "crops"]:
        found = whole[whole.index(f'<section id="{section}"') :]
        assert "not measured yet" in found[: found.index("</section>")].lower(), section
    assert all(headlines.WAITING in sentence.text for sentence in bare.headlines)
    assert "dvc repro" in whole
    assert "30.67" in whole
    assert all(f">{name}<" in whole for name in RUNS)


def test_findings_of_older_claims_do_not_count(filled, tmp_path):
    """A finding whose printed text is no longer the claim's leaves its cell uncompared."""
    fill(tmp_path)
    old = [asdict(f) | ({"printed": "0.1234"} if k == 0 else {}) for k, f in enumerate(findings())]
    write(tmp_path / "results" / PROFILE / "findings.csv", columns(Finding), old)

    assert summary.summarise(read(tmp_path)).waiting == 1


def test_findings_have_the_numbers_of_the_tables(filled, made):
    """Each of the sentences carries the counts and values that the tables give."""
    found = findings()
    tested = [f for f in found if f.verdict != "untested"]
    sizes = [f for f in tested if f.quantity in headlines.SIZES]
    worst = max((f for f in tested if f.verdict == "differs"), key=headlines.bands)
    mean = {name: sum(psnr(name, i) for i in IMAGES) / 3 for name in CHOSEN}
    gains = {name: value - mean["identity"] for name, value in mean.items() if RUNS[name].train}
    best = max(gains, key=lambda name: gains[name])
    blank = sum(claim.blank for paper in PAPERS for claim in paper.claims())

    said = [sentence.text for sentence in made.headlines]
    assert len(said) == 6
    assert f"Of {len(found) - blank:,} numbers" in said[0]
    assert f"{len(tested):,} are tested" in said[0]
    assert all(f"{sum(f.verdict == v for f in found)} {v}" in said[0] for v in VERDICTS[:4])
    assert f"of {len(sizes)} tested sizes" in said[1]
    assert f"printed {worst.printed}" in said[2]
    assert headlines.apart(worst) in said[2]
    assert f"{sum(s.sign == 'same' for x in made.ladders for s in x.steps)} of" in said[3]
    without = headlines.restoration(made.quality, read(filled))
    assert f"{sum(gain > 0 for gain in gains.values())} of {len(gains)} trained runs" in without
    assert f"{best}, has {mean[best]:.2f} dB ({gains[best]:+.2f} dB)" in without


@pytest.mark.parametrize(
    ("quantity", "claimed", "measured", "bands", "words"),
    [
        ("psnr", "30", "29.4", 1, "0.6 dB apart"),
        ("psnr", "30", "30.6", 2, "0.6 dB apart"),
        ("ssim", "0.94", "0.932", 1, "0.008 apart"),
        ("macs_720p", "100", "150", 50, "1.50 times apart"),
        ("setting.epochs", "100", "50", 50, "2.00 times apart"),
    ],
)
def test_gaps_are_ranked_by_their_bands(quantity, claimed, measured, bands, words):
    """A gap in dB and one in MACs are compared by how many times their own band they are off."""
    found = Finding("p", "t", "r", "c", "run", "", quantity, claimed, claimed, measured, "differs", "")

    assert headlines.bands(found) == pytest.approx(bands)
    assert headlines.apart(found) == words


def test_findings_are_on_the_page(made, text):
    """The page shows the same sentences as the command line, each with the way to its section."""
    shown = words(text)
    for sentence in made.headlines:
        assert " ".join(sentence.text.replace("`", "").split()) in shown
        assert f'<section id="{sentence.place}"' in text


def test_ablation_steps_are_differences(filled, made):
    """Printed steps subtract printed numbers exactly; measured ones subtract means, with the paired error."""
    table = next(ladder for ladder in made.ladders if ladder.table == "Table 3")
    known = ablation.difference(read(filled), "dmphn_1", "cdgnet", DATA)
    gains = [psnr("cdgnet", i) - psnr("dmphn_1", i) for i in IMAGES]

    assert (table.steps[0].before, table.steps[0].after, table.steps[0].printed) == (
        "DMPHN 1",
        "DMPHN+ACDA",
        Decimal("0.01"),
    )
    assert table.steps[-1].measured is None
    assert table.whole.printed == Decimal("1.89")
    assert known == table.whole.measured
    assert known.value == pytest.approx(np.mean(gains), abs=1e-5)
    assert known.error == pytest.approx(np.std(gains, ddof=1) / math.sqrt(3))
    assert table.whole.sign == ("same" if known.value > 0 else "opposite")


def test_every_variant_is_grouped(made):
    """Each run with `ablates` is in the group of the run it is a variant of."""
    grouped = {(group.run, variant.run) for group in made.groups for variant in group.variants}

    assert grouped == {(run.ablates, name) for name, run in RUNS.items() if run.ablates}


def test_studies_change_one_thing(made):
    """Loss, lambda and mu studies are found from the recipes, the parent among them, in order of value."""
    known = {study.title: [label for label, _ in study.curves] + list(study.absent) for study in made.studies}

    assert sorted(map(len, known.values())) == [2, 3, 3, 4]
    assert set(known["Weight λ of the branch losses"]) == {"λ 0", "λ 0.01", "λ 0.1", "λ 1"}


def test_quality_is_beside_the_blurred_input(made):
    """The blurred input comes first; every other run shows its gain over it and the spread over images."""
    (table,) = made.quality
    row = next(row for row in table.rows if row.run == "cdgnet")
    values = [psnr("cdgnet", image) for image in IMAGES]

    assert table.rows[0].run == "identity"
    assert [r.run for r in table.rows if r.images] == [name for name in RUNS if name in CHOSEN]
    assert row.cells[0].spread == pytest.approx(np.std(values, ddof=1))
    assert row.cells[0].gain == pytest.approx(
        np.mean(values) - np.mean([psnr("identity", i) for i in IMAGES]), abs=1e-5
    )
    assert all(f"left out by profile {PROFILE}" in r.note for r in table.rows if not r.images)


def test_crops_show_the_same_window(filled, made):
    """Each tile of a strip is the same window of its own image, and has that image's PSNR."""
    (first, *_) = made.strips
    sequence, frame = first.image.split("/")
    sharp = np.asarray(Image.open(filled / "data" / PROFILE / "test" / sequence / "sharp" / f"{frame}.png"))
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(t.uri.split(",")[1])))) for t in first.tiles]

    assert [strip.rank for strip in made.strips] == list(crops.RANKS)
    assert (first.tiles[0].run, first.tiles[-1].label) == ("identity", "sharp original")
    assert first.tiles[0].psnr == pytest.approx(psnr("identity", first.image))
    assert all(image.shape == (40, 48, 3) for image in shown)
    np.testing.assert_array_equal(shown[-1], sharp)


def test_attention_maps_are_shown_through_training(tmp_path):
    """First, last and two moments between; each map from its least to its greatest value."""
    fill(tmp_path)
    kept = keep_maps(tmp_path)
    made = summary.summarise(read(tmp_path))
    (run,) = made.maps.runs
    tiles = run.rows[0].tiles
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(tiles[-1].uri.split(",")[1]))))

    assert run.run == "cdgnet"
    assert [row.name for row in run.rows] == ["large_map", "small_map"]
    assert [tile.step for tile in tiles] == [10, 30, 40, 60]
    assert [(tile.least, tile.greatest) for tile in tiles] == [(0, kept[t.step].max()) for t in tiles]
    assert shown.shape[0] * 4 == shown.shape[1] * 3
    assert shown[0, 0].astype(int).sum() < shown[-1, -1].astype(int).sum()  # dark to bright
    assert "large_map of cdgnet at step 60" in page.render(made)


def test_a_broken_map_is_named(tmp_path):
    """A torn file ends in one line that names it."""
    fill(tmp_path)
    keep_maps(tmp_path)
    (Results(PROFILE, tmp_path / "results").train("cdgnet") / "maps" / "0000010.npz").write_bytes(b"torn")

    with pytest.raises(ValueError, match=r"0000010.npz: cannot be read as maps"):
        summary.summarise(read(tmp_path))


def test_a_missing_or_broken_image_is_said(tmp_path):
    """Images are not in git: without one, or with a truncated one, its place says so."""
    fill(tmp_path)
    for path in (tmp_path / "data").rglob("*.png"):
        path.unlink()
    for path in (tmp_path / "results" / PROFILE / "images" / "identity").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:100])
    strip = summary.summarise(read(tmp_path)).strips[0]

    assert "cannot be read" in strip.tiles[0].reason
    assert "dvc repro" in strip.tiles[-1].reason
    assert strip.tiles[1].uri


def test_figures_keep_text_and_follow_the_theme(made):
    """Labels of a plot are text, its ids carry its name, its ink is the page's, and it has no date."""
    drawn = {**figures.panels(made), **figures.overlays(made)}

    assert len(drawn) == sum(trained.curve is not None for trained in made.curves) + sum(
        len(study.curves) > 1 for study in made.studies
    )
    for name, drawing in drawn.items():
        assert "PSNR (dB)</text>" in drawing
        assert "var(--ink)" in drawing
        assert not re.search(r"#(0\d0\d|000000|0a0b0c)|dc:date|<metadata", drawing)
        assert all(
            f"{'' if name.startswith('study') else 'curve-'}{name}-" in i
            for i in re.findall(r'\bid="[^"]*"', drawing)
        )


def replaced(path: Path, old: str, new: str) -> None:
    """A file with one text put in place of another."""
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("complexity.csv", "uncounted", "uncountd", "no column 'uncounted'"),
        (f"{PROFILE}/measurements.csv", ",dB,", ",", "has not as many cells"),
        (f"{PROFILE}/quality.csv", "psnr,2", "psnr,x2", "is not a number"),
        (f"{PROFILE}/curves.csv", "0.1,", "nan,", "loss is nan"),
        (f"{PROFILE}/findings.csv", "agrees", "aggrees", "verdict 'aggrees'; known: agrees, close"),
        (f"{PROFILE}/findings.csv", ",10,untested,", ",ten,untested,", "authors_n 'ten' is not a number"),
        (f"{PROFILE}/decoded.csv", "decided", "guessed", "verdict 'guessed'; known: decided, inconclusive"),
        (f"{PROFILE}/environment.json", "{", "", "cannot be read as JSON"),
        ("authors/measurements.csv", "25.5", "x25.5", "is not a number"),
        ("datasets.csv", "partial", "fine", "verdict 'fine'; known: complete, partial, broken, absent"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, file, old, new, message):
    """A malformed file ends the command with 2 and one line that names file and fault, and writes no page."""
    fill(tmp_path)
    replaced(tmp_path / "results" / file, old, new)
    monkeypatch.chdir(tmp_path)

    assert main(["--profile", PROFILE]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert file in said
    assert message in said
    assert not Results(PROFILE).report.exists()


def test_unknown_profile_is_one_line(filled, monkeypatch, capsys):
    """A mistyped profile is named, with the nearest known one."""
    monkeypatch.chdir(filled)

    assert main(["--profile", "tinny"]) == 2
    assert "no profile 'tinny'; did you mean 'tiny'?" in capsys.readouterr().err
