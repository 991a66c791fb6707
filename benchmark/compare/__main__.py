"""Compare claims with measurements: `python -m benchmark.compare` writes findings and prints verdicts.

With `--gate` it writes nothing, prints what differs, and exits with 1 on a difference that nothing explains,
on an explanation that nothing needs, and when no claim could be tested. Bad input exits with 2 either way.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from benchmark import claims
from benchmark.compare import differences, dvc_metrics
from benchmark.compare.evidence import Evidence, gather
from benchmark.compare.findings import findings
from benchmark.results import Results, write
from benchmark.results.schema import PHYSICS_VERDICTS, VERDICTS, DecodedColumn, Finding, PrintedTime


def write_tables(evidence: Evidence, rows: Sequence[Finding]) -> None:
    """Write decoded.csv, times.csv, findings.csv and the files that DVC shows."""
    results = Results(evidence.profile.name)
    write(results.decoded, DecodedColumn, evidence.decoded)
    write(results.times, PrintedTime, evidence.times.values())
    write(results.findings, Finding, rows)
    dvc_metrics.write_all(results, rows, evidence)


def print_verdicts(evidence: Evidence, rows: Sequence[Finding]) -> None:
    """Print the decoded protocols, the counts of verdicts and the reasons of untested claims."""
    for column in evidence.decoded:
        if column.verdict != "untested":
            place = f"{column.paper}, {column.table}, {column.column}"
            print(f"PROTOCOL {place}: {column.protocol or '?'}, {column.verdict}. {column.evidence}")
    counts = Counter(row.verdict for row in rows)
    print(f"{len(rows)} claims: " + ", ".join(f"{counts[v]} {v}" for v in VERDICTS))
    published = Counter(row.authors_verdict for row in rows if row.authors_verdict)
    print(f"{published.total()} with author weights: " + ", ".join(f"{published[v]} {v}" for v in VERDICTS))
    physics = Counter(timed.verdict for timed in evidence.times.values())
    verdicts = ", ".join(f"{physics[v]} {v}" for v in PHYSICS_VERDICTS)
    print(f"{physics.total()} run times, by physics: {verdicts}")
    print("not tested, because:")
    for reason, count in Counter(row.reason for row in rows if row.verdict == "untested").most_common():
        print(f"  {count:4d}  {reason}")


def judge(rows: Sequence[Finding]) -> int:
    """Print every difference and the gate's verdict; return its exit status."""
    for row in rows:
        place = f"DIFFERS  {row.paper}, {row.table}, {row.row}, {row.column}: printed {row.printed}"
        place += f" ({row.claimed:.10g})" if row.claimed is not None else ""
        if row.verdict == "differs":
            print(f"{place}, measured {row.measured:.10g}. {row.reason}")
        if row.authors_verdict == "differs":
            print(f"{place}, with author weights {row.authors_measured:.10g}. {row.authors_reason}")
    verdicts = Counter(verdict for row in rows for verdict in (row.verdict, row.authors_verdict) if verdict)
    if set(verdicts) <= {"untested"}:
        print("compare: no claim could be tested", file=sys.stderr)
        return 1
    if verdicts["differs"]:
        return 1
    print(f"compare: {verdicts.total() - verdicts['untested']} verdicts, none differs without a reason")
    return 0


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
        rows = findings(papers, evidence)
        if not arguments.gate:
            write_tables(evidence, rows)
            differences.write_tables(papers, evidence.profile, evidence.runs)
    except ValueError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    if not arguments.gate:
        print_verdicts(evidence, rows)
    status = judge(rows)
    return status if arguments.gate else 0


if __name__ == "__main__":
    sys.exit(main())
