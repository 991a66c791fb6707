"""Hold printed counts and sizes of data sets against their official ones, which the dataset files have."""

from collections.abc import Iterable, Iterator

from benchmark import plugins
from benchmark.claims import Claim
from benchmark.compare.evidence import Evidence, found
from benchmark.data.realset import RealSet
from benchmark.results.schema import Finding, Outcome

ABOUT = "the official counts and image sizes of the data set"
BASIS = "independent"


def facts(dataset: RealSet) -> dict[str, list[int]]:
    """Return what a set officially has, by quantity; several values where its parts differ."""
    train, test = (dataset.total(split) for split in ("train", "test"))
    found: dict[str, list[int]] = {
        "data.pairs": [train + test],
        "data.train_pairs": [train],
        "data.test_pairs": [test],
    }
    if dataset.size:
        found |= {"data.width": [dataset.size[0]], "data.height": [dataset.size[1]]}
    frames = [n for split in ("train", "test") for name, n in dataset.counts[split].items() if name]
    if frames and sum(frames) == train + test:
        found |= {"data.videos": [len(frames)], "data.frames_per_video": frames}
    return found


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each printed number of a data set."""
    for claim in claims:
        if claim.quantity.startswith("data."):
            yield judge_one(claim)


def judge_one(claim: Claim) -> Finding:
    """Compare a printed number with each official value of its data set."""
    name = claim.dataset or ""
    source = f"benchmark/datasets/{name}.py" if name else "benchmark/datasets"
    if not name:
        return found(claim, "data", "undecided", "of no data set that it names", source)
    official = facts(plugins.load("datasets", name).SET).get(claim.quantity)
    if not official or claim.value is None:
        return found(claim, "data", "undecided", "no dataset file has this fact", source)
    mean = sum(official) / len(official)
    outside = [value for value in official if abs(value - claim.value) > claim.rounding]
    spread = f"{min(official)} to {max(official)}, {mean:.1f} in the mean" if len({*official}) > 1 else ""
    reason = spread and f"{len(outside)} of {len(official)} differ: {spread}"
    outcome: Outcome = "contradicted" if outside else "holds"
    return found(claim, "data", outcome, reason or f"officially {mean:,.0f}", source, measured=mean)
