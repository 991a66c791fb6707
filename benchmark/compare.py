"""Claims beside measurements: `python -m benchmark.compare` writes the findings and is the CI gate.

A claim and a measurement share the key (run, dataset, quantity), so this is a join. It exits with 1 on a
difference that nothing explains, on an explanation nothing needs, and when it could test nothing at all.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from benchmark import claims, spec
from benchmark.claims import Claim
from benchmark.results import COMPLEXITY, Results, columns, read, write

# How near counts as close: relative for counts, in the quantity's own unit otherwise.
# docs/protocols.md argues for each.
RELATIVE = {"params": 0.005, "size": 0.005, "macs_256": 0.01, "macs_720p": 0.01}
ABSOLUTE = {"psnr": 0.1, "ssim": 0.002}
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


@dataclass(frozen=True)
class Evidence:
    """Everything claims are held against."""

    profile: spec.Profile
    runs: dict[str, spec.Run]  # every run of params.yaml
    values: dict[tuple[str, str, str], str]  # (run, dataset, quantity) -> value


def gather(profile: str = "") -> Evidence:
    """Read params.yaml, results/complexity.csv and the profile's measurements.

    Raises:
        ValueError: a file is missing or malformed.
    """
    active, runs = spec.load(profile=profile)
    rows = read(COMPLEXITY)
    values = {(row["run"], "", key): row[key] for row in rows for key in ("params", "macs_256", "macs_720p")}
    values |= {(row["run"], "", "size"): str(4 * int(row["params"])) for row in rows}  # float32 weights
    measured = Results(active.name).measurements
    if measured.exists():
        values |= {(r["run"], r["dataset"], r["quantity"]): r["value"] for r in read(measured)}
    return Evidence(active, runs, values)


def gap(claim: Claim, measured: float) -> str:
    """The verdict on two numbers alone: "agrees", "close" or "differs"."""
    assert claim.value is not None
    distance = abs(measured - claim.value)
    if distance <= claim.rounding * (1 + 1e-9):
        return "agrees"
    band = RELATIVE.get(claim.quantity, 0.0) * abs(claim.value) + ABSOLUTE.get(claim.quantity, 0.0)
    return "close" if distance <= band else "differs"


def judge(claim: Claim, evidence: Evidence) -> tuple[str, str, str]:
    """(measured, verdict, reason) of one claim."""
    if claim.blank:
        return "", "untested", "the paper prints nothing here"
    if claim.run is not None and claim.run not in evidence.runs:
        return "", "untested", f"params.yaml has no run {claim.run!r}"
    if claim.value is None:
        return "", "untested", "printed in words, not as a number"
    if claim.run is not None and claim.quantity in SETTINGS:
        return setting(claim, evidence)
    if (kind := claim.quantity.split(".")[0]) in ELSEWHERE:
        return "", "untested", ELSEWHERE[kind]
    if claim.run is None:
        return "", "untested", "no run for this system"
    if claim.quantity in RELATIVE:
        measured = evidence.values.get((claim.run, "", claim.quantity), "")
        if not measured:
            return "", "untested", f"{claim.quantity} of {claim.run} is not in {COMPLEXITY}"
        return settle(claim, measured, gap(claim, float(measured)))
    return quality(claim, evidence)


def settle(claim: Claim, measured: str, verdict: str) -> tuple[str, str, str]:
    """Bring an explanation into the verdict; one that nothing needs is itself a difference."""
    if not claim.explain:
        return measured, verdict, ""
    if verdict == "agrees":
        return measured, "differs", f"agrees, but the claims file explains a difference: {claim.explain}"
    return measured, "explained" if verdict == "differs" else verdict, claim.explain


def setting(claim: Claim, evidence: Evidence) -> tuple[str, str, str]:
    """A printed setting beside the recipe that trains the run."""
    recipe = evidence.runs[claim.run or ""].train
    ours = SETTINGS[claim.quantity](recipe) if recipe else None
    if ours is None:
        return "", "untested", "the recipe has no such entry"
    same = abs(float(str(ours)) - (claim.value or 0.0)) <= 1e-9 * abs(claim.value or 1.0)
    return settle(claim, str(ours), "agrees" if same else "differs")


def quality(claim: Claim, evidence: Evidence) -> tuple[str, str, str]:
    """A quality or time claim: tested only where nothing was cut and the data are the paper's."""
    run = evidence.runs[claim.run or ""]
    if run.name not in evidence.profile.of(evidence.runs):
        return "", "untested", f"profile {evidence.profile.name} leaves this run out"
    measured = evidence.values.get((run.name, claim.dataset or "", claim.quantity), "")
    cuts = evidence.profile.at(run).cuts(run.train) if run.train else []
    if evidence.profile.data:
        cuts = cuts or [f"{evidence.profile.data} data in place of the real set"]
        measured = evidence.values.get((run.name, evidence.profile.data, claim.quantity), "")
    if not measured:
        return (
            "",
            "untested",
            f"{claim.quantity} on {claim.dataset or 'no named dataset'} is not measured in this profile",
        )
    if cuts:
        return measured, "untested", "; ".join(cuts)
    return settle(claim, measured, gap(claim, float(measured)))


def findings(evidence: Evidence) -> Iterator[Finding]:
    """One finding per claim, in printed order."""
    for paper in claims.read():
        for claim in paper.claims():
            measured, verdict, reason = judge(claim, evidence)
            value = "" if claim.value is None else f"{claim.value:.10g}"
            yield Finding(
                claim.paper,
                claim.table,
                claim.row,
                claim.column,
                claim.run or "",
                claim.dataset or "",
                claim.quantity,
                claim.printed,
                value,
                measured,
                verdict,
                reason,
            )


def main() -> int:
    """Write findings.csv, print the verdicts, return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.compare", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--profile", default="", help="default: the one params.yaml names")
    try:
        evidence = gather(parser.parse_args().profile)
        found = list(findings(evidence))
    except ValueError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    write(Results(evidence.profile.name).findings, columns(Finding), map(asdict, found))
    counts = Counter(finding.verdict for finding in found)
    print(f"{len(found)} claims: " + ", ".join(f"{counts[v]} {v}" for v in VERDICTS))
    print("not tested, because:")
    for reason, times in Counter(f.reason for f in found if f.verdict == "untested").most_common():
        print(f"  {times:4d}  {reason}")
    for f in found:
        if f.verdict == "differs":
            print(
                f"DIFFERS  {f.paper}, {f.table}, {f.row}, {f.column}: printed {f.printed}"
                f" ({f.claimed}), measured {f.measured}. {f.reason}"
            )
    if len(found) == counts["untested"]:
        print("compare: no claim could be tested; that is a failure", file=sys.stderr)
        return 1
    return 1 if counts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
