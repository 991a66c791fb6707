"""Compute one finding per claim: the printed number beside each measurement, with a verdict and a reason.

A claim and a measurement share the key (run, dataset, quantity), so this is a join, made twice: with what
is trained here, and with what the authors' weights give.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark import spec
from benchmark.claims import Claim, Paper
from benchmark.compare import decode, times
from benchmark.compare.decode import FAMILIES, TOLERANCE, Decoded
from benchmark.compare.times import Timed
from benchmark.results import COMPLEXITY, DATASETS, Results
from benchmark.results.legacy import read


@dataclass(frozen=True)
class Band:
    """How far a measured number may be from the printed one, in its unit."""

    agrees: float  # beyond the print's rounding
    below: float  # still close when it is lower
    above: float  # and when it is higher


# docs/protocols.md argues for each. Those of counts are relative, and say what is close.
RELATIVE = {"params": 0.005, "size": 0.005, "macs_256": 0.01, "macs_720p": 0.01}
AUTHORS = {
    "psnr": Band(TOLERANCE["psnr"], 0.10, 0.10),
    "ssim": Band(TOLERANCE["ssim"], 0.003, 0.003),
}
RETRAINED = {"psnr": Band(0.30, 0.60, 0.30), "ssim": Band(0.004, 0.008, 0.004)}
OWN_CARD = 0.15  # a time on the paper's own card, relative: drivers, libraries and cooling differ
VERDICTS = ("agrees", "close", "explained", "differs", "untested")

# Printed settings are compared with the recipe of params.yaml, before any profile cuts it.
SETTINGS: dict[str, Callable[[spec.Recipe], object]] = {
    "setting.epochs": lambda recipe: recipe.epochs,
    "setting.batch": lambda recipe: recipe.batch,
    "setting.crop": lambda recipe: recipe.crop,
    "setting.lr": lambda recipe: recipe.optimiser.lr,
    "setting.beta1": lambda recipe: recipe.optimiser.beta1,
    "setting.beta2": lambda recipe: recipe.optimiser.beta2,
    "setting.lr_decay": lambda recipe: recipe.schedule.get("factor"),
    "setting.lr_step": lambda recipe: recipe.schedule.get("every"),
    "setting.mu": lambda recipe: recipe.loss.get("mu"),
    "setting.lr_step_iterations": lambda recipe: recipe.iterations(recipe.schedule.get("every", 0)) or None,
    "setting.lr_decay_epochs": lambda recipe: recipe.epochs - recipe.schedule.get("start", recipe.epochs),
    "setting.lr_min": lambda recipe: recipe.optimiser.lr * recipe.schedule.get("to", 0.0),
    "setting.loss_weight": lambda recipe: next(
        (recipe.loss[key] for key in ("small", "edge", "weight") if key in recipe.loss), None
    ),
    "setting.epsilon": lambda recipe: recipe.loss.get("epsilon"),
    "setting.critic_steps": lambda recipe: recipe.adversary.get("critic_steps"),
    "setting.input_shift": lambda recipe: recipe.normalise.mean,
}


# Claims that no measurement of a run can decide.
ELSEWHERE = {
    "setting": "a choice inside the architecture or protocol; no recipe entry holds it",
    "data": "a fact about a dataset that this profile does not read",
    "delta": "a difference between two cells; see those cells",
    "ratio": "a ratio of two cells; see those cells",
}


@dataclass(frozen=True)
class Finding:
    """One row of findings.csv: a claim, what was measured, and the verdict."""

    paper: str
    table: str
    row: str
    column: str
    run: str
    dataset: str
    quantity: str
    printed: str
    claimed: str  # the printed number in base units
    measured: str
    verdict: str  # one of VERDICTS
    reason: str
    protocol: str = ""  # the metric that the printed number is held against; empty for other quantities
    authors: str = ""  # measured with the authors' weights; empty when there are none
    authors_n: str = ""  # on so many images
    authors_verdict: str = ""  # one of VERDICTS; empty for what weights do not decide
    authors_reason: str = ""
    physics: str = ""  # one of times.VERDICTS, of a run time; empty for other quantities
    physics_reason: str = ""


@dataclass(frozen=True)
class Judgement:
    """One side of a finding: what was measured here, or with the authors' weights."""

    measured: str = ""
    verdict: str = "untested"
    reason: str = ""
    images: str = ""  # measured on so many


NOTHING = Judgement(verdict="")  # weights do not decide a size or a setting


Key = tuple[str, str, str]  # run, dataset, quantity


