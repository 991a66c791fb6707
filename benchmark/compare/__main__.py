"""Compare claims with measurements: `python -m benchmark.compare` writes findings and prints verdicts.

With `--gate` it writes nothing, prints what differs, and exits with 1 on a difference that nothing explains,
on an explanation that nothing needs, and when no claim could be tested. Bad input exits with 2 either way.
"""

import argparse
import sys
from collections import Counter

from benchmark import claims
from benchmark.compare import metrics
from benchmark.compare.evidence import Evidence, gather
from benchmark.compare.findings import findings
from benchmark.results import Results, write
from benchmark.results.schema import PHYSICS_VERDICTS, VERDICTS, DecodedColumn, Finding, PrintedTime


def write_tables(evidence: Evidence, judged: list[Finding]) -> None:
    """Write decoded.csv, times.csv, findings.csv and what DVC shows."""
    results = Results(evidence.profile.name)
    write(results.decoded, DecodedColumn, evidence.decoded)
    write(results.times, PrintedTime, evidence.times.values())
    write(results.findings, Finding, judged)
    metrics.write_all(results, judged, evidence)


def print_verdicts(evidence: Evidence, judged: list[Finding]) -> None:
    """Print the decoded protocols, the counts of verdicts and the reasons of untested claims."""
    for column in evidence.decoded:
        if column.verdict != "untested":
            place = f"{column.paper}, {column.table}, {column.column}"
            print(f"PROTOCOL {place}: {column.protocol or '?'}, {column.verdict}. {column.evidence}")
    counts = Counter(finding.verdict for finding in judged)
    print(f"{len(judged)} claims: " + ", ".join(f"{counts[v]} {v}" for v in VERDICTS))
    published = Counter(finding.authors_verdict for finding in judged if finding.authors_verdict)
    print(f"{published.total()} with author weights: " + ", ".join(f"{published[v]} {v}" for v in VERDICTS))
    physics = Counter(timed.verdict for timed in evidence.times.values())
    verdicts = ", ".join(f"{physics[v]} {v}" for v in PHYSICS_VERDICTS)
    print(f"{physics.total()} run times, by physics: {verdicts}")
    print("not tested, because:")
    for reason, count in Counter(f.reason for f in judged if f.verdict == "untested").most_common():
        print(f"  {count:4d}  {reason}")


def main() -> int:
    """Write the tables and print the verdicts, or judge as the gate; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.compare", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--profile", default="", help="default: the one params.yaml names")
    parser.add_argument(
        "--gate", action="store_true", help="exit with 1 on an unexplained difference; write nothing"
    )
    arguments = parser.parse_args()
    try:
        papers = claims.read()
        evidence = gather(papers, arguments.profile)
        judged = findings(papers, evidence)
        if not arguments.gate:
            write_tables(evidence, judged)
    except ValueError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    if not arguments.gate:
        print_verdicts(evidence, judged)
    verdicts = Counter(verdict for f in judged for verdict in (f.verdict, f.authors_verdict) if verdict)
    for f in judged:
        place = f"DIFFERS  {f.paper}, {f.table}, {f.row}, {f.column}: printed {f.printed}"
        place += "" if f.claimed is None else f" ({f.claimed:.10g})"
        if f.verdict == "differs":
            print(f"{place}, measured {f.measured:.10g}. {f.reason}")
        if f.authors_verdict == "differs":
            print(f"{place}, with author weights {f.authors_measured:.10g}. {f.authors_reason}")
    if verdicts.keys() <= {"untested"}:
        print("compare: no claim could be tested", file=sys.stderr)
    elif not verdicts["differs"]:
        print(f"compare: {verdicts.total() - verdicts['untested']} verdicts, none differs without a reason")
        return 0
    return 1 if arguments.gate else 0


if __name__ == "__main__":
    sys.exit(main())
