"""Sum a profile up for `dvc metrics show` and `dvc plots show`."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.compare.evidence import Evidence
from benchmark.results import Results, write
from benchmark.results.schema import Finding, PlotPoint, Verdict

TESTED: tuple[Verdict, ...] = ("agrees", "close", "explained", "differs")
SIZES = ("params", "size")  # quantities


def measured(evidence: Evidence, quantity: str) -> pd.DataFrame:
    """Return the rows of one quantity that have a value: run, dataset, value."""
    rows = evidence.measured[evidence.measured["quantity"] == quantity].dropna(subset="value")
    return rows.loc[rows["run"].isin(list(evidence.runs)), ["run", "dataset", "value"]]


def gains(evidence: Evidence) -> pd.Series:
    """Subtract the blurred input's PSNR from that of each trained run, in dB, for every dataset."""
    psnr = measured(evidence, "psnr")
    trained = psnr["run"].isin([name for name, run in evidence.runs.items() if run.train])
    pairs = psnr[trained].merge(psnr[~trained], on="dataset", suffixes=("", "_blurred"))
    return pairs["value"] - pairs["value_blurred"]


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
        "gain_median_db": round(over_input.median(), 4) if len(over_input) else None,
        "gain_worst_db": round(over_input.min(), 4) if len(over_input) else None,
    }


def psnr_over_macs(evidence: Evidence) -> pd.DataFrame:
    """List each run's MACs at 720x1280 and PSNR on each dataset, for the plot."""
    points = measured(evidence, "psnr").merge(
        measured(evidence, "macs_720p"), on="run", suffixes=("", "_macs")
    )
    return points.assign(gmac=points["value_macs"] / 1e9, psnr=points["value"])


def write_all(results: Results, judged: Iterable[Finding], evidence: Evidence) -> None:
    """Write metrics.json and psnr_over_macs.csv."""
    text = json.dumps(metrics(judged, evidence), indent=1) + "\n"
    results.metrics.write_text(text, encoding="utf-8")
    write(plot(results), PlotPoint, psnr_over_macs(evidence))


def plot(results: Results) -> Path:
    """Return the table behind the plot of PSNR over MACs."""
    return results.metrics.with_name("psnr_over_macs.csv")
