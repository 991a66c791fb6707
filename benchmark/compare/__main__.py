"""Compare claims with measurements: `python -m benchmark.compare` writes findings and verdicts.

With `--gate` it writes nothing, and judges our reproduction alone: it prints what is not reproduced, and
exits with 1 on a difference that neither a formula explains nor the claims file knows, on an explanation
that nothing needs, and when nothing was measured. A print that contradicts itself or physics is a finding
about the paper and fails nothing. Bad input exits with 2 either way.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from benchmark import claims
from benchmark.compare import differences, dvc_metrics
from benchmark.compare.evidence import Evidence, gather
from benchmark.compare.findings import claims as printed
from benchmark.compare.findings import findings, kinds
from benchmark.compare.verdicts import verdicts
from benchmark.results import Results, write
from benchmark.results.schema import (
    OUTCOMES,
    PHYSICS_VERDICTS,
    DecodedColumn,
    Finding,
    PrintedTime,
    Verdict,
)

FAILS = ("unexplained", "stale")  # explanations
MEASURED = ("size", "macs", "authors_weights", "retrained", "timed")  # kinds that need a measurement of ours


def write_tables(evidence: Evidence, rows: Sequence[Finding], decided: Sequence[Verdict]) -> None:
    """Write decoded.csv, times.csv, findings.csv, verdicts.csv and the files that DVC shows."""
    results = Results(evidence.profile.name)
    write(results.decoded, DecodedColumn, evidence.decoded)
    write(results.times, PrintedTime, evidence.times.values())
    write(results.findings, Finding, rows)
    write(results.verdicts, Verdict, decided)
    dvc_metrics.write_all(results, decided, evidence)


def print_verdicts(evidence: Evidence, rows: Sequence[Finding], decided: Sequence[Verdict]) -> None:
    """Print the decoded protocols, the counts by outcome and kind, and why claims are undecided."""
    for column in evidence.decoded:
        if column.verdict != "untested":
            place = f"{column.paper}, {column.table}, {column.column}"
            print(f"PROTOCOL {place}: {column.protocol or '?'}, {column.verdict}. {column.evidence}")
    counts = Counter((row.outcome, row.basis) for row in decided)
    print(f"{len(decided)} claims:")
    for (outcome, basis), count in sorted(counts.items(), key=lambda item: OUTCOMES.index(item[0][0])):
        print(f"  {count:4d}  {outcome}{f' ({basis})' if basis else ''}")
    for name, kind in kinds().items():
        own = Counter(row.outcome for row in rows if row.kind == name)
        words = ", ".join(f"{own[outcome]} {outcome}" for outcome in OUTCOMES if own[outcome])
        print(f"{name} ({kind.ABOUT}): {words or 'nothing'}")
    physics = Counter(timed.verdict for timed in evidence.times.values())
    words = ", ".join(f"{physics[v]} {v}" for v in PHYSICS_VERDICTS)
    print(f"{physics.total()} run times, by physics: {words}")
    print("undecided, because:")
    reasons = (row.reason.split(";")[0].split(":")[0] for row in decided if row.outcome == "undecided")
    for reason, count in Counter(reasons).most_common():
        print(f"  {count:4d}  {reason}")


def judge(rows: Sequence[Finding]) -> int:
    """Print what is not reproduced and the gate's verdict; return its exit status."""
    for row in rows:
        if row.explanation:
            place = ", ".join(filter(None, (row.paper, row.table, row.row, row.column)))
            claimed = f" ({row.claimed:.10g})" if row.claimed is not None else ""
            word = row.explanation.upper() if row.explanation in FAILS else row.explanation
            value = "otherwise" if row.measured is None else f"{row.measured:.10g}"
            measured = f"measured {value} by {row.kind}"
            print(f"{word}  {place}: printed {row.printed}{claimed}, {measured}. {row.reason}")
    decisive = [row for row in rows if row.kind in MEASURED and row.outcome != "undecided"]
    if not decisive:
        print("compare: nothing was measured", file=sys.stderr)
        return 1
    counts = Counter[str](row.explanation for row in rows)
    words = ", ".join(f"{counts[word]} {word}" for word in ("explained", "known", *FAILS))
    print(f"compare: {len(decisive)} independent measurements; differences: {words}")
    return int(any(counts[word] for word in FAILS))


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
        evidence = gather(claims.read(), arguments.profile)
        rows = findings(evidence)
        decided = verdicts(printed(evidence), rows)
        if not arguments.gate:
            write_tables(evidence, rows, decided)
            differences.write_tables(evidence.papers, evidence.profile, evidence.runs)
    except ValueError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    if not arguments.gate:
        print_verdicts(evidence, rows, decided)
    status = judge(rows)
    return status if arguments.gate else 0


if __name__ == "__main__":
    sys.exit(main())
