"""Read all that claims are compared with, and write findings from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from benchmark import results, spec
from benchmark.claims import Claim, Paper
from benchmark.compare import decode, settings, times
from benchmark.compare.bands import compare, in_words
from benchmark.compare.decode import FAMILIES
from benchmark.results import COMPLEXITY, DATASETS, STRUCTURE, Measurement, Results, read_frame, read_rows
from benchmark.results.schema import (
    Complexity,
    DatasetSplit,
    DecodedColumn,
    Finding,
    Outcome,
    PrintedTime,
    Score,
    Structure,
)

KEY = ["run", "dataset", "quantity"]


class Match(NamedTuple):
    """The measurement of a run on a dataset."""

    value: float | None
    n: int  # images
    note: str


@dataclass(frozen=True)
class Evidence:
    """All that claims are compared with."""

    papers: list[Paper]
    profile: spec.Profile
    runs: dict[str, spec.Run]  # every run, by name
    measured: pd.DataFrame  # this profile's qualities: KEY, value, n, note
    authors: pd.DataFrame  # qualities with the authors' weights: KEY, value, n, note
    totals: dict[str, int]  # official number of test images of each real dataset
    decoded: list[DecodedColumn]
    sources: times.Sources  # counts of every run, cards and measured times
    times: dict[Claim, PrintedTime] = field(default_factory=dict)  # of every printed run time
    structure: dict[tuple[str, str], Structure] = field(default_factory=dict)  # by run and what is said of it

    @property
    def counts(self) -> Mapping[str, Complexity]:
        """Return the counts of every run's full network."""
        return self.sources.complexity

    @cached_property
    def _measured(self) -> dict[tuple[str, str, str], Match]:
        return by_key(self.measured)

    @cached_property
    def _authors(self) -> dict[tuple[str, str, str], Match]:
        return by_key(self.authors)

    def own(self, run: str, dataset: str, quantity: str) -> Match | None:
        """Look up what this profile measured; None where there is no row."""
        return self._measured.get((run, dataset, quantity))

    def theirs(self, run: str, dataset: str, quantity: str) -> Match | None:
        """Look up what the authors' weights give; None where there is no row."""
        return self._authors.get((run, dataset, quantity))

    def part(self, dataset: str, images: int) -> str:
        """Say which part of its test set a measurement covers; empty for the whole."""
        total = self.totals.get(dataset, 0)
        if images == total:
            return ""
        if not total:
            return f"{images:,} images; {DATASETS} has no size of the set"
        return f"{images:,} of {total:,} images"

    def shaped(self, claim: Claim) -> str:
        """Say how a printed number shaped the network it is held against; empty where it did not."""
        run = self.runs.get(claim.run or "")
        return run.built_to_fit.shaped(claim.paper, claim.quantity) if run and run.built_to_fit else ""

    def no_run(self, claim: Claim) -> str:
        """Give the reason why a claim's network cannot be measured; empty when it can."""
        if claim.run is None:
            return "no run for this system"
        return "" if claim.run in self.runs else f"benchmark/runs has no run {claim.run!r}"

    def protocol(self, claim: Claim) -> tuple[str, str]:
        """Return the metric that a printed PSNR or SSIM is compared with, and a remark where it is uncertain.

        A table has its decoded protocol. A sentence has that of its paper's tables, where they have only one.
        """
        assert claim.quantity in FAMILIES
        key = (claim.paper, claim.dataset, claim.quantity)
        columns = [c for c in self.decoded if (c.paper, c.dataset, c.family) == key]
        own = [c for c in columns if c.table == claim.table]
        protocols = {c.protocol for c in own or columns if c.verdict == "decided"}
        decided = protocols.pop() if len(protocols) == 1 else ""
        remarks = [] if decided else [f"held against {claim.quantity}, as the protocol is not decided"]
        remarks += [f"fits {other} instead" for c in own if (other := decode.other_protocol(c, claim))][:1]
        return decided or claim.quantity, "; ".join(remarks)


def by_key(frame: pd.DataFrame) -> dict[tuple[str, str, str], Match]:
    """Index measurements by run, dataset and quantity; of several rows the last."""
    rows = frame[[*KEY, "value", "n", "note"]].itertuples(index=False, name=None)
    return {(r, d, q): Match(None if pd.isna(v) else float(v), int(n), note) for r, d, q, v, n, note in rows}


