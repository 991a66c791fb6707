"""List every printed number with its verdict, its cell and its place on the page."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.claims import Claim, Paper, Table
from benchmark.compare import naming
from benchmark.report.cells import Cell, fill
from benchmark.report.inputs import Inputs, Judged, place

NONE = ""  # the system of claims that are about none: images, cards, sentences on all of them

# What a claim is about, in the order of the matrix: its name, and how its quantities begin.
GROUPS = {
    "PSNR": ("psnr",),
    "SSIM": ("ssim",),
    "Size": ("params", "size"),
    "MACs": ("macs",),
    "Time": ("seconds",),
    "Text": ("",),  # settings, counts of images, sentences of order
}
MEANINGS = {
    "PSNR": "peak signal-to-noise ratio",
    "SSIM": "structural similarity",
    "Size": "parameters and bytes",
    "MACs": "multiply-accumulates",
    "Time": "run time",
    "Text": "settings, data, and what sentences say",
}


@dataclass(frozen=True)
class Entry:
    """A claim on the page."""

    id: str  # such as cdgnet-t1-r11-c4, or cdgnet-s3 for a sentence; of the order in the claims file
    name: str  # as `python -m benchmark.compare --explain` reads it
    claim: Claim
    paper: Paper
    short: str  # of the paper
    judged: Judged | None  # None: newer than verdicts.csv
    cell: Cell
    system: str  # a file of benchmark/runs, or NONE
    group: str  # a key of GROUPS

    @property
    def outcome(self) -> str:
        """Return the verdict, with what an agreement rests on (see `cells.outcome`)."""
        return self.cell.outcome

    @property
    def failed(self) -> bool:
        """Tell whether evidence speaks against the print."""
        return self.cell.tone in ("bad", "doubt")


def group(quantity: str) -> str:
    """Name the group of a quantity.

    >>> group("psnr"), group("macs_720p"), group("delta.psnr"), group("order.size")
    ('PSNR', 'MACs', 'Text', 'Text')
    """
    return next(name for name, starts in GROUPS.items() if quantity.startswith(starts))


def short(paper: Paper) -> str:
    """Return a paper's short name: what its title has in parentheses at the end, else the title.

    >>> short(Paper("cdgnet", "Non-uniform Motion Deblurring (CDGNet)", "", None, [], []))
    'CDGNet'
    """
    before, _, last = paper.title.rpartition("(")
    return last.rstrip(")") if before else paper.title


def anchor(paper: Paper, table: Table) -> str:
    """Name a table's place on the page, such as cdgnet-t1."""
    return f"{paper.key}-t{paper.tables.index(table) + 1}"


def numbered(paper: Paper) -> Iterator[tuple[str, Claim]]:
    """Yield the claims of a paper with their ids, rows and columns counted from 1."""
    for table in paper.tables:
        for (i, j), claim in table.claims.items():
            yield f"{anchor(paper, table)}-r{i + 1}-c{j + 1}", claim
    for k, claim in enumerate(paper.prose, 1):
        yield f"{paper.key}-s{k}", claim


def entries(inputs: Inputs) -> list[Entry]:
    """List the claims of all papers in printed order, cells without a number left out."""
    named = naming.names(claim for paper in inputs.papers for claim in paper.claims())
    names = {id(claim): name for name, claim in named.items()}
    listed = []
    for paper in inputs.papers:
        for key, claim in numbered(paper):
            if claim.blank:
                continue
            judged = inputs.judged_by_place.get(place(claim))
            run = inputs.runs.get(claim.run or claim.or_run)
            listed.append(
                Entry(
                    id=key,
                    name=names.get(id(claim), ""),
                    claim=claim,
                    paper=paper,
                    short=short(paper),
                    judged=judged,
                    cell=fill(inputs, claim, judged, key),
                    system=run.system if run else NONE,
                    group=group(claim.quantity),
                )
            )
    return listed
