"""The claims files: complete and well-formed, and printed text stays text."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from benchmark import claims, spec
from benchmark.compare import physics
from benchmark.compare.settings import SETTINGS

ROOT = Path(__file__).parents[1]
PAPERS = {paper.key: paper for paper in claims.read()}
KNOWN = ("bag", "cdgnet", "saphnet", "sgenet")  # others may be added without a change of these tests
RUNS = spec.load(ROOT / "params.yaml")[1]


# Cells of every printed table, counted by hand in the papers, and how many of them are dashes.
@pytest.mark.parametrize(
    ("paper", "table", "rows", "columns", "dashes"),
    [
        ("sgenet", "Table 1", 10, 6, 5),
        ("sgenet", "Poster", 2, 9, 0),
        ("cdgnet", "Table 1", 11, 6, 15),
        ("cdgnet", "Table 2", 2, 5, 0),
        ("cdgnet", "Table 3", 9, 7, 0),
        ("cdgnet", "Table 4", 4, 5, 0),
        ("saphnet", "Table 1", 12, 3, 0),
        ("bag", "Table 1", 7, 6, 0),
        ("bag", "Table 2", 5, 3, 0),
    ],
)
def test_every_table_has_every_printed_cell(paper, table, rows, columns, dashes):
    """Each table has the rows, columns and dashes that the paper prints."""
    (entry,) = (t for t in PAPERS[paper].tables if t.name == table)

    assert len(entry.rows) == rows
    assert {len(cells) for _, cells in entry.rows} == {columns}
    assert sum(claim.printed in ("-", "—") for claim in entry.claims.values()) == dashes


def test_every_paper_has_its_numbers():
    """The printed numbers of all tables, counted by hand; 16 are on SGENet's poster."""
    tables = {paper: [c for t in PAPERS[paper].tables for c in t.claims.values()] for paper in KNOWN}
    numbers = {paper: sum(not claim.blank for claim in cells) for paper, cells in tables.items()}

    assert numbers == {"bag": 21, "cdgnet": 80, "saphnet": 36, "sgenet": 55 + 16}


def test_every_system_of_every_table_has_its_run():
    """CDGNet's Table 2 has none: it is of networks fine-tuned in a way that nobody describes."""
    tables = [t for paper in KNOWN for t in PAPERS[paper].tables if (paper, t.name) != ("cdgnet", "Table 2")]
    without = {c.row.split()[0] for table in tables for c in table.claims.values() if c.run is None}

    assert without == set()


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
def test_claims_are_complete(paper):
    """Every number of a table is read, every run exists, and run times name their card and its text."""
    cards = physics.read()[0]
    for claim in paper.claims():
        assert claim.run is None or claim.run in RUNS, claim
        assert claim.quantity != "seconds" or claim.card in cards, claim
    for table in paper.tables:
        times = [claim for claim in table.claims.values() if claim.quantity == "seconds"]
        anchors = [claim for claim in times if claim.row == table.anchor]
        for claim in table.claims.values():
            assert claim.blank or claim.number is not None, claim
        # YAML reads a bare `on` as true, so that its text would be lost.
        assert all(any(card in claim.on for card in ("RTX", "GTX", "Titan")) for claim in times)
        # Ratios are formed against one printed time, whose network is counted.
        assert len(anchors) == bool(times)
        assert all(claim.run in RUNS and claim.value for claim in anchors)


@pytest.mark.parametrize(
    ("printed", "scale", "value", "rounding"),
    [
        ("30.20", 1, 30.20, 0.005),
        ("21.7", 1e6, 21.7e6, 0.05e6),
        ("3,214", 1, 3214, 0.5),
        ("20 min", 1, 1200, 30),
        ("7.15s", 1, 7.15, 0.005),
        ("21.87 dB", 1, 21.87, 0.005),
        ("10^-4", 1, 1e-4, 0),
        ("2 × 10^5", 1, 2e5, 0.5e5),
        ("2400", 1e-3, 2.4, 0.0005),
        *((words, 1, None, 0) for words in ("two", "3×3", "", "—", "1e", "NVIDIA")),
    ],
)
def test_printed_text_becomes_a_number(printed, scale, value, rounding):
    """Value and half a unit of the last digit, in base units; words and dashes have no value."""
    claim = claims.Claim("p", "t", "r", "c", None, None, "psnr", printed, scale)

    assert claim.value == (value and pytest.approx(value))
    assert claim.rounding == pytest.approx(rounding)


