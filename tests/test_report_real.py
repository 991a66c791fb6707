"""The report on real images: authors' weights, protocols, datasets, and the blurred input in every table."""

import html
import re
from collections import Counter
from dataclasses import replace

import pytest

from benchmark import plugins
from benchmark.claims import Claim
from benchmark.report import author_weights, cells, measured, page, summary
from benchmark.results.schema import Finding
from tests.invented import (
    DATA,
    HOSTILE,
    PART,
    PROFILE,
    PROTOCOLS,
    PUBLISHED,
    SPLITS,
    WHOLE,
    authors_value,
    decoded,
    fill,
    findings,
    mean_psnr,
    read,
)


@pytest.fixture(scope="module")
def text(full_summary):
    """Return the page without its plots and crops."""
    return page.render(replace(full_summary, curves=(), studies=(), strips=()))


def section(text, name):
    """Return what a reader sees of a section."""
    part = text[text.index(f'<section id="{name}"') :]
    return words(part[: part.index("</section>")])


def words(markup):
    """Return text without tags and with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup.replace("<wbr>", ""))).split())


def table(content, key, name):
    """Select a printed table."""
    paper = next(paper for paper in content.papers if paper.key == key)
    return next(table for table in paper.tables if table.name == name)


CLAIM = Claim("p", "t", "r", "c", "run", "gopro", "ssim", "0.945")
FINDING = Finding("p", "t", "r", "c", "run", "gopro", "ssim", "0.945", 0.945, 0.731, "untested", "cut")


@pytest.mark.parametrize(
    ("value", "images", "verdict", "reason", "cell", "footnote"),
    [
        (0.945312, 1111, "agrees", "", cells.AuthorsValue("0.945", "", "agrees"), ""),
        (0.942, 1111, "close", "", cells.AuthorsValue("0.942", "-0.003", "close"), ""),
        (0.9452, 1111, "close", "", cells.AuthorsValue("0.9452", "+0.0002", "close"), ""),
        (0.9, 1111, "differs", "", cells.AuthorsValue("0.900", "-0.045", "differs"), cells.UNEXPLAINED),
        (0.9263, 10, "untested", "", cells.AuthorsValue("0.926", "", "untested", "10 of 1,111"), ""),
        # The cell has the part of the set already; only another reason needs a footnote.
        (0.9263, 10, "untested", "10 of 1,111 images", None, ""),
        (0.9263, 10, "untested", "odd", None, "odd"),
    ],
)
def test_authors_value_is_in_the_printed_precision(value, images, verdict, reason, cell, footnote):
    """The third number has the printed decimals, its distance, its verdict, its part of the set, a reason."""
    weights = {"authors_measured": value, "authors_images": images, "authors_verdict": verdict}
    filled, text = cells.authors(CLAIM, replace(FINDING, **weights, authors_reason=reason), WHOLE)

    assert cell in (None, filled)
    assert text == (f"authors’ weights: {footnote}" if footnote else "")


def test_without_weights_there_is_no_third_number():
    """A run whose weights are not available keeps two numbers; the section of weights has the reason."""
    assert cells.authors(CLAIM, replace(FINDING, authors_verdict="untested"), WHOLE) == (None, "")


def test_a_cell_has_three_numbers(full_summary, text):
    """Printed, authors' and ours, each verdict with its symbol; what is measured on a part says so."""
    weighed = [finding for finding in findings() if finding.authors_measured is not None]
    tables = [table for paper in full_summary.papers for table in paper.tables]
    filled = [cell for table in tables for _, row in table.rows for cell in row if cell.authors and cell.text]
    prose = [number.cell for paper in full_summary.papers for number in paper.prose if number.cell.authors]
    values = [cell.authors for cell in filled + prose]
    verdicts = Counter(finding.authors_verdict for finding in weighed)

    assert Counter(value.verdict for value in values) == verdicts
    assert {value.part for value in values if value.verdict == "untested"} <= {
        f"{PART} of {WHOLE:,}",
        "",  # of a set whose size is unknown
    }
    for cell in filled:
        first = f'<span class="printed">{cell.text}</span>\n<span class="authors {cell.authors.verdict}">'
        assert first + f'<span class="value">{cell.authors.text}' in text
    assert full_summary.authors_totals == {verdict: verdicts[verdict] for verdict in page.VERDICTS}


def test_blurred_input_is_in_every_table(full_summary):
    """Where PSNR or SSIM of a dataset are printed, the blurred input is first, as a row or a column."""
    by_row, by_column = table(full_summary, "sgenet", "Table 1"), table(full_summary, "cdgnet", "Table 2")
    head, row = by_row.rows[0]
    part = f"{PART} of {WHOLE:,}"

    assert (head.text, head.run) == ("blurred input", "identity")
    assert row[0].authors == cells.AuthorsValue(f"{authors_value('identity', 'psnr'):.2f}", part=part)
    assert row[1].authors == cells.AuthorsValue(f"{authors_value('identity', 'ssim_matlab'):.3f}", part=part)
    assert (row[2].ours, row[2].stand_in) == (f"{mean_psnr('identity'):.2f}", True)  # HIDE is not measured
    assert [cell for cell in row[4:] if cell.ours or cell.authors] == []
    mixed = table(full_summary, "cdgnet", "Table 1").rows[0][1][2]  # some systems below it have no run
    assert mixed.authors.text == f"{authors_value('identity', 'ssim_matlab'):.3f}"
    assert by_column.columns[0].text == "blurred input"
    assert [line[0].stand_in for _, line in by_column.rows] == [True, True]
    assert len({len(line) for _, line in by_column.rows} | {len(by_column.columns)}) == 1
    for paper in full_summary.papers:
        for printed in paper.tables:
            first = [printed.columns[0].text, printed.rows[0][0].text]
            assert ("blurred input" in first) == (printed.name != "Poster"), printed.anchor


