"""The claims files: complete, well-formed, printed text kept as text."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from benchmark import claims, spec
from benchmark.compare import physics
from benchmark.compare.findings import SETTINGS
from benchmark.models.cdgnet import Config, Deformable, Net

ROOT = Path(__file__).parents[1]
PAPERS = {paper.key: paper for paper in claims.read()}
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
def test_every_cell_of_every_table_is_there(paper, table, rows, columns, dashes):
    """Each table has the rows, columns and dashes that the paper prints."""
    (found,) = (t for t in PAPERS[paper].tables if t.name == table)
    claimed = list(found.claims.values())

    assert len(found.rows) == rows
    assert {len(cells) for _, cells in found.rows} == {columns}
    assert sum(claim.printed in ("-", "—") for claim in claimed) == dashes


def test_the_tables_hold_192_numbers_and_the_poster_16():
    """The printed numbers of all tables, counted."""
    tables = [table for paper in PAPERS.values() for table in paper.tables]
    numbers = {
        kind: sum(
            not claim.blank
            for table in tables
            if (table.name == "Poster") is kind
            for claim in table.claims.values()
        )
        for kind in (False, True)
    }

    assert numbers == {False: 192, True: 16}


def test_every_network_of_every_table_has_its_run():
    """Only methods without a network that could be trained have none: five of them, in three papers."""
    tables = [table for paper in PAPERS.values() for table in paper.tables]
    without = {c.row.split()[0] for table in tables for c in table.claims.values() if c.run is None}

    assert without == {"Xu", "Whyte", "Hyun", "Sun", "Gong"}


def test_every_number_of_a_table_is_read():
    """No printed number of a table is lost to a unit, a comma or an exponent."""
    for paper in PAPERS.values():
        for table in paper.tables:
            for claim in table.claims.values():
                assert claim.blank or claim.number is not None, claim


def test_every_run_and_quantity_exists():
    """A claim's run is one of params.yaml, or none."""
    for paper in PAPERS.values():
        for claim in paper.claims():
            assert claim.run is None or claim.run in RUNS, claim


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
    ],
)
def test_printed_text_becomes_a_number(printed, scale, value, rounding):
    """Value and half a unit of the last digit, in base units."""
    claim = claims.Claim("p", "t", "r", "c", None, None, "psnr", printed, scale)

    assert claim.value == pytest.approx(value)
    assert claim.rounding == pytest.approx(rounding)


