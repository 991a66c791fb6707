"""The report on real images: authors' weights, protocols, datasets, and the blurred input in every table."""

from collections import Counter
from dataclasses import replace

import pytest

from benchmark import plugins
from benchmark.claims import Claim
from benchmark.report import cells, entries, headlines, measured, page, printed
from benchmark.report.inputs import Judged, place
from benchmark.results.schema import Finding, Verdict
from tests import invented
from tests.invented import DATA, HOSTILE, PART, PUBLISHED, WHOLE, authors_value, findings, read, section


@pytest.fixture(scope="module")
def text(full_summary):
    """Return the page."""
    return page.render(full_summary)


def table(content, key, name):
    """Select a printed table."""
    paper = next(paper for paper in content.papers if paper.paper.key == key)
    return next(table for table in paper.tables if table.printed.name == name)


CLAIM = Claim("p", "t", "r", "c", "run", "gopro", "ssim", "0.945")
WHERE = ("p", "t", "r", "c", "run", "gopro", "ssim", "0.945", 0.945)


@pytest.mark.parametrize(
    ("value", "images", "verdict", "reason", "cell", "noted"),
    [
        (0.945312, 1111, "holds", "", cells.AuthorsValue("0.945", "", "holds"), ""),
        (0.942, 1111, "close", "", cells.AuthorsValue("0.942", "-0.003", "close"), ""),
        (0.9452, 1111, "close", "", cells.AuthorsValue("0.9452", "+0.0002", "close"), ""),
        (
            0.9,
            1111,
            "not reproduced",
            "",
            cells.AuthorsValue("0.900", "-0.045", "not reproduced"),
            cells.UNEXPLAINED,
        ),
        (0.9263, 10, "undecided", "", cells.AuthorsValue("0.926", "", "undecided", "10 of 1,111"), ""),
        (0.9263, 10, "undecided", "10 of 1,111 images", "any", "10 of 1,111 images"),
        (0.9263, 10, "undecided", "odd", "any", "odd"),
        (None, None, "undecided", "", None, ""),  # weights that are not available
    ],
)
def test_authors_value_is_in_the_printed_precision(value, images, verdict, reason, cell, noted):
    """The third number has the printed decimals, its distance, its verdict, its part of the set, a reason."""
    theirs = Finding(*WHERE, "authors_weights", verdict, reason, "", value, "ssim", images)
    judged = Judged(Verdict(*WHERE, verdict, "authors_weights", "", ""), {"authors_weights": theirs})
    filled, text = cells.authors(CLAIM, judged, WHOLE)

    assert cell in ("any", filled)
    assert text == noted


def test_a_cell_has_three_numbers(full_summary, text):
    """What is measured on a part says so; the outcome of the weights and its reason are in the panel."""
    weighed = {place(f): f for f in findings() if f.kind == "authors_weights"}
    filled = [entry for entry in full_summary.entries if entry.cell.authors]
    ledger = invented.element(text, "claims")

    assert Counter(entry.cell.authors.verdict for entry in filled) == Counter(
        finding.outcome for finding in weighed.values()
    )
    # Without a part: of a set whose size is unknown.
    parts = {e.cell.authors.part for e in filled if e.cell.authors.verdict == "undecided"}
    assert parts <= {f"{PART} of {WHOLE:,}", ""}
    for entry in filled:
        value, finding = entry.cell.authors, weighed[place(entry.claim)]
        row = section(ledger, f"claim-{entry.id}")
        (told,) = (f for f in full_summary.panels[entry.id]["findings"] if f["kind"] == "authors weights")
        assert " ".join(f"authors’ weights: {value.text} {value.part}".split()) in row.replace("(", " (")
        assert told["outcome"].startswith(finding.outcome)
        assert told["mark"] == cells.MARKS[told["outcome"].split(",")[0]][0]
        assert told["reason"] == (
            finding.reason or (cells.UNEXPLAINED if finding.outcome == "not reproduced" else "")
        )


