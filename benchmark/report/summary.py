"""All tables as one Summary: every number and sentence of the page, and nothing about how it looks."""

import importlib.metadata
import platform
from collections import Counter
from dataclasses import dataclass

from benchmark.compare.decode import FAMILIES, Decoded
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
from benchmark.report.inputs import Checked, Inputs, Source
from benchmark.spec import Profile

TOOLS = ("jinja2", "matplotlib", "pillow", "seaborn")  # what draws the page


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
    compared: bool  # findings.csv is there
    waiting: int  # claims it does not know
    papers: tuple[printed.PrintedPaper, ...]
    decoded: tuple[Decoded, ...]
    protocols: tuple[measured.Protocol, ...]  # all that something was measured under
    weights: tuple[author_weights.Table, ...]
    lacks: tuple[author_weights.Lack, ...]
    checked: tuple[Checked, ...]
    ladders: tuple[ablation.Ladder, ...]
    groups: tuple[ablation.Group, ...]
    sizes: tuple[measured.Size, ...]
    counted: bool
    quality: tuple[measured.QualityTable, ...]
    blurred: str
    floor: float | None  # PSNR of the blurred input on the validation crops
    curves: tuple[measured.Trained, ...]
    studies: tuple[measured.Study, ...]
    strips: tuple[crops.Strip, ...]
    maps: attention.Maps | None
    times: runtimes.Times
    sources: tuple[Source, ...]
    tools: tuple[tuple[str, str], ...]


def cuts(inputs: Inputs) -> tuple[Cut, ...]:
    """What the profile cuts, runs with the same cuts together."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name, run in inputs.chosen.items():
        if run.train:
            kinds.setdefault(tuple(inputs.profile.at(run).cuts(run.train)), []).append(name)
    return tuple(Cut(words, tuple(runs)) for words, runs in kinds.items())


def environment(inputs: Inputs) -> tuple[tuple[str, str], ...]:
    """The machine and its packages."""
    known = inputs.environment
    said = [(key, str(known[key])) for key in ("device", "machine", "threads", "python") if key in known]
    return (*said, *((name, str(version)) for name, version in known.get("packages", {}).items()))


def bands() -> tuple[str, ...]:
    """How near a measurement must be to count as close.

    >>> bands()[0]
    'params within 0.5 %'
    """
    return (
        *(f"{name} within {100 * share:g} %" for name, share in RELATIVE.items()),
        *(
            f"{name} {kind} within {band.below:g}{unit}{' below' if band.above <= band.agrees else ''} "
            f"(agrees within {band.agrees:g}{unit})"
            for kind, known in (("of authors’ weights", AUTHORS), ("of a retrained network", RETRAINED))
            for (name, band), unit in zip(known.items(), FAMILIES.values(), strict=True)
        ),
    )


def tools() -> tuple[tuple[str, str], ...]:
    """What made the page."""
    return (
        ("python", platform.python_version()),
        *((name, importlib.metadata.version(name)) for name in TOOLS),
    )


def summarise(inputs: Inputs) -> Summary:
    """Everything the page says."""
    papers, quality = printed.papers(inputs), tuple(measured.quality(inputs))
    ladders, weights = tuple(ablation.ladders(inputs)), tuple(author_weights.tables(inputs))
    totals, published = Counter(dict.fromkeys(VERDICTS, 0)), Counter(dict.fromkeys(VERDICTS, 0))
    for paper in papers:
        totals.update(paper.counts)
        published.update(paper.authors)
    clocks = runtimes.times(inputs)
    rows = [*inputs.authors.values(), *inputs.measurements.values()]
    return Summary(
        profile=inputs.profile,
        cut=inputs.cut(),
        cuts=cuts(inputs),
        left_out=tuple(name for name in inputs.runs if name not in inputs.chosen),
        environment=environment(inputs),
        headlines=headlines.six(inputs, papers, ladders, quality, weights, clocks),
        totals=dict(totals),
        authors_totals=dict(published),
        bands=bands(),
        compared=bool(inputs.findings),
        waiting=sum(paper.waiting for paper in papers),
        papers=papers,
        decoded=tuple(inputs.decoded),
        protocols=tuple(sorted(measured.protocols(rows), key=lambda one: one.name)),
        weights=weights,
        lacks=author_weights.lacks(inputs),
        checked=tuple(inputs.checked),
        ladders=ladders,
        groups=tuple(ablation.groups(inputs)),
        sizes=measured.sizes(inputs),
        counted=bool(inputs.complexity),
        quality=quality,
        blurred=inputs.blurred,
        floor=inputs.environment.get("validation_floor"),
        curves=measured.curves(inputs),
        studies=tuple(measured.studies(inputs)),
        strips=crops.strips(inputs),
        maps=attention.maps(inputs),
        times=clocks,
        sources=inputs.sources,
        tools=tools(),
    )
