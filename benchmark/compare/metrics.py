"""Sum a profile up for `dvc metrics show` and `dvc plots show`."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmark.compare.findings import Evidence, Finding
from benchmark.results import Results
from benchmark.results.legacy import write

TESTED = ("agrees", "close", "explained", "differs")
SIZES = ("params", "size")  # quantities


def gains(evidence: Evidence) -> list[float]:
    """List each trained run's PSNR minus that of the blurred input, in dB, for every dataset."""
    psnr = {
        (run, dataset): float(row["value"])
        for (run, dataset, quantity), row in evidence.measured.items()
        if quantity == "psnr" and row["value"] and run in evidence.runs
    }
    blurred = {dataset: value for (run, dataset), value in psnr.items() if not evidence.runs[run].train}
    return [
        value - blurred[dataset]
        for (run, dataset), value in psnr.items()
        if evidence.runs[run].train and dataset in blurred
    ]


def metrics(judged: Iterable[Finding], evidence: Evidence) -> dict[str, Any]:
    """Count the verdicts and the gains: few numbers, as each is a column of `dvc exp show`."""
    judged = list(judged)
    agreeing = [finding for finding in judged if finding.verdict in ("agrees", "close")]
    counts, by_paper = Counter(f.verdict for f in judged), Counter(f.paper for f in agreeing)
    over_input = gains(evidence)
    return {
        "agree": {paper: by_paper[paper] for paper in sorted({finding.paper for finding in judged})},
        "sizes_agree": sum(finding.quantity in SIZES for finding in agreeing),
        "tested": sum(counts[verdict] for verdict in TESTED),
        "differ": counts["differs"],
        "gain_median_db": round(median(over_input), 4) if over_input else None,
        "gain_worst_db": round(min(over_input), 4) if over_input else None,
    }


def psnr_over_macs(evidence: Evidence) -> list[Mapping[str, object]]:
    """List each run's MACs at 720x1280 and PSNR on each dataset, for the plot."""
    return [
        {
            "run": run,
            "dataset": dataset,
            "gmac": float(evidence.counts[run, "macs_720p"]) / 1e9,
            "psnr": row["value"],
        }
        for (run, dataset, quantity), row in evidence.measured.items()
        if quantity == "psnr" and row["value"] and (run, "macs_720p") in evidence.counts
    ]


def write_all(results: Results, judged: Iterable[Finding], evidence: Evidence) -> None:
    """Write metrics.json and psnr_over_macs.csv."""
    text = json.dumps(metrics(judged, evidence), indent=1) + "\n"
    results.metrics.write_text(text, encoding="utf-8")
    write(plot(results), ("run", "dataset", "gmac", "psnr"), psnr_over_macs(evidence))


def plot(results: Results) -> Path:
    """Return the table behind the plot of PSNR over MACs."""
    return results.metrics.with_name("psnr_over_macs.csv")
