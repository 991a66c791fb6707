"""Claims beside measurements: `python -m benchmark.compare` writes the findings and is the CI gate.

It exits with 1 on a difference that nothing explains, on an explanation nothing needs, and when it could test
nothing at all.
"""

import argparse
import sys
from collections import Counter
from dataclasses import asdict

from benchmark import claims
from benchmark.compare import times
from benchmark.compare.decode import Decoded
from benchmark.compare.findings import VERDICTS, Finding, findings, gather
from benchmark.compare.times import Timed
from benchmark.results import Results
from benchmark.results.legacy import columns, write


def main() -> int:
    """Write decoded.csv, times.csv and findings.csv, print the verdicts, return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.compare", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--profile", default="", help="default: the one params.yaml names")
    try:
        papers = claims.read()
        evidence = gather(papers, parser.parse_args().profile)
        found = list(findings(papers, evidence))
    except ValueError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    results = Results(evidence.profile.name)
    write(results.decoded, columns(Decoded), map(asdict, evidence.decoded))
    write(results.times, columns(Timed), map(asdict, evidence.times.values()))
    write(results.findings, columns(Finding), map(asdict, found))
    for d in evidence.decoded:
        if d.verdict != "untested":
            print(
                f"PROTOCOL {d.paper}, {d.table}, {d.column}: {d.protocol or '?'}, {d.verdict}. {d.evidence}"
            )
    counts = Counter(finding.verdict for finding in found)
    print(f"{len(found)} claims: " + ", ".join(f"{counts[v]} {v}" for v in VERDICTS))
    published = Counter(finding.authors_verdict for finding in found if finding.authors_verdict)
    print(f"{published.total()} with author weights: " + ", ".join(f"{published[v]} {v}" for v in VERDICTS))
    laws = Counter(timed.verdict for timed in evidence.times.values())
    print(f"{laws.total()} run times, by physics: " + ", ".join(f"{laws[v]} {v}" for v in times.VERDICTS))
    print("not tested, because:")
    for reason, often in Counter(f.reason for f in found if f.verdict == "untested").most_common():
        print(f"  {often:4d}  {reason}")
    for f in found:
        place = f"DIFFERS  {f.paper}, {f.table}, {f.row}, {f.column}: printed {f.printed} ({f.claimed})"
        if f.verdict == "differs":
            print(f"{place}, measured {f.measured}. {f.reason}")
        if f.authors_verdict == "differs":
            print(f"{place}, with author weights {f.authors}. {f.authors_reason}")
    verdicts = counts + published
    if verdicts.keys() <= {"untested"}:
        print("compare: no claim could be tested; that is a failure", file=sys.stderr)
        return 1
    return 1 if verdicts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
