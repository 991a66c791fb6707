"""Write the README's findings: the six sentences of the report and the verdicts per paper."""

from pathlib import Path

from benchmark.compare.findings import VERDICTS
from benchmark.report.summary import Summary

BEGIN, END = "<!-- findings: written by `python -m benchmark.report --readme` -->", "<!-- end of findings -->"


def section(summary: Summary) -> str:
    """Write the text between the markers, in Markdown.

    Cells that the paper leaves blank or prints as a dash are no claims, so no column counts them.
    """
    lines = [f"{index}. {headline.text}" for index, headline in enumerate(summary.headlines, 1)]
    lines += ["", f"| paper | claims | {' | '.join(VERDICTS)} |", "|---" * (len(VERDICTS) + 2) + "|"]
    for paper in summary.papers:
        counts = {verdict: paper.counts.get(verdict, 0) for verdict in VERDICTS}
        counts["untested"] -= paper.dashes
        cells = [paper.short, sum(counts.values()), *counts.values()]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


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
