"""Hold printed numbers against those of the same system and test set in other papers and in READMEs.

`values.yaml` says which rows are one system and what other sources print, and judges the prints on which
sources differ. A claim that no judgement names

holds      if another source prints the same variant alike, its authors or nobody differing,
contested  if all that print the same variant differ, or they are split,
undecided  if only other variants are printed elsewhere, or times of other cards.

Sources quote each other, so equal digits are no independent measurement unless a judgement says so.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Required, TypedDict

from benchmark.claims import Claim, Paper
from benchmark.claims.formulas import plain, read
from benchmark.spec import build, nearest, read_yaml

Outcome = Literal["holds", "contested", "contradicted", "undecided"]
Cause = Literal[
    "",
    "another variant",
    "another SSIM",
    "another protocol",
    "another clock",
    "another card",
    "a quoted number",
    "a typing error",
    "unknown",
]
VALUES = Path(__file__).parent / "values.yaml"
QUANTITIES = ("psnr", "ssim", "seconds", "params", "size", "macs_720p", "delta.psnr")


@dataclass(frozen=True)
class Member:
    """One printed number of a group."""

    where: str  # the paper and table, or the source
    paper: str  # key of the claims file; empty for other sources
    by: Literal["paper", "authors", "others"]  # authors: of the system itself
    run: str  # the variant: a run, or its name in words
    card: str
    printed: str
    low: float  # base units
    value: float
    high: float
    claim: Claim | None = None

    def meets(self, other: "Member") -> bool:
        """Say whether two prints can be one number."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True)
class Comparison:
    """A claim beside the rest of its group."""

    claim: Claim
    outcome: Outcome
    cause: Cause
    reason: str
    others: tuple[Member, ...]
    stale: str = ""  # of a judgement of digits that the paper does not print


