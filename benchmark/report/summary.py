"""Collect all tables as one Summary: every number and sentence of the page, and nothing about its look."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from benchmark.compare.bands import AUTHORS, RELATIVE, RETRAINED
from benchmark.compare.decode import FAMILIES
from benchmark.compare.findings import kinds
from benchmark.report import (
    ablation,
    evidence,
    headlines,
    hero,
    ladders,
    measured,
    pictures,
    plots,
    printed,
    runtimes,
    stories,
)
from benchmark.report.entries import Entry
from benchmark.report.entries import entries as list_entries
from benchmark.report.inputs import Inputs
from benchmark.report.matrix import Matrix, matrix
from benchmark.report.system import System, systems
from benchmark.results.schema import AblationStep


@dataclass(frozen=True)
class Summary:
    """The whole page as data."""

    inputs: Inputs
    headlines: list[headlines.Headline]
    entries: list[Entry]  # every claim
    matrix: Matrix
    systems: list[System]
    impossible: stories.ImpossibleTimes | None
    arithmetic: stories.Arithmetic | None
    conclusion: str
    panels: dict[str, dict[str, Any]]  # evidence by claim
    papers: list[printed.PrintedPaper]
    protocols: list[measured.Protocol]  # all that something was measured under
    weights: list[measured.QualityTable]  # of the authors
    ablations: list[ablation.AblationTable]
    groups: dict[str, list[tuple[AblationStep, str]]]
    quality: list[measured.QualityTable]
    studies: list[measured.Study]
    times: runtimes.Times
    plots: plots.Plots
    gallery: pictures.Gallery

    @cached_property
    def hero(self) -> hero.Hero | None:
        """Return the pixels that a system improves most; None without pictures."""
        return hero.hero(self.gallery)

    @cached_property
    def totals(self) -> Counter[str]:
        """Count the claims of all papers by outcome and what it rests on."""
        return Counter(entry.outcome for entry in self.entries)

    @property
    def kinds(self) -> dict[str, tuple[str, Counter[str]]]:
        """Describe each kind of evidence and count its findings by outcome."""
        rows = self.inputs.findings
        return {
            name: (kind.ABOUT, Counter(row.outcome for row in rows if row.kind == name))
            for name, kind in kinds().items()
        }

    def agreements(self, against: str) -> list[ladders.Agreement]:
        """Say how small trainings order the runs, beside the "print" or the "full" trainings of a profile."""
        return list(ladders.agreements(self.inputs.ladders, against))

    @property
    def ladder_curves(self) -> list[ladders.Curves]:
        """Say what the curves of small trainings predict."""
        return list(ladders.curves(self.inputs.ladders))

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
    def trained(self) -> list[str]:
        """Name the runs that the profile trains."""
        return [name for name, run in self.inputs.chosen.items() if run.train]

    @property
    def cuts(self) -> dict[tuple[str, ...], list[str]]:
        """Group the runs by what the profile cuts from them."""
        runs_by_cut: dict[tuple[str, ...], list[str]] = {}
        profile = self.inputs.profile
        for name, run in self.inputs.chosen.items():
            if not run.is_input:
                runs_by_cut.setdefault(tuple(profile.at(run).cuts(run.train)), []).append(name)
        return runs_by_cut

    @property
    def steps(self) -> tuple[int, int]:
        """Return the fewest and the most training steps of the runs that were trained; zeros without any."""
        counts = self.inputs.curves.groupby("run")["step"].max()
        return (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)

    @property
    def images(self) -> dict[str, int]:
        """Count the test images by data set."""
        rows = self.inputs.scores[self.inputs.scores["run"] == self.inputs.blurred]
        return {str(name): int(part["image"].nunique()) for name, part in rows.groupby("dataset", sort=False)}


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
    entries = list_entries(inputs)
    papers = [printed.lay_out_paper(paper, inputs, entries) for paper in inputs.papers]
    compared = systems(inputs, entries)
    ablations, quality = list(ablation.tables(inputs)), list(measured.quality(inputs))
    weights, times = list(measured.weights(inputs)), runtimes.times(inputs)
    protocols = measured.protocols(pd.concat([inputs.authors, inputs.measurements]))
    return Summary(
        inputs=inputs,
        headlines=headlines.six(inputs, papers, ablations, quality, weights, times),
        entries=entries,
        matrix=matrix(entries, compared),
        systems=compared,
        impossible=stories.impossible(inputs, entries),
        arithmetic=stories.arithmetic(entries),
        conclusion=stories.conclusion(entries, len(papers)),
        panels=evidence.panels(inputs, entries),
        papers=papers,
        protocols=sorted(protocols, key=lambda protocol: protocol.name),
        weights=weights,
        ablations=ablations,
        groups=ablation.groups(inputs),
        quality=quality,
        studies=list(measured.studies(inputs)),
        times=times,
        plots=plots.collect(inputs, times),
        gallery=pictures.collect(inputs),
    )
