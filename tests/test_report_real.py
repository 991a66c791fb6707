"""The report on real images: authors' weights, protocols, datasets, and the blurred input in every table."""

import html
import re
from collections import Counter
from dataclasses import replace

import pytest

from benchmark import plugins
from benchmark.claims import Claim
from benchmark.compare.findings import Finding
from benchmark.report import author_weights, cells, measured, page, summary
from tests.invented import (
    CHECKED,
    DATA,
    HOSTILE,
    IMAGES,
    MANY,
    PART,
    PROFILE,
    PUBLISHED,
    WHOLE,
    decoded,
    fill,
    findings,
    psnr,
    read,
    real,
)


@pytest.fixture(scope="module")
def text(made):
    """The page without its figures and crops."""
    return page.render(replace(made, curves=(), studies=(), strips=()))


def section(text, name):
    """What a reader sees of one section."""
    found = text[text.index(f'<section id="{name}"') :]
    return seen(found[: found.index("</section>")])


def seen(markup):
    """Text without tags and with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup.replace("<wbr>", ""))).split())


def table(made, paper, name):
    """One printed table."""
    found = next(one for one in made.papers if one.key == paper)
    return next(one for one in found.tables if one.name == name)


CLAIM = Claim("p", "t", "r", "c", "run", "gopro", "ssim", "0.945")
FOUND = Finding("p", "t", "r", "c", "run", "gopro", "ssim", "0.945", "0.945", "0.731", "untested", "cut")


@pytest.mark.parametrize(
    ("value", "n", "verdict", "shown"),
    [
        ("0.945312", "1111", "agrees", cells.Real("0.945", "", "agrees")),
        ("0.942", "1111", "close", cells.Real("0.942", "-0.003", "close")),
        ("0.9452", "1111", "close", cells.Real("0.9452", "+0.0002", "close")),
        ("0.9263", "10", "untested", cells.Real("0.926", "", "untested", "10 of 1,111")),
    ],
)
def test_authors_number_is_in_the_printed_precision(value, n, verdict, shown):
    """The third number has the printed decimals, its distance, its verdict, and how much of the set it is."""
    found = replace(FOUND, authors=value, authors_n=n, authors_verdict=verdict)

    assert cells.authors(CLAIM, found, WHOLE)[0] == shown


def test_a_part_of_the_set_is_said_once():
    """How much was measured is in the cell; only more than that needs a footnote."""
    found = replace(FOUND, authors="0.9", authors_n="10", authors_verdict="untested")
    more = {reason: replace(found, authors_reason=reason) for reason in ("10 of 1,111 images", "odd")}

    assert [cells.authors(CLAIM, one, WHOLE)[1] for one in more.values()] == ["", "authors’ weights: odd"]


def test_without_weights_there_is_no_third_number():
    """A run whose weights cannot be had keeps two numbers; the reason is in the section of weights."""
    assert cells.authors(CLAIM, replace(FOUND, authors_verdict="untested"), WHOLE) == (None, "")


def test_three_numbers_stand_in_one_cell(made, text):
    """Printed, authors' and ours, each verdict with its symbol; what is measured on a part says so."""
    known = [f for f in findings() if f.authors]
    weighed = [
        c for paper in made.papers for t in paper.tables for _, row in t.rows for c in row if c.authors
    ]
    prose = [said.cell for paper in made.papers for said in paper.prose if said.cell.authors]
    claimed = [cell for cell in weighed if cell.text]

    assert len(claimed) + len(prose) == len(known)
    assert Counter(c.authors.verdict for c in claimed + prose) == Counter(f.authors_verdict for f in known)
    assert {c.authors.part for c in claimed + prose if c.authors.verdict == "untested"} <= {
        f"{PART} of {WHOLE:,}",
        "",  # of a set whose size is not known
    }
    for cell in claimed:
        first = f'<span class="printed">{cell.text}</span>\n<span class="authors {cell.authors.verdict}">'
        assert first + f'<span class="value">{cell.authors.text}' in text
    assert made.authors_totals == {
        verdict: sum(f.authors_verdict == verdict for f in known) for verdict in made.authors_totals
    }


def test_an_unexplained_difference_of_weights_says_so():
    """A difference without a reason has a footnote as well."""
    found = replace(FOUND, authors="0.9", authors_n="1111", authors_verdict="differs")

    assert cells.authors(CLAIM, found, WHOLE)[1] == f"authors’ weights: {cells.UNEXPLAINED}"


def test_blurred_input_is_in_every_table(made):
    """Where PSNR or SSIM of a dataset are printed, the blurred input stands first, down or across."""
    down, across = table(made, "sgenet", "Table 1"), table(made, "cdgnet", "Table 2")
    head, row = down.rows[0]
    part = f"{PART} of {WHOLE:,}"

    assert (head.text, head.run) == ("blurred input", "identity")
    assert row[0].authors == cells.Real(f"{real('identity', 'psnr'):.2f}", part=part)
    assert row[1].authors == cells.Real(f"{real('identity', 'ssim_matlab'):.3f}", part=part)
    stand_in = sum(psnr("identity", image) for image in IMAGES) / len(IMAGES)
    assert (row[2].ours, row[2].stand_in) == (f"{stand_in:.2f}", True)  # HIDE is not measured
    assert [cell for cell in row[4:] if cell.ours or cell.authors] == []
    mixed = table(made, "cdgnet", "Table 1").rows[0][1][2]  # below it are systems without a run, too
    assert mixed.authors.text == f"{real('identity', 'ssim_matlab'):.3f}"
    assert across.columns[0].text == "blurred input"
    assert [line[0].stand_in for _, line in across.rows] == [True, True]
    assert len({len(line) for _, line in across.rows} | {len(across.columns)}) == 1
    for paper in made.papers:
        for one in paper.tables:
            first = [one.columns[0].text, one.rows[0][0].text]
            assert ("blurred input" in first) == (one.name != "Poster"), one.anchor