@dataclass(frozen=True)
class Evidence:
    """Everything claims are held against."""

    profile: spec.Profile
    runs: dict[str, spec.Run]  # every run of params.yaml
    counts: dict[tuple[str, str], str]  # (run, quantity) -> value
    measured: dict[Key, dict[str, str]]  # rows of the profile's measurements.csv
    authors: dict[Key, dict[str, str]]  # and of the author weights'
    totals: dict[str, int]  # official number of test pairs of each real set
    decoded: list[Decoded]
    times: dict[Claim, Timed] = field(default_factory=dict)  # of every printed run time

    def protocol(self, claim: Claim) -> tuple[str, str]:
        """The metric a printed PSNR or SSIM is held against, and the words for it where it is a default.

        A table's is the decoded one. A sentence has that of its paper's tables, where they have but one.
        """
        if claim.quantity not in FAMILIES:
            return claim.quantity, ""
        here = (claim.paper, claim.dataset, claim.quantity)
        paper = [d for d in self.decoded if (d.paper, d.dataset, d.family) == here]
        table = [d for d in paper if d.table == claim.table] or paper
        known = {d.protocol for d in table if d.verdict == "decided"}
        if len(known) == 1:
            return known.pop(), ""
        return claim.quantity, f"held against {claim.quantity}, as the protocol is not decided"

    def fits(self, claim: Claim) -> str:
        """The words for a cell that only a protocol other than its table's fits."""
        found = (
            d.fits(claim)
            for d in self.decoded
            if (d.paper, d.table) == (claim.paper, claim.table) and d.family == claim.quantity
        )
        return next((f"fits {name} instead" for name in found if name), "")

    def part(self, row: dict[str, str]) -> str:
        """The words for a measurement on a part of its test set; empty for the whole."""
        total, images = self.totals.get(row["dataset"], 0), int(row["n"])
        if images == total:
            return ""
        return (
            f"{images:,} of {total:,} images"
            if total
            else f"{images:,} images; {DATASETS} has no size of the set"
        )


def rows(path: Path) -> dict[Key, dict[str, str]]:
    """Measurements by key; none when there is no such file."""
    return {(r["run"], r["dataset"], r["quantity"]): r for r in read(path)} if path.exists() else {}


def gather(papers: list[Paper], profile: str = "") -> Evidence:
    """Read params.yaml, results/complexity.csv, the measurements and what is known of the real sets.

    Raises:
        ValueError: a file is missing or malformed.
    """
    active, runs = spec.load(profile=profile)
    sizes = read(COMPLEXITY)
    counts = {(row["run"], key): row[key] for row in sizes for key in ("params", "macs_256", "macs_720p")}
    counts |= {(row["run"], "size"): str(4 * int(row["params"])) for row in sizes}  # float32 weights
    authors = Results("authors")
    images: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in read(authors.quality) if authors.quality.exists() else []:
        images[row["run"], row["dataset"]][row["quantity"]][row["image"]] = float(row["value"])
    sets = read(DATASETS) if DATASETS.exists() else []
    totals = {row["dataset"]: int(row["expected"]) for row in sets if row["split"] == "test"}
    decoded = list(decode.tables(papers, images, totals))
    return Evidence(
        active,
        runs,
        counts,
        rows(Results(active.name).measurements),
        rows(authors.measurements),
        totals,
        decoded,
        dict(times.times(papers, times.sources(sizes))),
    )


def gap(claim: Claim, measured: float, bands: dict[str, Band]) -> str:
    """The verdict on two numbers alone: "agrees", "close" or "differs"."""
    assert claim.value is not None
    apart = measured - claim.value
    relative = RELATIVE.get(claim.quantity, 0.0) * abs(claim.value)
    band = bands.get(claim.quantity, Band(0.0, relative, relative))
    if abs(apart) <= (claim.rounding + band.agrees) * (1 + 1e-9):
        return "agrees"
    return "close" if -band.below <= apart <= band.above else "differs"


def untestable(claim: Claim, evidence: Evidence) -> str:
    """Why no measurement can decide a claim; empty when one could."""
    if claim.blank:
        return "the paper prints nothing here"
    if claim.run is not None and claim.run not in evidence.runs:
        return f"params.yaml has no run {claim.run!r}"
    if claim.value is None:
        return "printed in words, not as a number"
    kind = claim.quantity.split(".")[0]
    if kind in ELSEWHERE and (claim.run is None or claim.quantity not in SETTINGS):
        return ELSEWHERE[kind]
    return "no run for this system" if claim.run is None else ""


def judge(claim: Claim, evidence: Evidence) -> tuple[Judgement, Judgement]:
    """A claim beside what is counted or trained here, and beside the authors' weights."""
    if reason := untestable(claim, evidence):
        return Judgement(reason=reason), NOTHING
    if claim.quantity in SETTINGS:
        return settle(claim, setting(claim, evidence), NOTHING)
    if claim.quantity in RELATIVE:
        counted = evidence.counts.get((claim.run or "", claim.quantity), "")
        if not counted:
            return Judgement(reason=f"{claim.quantity} of {claim.run} is not in {COMPLEXITY}"), NOTHING
        return settle(claim, Judgement(counted, gap(claim, float(counted), {})), NOTHING)
    if claim.quantity == "seconds":
        return settle(claim, clocked(claim, evidence.times.get(claim)), NOTHING)
    return settle(claim, retrained(claim, evidence), weights(claim, evidence))


