"""Sum a profile up for `dvc metrics show` and `dvc plots show`."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmark.compare.evidence import Evidence
from benchmark.results import Results, write
from benchmark.results.schema import PsnrOverMacs, Verdict


def psnr_by_run(evidence: Evidence) -> pd.DataFrame:
    """Return each run's PSNR on each dataset with `gain`, its difference to the blurred input's, in dB."""
    rows = evidence.measured[evidence.measured["quantity"] == "psnr"].dropna(subset="value")
    rows = rows[rows["run"].isin(list(evidence.runs))]
    restored = ~rows["run"].isin([name for name, run in evidence.runs.items() if run.is_input])
    blurred = rows[~restored].groupby("dataset")["value"].first()  # several runs may hand the input on
    return rows.assign(restored=restored, gain=rows["value"] - rows["dataset"].map(blurred))


def metrics(decided: Sequence[Verdict], evidence: Evidence) -> dict[str, Any]:
    """Count the outcomes and the gains: few numbers, as each is a column of `dvc exp show`."""
    agreeing = [row for row in decided if row.outcome in ("holds", "close") and row.basis == "independent"]
    by_paper = Counter(row.paper for row in agreeing)
    psnr = psnr_by_run(evidence)
    gains = psnr.loc[psnr["restored"], "gain"].dropna()
    return {
        "agree": {paper: by_paper[paper] for paper in sorted({row.paper for row in decided})},
        "decided": sum(row.outcome != "undecided" for row in decided),
        "unexplained": sum(row.explanation in ("known", "unexplained", "stale") for row in decided),
        "gain_median_db": round(float(gains.median()), 4) if len(gains) else None,
        "gain_worst_db": round(float(gains.min()), 4) if len(gains) else None,
    }


def psnr_over_macs(evidence: Evidence) -> list[PsnrOverMacs]:
    """List each run's MACs at 720x1280, where they are defined, and PSNR on each dataset, for the plot."""
    counts, psnr = evidence.counts, psnr_by_run(evidence)
    macs = {name: row.macs_720p / 1e9 for name, row in counts.items() if row.macs_720p is not None}
    rows = zip(psnr["run"], psnr["dataset"], psnr["value"], strict=True)
    return [PsnrOverMacs(r, data, macs[r], value) for r, data, value in rows if r in macs]


def write_all(results: Results, decided: Sequence[Verdict], evidence: Evidence) -> None:
    """Write metrics.json and psnr_over_macs.csv."""
    text = json.dumps(metrics(decided, evidence), indent=1) + "\n"
    results.metrics.write_text(text, encoding="utf-8")
    write(results.psnr_over_macs, PsnrOverMacs, psnr_over_macs(evidence))