def test_blurred_input_is_in_every_table(full_summary):
    """Where PSNR or SSIM of a dataset are printed, the blurred input is first, as a row or a column."""
    by_row, by_column = table(full_summary, "sgenet", "Table 1"), table(full_summary, "cdgnet", "Table 2")
    head, row = by_row.rows[0]
    part = f"{PART} of {WHOLE:,}"

    assert (head.text, head.run) == ("blurred input", "identity")
    assert row[0].authors == cells.AuthorsValue(f"{authors_value('identity', 'psnr'):.2f}", part=part)
    assert row[1].authors == cells.AuthorsValue(f"{authors_value('identity', 'ssim_matlab'):.3f}", part=part)
    assert (row[2].ours, row[2].stand_in) == (
        f"{invented.mean_psnr('identity'):.2f}",
        True,
    )  # HIDE is not measured
    assert [cell for cell in row[4:] if cell.ours or cell.authors] == []
    mixed = table(full_summary, "cdgnet", "Table 1").rows[0][1][2]  # some systems below it have no run
    assert mixed.authors.text == f"{authors_value('identity', 'ssim_matlab'):.3f}"
    assert by_column.columns[0].text == "blurred input"
    assert [line[0].stand_in for _, line in by_column.rows] == [True, True]
    assert len({len(line) for _, line in by_column.rows} | {len(by_column.columns)}) == 1
    for laid_out in (table for paper in full_summary.papers for table in paper.tables):
        first = [laid_out.columns[0].text, laid_out.rows[0][0].text]
        assert ("blurred input" in first) == (laid_out.printed.name != "Poster"), laid_out.anchor


def test_protocols_are_under_each_table(full_summary, text):
    """A table's columns have their protocol, verdict and evidence under it, odd rows too."""
    laid_out = table(full_summary, "cdgnet", "Table 1")
    shown = invented.words(text[text.index('id="table-cdgnet-t1"') : text.index('id="table-cdgnet-t2"')])

    assert any("DMPHN" in note and "this number fits `ssim` instead" in note for note in laid_out.remarks)
    assert "this number fits ssim instead (protocol decoder)" in shown
    assert [column.column for column in laid_out.decoded] == ["SSIM↑", "PSNR↑"]
    assert "SSIM↑: ssim_matlab , decided: three rows say so." in shown.replace("matlab,", "matlab ,")
    assert "only another protocol fits: DMPHN 2019 [15]: ssim." in shown
    assert f"PSNR↑: inconclusive, nearest psnr : {HOSTILE}" in shown.replace("psnr:", "psnr :")
    for column in invented.decoded():
        residual = "–" if column.residual is None else f"{column.residual:.4f}"
        assert residual in section(text, "protocols")
        assert f"{page.STATES[column.verdict][0]} {column.verdict}" in section(text, "protocols")


def test_every_dataset_has_a_verdict(text):
    """Each split has its verdict in invented.words, its counts beside the official ones, and the reasons."""
    shown = section(text, "datasets")

    assert "gopro test ◐ partial 10 of 1,111 6 of 11 linear 1101 pairs are missing" in shown
    assert "rwbi all · absent 0 of 3,112 0 –" in shown
    for split in invented.SPLITS:
        assert split.problems in shown
        assert f"{split.split} {page.STATES[split.verdict][0]} {split.verdict}" in shown


def test_weights_are_shown_under_every_protocol(full_summary, text):
    """Every PSNR, then every SSIM; the blurred input first; weights that are not available have a reason."""
    (weights,) = full_summary.weights

    assert (
        [protocol.name for protocol in weights.quantities] == list(weights.mean.columns) == invented.PROTOCOLS
    )
    assert list(weights.runs.index) == PUBLISHED
    for run in PUBLISHED:
        expected = [authors_value(run, name) for name in invented.PROTOCOLS]
        assert list(weights.mean.loc[run]) == pytest.approx(expected, abs=1e-6)
    assert f"Not available Runs Datasets Reason sgenet gopro {HOSTILE}" in section(text, "authors")
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

    assert [protocol.name for protocol in quality.quantities] == ["psnr", "ssim_matlab", "psnr_truncated"]
    assert quality.unmeasured == {"niqe": "no weights"}
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
    for name in ("authors/measurements.csv", "datasets.csv", f"{invented.PROFILE}/decoded.csv"):
        assert len(full_summary.inputs.sources[f"results/{name}"]) == 12


def test_without_weights_the_stand_in_takes_their_place(filled, full_summary):
    """Without rows of weights and protocols, the blurred input is the stand-in's."""
    inputs = read(filled)
    bare = replace(inputs, authors=inputs.authors[:0], splits=[], decoded=[])
    sgenet = next(paper for paper in bare.papers if paper.key == "sgenet")

    assert printed.lay_out_paper(sgenet, bare, entries.entries(bare)).tables[0].rows[0][1][0].stand_in
    quality, weights = list(measured.quality(bare)), list(measured.weights(bare))
    assert headlines.six(bare, [], [], quality, weights, full_summary.times)[4].section == "quality"


def test_a_run_that_was_removed_is_left_out(filled):
    """Rows of a run that params.yaml no longer has fill no table."""
    inputs = read(filled)

    assert list(measured.weights(replace(inputs, authors=inputs.authors.assign(run="gone")))) == []
