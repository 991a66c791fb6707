"""Claims beside measurements: `python -m benchmark.compare` writes the findings and is the CI gate.

It exits with 1 on a difference that nothing explains, on an explanation that nothing needs, and when no claim
could be tested; with 2 when a file is missing or malformed.
"""

import argparse
import sys
from collections import Counter

from benchmark import claims
from benchmark.compare.evidence import gather
from benchmark.compare.findings import findings
from benchmark.results import Results, write
from benchmark.results.schema import PHYSICS_VERDICTS, VERDICTS, DecodedColumn, Finding, PrintedTime


def main() -> int:
    """Write decoded.csv, times.csv and findings.csv, print the verdicts, return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.compare", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--profile", default="", help="default: the one params.yaml names")
    try:
        papers = claims.read()
        evidence = gather(papers, parser.parse_args().profile)
        rows = findings(papers, evidence)
        results = Results(evidence.profile.name)
        write(results.decoded, DecodedColumn, evidence.decoded)
        write(results.times, PrintedTime, evidence.times.values())
        write(results.findings, Finding, rows)
    except ValueError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
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
    for row in rows:
        place = f"DIFFERS  {row.paper}, {row.table}, {row.row}, {row.column}: printed {row.printed}"
        place += f" ({row.claimed:.10g})" if row.claimed is not None else ""
        if row.verdict == "differs":
            print(f"{place}, measured {row.measured:.10g}. {row.reason}")
        if row.authors_verdict == "differs":
            print(f"{place}, with author weights {row.authors_measured:.10g}. {row.authors_reason}")
    total = counts + published
    if set(total) <= {"untested"}:
        print("compare: no claim could be tested; that is a failure", file=sys.stderr)
        return 1
    return 1 if total["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
