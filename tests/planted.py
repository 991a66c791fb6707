"""Copies of the claims files with one error, judged in process beside the files as they are."""

import copy
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark import claims
from benchmark.claims import Claim, elsewhere
from benchmark.claims.relations import Relation, relations
from benchmark.compare import gate, times
from benchmark.compare.evidence import Evidence, gather, place
from benchmark.compare.findings import claimed, findings
from benchmark.compare.findings import claims as printed_claims
from benchmark.compare.verdicts import verdicts
from benchmark.results.schema import Finding, Verdict

FOLDER = Path(claims.__file__).parent
COUNTED = ("params", "size", "macs_256", "macs_720p")
AGREE = ("holds", "close")
# What an error turns a number into, by the kind that holds it. A judgement of the old digits is stale.
FAILS = {
    "own_paper": {"contradicted"},
    "other_paper": {"contested", "stale"},
    "data": {"contradicted"},
    "size": {"not reproduced"},
    "macs": {"not reproduced"},
    "setting": {"not reproduced"},
    "by_construction": {"not reproduced"},
}


@dataclass
class State:
    """Every claim of a set of files, with its findings and its verdict, in printed order."""

    evidence: Evidence
    claims: list[Claim]
    rows: list[list[Finding]]
    verdicts: list[Verdict]

    @cached_property
    def relations(self) -> list[Relation]:
        """Evaluate every formula."""
        return list(relations(self.evidence.papers))

    @cached_property
    def groups(self) -> list[elsewhere.Group]:
        """Compare the papers with each other, and with the values of other sources."""
        return elsewhere.groups(self.evidence.papers)

    @cached_property
    def cells(self) -> set[tuple[str, str]]:
        """Return the tables, by paper and name."""
        return {(paper.key, table.name) for paper in self.evidence.papers for table in paper.tables}

    def in_table(self, claim: Claim) -> bool:
        """Decide whether a claim is a cell."""
        return (claim.paper, claim.table) in self.cells and bool(claim.column)

    def index(self, claim: Claim) -> int:
        """Return the place of a claim among all that are not blank."""
        return self.claims.index(claim)


@dataclass(frozen=True)
class Plant:
    """An error in one file, and the outcomes that show each of the claims that it must change."""

    file: str  # the paper, or "values"
    edit: Callable[[Any], None]  # of the file's content
    touched: tuple[Claim, ...]
    must: tuple[tuple[Claim, frozenset[str]], ...]  # claims, or others that use them, and the outcomes
    says: str


def evaluate(evidence: Evidence) -> State:
    """Judge every claim as the command line does."""
    known = replace(evidence, times=dict(times.times(evidence.papers, evidence.sources)))
    of, rows = printed_claims(known), findings(known)
    by_place = defaultdict(list)
    for row in rows:
        by_place[claimed(row)].append(row)
    return State(known, of, [by_place[place(claim)] for claim in of], verdicts(of, rows))


@cache
def clean() -> State:
    """Judge the files as they are, once."""
    return evaluate(gather(claims.read()))


@cache
def content(file: str) -> Any:
    """Read a file's YAML, once."""
    path = FOLDER / "elsewhere" / "values.yaml" if file == "values" else FOLDER / f"{file}.yaml"
    return yaml.load(path.read_text(), yaml.CSafeLoader)


def edited(file: str, edit: Callable[[Any], None], folder: Path) -> State:
    """Judge copies of the files, one of them edited."""
    raw = copy.deepcopy(content(file))
    edit(raw)
    folder.mkdir(exist_ok=True)
    path = folder / f"{file}.yaml"
    path.write_text(yaml.dump(raw, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False))
    papers = clean().evidence.papers
    values = elsewhere.load(path) if file == "values" else published()
    if file != "values":
        (changed,) = claims.read(folder)
        papers = [changed if paper.key == file else paper for paper in papers]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elsewhere, "load", lambda _: values)
        return evaluate(replace(clean().evidence, papers=papers))


@cache
def published() -> elsewhere.File:
    """Read the values that other sources print, once."""
    return elsewhere.load()


def entry_of(raw: Any, claim: Claim) -> Any:
    """Return the row of a cell, or the entry of a sentence, not shared with any other."""
    (paper,) = (p for p in clean().evidence.papers if p.key == claim.paper)
    if claim in paper.prose:
        at = paper.prose.index(claim)
        raw["prose"][at] = copy.deepcopy(raw["prose"][at])
        return raw["prose"][at]
    (table,) = (t for t in raw["tables"] if t["table"] == claim.table)
    (at,) = (i for i, row in enumerate(table["rows"]) if row["row"] == claim.row)
    table["rows"][at] = copy.deepcopy(table["rows"][at])
    return table["rows"][at]


