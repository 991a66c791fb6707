"""Compare claims with measurements: `python -m benchmark.compare` writes findings and verdicts.

With `--gate` it judges our reproduction alone (benchmark/compare/gate.py) and exits with 1 if anything fails;
with `--explain` it prints what is behind one claim, with `--export` it writes every printed table beside what
is reproduced, with `--results` and `--claims` it audits somebody else's paper. These write no results.
Bad input exits with 2 and one line.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmark import claims, trouble
from benchmark.compare import (
    audit,
    differences,
    dvc_metrics,
    explain,
    export,
    gate,
    gate_output,
    ladder,
    naming,
)
from benchmark.compare.evidence import Evidence, gather
from benchmark.compare.findings import claims as printed
from benchmark.compare.findings import findings, kinds
from benchmark.compare.gate import Gate
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
    return report(gate.judge(rows))


def report(judged: Gate, markdown: Path | None = None, junit: Path | None = None) -> int:
    """Print a gate's checks, write its files and GitHub's job summary; return its exit status.

    Raises:
        ValueError: a file cannot be written.
    """
    print(gate_output.text(judged))
    for check in judged.of("fails"):
        if check.word == "nothing was measured":
            print(f"compare: {check.word}", file=sys.stderr)
    text = gate_output.markdown(judged)
    if markdown:
        gate_output.write(markdown, text)
    if junit:
        gate_output.write(junit, gate_output.junit(judged))
    if job := os.environ.get("GITHUB_STEP_SUMMARY"):
        gate_output.write(Path(job), text, append=True)
    return judged.status


def options() -> argparse.Namespace:
    """Read the command line.

    Raises:
        ValueError: options do not go together.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.compare",
        description="Compare claims with measurements: write findings and verdicts, or one of the following.",
        epilog="docs/audit.md describes every option.",
    )
    parser.add_argument("--profile", default="", help="default: the one params.yaml names")
    parser.add_argument(
        "--gate", action="store_true", help="exit with 1 on what fails our reproduction; write no results"
    )
    parser.add_argument(
        "--since", metavar="REV", help="with --gate: fail on what a git revision's results had"
    )
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="with --gate: for a pull request")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="with --gate: JUnit XML")
    parser.add_argument("--explain", metavar="CLAIM", help='such as sgenet:"Table 1":SGENet:Runtime')
    parser.add_argument(
        "--export", metavar="FOLDER", type=Path, help="every table as CSV, JSON, Markdown, LaTeX"
    )
    parser.add_argument("--results", metavar="CSV", type=Path, help="with --claims: somebody else's results")
    parser.add_argument("--claims", metavar="YAML", type=Path, help="with --results: somebody else's paper")
    chosen = parser.parse_args()
    for name in ("since", "markdown", "junit"):
        if getattr(chosen, name) is not None and not chosen.gate:
            raise ValueError(f"--{name} belongs to --gate")
    if chosen.markdown and chosen.markdown == chosen.junit:
        raise ValueError("--markdown and --junit are two files")
    if bool(chosen.results) != bool(chosen.claims):
        raise ValueError("--results and --claims belong together")
    if chosen.results and (chosen.gate or chosen.explain or chosen.profile):
        raise ValueError("--results goes with --claims and --export alone")
    if sum((chosen.gate, chosen.explain is not None, chosen.export is not None)) > 1:
        raise ValueError("--gate, --explain and --export are one at a time")
    return chosen


def run(chosen: argparse.Namespace) -> int:
    """Do what the options say; return the exit status.

    Raises:
        ValueError: a file, revision or claim is not as it must be.
    """
    if chosen.results:
        paper, rows, decided = audit.audit(chosen.claims, chosen.results)
        if chosen.export:
            return exported(chosen.export, [paper], rows, decided)
        print(audit.text(paper, rows, decided))
        return 0
    evidence = gather(claims.read(), chosen.profile)
    rows = findings(evidence)
    listed = printed(evidence)
    decided = verdicts(listed, rows)
    if chosen.explain is not None:
        claim = naming.find(chosen.explain, listed)
        print(explain.explain(claim, explain.chain(evidence, listed, rows, decided)))
        return 0
    if chosen.export:
        return exported(chosen.export, evidence.papers, rows, decided)
    if not chosen.gate:
        write_tables(evidence, rows, decided)
        differences.write_tables(evidence.papers, evidence.profile, evidence.runs)
        ladder.write_tables(evidence.papers, evidence.profile, evidence.runs)
        print_verdicts(evidence, rows, decided)
        judge(rows)
        return 0
    profile = evidence.profile.name
    judged = (
        gate.against(chosen.since, profile, rows, decided) if chosen.since is not None else gate.judge(rows)
    )
    return report(judged, chosen.markdown, chosen.junit)


def exported(
    folder: Path, papers: Sequence[claims.Paper], rows: Sequence[Finding], decided: Sequence[Verdict]
) -> int:
    """Write every table and say where."""
    files = export.export(folder, papers, rows, decided)
    print(f"compare: {len(files)} files in {folder}; tables.tex shows all")
    return 0


def main() -> int:
    """Call what the options name; return the exit status."""
    return trouble.told("compare", lambda: run(options()), failed=2)


if __name__ == "__main__":
    sys.exit(main())