@dataclass(frozen=True)
class Group:
    """All that is printed of one system, test set and quantity."""

    system: str
    dataset: str
    quantity: str
    members: tuple[Member, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def spread(self) -> float:
        """Return the highest less the lowest value, in base units."""
        values = [member.value for member in self.members]
        return max(values) - min(values)

    @property
    def ratio(self) -> float:
        """Return the highest over the lowest value."""
        values = [member.value for member in self.members]
        return max(values) / min(values)


class System(TypedDict, total=False):
    """The names of one system."""

    runs: list[str]
    names: list[str]  # of rows and columns without a run


class Value(TypedDict, total=False):
    """What one source prints of one system."""

    system: Required[str]
    run: str
    dataset: str
    source: Required[str]
    by: Required[Literal["authors", "others"]]
    card: str
    scale: float
    prints: Required[dict[str, str]]  # by quantity


class Judgement(TypedDict):
    """What the evidence says of single prints on one system."""

    prints: dict[str, dict[str, list[str]]]  # by paper and quantity
    system: str
    dataset: str
    outcome: Outcome
    cause: Cause
    because: str


class File(TypedDict):
    """The file of values."""

    systems: dict[str, System]
    sources: dict[str, str]
    values: list[Value]
    judgements: list[Judgement]


def load(path: Path = VALUES) -> File:
    """Read the values.

    Raises:
        ValueError: something is not allowed, or a value names an unknown source or system.
    """
    file = build(File, path.name, read_yaml(path))
    for i, value in enumerate(file["values"]):
        if value["source"] not in file["sources"]:
            where = f"{path.name}: values[{i}].source"
            raise ValueError(f"{where}: {value['source']!r}; {nearest(value['source'], file['sources'])}")
    return file


def groups(papers: Iterable[Paper], path: Path = VALUES) -> list[Group]:
    """Group what papers and other sources print; groups of one source that nothing judges are left out.

    Args:
        papers: the claims files. A sentence that repeats a cell is compared as the cell is.
        path: the values printed elsewhere.

    Raises:
        ValueError: the values are malformed.
    """
    file = load(path)
    systems = {run: key for key, system in file["systems"].items() for run in system.get("runs", [])}
    names = {name: key for key, system in file["systems"].items() for name in system.get("names", [])}
    found: dict[tuple[str, str, str], list[Member]] = defaultdict(list)
    for paper in papers:
        for claim in paper.claims():
            system = (
                systems.get(claim.run or "") or names.get(plain(claim.row)) or names.get(plain(claim.column))
            )
            if claim.quantity.startswith("data.") and claim.dataset:
                system = claim.dataset
            counted = claim.quantity in QUANTITIES or claim.quantity.startswith("data.")
            number = read(claim)
            if system and counted and number and (claim.dataset or claim.quantity not in ("psnr", "ssim")):
                ends = (float(number.low), float(number.value), float(number.high))
                by: Literal["paper", "authors"] = "authors" if system == paper.key else "paper"
                where, run = f"{paper.key}, {claim.table}", claim.run or ""
                member = Member(where, paper.key, by, run, claim.card, claim.printed, *ends, claim)
                found[key_of(system, claim.dataset, claim.quantity)].append(member)
    for value in file["values"]:
        for quantity in value["prints"]:
            key = key_of(value["system"], value.get("dataset"), quantity)
            found[key].append(published(file, value, quantity))
    return [
        Group(*key, tuple(members), tuple(checked(key, m, members, file) for m in members if m.claim))
        for key, members in found.items()
        if any(m.claim for m in members)
        and (
            len({m.paper or m.where for m in members}) > 1
            or any(judgements(key, m.paper, file) for m in members)
        )
    ]


def key_of(system: str, dataset: str | None, quantity: str) -> tuple[str, str, str]:
    """Return the key of a group; counts of a network do not depend on a test set."""
    return system, "" if quantity in ("params", "size", "macs_720p") else dataset or "", quantity


def published(file: File, value: Value, quantity: str) -> Member:
    """Read one number that a source prints."""
    printed = value["prints"][quantity]
    claim = Claim("", "", "", "", None, None, quantity, printed, value.get("scale", 1.0))
    number = read(claim)
    assert number is not None, printed
    ends = (float(number.low), float(number.value), float(number.high))
    where = file["sources"][value["source"]]
    return Member(where, "", value["by"], value.get("run", ""), value.get("card", ""), printed, *ends)


def checked(key: tuple[str, str, str], member: Member, members: list[Member], file: File) -> Comparison:
    """Hold one claim against other sources; a judgement that nothing printed needs is stale."""
    printed = {other.printed for other in members if other.paper == member.paper}
    stale = [
        f"a judgement in {VALUES.name} is of {text!r}, which {member.paper} does not print"
        for _, prints in judgements(key, member.paper, file)
        for text in prints
        if text not in printed
    ]
    return replace(compare(key, member, members, file), stale="; ".join(stale))


def compare(key: tuple[str, str, str], member: Member, members: list[Member], file: File) -> Comparison:
    """Hold one claim against what other papers and sources print."""
    assert member.claim is not None
    quantity = key[2]
    others = tuple(other for other in members if not member.paper or other.paper != member.paper)
    if judgement := judged(key, member, file):
        return Comparison(
            member.claim, judgement["outcome"], judgement["cause"], judgement["because"], others
        )
    listed = "; ".join(describe(other, member) for other in others)
    alike = [other for other in others if other.run == member.run]
    if not alike:
        reason = f"printed elsewhere only of other variants: {listed}"
        return Comparison(member.claim, "undecided", "another variant", reason, others)
    if quantity == "seconds":
        alike = [other for other in alike if other.card == member.card]
    if not alike:
        reason = f"printed elsewhere only on other cards: {listed}"
        return Comparison(member.claim, "undecided", "another card", reason, others)
    agree = [other for other in alike if member.meets(other)]
    if agree and (len(agree) == len(alike) or any(other.by == "authors" for other in agree)):
        reason = f"printed alike elsewhere, quoted as far as known: {listed}"
        return Comparison(member.claim, "holds", "a quoted number", reason, others)
    return Comparison(member.claim, "contested", "unknown", f"printed otherwise elsewhere: {listed}", others)


def judgements(key: tuple[str, str, str], paper: str, file: File) -> list[tuple[Judgement, list[str]]]:
    """Return the judgements of a group, with the prints of one paper that each is of."""
    system, dataset, quantity = key
    of_group = [j for j in file["judgements"] if (j["system"], j["dataset"]) == (system, dataset)]
    found = [(judgement, judgement["prints"].get(paper, {}).get(quantity, [])) for judgement in of_group]
    return [(judgement, prints) for judgement, prints in found if prints]


def judged(key: tuple[str, str, str], member: Member, file: File) -> Judgement | None:
    """Return the judgement of a print, if there is one."""
    return next((j for j, prints in judgements(key, member.paper, file) if member.printed in prints), None)


def describe(other: Member, member: Member) -> str:
    """Write what another source prints, and of which variant if not of the same."""
    source = other.where.split(" (")[0]
    return f"{other.printed} ({source}{'' if other.run == member.run else ', ' + other.run})"