def column_of(raw: Any, claim: Claim) -> Any:
    """Return what a table says of a cell's column."""
    (table,) = (t for t in raw["tables"] if t["table"] == claim.table)
    return table["columns"][claim.column]


def reprint(raw: Any, claim: Claim, text: str) -> None:
    """Print something else in place of a number."""
    entry = entry_of(raw, claim)
    if "cells" not in entry:
        entry["printed"] = text
        return
    (table,) = (t for t in raw["tables"] if t["table"] == claim.table)
    entry["cells"][list(table["columns"]).index(claim.column)] = text


def held() -> dict[Claim, frozenset[str]]:
    """Return every number that some kind of evidence holds, with the outcomes that show an error in it.

    A cell that a difference or a sum in print uses is held by that sentence.
    """
    state = clean()
    numbers = {
        claim: frozenset().union(*(FAILS.get(row.kind, set()) for row in rows if row.outcome in AGREE))
        for claim, rows, verdict in zip(state.claims, state.rows, state.verdicts, strict=True)
        if verdict.outcome in AGREE and not claim.quantity.startswith("order.")
    }
    for relation in state.relations:
        if relation.outcome == "holds" and sums(relation):
            for cell in relation.cells:
                numbers[cell] = numbers.get(cell, frozenset()) | FAILS["own_paper"]
    return numbers


def sums(relation: Relation) -> bool:
    """Decide whether a formula is a number made of cells by + - * / alone, so that every digit counts."""
    return relation.low is not None and "(" not in relation.formula


@cache
def tolerances() -> dict[Claim, float]:
    """Return three times the rounding of the coarsest print that each number is held against, base units."""
    width: dict[Claim, float] = defaultdict(float)
    for relation in filter(sums, clean().relations):
        prints = [relation.claim, *relation.cells]
        widest = max(2 * claim.rounding for claim in prints)
        width |= {claim: max(width[claim], widest) for claim in prints}
    for group in clean().groups:
        for comparison in group.comparisons:
            widest = max((o.high - o.low for o in comparison.others), default=0.0)
            width[comparison.claim] = max(width[comparison.claim], widest)
    return {claim: 3 * max(width[claim], 2 * claim.rounding) for claim in clean().claims}


def outside(claim: Claim, value: float) -> bool:
    """Decide whether a wrong value is so far off that its evidence can tell."""
    assert claim.value is not None
    band = 0.03 * abs(claim.value) if claim.quantity in COUNTED else 0.0
    return abs(value - claim.value) > max(band, tolerances()[claim]) * (1 + 1e-9)


def outcome(claim: Claim) -> str:
    """Return the verdict on a claim of the clean files."""
    return clean().verdicts[clean().index(claim)].outcome


def bound(claim: Claim) -> float:
    """Return the shortest time that physics allows, s; 0 where it says nothing."""
    timed = clean().evidence.times.get(claim)
    if timed is None or timed.verdict == "untested":
        return 0.0
    return max(timed.lower_bound_s or 0.0, timed.memory_s or 0.0)


def related(state: State, touched: set[int]) -> set[int]:
    """Return the claims that may change with others: formulas over them, their group, times of their row."""
    of = state.claims
    chosen = {of[i] for i in touched}
    found = set(chosen)
    for relation in state.relations:
        if chosen.intersection(relation.cells):
            found.add(relation.claim)
    for group in state.groups:
        members = {member.claim for member in group.members if member.claim}
        found |= members if chosen & members else set()
    keys = {(c.paper, c.run, c.quantity) for c in chosen if c.run}
    rows = {(c.paper, c.table, c.row) for c in chosen if c.quantity == "macs_720p"}
    found |= {c for c in of if (c.paper, c.run, c.quantity) in keys}
    found |= {c for c in of if c.quantity == "seconds" and (c.paper, c.table, c.row) in rows}
    return {of.index(claim) for claim in found if not claim.blank}


def changes(state: State) -> dict[int, set[str]]:
    """Return the claims whose outcome or explanation is another than in the clean files, and the new ones."""
    found: dict[int, set[str]] = defaultdict(set)
    pairs = zip(clean().verdicts, clean().rows, state.verdicts, state.rows, strict=True)
    for i, (before, old, after, new) in enumerate(pairs):
        if before.outcome != after.outcome:
            found[i].add(after.outcome)
        failing = [row for row in new if row.explanation in gate.FAILS]
        if failing and not any(row.explanation in gate.FAILS for row in old):
            found[i] |= {row.explanation for row in failing}
    return found