def test_decoder_speaks_under_each_table(made, text):
    """A table's columns have their protocol, verdict and evidence under it, odd rows too."""
    whole = table(made, "cdgnet", "Table 1")
    one, other = whole.decoded
    odd = next(row[2] for head, row in whole.rows if head.run == "dmphn_1_2_4")
    shown = seen(text[text.index('id="cdgnet-1"') : text.index('id="cdgnet-2"')])

    assert any("this number fits `ssim` instead" in whole.footnotes[note - 1] for note in odd.notes)
    assert (one.column, other.column) == ("SSIM↑", "PSNR↑")
    assert "SSIM↑: ssim_matlab , decided: three rows say so." in shown
    assert "only another protocol fits: DMPHN 2019 [15]: ssim." in shown
    assert f"PSNR↑: inconclusive, nearest psnr : {HOSTILE}" in shown
    for entry in decoded():
        assert entry.residual in section(text, "protocols")
        assert f"{page.SYMBOLS[entry.verdict]} {entry.verdict}" in section(text, "protocols")


def test_every_dataset_has_one_verdict(text):
    """Each split has its verdict in words, its counts beside the official ones, and the reasons."""
    shown = section(text, "datasets")

    assert "gopro test ◐ partial 10 of 1,111 6 of 11 linear 1101 pairs are missing" in shown
    assert "rwbi all ○ absent 0 of 3,112" in shown
    for one in CHECKED:
        assert one.problems in shown
        assert f"{one.split} {page.SYMBOLS[one.verdict]} {one.verdict}" in shown


def test_weights_are_shown_under_every_protocol(made, text):
    """Every PSNR, then every SSIM; the blurred input first; what cannot be had keeps its reason."""
    (found,) = made.weights
    names = [one.name for one in found.quantities]

    assert names == MANY
    assert [row.run for row in found.rows] == PUBLISHED
    assert found.total == WHOLE
    for row in found.rows:
        assert row.values == pytest.approx([real(row.run, name) for name in names], abs=1e-6)
    assert made.lacks == (author_weights.Lack(("sgenet",), ("gopro",), HOSTILE),)
    assert f"dmphn_1_2_4 {PART} of {WHOLE:,} {real('dmphn_1_2_4', 'psnr'):.2f}" in section(text, "authors")


def test_a_finding_is_about_weights(made):
    """The fifth sentence has what the tables say of the weights, and how many columns are decided."""
    said = made.headlines[4].text
    blurred, best = (real(run, "psnr") for run in PUBLISHED)

    assert f"that of dmphn_1_2_4, to {best:.2f} dB from the blurred input’s {blurred:.2f} dB" in said
    assert f"({PART} of {WHOLE:,} images of gopro)" in said
    assert "of 4 printed PSNR or SSIM columns, the protocol is decided for 2" in said
    assert "(CDGNet Table 1 SSIM↑: `ssim_matlab`; CDGNet Table 2 SSIM: `ssim`)" in said
    assert "inconclusive for 1 and untested for 1" in said


def test_other_protocols_are_folded_away(made, text):
    """The quality table stays readable; what no run has is said once, with its reason."""
    (found,) = made.quality
    shown = section(text, "quality")

    assert [one.name for one in found.main] == ["psnr", "ssim_matlab"]
    assert [one.name for one in found.others] == ["psnr_truncated"]
    assert found.lacking == (("niqe", "no weights"),)
    assert f"{DATA} under 1 other protocol " in shown
    assert shown.count("no weights") == 1
    assert all(len(row.cells) == 3 for row in found.rows)


@pytest.mark.parametrize("name", plugins.names("metrics"))
def test_metric_files_are_read_as_they_are(name):
    """What the page says of a metric without importing it is what its module says."""
    module = plugins.load("metrics", name)

    assert measured.protocol(name, "").declared == module.QUANTITY
    assert measured.protocol(name, "").about in " ".join((module.__doc__ or "").split())
    assert module.QUANTITY.sees in page.SEES


def test_every_new_file_is_among_the_sources(made):
    """Provenance has the files of weights, datasets and protocols, with a digest each."""
    known = {source.name: source.digest for source in made.sources}

    for name in ("authors/measurements.csv", "datasets.csv", f"{PROFILE}/decoded.csv"):
        assert len(known[f"results/{name}"]) == 12


def test_without_weights_the_stand_in_takes_their_place(tmp_path):
    """Files of an earlier day: no weights, no decoder; the blurred input is the stand-in's."""
    fill(tmp_path)
    for name in ("authors/measurements.csv", "datasets.csv", f"{PROFILE}/decoded.csv"):
        (tmp_path / "results" / name).unlink()
    made = summary.summarise(read(tmp_path))
    cell = table(made, "sgenet", "Table 1").rows[0][1][0]

    assert cell.stand_in
    assert not made.weights
    assert "trained runs" in made.headlines[4].text


def test_a_run_nobody_knows_is_left_out(filled):
    """Rows of a run that params.yaml no longer has make no table."""
    known = read(filled)
    old = {key: replace(row, run="gone") for key, row in known.authors.items()}

    assert list(author_weights.tables(replace(known, authors=old))) == []
