"""Measure the report at scale: time to render, size, and frame times while a reader scrolls and pages.

Run `python -m tests.benchmarks.report_scale [RUNS] [FINDINGS] [FILE]`; by default 500 and 20,000.
Everything is invented: a system per four runs, a paper per 1,000 claims, two findings per claim.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pandas as pd

from benchmark.claims import Claim, Paper, Table
from benchmark.compare.evidence import place
from benchmark.report import page, summary
from benchmark.report.inputs import Inputs
from benchmark.results.schema import OUTCOMES, Finding, Verdict
from benchmark.spec import Run
from tests import browser, invented

TABLE = 40, 25  # rows and columns of an invented table
FRAMES = """(step) => new Promise((done) => {
  const times = [];
  let last = performance.now();
  const frame = (now) => {
    times.push(now - last);
    last = now;
    scrollBy({ top: step, behavior: "instant" });
    if (times.length < 120) requestAnimationFrame(frame);
    else done(times.slice(1));
  };
  requestAnimationFrame(frame);
})"""
PAGES = """() => new Promise(async (done) => {
  const times = [];
  for (let turn = 0; turn < 20; turn++) {
    const start = performance.now();
    document.querySelector("#claims .dt-paging-button.next").click();
    await new Promise((shown) => requestAnimationFrame(() => setTimeout(shown)));
    times.push(performance.now() - start);
  }
  done(times);
})"""


def runs(count: int, known: dict[str, Run]) -> dict[str, Run]:
    """Invent runs: copies of the known ones under other names, a system for every four."""
    pattern = [run for run in known.values() if run.train]
    copies = {
        f"run_{n:03}": replace(
            pattern[n % len(pattern)], name=f"run_{n:03}", system=f"system_{n // 4}", ablates=""
        )
        for n in range(count - len(known))
    }
    return known | copies


def papers(claims: int, names: list[str]) -> list[Paper]:
    """Invent papers of one table of PSNRs each, a system per row."""
    height, width = TABLE
    columns = [f"set {j}" for j in range(width)]
    made = []
    for p in range(-(-claims // (height * width))):
        key, rows, cells = f"paper{p}", [], {}
        for i in range(height):
            run = names[(p * height + i) % len(names)]
            rows.append((f"System {i}", [f"{20 + (i * j) % 97 / 7:.2f}" for j in range(width)]))
            for j, text in enumerate(rows[-1][1]):
                cells[i, j] = Claim(key, "Table 1", f"System {i}", columns[j], run, f"set{j}", "psnr", text)
        table = Table(key, "Table 1", "", columns, rows, claims=cells)
        made.append(Paper(key, f"Invented ({key})", "", None, [table], []))
    return made


def judged(claims: list[Claim], findings: int) -> tuple[list[Verdict], list[Finding]]:
    """Invent a verdict per claim and share out the findings among them; outcomes take turns."""
    verdicts, found = [], []
    each = -(-findings // len(claims))
    kinds = ("retrained", "authors_weights", "own_paper", "other_paper")
    for n, claim in enumerate(claims):
        where, outcome = place(claim), OUTCOMES[n % len(OUTCOMES)]
        reason = f"because of its {n}th reason, which a whole sentence of the usual length explains in words"
        verdicts.append(Verdict(*where, outcome, kinds[0], "independent", reason))
        for kind in kinds[:each]:
            found.append(Finding(*where, kind, outcome, reason, "results/x.csv", 1.01 * (claim.value or 1)))
    return verdicts, found[:findings]


def large(root: Path, count: int, findings: int) -> Inputs:
    """Invent the results of so many runs and findings, two to a claim."""
    invented.fill(root)
    small = invented.read(root)
    every = runs(count, small.runs)
    written = papers(findings // 2, list(every))
    verdicts, found = judged([c for paper in written for c in paper.claims()], findings)
    others = [name for name in every if name not in small.runs]
    like = small.measurements[small.measurements["run"] == "cdgnet"]
    measured = [small.measurements, *(like.assign(run=name) for name in others)]
    curve = small.curves[small.curves["run"] == "cdgnet"]
    curves = [small.curves, *(curve.assign(run=name) for name in others)]
    scores = [small.scores, *(small.scores[small.scores["run"] == "cdgnet"].assign(run=n) for n in others)]
    profile = replace(small.profile, runs=tuple(every))
    counts = small.complexity["cdgnet"]
    return replace(
        small,
        profile=profile,
        runs=every,
        papers=written,
        verdicts=verdicts,
        findings=found,
        decoded=[],
        measurements=pd.concat(measured, ignore_index=True),
        curves=pd.concat(curves, ignore_index=True),
        scores=pd.concat(scores, ignore_index=True),
        complexity=small.complexity | {name: replace(counts, run=name) for name in others},
    )


def told(name: str, times: list[float]) -> None:
    """Print the median, the 95th percentile and the longest of times in ms."""
    ranked = sorted(times)
    print(
        f"{name}: median {median(ranked):.1f} ms, 95 % below {ranked[int(0.95 * len(ranked))]:.1f} ms, "
        f"longest {ranked[-1]:.1f} ms"
    )


def main(count: int = 500, findings: int = 20_000, target: str = "") -> None:
    """Render, open, scroll and page."""
    with TemporaryDirectory() as folder:
        inputs = large(Path(folder), count, findings)
        print(
            f"{len(inputs.runs)} runs, {len(inputs.findings):,} findings on {len(inputs.verdicts):,} claims"
        )
        start, spent = time.perf_counter(), time.process_time()
        text = page.render(summary.summarise(inputs))
        wall, cpu = time.perf_counter() - start, time.process_time() - spent
        path = Path(target or f"{folder}/report.html").resolve()
        path.write_text(text, encoding="utf-8")
        print(f"rendered in {wall:.1f} s ({cpu:.1f} s of one core), {path.stat().st_size / 1e6:.1f} MB")
        if not browser.executable():
            print("no Chromium: scrolling is not measured")
            return
        with browser.launched() as chromium:
            start = time.perf_counter()
            with browser.visit(chromium, path) as opened:
                print(f"opened in {time.perf_counter() - start:.1f} s")
                told("scrolling the first view", opened.page.evaluate(FRAMES, 40))
                start = time.perf_counter()
                opened.show("claims")
                print(f"list of claims ready in {time.perf_counter() - start:.1f} s")
                told("scrolling the list of claims", opened.page.evaluate(FRAMES, 40))
                told("paging through it", opened.page.evaluate(PAGES))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
