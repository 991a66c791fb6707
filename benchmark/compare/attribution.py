"""Rank what could make a measured PSNR or SSIM differ from the printed one, by measured counterfactuals.

protocol            another protocol of the same family, on the same restored images
truncation          another form of them: truncated, clipped or not rounded (PSNR alone has these)
data variant        another rendering of the set's images, by the same network or else the blurred input
part of the set     how far the mean depends on which sequences are measured: a standard error over them
training cut        what the second half of the training added, and what the authors' weights gain beyond ours

An effect is the change of the measured value, in its unit. They are single changes and do not add up.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.claims import Claim
from benchmark.compare.decode import FAMILIES, POOLED, Scores, expect
from benchmark.compare.evidence import Evidence
from benchmark.results.schema import CurvePoint, Finding

CAUSES = ("protocol", "truncation", "data variant", "part of the set", "training cut")
FORMS = ("psnr_truncated", "psnr_clipped", "psnr_float")  # of the restored image, beside psnr's rounded one
INPUT = "identity"  # the run that hands the blurred image on
KINDS = {"authors_weights": "the authors' weights", "retrained": "the network trained here"}


@dataclass(frozen=True)
class Tables:
    """What counterfactuals are read from."""

    ours: Scores  # of this profile, by run and dataset
    theirs: Scores  # of the authors' weights
    curves: Mapping[str, Sequence[CurvePoint]]  # of this profile's training, by run


@dataclass(frozen=True)
class Effect:
    """One measured counterfactual."""

    cause: str  # of CAUSES
    change: float  # of the measured value, in its unit
    says: str  # what was changed, and on what
    either_way: bool = False  # a standard error, which has no direction


@dataclass(frozen=True)
class Attribution:
    """The effects on one measured value, largest first, and why other causes have none."""

    kind: str  # of KINDS
    gap: float  # printed - measured
    effects: tuple[Effect, ...]
    unmeasured: Mapping[str, str]  # by cause


def mean(values: pd.Series, protocol: str) -> float:
    """Average a protocol over images, as measurements.csv does; pooled ones are squared errors until then."""
    average = float(values.mean())
    return -10 * math.log10(average) if protocol in POOLED and average > 0 else average


def protocols(images: pd.DataFrame, base: str, where: str) -> Iterator[Effect]:
    """Yield what other protocols of the family, and other forms of the images, give on the same images."""
    family = base.split("_")[0]
    for name in images.columns:
        if name.split("_")[0] == family and name != base and images[name].notna().all():
            cause = "truncation" if name in FORMS and base in ("psnr", *FORMS) else "protocol"
            change = mean(images[name], name) - mean(images[base], base)
            yield Effect(cause, change, f"{name} in place of {base}, {where}")


def variants(dataset: str, run: str, base: str, scores: Scores) -> Iterator[Effect]:
    """Yield what another rendering of a set (its name begins with the set's) gives on the same images."""
    for variant in sorted({name for _, name in scores if name.startswith(f"{dataset}_")}):
        for system in (run, INPUT):
            if (system, variant) in scores and (system, dataset) in scores:
                pair = scores[system, variant], scores[system, dataset]
                shared = pair[0].index.intersection(pair[1].index)
                if len(shared) and all(base in images for images in pair):
                    first, second = (mean(images.loc[shared, base], base) for images in pair)
                    words = f"{variant} in place of {dataset}, {system}, {counted(len(shared))}"
                    yield Effect("data variant", first - second, words)
                    break


def part(images: pd.DataFrame, base: str, total: int) -> Effect | None:
    """Return the standard error that a part of the set leaves; None for the whole set, or one sequence."""
    if len(images) == total or base in POOLED:
        return None
    expected = expect(images[base], images[base], total, None)
    if expected is None:
        return None
    words = f"the whole set in place of {counted(len(images))} of {int(expected.freedom) + 1} sequences"
    return Effect("part of the set", expected.error, words, either_way=True)


def training(claim: Claim, base: str, ours: pd.DataFrame, stand_in: str, tables: Tables) -> Iterator[Effect]:
    """Yield what the last half of the training added, and what the authors' weights gain beyond ours."""
    run = claim.run or ""
    points = [point for point in tables.curves.get(run, ()) if point.test is not None]
    if base == "psnr" and len(points) > 1:
        half = min(points, key=lambda point: abs(point.step - points[-1].step / 2))
        change = (points[-1].test or 0.0) - (half.test or 0.0)
        yield Effect(
            "training cut",
            change,
            f"steps {half.step} to {points[-1].step} added this on crops of test images",
        )
    theirs, blurred = (tables.theirs.get((name, claim.dataset or "")) for name in (run, INPUT))
    stand_in_blurred = tables.ours.get((INPUT, stand_in))
    if stand_in != claim.dataset and theirs is not None and blurred is not None:
        frames = theirs, blurred, ours, stand_in_blurred
        if stand_in_blurred is not None and all(frame is not None and base in frame for frame in frames):
            gains = mean(theirs[base], base) - mean(blurred[base], base)
            gains -= mean(ours[base], base) - mean(stand_in_blurred[base], base)
            words = f"the authors' gain over the blurred input on {claim.dataset} less ours on {stand_in}"
            yield Effect("training cut", gains, f"{words}: the cut and the stand-in images together")


def counted(images: int) -> str:
    """Write a number of images.

    >>> counted(1), counted(1111)
    ('1 image', '1,111 images')
    """
    return f"{images:,} image{'' if images == 1 else 's'}"


def attribute(claim: Claim, finding: Finding, evidence: Evidence, tables: Tables) -> Attribution | None:
    """Rank the effects on what a finding measured; None where it measured no quality."""
    if finding.kind not in KINDS or finding.measured is None or claim.value is None:
        return None
    base, run, authors = finding.protocol, claim.run or "", finding.kind == "authors_weights"
    dataset = (claim.dataset or "") if authors else evidence.profile.data or claim.dataset or ""
    own = tables.theirs if authors else tables.ours
    images = own.get((run, dataset))
    effects: list[Effect] = []
    if images is not None and base in images:
        effects += protocols(images, base, f"{run}, {counted(len(images))} of {dataset}")
        if spread := part(images, base, evidence.totals.get(dataset, 0)):
            effects += [spread] if dataset == claim.dataset else []
        if not authors:
            effects += training(claim, base, images, dataset, tables)
    if claim.dataset:
        effects += list(variants(claim.dataset, run, base, own)) or variants(
            claim.dataset, run, base, tables.theirs
        )
    effects.sort(key=lambda effect: -abs(effect.change))
    whole = images is not None and len(images) == evidence.totals.get(dataset)
    no_spread = "the whole set is measured" if whole else "too few sequences for a standard error"
    if dataset != claim.dataset:
        no_spread = f"measured on {dataset}, no part of it"
    reasons = {
        "protocol": "no image of this network has scores by several protocols",
        "truncation": "only PSNR is measured on truncated, clipped and float images"
        if base.startswith("ssim")
        else "no image of this network has scores in several forms",
        "data variant": f"no other rendering of {claim.dataset or 'the set, which the paper does not name,'} "
        "is scored",
        "part of the set": no_spread,
        "training cut": "the authors' weights are whole" if authors else "no curve, and no authors' weights",
    }
    found = {effect.cause for effect in effects}
    missing = {cause: reasons[cause] for cause in CAUSES if cause not in found}
    return Attribution(finding.kind, claim.value - finding.measured, tuple(effects), missing)


def lines(attribution: Attribution, claim: Claim) -> Iterator[str]:
    """Write an attribution: the gap, each effect with what it leaves of the gap, and what is not measured."""
    unit, digits = FAMILIES[claim.quantity], 3 if claim.quantity == "psnr" else 4
    gap = f"{attribution.gap:+.{digits}f}{unit}"
    yield f"{KINDS[attribution.kind]}: printed less measured is {gap}; alone would move the measured value"
    for rank, effect in enumerate(attribution.effects, 1):
        change, rest = abs(effect.change), attribution.gap - effect.change
        sign = "±" if effect.either_way else "+" if effect.change >= 0 else "-"
        left = "" if effect.either_way else f" (leaves {rest:+.{digits}f})"
        yield f"  {rank}. {sign}{change:.{digits}f}{unit}{left}  {effect.cause}: {effect.says}"
    for cause, reason in attribution.unmeasured.items():
        yield f"  not measured  {cause}: {reason}"