def edited(folder, change):
    """Write CDGNet's claims with a change, and read them."""
    raw = yaml.safe_load((ROOT / "benchmark" / "claims" / "cdgnet.yaml").read_text())
    change(raw)
    (folder / "cdgnet.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True, sort_keys=False))
    return claims.read(folder)[0]


SUN = "tables[Table 1].rows[Sun 2015 [11]]"
OURS = "tables[Table 1].rows[Ours]"
UNKNOWN = {"measured": 1, "says": "x"}
PSNR = "tables[Table 1].columns.PSNR↑"
PROSE = "prose[branches of the proposed network]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, p: t["rows"][0]["cells"].pop(), f"{SUN}: 5 cells; the table has 6 columns"),
        (lambda t, p: t["rows"][0].update(cells=[24.64]), f"{SUN}.cells[0]: 24.64; allowed: text in quotes"),
        (lambda t, p: t["columns"]["PSNR↑"].update(quantty="x"), f"{PSNR}: unknown key 'quantty'; did"),
        (lambda t, p: t["columns"]["PSNR↑"].pop("quantity"), f"{SUN}: no quantity for column 'PSNR↑'"),
        (
            lambda t, p: t["rows"][10]["unexplained"].update(Flops=UNKNOWN),
            f"{OURS}: no column 'Flops'; ",
        ),
        (lambda t, p: p.update(printed=2), "prose[Abstract].printed: 2; allowed: text in quotes"),
        (lambda t, p: p.update(printed="11^-4"), f"{PROSE}.printed: '11^-4' is no number"),
        (lambda t, p: p.update(sayz="x"), "unknown key 'sayz'; did you mean 'says'?"),
        (lambda t, p: p.pop("quantity"), f"{PROSE}: 'quantity' is missing"),
        (lambda t, p: t.update(anchor="DMPHN"), "tables[Table 1].anchor: no row 'DMPHN'; "),
        (lambda t, p: t.update(rows=None), "tables[Table 1].rows: None; allowed: a list"),
    ],
)
def test_mistakes_name_file_and_place(tmp_path, change, message):
    """A malformed claims file fails with one line: file, table, row, bad value and allowed values."""
    with pytest.raises(ValueError, match=r"^benchmark/claims/cdgnet.yaml: ") as caught:
        edited(tmp_path, lambda raw: change(raw["tables"][0], raw["prose"][0]))

    assert message in str(caught.value)


def test_cdgnets_size_and_operations_can_hold_together_only_uncounted():
    """25.57 MB need more than 292.57 GMAC if a counter sees every weight; 1.31 million must escape it.

    Each convolution works at 180 x 320 positions or more; channel attention's 4,096 weights work at one.
    """
    (table,) = (t for t in PAPERS["cdgnet"].tables if t.name == "Table 1")
    claimed = {c.column: c for c in table.claims.values() if c.row == "Ours"}
    weights = int(Decimal(claimed["Param↓"].printed) * 1_000_000 / 4) - 4096

    assert weights * 180 * 320 > claimed["FLOPs↓"].value
    assert round(weights - claimed["FLOPs↓"].value / (180 * 320), -4) == 1_310_000
    assert "1.31 million weights" in claimed["FLOPs↓"].explain.says


def test_settings_that_are_compared_are_printed_somewhere():
    """Each setting that is compared is a claim of some paper: no dead entry."""
    printed = {claim.quantity for paper in PAPERS.values() for claim in paper.prose}

    assert set(SETTINGS) <= printed


def test_run_times_have_the_papers_card():
    """SGENet alone names the image's size."""
    times = [claim for paper in KNOWN for claim in PAPERS[paper].claims() if claim.quantity == "seconds"]
    cards = {"bag": "gtx_1080_ti", "cdgnet": "gtx_1080_ti", "saphnet": "titan_xp", "sgenet": "rtx_3090"}

    assert {(claim.paper, claim.card) for claim in times} == set(cards.items())
    assert {claim.paper for claim in times if claim.size} == {"sgenet"}


@pytest.mark.parametrize(
    ("level", "entry"),
    [("column", lambda table: table["columns"]["Time↓"]), ("row", lambda table: table["rows"][7])],
)
def test_column_and_row_may_name_a_card(tmp_path, level, entry):
    """The later wins, as for every other key."""
    paper = edited(tmp_path, lambda raw: entry(raw["tables"][0]).update(card=level))
    cards = {c.card for c in paper.tables[0].claims.values() if c.row[:5] == "DMPHN" and c.column == "Time↓"}

    assert cards == {level}


def test_what_a_network_is_asked_is_printed_somewhere():
    """Each sentence of a run's `structure` is one of the claims files about that run: no dead entry."""
    said = {(claim.run, claim.row) for paper in PAPERS.values() for claim in paper.prose}

    assert {(name, says) for name, run in RUNS.items() for says in run.structure} <= said


def test_what_shaped_a_network_names_a_paper():
    """`built_to_fit` names a claims file, and quantities that it prints."""
    for run in RUNS.values():
        if run.built_to_fit:
            printed = {claim.quantity for claim in PAPERS[run.built_to_fit.paper].claims()}
            assert set(run.built_to_fit.quantities) <= printed | {name.split(".")[0] for name in printed}