def test_protocols_are_under_each_table(full_summary, text):
    """A table's columns have their protocol, verdict and evidence under it, odd rows too."""
    printed = table(full_summary, "cdgnet", "Table 1")
    odd = next(row[2] for head, row in printed.rows if head.run == "dmphn_1_2_4")
    shown = words(text[text.index('id="cdgnet-1"') : text.index('id="cdgnet-2"')])

    assert any("this number fits `ssim` instead" in printed.footnotes[note - 1] for note in odd.notes)
    assert [column.column for column in printed.decoded] == ["SSIM↑", "PSNR↑"]
    assert "SSIM↑: ssim_matlab , decided: three rows say so." in shown
    assert "only another protocol fits: DMPHN 2019 [15]: ssim." in shown
    assert f"PSNR↑: inconclusive, nearest psnr : {HOSTILE}" in shown
    for column in decoded():
        residual = "–" if column.residual is None else f"{column.residual:.4f}"
        assert residual in section(text, "protocols")
        assert f"{page.SYMBOLS[column.verdict]} {column.verdict}" in section(text, "protocols")


def test_every_dataset_has_a_verdict(text):
    """Each split has its verdict in words, its counts beside the official ones, and the reasons."""
    shown = section(text, "datasets")

    assert "gopro test ◐ partial 10 of 1,111 6 of 11 linear 1101 pairs are missing" in shown
    assert "rwbi all ○ absent 0 of 3,112 0 –" in shown
    for split in SPLITS:
        assert split.problems in shown
        assert f"{split.split} {page.SYMBOLS[split.verdict]} {split.verdict}" in shown


def test_weights_are_shown_under_every_protocol(full_summary, text):
    """Every PSNR, then every SSIM; the blurred input first; weights that are not available have a reason."""
    (weights,) = full_summary.weights

    assert [protocol.name for protocol in weights.quantities] == list(weights.mean.columns) == PROTOCOLS
    assert list(weights.runs.index) == PUBLISHED
    assert weights.total == WHOLE
    for run in PUBLISHED:
        expected = [authors_value(run, name) for name in PROTOCOLS]
        assert list(weights.mean.loc[run]) == pytest.approx(expected, abs=1e-6)
    assert full_summary.unavailable == (author_weights.Unavailable(("sgenet",), ("gopro",), HOSTILE),)
    row = f"dmphn_1_2_4 {PART} of {WHOLE:,} {authors_value('dmphn_1_2_4', 'psnr'):.2f}"
    assert row in section(text, "authors")


def test_a_finding_is_about_weights(full_summary):
    """The fifth sentence says what the weights gain and of how many columns the protocol is decided."""
    sentence = full_summary.headlines[4].text
    blurred, best = (authors_value(run, "psnr") for run in PUBLISHED)

    assert f"that of dmphn_1_2_4, to {best:.2f} dB from the blurred input’s {blurred:.2f} dB" in sentence
    assert f"({PART} of {WHOLE:,} images of gopro)" in sentence
    assert "of 4 printed PSNR or SSIM columns, the protocol is decided for 2" in sentence
    assert "(CDGNet Table 1 SSIM↑: `ssim_matlab`; CDGNet Table 2 SSIM: `ssim`)" in sentence
    assert "inconclusive for 1 and untested for 1" in sentence


def test_other_protocols_are_folded_away(full_summary, text):
    """The quality table has the main protocols; a quantity without values has its reason once."""
    (quality,) = full_summary.quality
    shown = section(text, "quality")

    assert [protocol.name for protocol in quality.main] == ["psnr", "ssim_matlab"]
    assert [protocol.name for protocol in quality.others] == ["psnr_truncated"]
    assert quality.unmeasured == (("niqe", "no weights"),)
    assert f"{DATA} under 1 other protocol " in shown
    assert shown.count("no weights") == 1


@pytest.mark.parametrize("name", plugins.names("metrics"))
def test_metric_files_declare_their_quantity(name):
    """What the page says of a metric without importing it is what its module says."""
    module = plugins.load("metrics", name)
    protocol = measured.protocol(name, "")

    assert protocol.declared == module.QUANTITY
    assert protocol.about in " ".join((module.__doc__ or "").split())
    assert module.QUANTITY.sees in page.SEES


def test_files_are_among_the_sources(full_summary):
    """Provenance has the files of weights, datasets and protocols, with a digest each."""
    digests = {source.name: source.digest for source in full_summary.sources}

    for name in ("authors/measurements.csv", "datasets.csv", f"{PROFILE}/decoded.csv"):
        assert len(digests[f"results/{name}"]) == 12


def test_without_weights_the_stand_in_takes_their_place(tmp_path):
    """Without files of weights and protocols, the blurred input is the stand-in's."""
    fill(tmp_path)
    for name in ("authors/measurements.csv", "datasets.csv", f"{PROFILE}/decoded.csv"):
        (tmp_path / "results" / name).unlink()
    content = summary.summarise(read(tmp_path))

    assert table(content, "sgenet", "Table 1").rows[0][1][0].stand_in
    assert not content.weights
    assert "trained runs" in content.headlines[4].text


def test_a_run_that_was_removed_is_left_out(filled):
    """Rows of a run that params.yaml no longer has fill no table."""
    inputs = read(filled)

    assert list(author_weights.tables(replace(inputs, authors=inputs.authors.assign(run="gone")))) == []
