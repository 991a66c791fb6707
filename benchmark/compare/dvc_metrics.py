"""Sum a profile up for `dvc metrics show` and `dvc plots show`."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmark.compare.evidence import Evidence
from benchmark.results import Results, write
from benchmark.results.schema import Finding, PsnrOverMacs

SIZES = ("params", "size")  # quantities


def psnr_by_run(evidence: Evidence) -> pd.DataFrame:
    """Return each run's PSNR on each dataset with `gain`, its difference to the blurred input's, in dB."""
    rows = evidence.measured[evidence.measured["quantity"] == "psnr"].dropna(subset="value")
    rows = rows[rows["run"].isin(list(evidence.runs))]
    trained = rows["run"].isin([name for name, run in evidence.runs.items() if run.train])
    blurred = rows[~trained].set_index("dataset")["value"]
    return rows.assign(trained=trained, gain=rows["value"] - rows["dataset"].map(blurred))


def metrics(rows: Sequence[Finding], evidence: Evidence) -> dict[str, Any]:
    """Count the verdicts and the gains: few numbers, as each is a column of `dvc exp show`."""
    agreeing = [row for row in rows if row.verdict in ("agrees", "close")]
    by_paper = Counter(row.paper for row in agreeing)
    psnr = psnr_by_run(evidence)
    gains = psnr.loc[psnr["trained"], "gain"].dropna()
    return {
        "agree": {paper: by_paper[paper] for paper in sorted({row.paper for row in rows})},
        "sizes_agree": sum(row.quantity in SIZES for row in agreeing),
        "tested": sum(row.verdict != "untested" for row in rows),
        "differ": sum(row.verdict == "differs" for row in rows),
        "gain_median_db": round(float(gains.median()), 4) if len(gains) else None,
        "gain_worst_db": round(float(gains.min()), 4) if len(gains) else None,
    }


def psnr_over_macs(evidence: Evidence) -> list[PsnrOverMacs]:
    """List each run's MACs at 720x1280 and PSNR on each dataset, for the plot."""
    measured = evidence.measured
    macs = measured[measured["quantity"] == "macs_720p"].set_index("run")["value"]
    psnr = psnr_by_run(evidence)
    cells = zip(psnr["run"], psnr["dataset"], psnr["run"].map(macs) / 1e9, psnr["value"], strict=True)
    return [PsnrOverMacs(*row) for row in cells if not pd.isna(row[2])]


def write_all(results: Results, rows: Sequence[Finding], evidence: Evidence) -> None:
    """Write metrics.json and psnr_over_macs.csv."""
    text = json.dumps(metrics(rows, evidence), indent=1) + "\n"
    results.metrics.write_text(text, encoding="utf-8")
    write(results.psnr_over_macs, PsnrOverMacs, psnr_over_macs(evidence))
