"""Write the README's findings: the six sentences of the report, the verdicts per paper, and the orders."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.compare.statistics import APART
from benchmark.report.cells import COLUMNS
from benchmark.report.headlines import plural
from benchmark.report.ladders import KINDS, Agreement
from benchmark.report.summary import Summary
from benchmark.results.schema import OUTCOMES, Rung

BEGIN, END = "<!-- findings: written by `python -m benchmark.report --readme` -->", "<!-- end of findings -->"

ORDERS = {  # what an order is compared with, and the head of its table
    "print": "pairs of runs in the printed order (share; 95 % interval; p against chance; seeds)",
    "full": "pairs in the order of the profile's full trainings",
    "seed": "pairs in the order of a second seed",
}
READING = (
    f"Pairs are rows of one table that the papers print at least {APART:g} dB apart. The interval says how "
    "the share varies with photographs and seeds; as pairs share runs, it is no test against 50 %: p is that "
    "test, by permutation. With one seed the interval lacks the noise of seeds and is too narrow."
)


def section(summary: Summary) -> str:
    """Write the text between the markers, in Markdown.

    Cells that the paper leaves blank or prints as a dash are no claims, so no column counts them.
    """
    lines = [f"{index}. {headline.text}" for index, headline in enumerate(summary.headlines, 1)]
    totals, names = summary.totals, [paper.short for paper in summary.papers]
    lines += ["", f"| verdict | {' | '.join(names)} | all |", "|---" * (len(names) + 2) + "|"]
    counts = [paper.totals for paper in summary.papers]
    for column in COLUMNS:
        if totals[column]:
            cells = [column, *(count[column] for count in counts), totals[column]]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += [
        "",
        "| kind of evidence | outcomes (a claim can have several) | undecided |",
        "|---|---|---|",
    ]
    for name, (about, found) in summary.kinds.items():
        decided = ", ".join(f"{found[o]} {o}" for o in OUTCOMES[:-1] if found[o]) or "none"
        lines.append(f"| `{name}`: {about} | {decided} | {found['undecided']} |")
    orders = [table_of_orders(summary.agreements(against), title) for against, title in ORDERS.items()]
    return "\n".join(sum(orders, lines) + (["", READING] if any(orders) else []))


def table_of_orders(agreements: Sequence[Agreement], title: str) -> list[str]:
    """Write a table of the pairs of runs that each profile and rung puts in an order; nothing without any."""
    found = [kind for kind in KINDS if any(kind in entry.by_kind for entry in agreements)]
    if not found:
        return []
    lines = [
        "",
        f"| {title} | {' | '.join(KINDS[kind] for kind in found)} |",
        "|---" * (len(found) + 1) + "|",
    ]
    for entry in agreements:
        cells = " | ".join(pairs_alike(entry.by_kind.get(kind)) for kind in found)
        lines.append(f"| `{entry.profile}`{entry.rung} | {cells} |")
    return lines


def pairs_alike(row: Rung | None) -> str:
    """Write how many pairs are alike, with the interval, p and how many seeds are averaged.

    >>> pairs_alike(None)
    'not measured'
    """
    if row is None or row.share is None or row.low is None or row.high is None or row.p is None:
        return "not measured"
    low, high = round(100 * row.low), round(100 * row.high)
    share, seeds = round(100 * row.share), plural(row.seeds, "seed")
    seeds += f" against {row.seeds_other}" if row.seeds_other else ""
    if row.pairs == 1:  # of which neither an interval nor a p says anything
        return f"{row.alike} of 1 ({seeds})"
    return f"{row.alike} of {row.pairs} ({share} %; {low} to {high}; p {row.p:.2g}; {seeds})"


def write(summary: Summary, path: Path) -> None:
    """Put the section into a file between its markers.

    Raises:
        ValueError: a marker is missing.
    """
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text.split(BEGIN)[1]:
        raise ValueError(f"{path}: needs the lines {BEGIN!r} and {END!r}")
    before, rest = text.split(BEGIN, 1)
    path.write_text(f"{before}{BEGIN}\n{section(summary)}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")