@pytest.mark.parametrize("printed", ["two", "3×3", "", "—", "1e", "NVIDIA"])
def test_words_and_blanks_are_no_numbers(printed):
    """What is not a number is not guessed at."""
    assert claims.Claim("p", "t", "r", "c", None, None, "psnr", printed).number is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["tables"][0]["rows"][0]["cells"].pop(), "needs 6 quoted cells"),
        (lambda raw: raw["tables"][0]["rows"][0]["cells"].__setitem__(1, 24.64), "needs 6 quoted cells"),
        (lambda raw: raw["tables"][0]["columns"]["PSNR↑"].update(quantty="x"), "unknown key 'quantty'"),
        (lambda raw: raw["tables"][0]["columns"]["PSNR↑"].pop("quantity"), "has no quantity"),
        (lambda raw: raw["tables"][0]["rows"][7]["explain"].update(Flops="x"), "explains 'Flops'"),
        (lambda raw: raw["prose"][0].update(printed=2), "printed must be quoted text, is 2"),
        (lambda raw: raw["prose"][0].update(sayz="x"), "unknown key 'sayz'"),
        (
            lambda raw: raw["tables"][0].update(anchor="DMPHN"),
            "no row 'DMPHN' to be the anchor; rows are Sun",
        ),
    ],
)
def test_mistakes_name_file_and_place(tmp_path, change, message):
    """A malformed claims file fails with one line that names file, table and row."""
    raw = yaml.safe_load((ROOT / "benchmark" / "claims" / "cdgnet.yaml").read_text())
    change(raw)
    (tmp_path / "cdgnet.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True, sort_keys=False))

    with pytest.raises(ValueError, match=r"^benchmark/claims/cdgnet.yaml, ") as caught:
        claims.read(tmp_path)

    assert message in str(caught.value)


def test_the_contradiction_in_cdgnets_table_is_arithmetic():
    """25.57 MB and 292.57 GMAC exclude each other: the numbers of the explanation, recomputed."""
    (table,) = (t for t in PAPERS["cdgnet"].tables if t.name == "Table 1")
    claimed = {c.column: c for c in table.claims.values() if c.row == "Ours"}
    net = Net(Config())
    deformable = sum(c.weight.numel() for m in net.modules() if isinstance(m, Deformable) for c in m.convs)
    attention = sum(
        p.numel() for branch in net.attend.values() for p in branch.maps["channel"].parameters() if p.ndim > 1
    )
    weights = int(Decimal(claimed["Param↓"].printed) * 1_000_000 / 4)
    least = (weights - deformable - attention) * (180 * 320)
    told = claimed["FLOPs↓"].explain

    assert least > claimed["FLOPs↓"].value
    for number in (f"{weights:,}", f"{deformable:,}", f"{attention:,}", f"{least / 1e9:.1f} GMAC"):
        assert number in told


def test_settings_that_are_compared_are_printed_somewhere():
    """Each setting that compare knows is a claim of some paper: no dead entry."""
    printed = {claim.quantity for paper in PAPERS.values() for claim in paper.prose}

    assert set(SETTINGS) <= printed


def test_every_run_time_has_its_hardware():
    """A table that prints run times keeps the paper's hardware (YAML reads a bare `on` as true)."""
    for paper in PAPERS.values():
        for table in paper.tables:
            for claim in table.claims.values():
                timed = claim.quantity == "seconds"
                assert not timed or any(card in claim.on for card in ("RTX", "GTX", "Titan"))


def test_every_run_time_has_its_card():
    """In tables and sentences, from one table of cards; SGENet alone names the image's size."""
    cards = {
        key: {claim.card for claim in paper.claims() if claim.quantity == "seconds"}
        for key, paper in PAPERS.items()
    }
    sized = {c.paper for paper in PAPERS.values() for c in paper.claims() if c.size}

    assert cards == {
        "bag": {"gtx_1080_ti"},
        "cdgnet": {"gtx_1080_ti"},
        "saphnet": {"titan_xp"},
        "sgenet": {"rtx_3090"},
    }
    assert set.union(*cards.values()) <= physics.read()[0].keys()
    assert sized == {"sgenet"}


def test_every_table_of_run_times_has_an_anchor_with_a_run():
    """Ratios are formed against a printed time whose network is counted."""
    for paper in PAPERS.values():
        for table in paper.tables:
            timed = [claim for claim in table.claims.values() if claim.quantity == "seconds"]
            anchored = [claim for claim in timed if claim.row == table.anchor]

            assert len(anchored) == bool(timed)
            assert all(claim.run in RUNS and claim.value for claim in anchored)


@pytest.mark.parametrize(
    ("level", "place"),
    [
        ("column", lambda raw: raw["tables"][0]["columns"]["Time↓"]),
        ("row", lambda raw: raw["tables"][0]["rows"][7]),
    ],
)
def test_a_card_may_stand_at_every_level(tmp_path, level, place):
    """Later wins, as for every other key."""
    raw = yaml.safe_load((ROOT / "benchmark" / "claims" / "cdgnet.yaml").read_text())
    place(raw)["card"] = level
    (tmp_path / "cdgnet.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True, sort_keys=False))
    (paper,) = claims.read(tmp_path)
    (dmphn,) = (
        c for c in paper.tables[0].claims.values() if c.row.startswith("DMPHN") and c.column == "Time↓"
    )

    assert dmphn.card == level
