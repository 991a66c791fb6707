"""Collect all tables as one Summary: every number and sentence of the page, and nothing about its look."""

import importlib.metadata
import platform
from dataclasses import dataclass

import pandas as pd

from benchmark.compare.decode import FAMILIES
from benchmark.compare.findings import AUTHORS, RELATIVE, RETRAINED, VERDICTS
from benchmark.report import (
    ablation,
    attention,
    author_weights,
    crops,
    headlines,
    measured,
    printed,
    runtimes,
)
from benchmark.report.inputs import Inputs, Source
from benchmark.results.schema import DatasetSplit, DecodedColumn
from benchmark.spec import Profile

TOOLS = ("jinja2", "matplotlib", "pillow", "seaborn")  # packages that draw the page


@dataclass(frozen=True)
class Cut:
    """Runs from which the profile cuts the same."""

    words: tuple[str, ...]
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """The whole page as data."""

    profile: Profile
    cut: bool  # quality numbers of this profile prove nothing about a paper
    cuts: tuple[Cut, ...]
    left_out: tuple[str, ...]  # runs the profile does not train
    environment: tuple[tuple[str, str], ...]
    headlines: tuple[headlines.Headline, ...]
    totals: dict[str, int]  # verdict -> claims
    authors_totals: dict[str, int]  # verdict -> claims, of the authors' weights
    bands: tuple[str, ...]  # what counts as close, in words
    compared: bool  # findings.csv exists
    waiting: int  # claims without a finding
    papers: tuple[printed.PrintedPaper, ...]
    decoded: tuple[DecodedColumn, ...]
    protocols: tuple[measured.Protocol, ...]  # all that something was measured under
    weights: tuple[author_weights.Table, ...]
    unavailable: tuple[author_weights.Unavailable, ...]
    splits: tuple[DatasetSplit, ...]
    ablations: tuple[ablation.AblationTable, ...]
    groups: tuple[ablation.Group, ...]
    sizes: tuple[measured.Size, ...]
    counted: bool  # complexity.csv exists
    quality: tuple[measured.QualityTable, ...]
    blurred: str
    blurred_psnr: float | None  # of the blurred input on the validation crops
    curves: tuple[measured.TrainingCurve, ...]
    studies: tuple[measured.Study, ...]
    strips: tuple[crops.Strip, ...]
    maps: attention.Maps | None
    times: runtimes.Times
    sources: tuple[Source, ...]
    tools: tuple[tuple[str, str], ...]


def cuts(inputs: Inputs) -> tuple[Cut, ...]:
    """List what the profile cuts, runs with the same cuts together."""
    runs_by_cut: dict[tuple[str, ...], list[str]] = {}
    for name, run in inputs.chosen.items():
        if run.train:
            runs_by_cut.setdefault(tuple(inputs.profile.at(run).cuts(run.train)), []).append(name)
    return tuple(Cut(words, tuple(runs)) for words, runs in runs_by_cut.items())


def environment(inputs: Inputs) -> tuple[tuple[str, str], ...]:
    """List the machine and its packages."""
    content = inputs.environment
    machine = [
        (key, str(content[key])) for key in ("device", "machine", "threads", "python") if key in content
    ]
    return (*machine, *((name, str(version)) for name, version in content.get("packages", {}).items()))


def bands() -> tuple[str, ...]:
    """Write how near a measurement must be to count as close.

    >>> bands()[0]
    'params within 0.5 %'
    """
    return (
        *(f"{name} within {100 * share:g} %" for name, share in RELATIVE.items()),
        *(
            f"{name} {kind} within {band.below:g}{unit}{' below' if band.above <= band.agrees else ''} "
            f"(agrees within {band.agrees:g}{unit})"
            for kind, by_name in (("of authors’ weights", AUTHORS), ("of a retrained network", RETRAINED))
            for (name, band), unit in zip(by_name.items(), FAMILIES.values(), strict=True)
        ),
    )


def tools() -> tuple[tuple[str, str], ...]:
    """List what draws the page, with versions."""
    return (
        ("python", platform.python_version()),
        *((name, importlib.metadata.version(name)) for name in TOOLS),
    )


def summarise(inputs: Inputs) -> Summary:
    """Collect everything that the page says."""
    papers, quality = printed.papers(inputs), tuple(measured.quality(inputs))
    ablations, weights = tuple(ablation.tables(inputs)), tuple(author_weights.tables(inputs))
    times = runtimes.times(inputs)
    protocols = measured.protocols(pd.concat([inputs.authors, inputs.measurements]))
    return Summary(
        profile=inputs.profile,
        cut=inputs.cut(),
        cuts=cuts(inputs),
        left_out=tuple(name for name in inputs.runs if name not in inputs.chosen),
        environment=environment(inputs),
        headlines=headlines.six(inputs, papers, ablations, quality, weights, times),
        totals={verdict: sum(p.counts.get(verdict, 0) for p in papers) for verdict in VERDICTS},
        authors_totals={verdict: sum(p.authors.get(verdict, 0) for p in papers) for verdict in VERDICTS},
        bands=bands(),
        compared=bool(inputs.findings),
        waiting=sum(paper.waiting for paper in papers),
        papers=papers,
        decoded=tuple(inputs.decoded),
        protocols=tuple(sorted(protocols, key=lambda protocol: protocol.name)),
        weights=weights,
        unavailable=author_weights.unavailable(inputs),
        splits=tuple(inputs.splits),
        ablations=ablations,
        groups=tuple(ablation.groups(inputs)),
        sizes=measured.sizes(inputs),
        counted=bool(inputs.complexity),
        quality=quality,
        blurred=inputs.blurred,
        blurred_psnr=inputs.environment.get("validation_floor"),
        curves=measured.curves(inputs),
        studies=tuple(measured.studies(inputs)),
        strips=crops.strips(inputs),
        maps=attention.maps(inputs),
        times=times,
        sources=inputs.sources,
        tools=tools(),
    )