def gather(papers: list[Paper], profile: str = "") -> Evidence:
    """Read runs, counts, measurements, sizes of the real sets and run times.

    Raises:
        ValueError: a file is missing or malformed.
    """
    active, runs = spec.load(profile=profile)
    sources = times.sources(read_rows(COMPLEXITY, Complexity))
    splits = read_rows(DATASETS, DatasetSplit, optional=True)
    totals = {row.dataset: row.expected for row in splits if row.split == "test"}
    theirs = decode.published(read_frame(results.AUTHORS.quality, Score, optional=True), runs)
    scores = decode.scores_by_image(theirs)
    qualities = read_frame(Results(active.name).measurements, Measurement, optional=True)
    return Evidence(
        papers,
        active,
        runs,
        qualities[qualities["dataset"] != ""],
        read_frame(results.AUTHORS.measurements, Measurement, optional=True),
        totals,
        list(decode.tables(papers, scores, totals)),
        sources,
        dict(times.times(papers, sources)),
        {(row.run, row.says): row for row in read_rows(STRUCTURE, Structure, optional=True)},
    )


def columns(claim: Claim) -> dict[str, Any]:
    """Return the columns of schema.Place."""
    names = ("paper", "table", "row", "column", "run", "dataset", "quantity", "printed")
    return {name: getattr(claim, name) or "" for name in names} | {"claimed": claim.value}


def place(claim: Claim) -> tuple[Any, ...]:
    """Return what a claim shares with its findings."""
    return tuple(columns(claim).values())


def found(claim: Claim, kind: str, outcome: Outcome, reason: str, source: str, **more: Any) -> Finding:
    """Write what a kind of evidence says of a claim."""
    return Finding(**columns(claim), kind=kind, outcome=outcome, reason=reason, source=source, **more)


def count_finding(claim: Claim, kind: str, evidence: Evidence) -> Finding:
    """Compare a printed size or number of operations with the network as built, in base units."""
    source = f"{COMPLEXITY}, float32" if claim.quantity == "size" else str(COMPLEXITY)
    reason = evidence.no_run(claim)
    if not reason and claim.run not in evidence.counts:
        reason = f"{claim.quantity} of {claim.run} is not in {COMPLEXITY}"
    if reason or claim.value is None:
        return found(claim, kind, "undecided", reason or "printed in words, not as a number", source)
    row = evidence.counts[claim.run or ""]
    value = 4 * row.params if claim.quantity == "size" else getattr(row, claim.quantity)
    if value is None:
        return found(claim, kind, "undecided", f"{claim.quantity} {row.uncounted}", source)
    counted = f"{value / 1e9:,.2f} GMAC counted"
    if claim.quantity in ("params", "size"):
        counted = f"{row.params:,} weights counted"
        if claim.quantity == "size":
            counted += f": {value / 1e6:.2f} MB or {value / 2**20:.2f} MiB"
    return found(claim, kind, compare(claim, value, {}), counted, source, measured=float(value))


def setting_finding(claim: Claim, kind: str, evidence: Evidence) -> Finding:
    """Compare a printed setting with the layout that was built, or with the recipe of its run."""
    printed = settings.printed(claim)
    source = f"recipe of {claim.run}, benchmark/runs" if claim.run else "benchmark/runs"
    if claim.run is None or (reason := evidence.no_run(claim)):
        reason = "a fact about the paper's experiments that no recipe, table or data set here has"
        return found(claim, kind, "undecided", reason, source)
    if row := evidence.structure.get((claim.run, claim.row)):
        if printed is None:
            return found(claim, kind, "undecided", in_words(claim), source)
        try:
            outcome: Outcome = "holds" if settings.same(printed, row.value) else "not reproduced"
            size = None if "x" in row.value else float(row.value)
        except ValueError:
            place = f"{STRUCTURE}: {row.run}, {row.says!r}: value {row.value!r}"
            raise ValueError(f"{place}; allowed: a whole number, or a kernel such as 3x3") from None
        return found(claim, kind, outcome, f"{row.measurement}: {row.value}", str(STRUCTURE), measured=size)
    value = settings.recipe_entry(claim, evidence.runs[claim.run].train)
    if value is None or not isinstance(printed, int | float):
        reason = "a choice inside the architecture or protocol; no recipe entry holds it"
        return found(claim, kind, "undecided", reason, source)
    same = abs(value - printed) <= 1e-9 * abs(printed)
    return found(claim, kind, "holds" if same else "not reproduced", "", source, measured=value)
