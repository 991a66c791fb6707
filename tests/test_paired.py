"""Ratios measured in turn beside printed ones: what a processor, a GPU and the paper's card may say."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import claims
from benchmark.claims import Claim, Paper, Table
from benchmark.compare import physics, times
from benchmark.compare.paired import statements
from benchmark.results import write
from benchmark.results.ratios import PairedRatio
from benchmark.results.schema import Complexity

CARD = "NVIDIA GeForce RTX 3090"
CARDS = physics.read()[0]
FULL, SMALL = (720, 1280), (128, 128)
OLD = Claim("p", "Table 1", "Old", "Time", "old", "gopro", "seconds", "0.40", card="rtx_3090")
NEW = replace(OLD, row="New", run="new", printed="0.10")
RATIO = 'Table1["Old", "Time"] / Table1["New", "Time"]'
FASTER = Claim(
    "p",
    "Sec. 4",
    "New is faster",
    "",
    "new",
    "gopro",
    "order.seconds",
    "faster",
    formula='Table1["New", "Time"] < Table1["Old", "Time"]',
)
TIMES = replace(
    FASTER,
    row="New is so many times faster",
    quantity="ratio.seconds",
    printed="4.0",
    formula=f"either({RATIO}, {RATIO} - 1)",
)
OF_MACS = replace(FASTER, row="cheap", formula='Table1["New", "Time"] < 0.2')


def paper(*prose):
    """Make a paper with one table and these sentences."""
    table = Table("p", "Table 1", "", ["Time"], [], anchor="Old", claims={(0, 0): OLD, (1, 0): NEW})
    return Paper("p", "", "", None, [table], list(prose))


def row(ratio, device=CARD, size=FULL, run="new", anchor="old", verdict="sound", batch=1):
    """Make a ratio that is known to 1 %."""
    kind = "cuda" if "NVIDIA" in device else "cpu"
    ends = {"ratio": ratio, "ci_low": 0.99 * ratio, "ci_high": 1.01 * ratio}
    return PairedRatio(device, kind, run, anchor, "strict", *size, batch, verdict, "", "wall", **ends)


def judged(claim, *rows):
    """Judge one sentence."""
    return list(statements([paper(claim)], CARDS, rows))


@pytest.mark.parametrize(
    ("claim", "ratio", "outcome"),
    [
        (FASTER, 0.5, "holds"),
        (FASTER, 1.5, "not reproduced"),
        (FASTER, 1.001, "undecided"),  # the interval has both orders
        (TIMES, 0.26, "holds"),  # 3.8 times, within what drivers change
        (TIMES, 0.2, "holds"),  # 5 times as fast is 4 times faster
        (TIMES, 0.55, "not reproduced"),
    ],
)
def test_the_papers_own_card_decides_a_sentence(claim, ratio, outcome):
    """At 720x1280, by the measured ratio in place of the printed times."""
    (found,) = judged(claim, row(ratio))

    assert found.outcome == outcome


@pytest.mark.parametrize("place", [("AMD EPYC, 1 thread", SMALL), ("NVIDIA H100", FULL), (CARD, SMALL)])
def test_nothing_else_decides_and_all_of_it_says_what_it_measured(place):
    """However far the ratio is from the printed one."""
    for claim in (FASTER, TIMES):
        (found,) = judged(claim, row(1.5, *place))

        assert found.outcome == "undecided"
        assert f"on {place[0]} (strict, {place[1][0]}x{place[1][1]}): New 1.5 (1.48 to 1.52)" in found.reason
        assert "decides nothing on the paper's card" in found.reason


def test_the_most_telling_measurement_is_chosen():
    """The paper's card before another, a GPU before a processor; and without any there is no finding."""
    other, processor = row(1.5, "NVIDIA H100"), row(1.5, "AMD EPYC, 1 thread", SMALL)

    assert judged(FASTER, processor, other, row(0.5))[0].outcome == "holds"
    assert "H100" in judged(FASTER, processor, other)[0].reason
    assert judged(FASTER) == judged(FASTER, row(0.5, anchor="another")) == judged(OF_MACS, row(0.5)) == []


def test_a_printed_time_has_the_ratio_beside_it(tmp_path):
    """Only sound ones of single images; the anchor has none."""
    table = tmp_path / "ratios.csv"
    processor = row(0.6, "AMD EPYC, 1 thread", SMALL)
    unsound = [row(0.7, verdict="inconclusive"), row(0.7, batch=8)]
    write(table, PairedRatio, [processor, *unsound])
    counts = [Complexity(name, 10**6, 0, 10**12, "", 0, 0, 0) for name in ("old", "new")]
    sources = times.sources(counts, Path("no such file"), table)
    old, new = (timed for _, timed in times.times([paper()], sources))

    assert (new.paired_ratio, new.paired_scope) == (0.6, "a processor")
    assert new.paired_on == "AMD EPYC, 1 thread (strict, 128x128)"
    assert (old.paired_ratio, old.paired_on, old.paired_scope) == (None, "", "")


def test_sentences_of_the_papers_are_found():
    """Those about times of one table, of which every network is measured."""
    papers = claims.read()
    names = {c.run for p in papers for c in p.claims() if c.quantity == "seconds" and c.run}
    rows = [row(0.5, "AMD EPYC, 1 thread", SMALL, run=a, anchor=b) for a in names for b in names if a != b]
    found = {(each.claim.paper, each.claim.row): each for each in statements(papers, CARDS, rows)}

    assert ("sgenet", "SGENet faster than MPRNet") in found
    assert ("saphnet", "inference time lower than DMPHN") in found
    assert {each.outcome for each in found.values()} == {"undecided"}