def settle(claim: Claim, *sides: Judgement) -> tuple[Judgement, Judgement]:
    """Bring an explanation into both verdicts; one that neither needs is itself a difference."""
    if claim.explain and {side.verdict for side in sides} - {"untested", ""} == {"agrees"}:
        needless = f"agrees, but the claims file explains a difference: {claim.explain}"
        sides = tuple(
            s if s.verdict != "agrees" else replace(s, verdict="differs", reason=needless) for s in sides
        )
    elif claim.explain:
        known = {"differs": "explained", "close": "close"}
        sides = tuple(
            replace(s, verdict=known[s.verdict], reason=claim.explain) if s.verdict in known else s
            for s in sides
        )
    here, authors = sides
    return here, authors


def setting(claim: Claim, evidence: Evidence) -> Judgement:
    """A printed setting beside the recipe that trains the run."""
    recipe = evidence.runs[claim.run or ""].train
    ours = SETTINGS[claim.quantity](recipe) if recipe else None
    if ours is None:
        return Judgement(reason="the recipe has no such entry")
    same = abs(float(str(ours)) - (claim.value or 0.0)) <= 1e-9 * abs(claim.value or 1.0)
    return Judgement(str(ours), "agrees" if same else "differs")


def clocked(claim: Claim, timed: Timed | None) -> Judgement:
    """A run time: tested on the paper's own card only; its ratios are in times.csv."""
    if timed is None or not timed.measured_s:
        said = f"; physics says {timed.verdict}" if timed else ""
        return Judgement(reason=f"no sound measurement on any device{said}")
    place = f"{float(timed.measured_s):.3g} s on {timed.measured}"
    if not timed.own_card:
        theirs = timed.card or "card, which it does not name"
        shown = timed.measured_s if times.full_size(timed) else ""  # that of a smaller image would mislead
        return Judgement(shown, reason=f"{place}, not on the paper's {theirs}; see its ratios")
    within = OWN_CARD * (claim.value or 0.0)
    size = "" if claim.size else "; the paper names no image size"
    bands = {"seconds": Band(within, within, within)}
    return Judgement(timed.measured_s, gap(claim, float(timed.measured_s), bands), f"{place}{size}")


def retrained(claim: Claim, evidence: Evidence) -> Judgement:
    """A quality: tested only where nothing was cut and the images are the paper's, all of them."""
    profile, run = evidence.profile, evidence.runs[claim.run or ""]
    if run.name not in profile.of(evidence.runs):
        return Judgement(reason=f"profile {profile.name} leaves this run out")
    quantity, default = evidence.protocol(claim)
    row = evidence.measured.get((run.name, profile.data or claim.dataset or "", quantity))
    if row is None or not row["value"]:
        where = claim.dataset or "no named dataset"
        return Judgement(reason=f"{quantity} on {where} is not measured in this profile")
    cuts = profile.at(run).cuts(run.train) if run.train else []
    if profile.data:
        cuts = cuts or [f"{profile.data} data in place of the real set"]
    elif part := evidence.part(row):
        cuts = [*cuts, part]
    if cuts:
        return Judgement(row["value"], "untested", "; ".join(cuts))
    verdict = gap(claim, float(row["value"]), RETRAINED if run.train else AUTHORS)
    words = [default, evidence.fits(claim)]
    if verdict == "differs" and float(row["value"]) > (claim.value or 0.0):
        words.append("better than printed by more than retraining explains")
    return Judgement(row["value"], verdict, "; ".join(filter(None, words)))


def weights(claim: Claim, evidence: Evidence) -> Judgement:
    """A quality beside what the authors' weights give: tested only on the whole set."""
    if claim.quantity not in FAMILIES:
        return NOTHING
    run = evidence.runs[claim.run or ""]
    quantity, default = evidence.protocol(claim)
    where = claim.dataset or "no named dataset"
    lacks = evidence.authors.get((run.name, where, claim.quantity))  # said once for all protocols
    if lacks and not lacks["value"]:
        return Judgement(reason=lacks["note"])
    row = evidence.authors.get((run.name, where, quantity))
    if row is None:
        known = run.weights or run.train is None
        why = f"{quantity} on {where} is not measured" if known else "no weights of its authors are known"
        return Judgement(reason=why)
    if part := evidence.part(row):
        return Judgement(row["value"], "untested", part, row["n"])
    words = filter(None, [default, evidence.fits(claim)])
    return Judgement(row["value"], gap(claim, float(row["value"]), AUTHORS), "; ".join(words), row["n"])


def findings(papers: list[Paper], evidence: Evidence) -> Iterator[Finding]:
    """One finding per claim, in printed order."""
    for paper in papers:
        for claim in paper.claims():
            here, authors = judge(claim, evidence)
            timed = evidence.times.get(claim)
            yield Finding(
                claim.paper,
                claim.table,
                claim.row,
                claim.column,
                claim.run or "",
                claim.dataset or "",
                claim.quantity,
                claim.printed,
                "" if claim.value is None else f"{claim.value:.10g}",
                here.measured,
                here.verdict,
                here.reason,
                evidence.protocol(claim)[0] if authors.verdict else "",
                authors.measured,
                authors.images,
                authors.verdict,
                authors.reason,
                timed.verdict if timed else "",
                timed.reason if timed else "",
            )
