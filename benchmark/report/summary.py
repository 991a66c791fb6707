"""Collect all tables as one Summary: every number and sentence of the page, and nothing about its look."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.compare.bands import AUTHORS, RELATIVE, RETRAINED
from benchmark.compare.decode import FAMILIES
from benchmark.compare.findings import kinds
from benchmark.report import ablation, attention, crops, headlines, measured, printed, runtimes
from benchmark.report.inputs import Inputs
from benchmark.results.schema import OUTCOMES, AblationStep, Verdict


@dataclass(frozen=True)
class Summary:
    """The whole page as data."""

    inputs: Inputs
    headlines: list[headlines.Headline]
    papers: list[printed.PrintedPaper]
    protocols: list[measured.Protocol]  # all that something was measured under
    weights: list[measured.QualityTable]  # of the authors
    ablations: list[ablation.AblationTable]
    groups: dict[str, list[tuple[AblationStep, str]]]
    quality: list[measured.QualityTable]
    curves: dict[str, pd.DataFrame]  # rows of Inputs.curves by run
    studies: list[measured.Study]
    strips: list[crops.Strip]
    maps: attention.Maps | None
    times: runtimes.Times

    @property
    def totals(self) -> Counter[str]:
        """Count the claims of all papers by outcome and what it rests on."""
        return sum((Counter(map(outcome, paper.verdicts)) for paper in self.papers), Counter[str]())

    @property
    def kinds(self) -> dict[str, tuple[str, Counter[str]]]:
        """Describe each kind of evidence and count its findings by outcome."""
        rows = self.inputs.findings
        return {
            name: (kind.ABOUT, Counter(row.outcome for row in rows if row.kind == name))
            for name, kind in kinds().items()
        }

    @property
    def authors_totals(self) -> Counter[str]:
        """Count the claims of all papers by outcome of the authors' weights."""
        return sum((paper.authors for paper in self.papers), Counter[str]())

    @property
    def machine(self) -> dict[str, Any]:
        """Return the machine of the measurements and its packages."""
        content = self.inputs.environment
        names = ("device", "machine", "threads", "python")
        return {name: content[name] for name in names if name in content} | content.get("packages", {})

    @property
    def unavailable(self) -> pd.DataFrame:
        """Select the rows of authors' weights without a value."""
        return self.inputs.authors[self.inputs.authors["value"].isna()]

    @property
    def cuts(self) -> dict[tuple[str, ...], list[str]]:
        """Group the runs by what the profile cuts from them."""
        runs_by_cut: dict[tuple[str, ...], list[str]] = {}
        profile = self.inputs.profile
        for name, run in self.inputs.chosen.items():
            if not run.is_input:
                runs_by_cut.setdefault(tuple(profile.at(run).cuts(run.train)), []).append(name)
        return runs_by_cut


def outcome(verdict: Verdict) -> str:
    """Name a claim's outcome with what an agreement rests on; a column of the table of verdicts.

    >>> from benchmark.results.schema import Verdict
    >>> outcome(Verdict("p", "t", "r", "c", "", "", "psnr", "30", 30.0, "close", "size", "print", ""))
    'close (print)'
    """
    agrees = verdict.outcome in ("holds", "close") and verdict.basis != "independent"
    return f"{verdict.outcome} ({verdict.basis})" if agrees else verdict.outcome


# The columns of the table of verdicts. Agreement by construction is none, and agreement of prints is weak.
COLUMNS = tuple(
    f"{name}{basis}"
    for name in OUTCOMES
    for basis in (("", " (print)", " (by construction)") if name in ("holds", "close") else ("",))
)


def bands() -> list[str]:
    """Write how near a measurement must be to count as close.

    >>> bands()[0]
    'params within 0.5 %'
    """
    return [
        *(f"{name} within {100 * share:g} %" for name, share in RELATIVE.items()),
        *(
            f"{name} {kind} within {band.below:g}{unit}{' below' if band.above <= band.holds else ''} "
            f"(holds within {band.holds:g}{unit})"
            for kind, by_name in (("of authors’ weights", AUTHORS), ("of a retrained network", RETRAINED))
            for (name, band), unit in zip(by_name.items(), FAMILIES.values(), strict=True)
        ),
    ]


def summarise(inputs: Inputs) -> Summary:
    """Collect everything that the page says."""
    papers = [printed.lay_out_paper(paper, inputs) for paper in inputs.papers]
    ablations, quality = list(ablation.tables(inputs)), list(measured.quality(inputs))
    weights, times = list(measured.weights(inputs)), runtimes.times(inputs)
    protocols = measured.protocols(pd.concat([inputs.authors, inputs.measurements]))
    return Summary(
        inputs=inputs,
        headlines=headlines.six(inputs, papers, ablations, quality, weights, times),
        papers=papers,
        protocols=sorted(protocols, key=lambda protocol: protocol.name),
        weights=weights,
        ablations=ablations,
        groups=ablation.groups(inputs),
        quality=quality,
        curves={str(run): points for run, points in inputs.curves.groupby("run")},
        studies=list(measured.studies(inputs)),
        strips=crops.strips(inputs),
        maps=attention.maps(inputs),
        times=times,
    )
