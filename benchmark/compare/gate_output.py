"""Write the gate's checks as text, as Markdown for a pull request, and as JUnit XML."""

import re
from collections import Counter
from itertools import accumulate
from pathlib import Path
from xml.etree import ElementTree as Xml

from benchmark.compare.gate import Check, Gate

MOST = 30_000  # characters of a list in Markdown, of which there are two: a comment on GitHub holds 65,536
LONGEST = 300  # characters of a cell
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def summary(gate: Gate) -> str:
    """Sum a gate up in one line."""
    counts = Counter(check.word for check in gate.checks)
    words = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    since = f" since {gate.since}" if gate.since else ""
    return f"{len(gate.of('fails'))} of {len(gate.checks)} checks fail{since}: {words}"


def text(gate: Gate) -> str:
    """List what fails and what is noted, then the summary."""
    lines = [
        f"{check.word.upper() if check.status == 'fails' else check.word}  {check.name}: {check.says}"
        for status in ("noted", "fails")
        for check in gate.of(status)
    ]
    return "\n".join([*lines, f"compare: {summary(gate)}"])


def cell(content: str) -> str:
    r"""Escape text for a cell of a Markdown table.

    >>> cell("a|b <c> *d*") == r"a\|b &lt;c> \*d\*"
    True
    """
    short = content if len(content) <= LONGEST else f"{content[: LONGEST - 1]}…"
    return re.sub(r"([\\|*_`\[\]])", r"\\\1", " ".join(short.split()).replace("<", "&lt;"))


def table(checks: list[Check]) -> list[str]:
    """Lay out checks as a Markdown table, as many as a comment holds."""
    lines = [f"| {cell(c.word)} | {cell(c.name)} | {cell(c.says)} |" for c in checks]
    fitting = [line for line, size in zip(lines, accumulate(map(len, lines)), strict=True) if size <= MOST]
    more = [f"\n{len(lines) - len(fitting)} more"] if len(fitting) < len(lines) else []
    return ["| | where | what |", "|---|---|---|", *fitting, *more, ""]


def markdown(gate: Gate) -> str:
    """Write a comment for a pull request: what fails is open, what is noted is folded."""
    lines = [f"### Claims gate: {'fails' if gate.status else 'passes'}", "", f"{cell(summary(gate))}", ""]
    if failing := gate.of("fails"):
        lines += table(failing)
    if noted := gate.of("noted"):
        lines += [f"<details><summary>{len(noted)} noted, which fail nothing</summary>", "", *table(noted)]
        lines += ["</details>", ""]
    return "\n".join(lines)


def junit(gate: Gate) -> str:
    """Write JUnit XML: a suite per comparison, a test case per check."""
    suites = Xml.Element("testsuites", name="claims gate")
    for name in dict.fromkeys(check.suite for check in gate.checks):
        checks = [check for check in gate.checks if check.suite == name]
        failures = sum(check.status == "fails" for check in checks)
        counts = {"tests": str(len(checks)), "failures": str(failures), "errors": "0", "skipped": "0"}
        suite = Xml.SubElement(suites, "testsuite", name=name, time="0")
        suite.attrib.update(counts)
        for check in checks:
            case = Xml.SubElement(suite, "testcase", classname=name, name=clean(check.name), time="0")
            if check.status == "fails":
                Xml.SubElement(case, "failure", message=check.word, type=check.word).text = clean(check.says)
            else:
                Xml.SubElement(case, "system-out").text = clean(f"{check.word}: {check.says}")
    Xml.indent(suites)
    return Xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def clean(content: str) -> str:
    """Replace the characters that XML cannot hold."""
    return NOT_XML.sub("\ufffd", content)


def write(path: Path, content: str, append: bool = False) -> None:
    """Write a file, or add to it.

    Raises:
        ValueError: the file cannot be written; the message names it.
    """
    try:
        with path.open("a" if append else "w", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror})") from None
