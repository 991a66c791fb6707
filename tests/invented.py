"""Invented results: every file that the report reads, with numbers that a test can compute again."""

import html
import json
import math
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path

import yaml

from benchmark import claims, spec
from benchmark.compare import differences
from benchmark.compare.evidence import place
from benchmark.report import inputs
from benchmark.results import COMPLEXITY, DATASETS, Results, schema, write
from benchmark.results.schema import OUTCOMES
from tests import invented_pictures, project

ROOT = Path(__file__).parents[1]
PROFILE, DATA = "tiny", invented_pictures.DATA
VARIANTS = ("_baseline", "_acda", "_ld", "", "_ssim", "_mu_090")
PROFILE_RUNS = ["identity", "dmphn_1", "dmphn_1_2_4", *(f"cdgnet{variant}" for variant in VARIANTS)]
HOSTILE = "<script>alert('x')</script> & \"more\""
IMAGES = invented_pictures.IMAGES
PUBLISHED = ["identity", "dmphn_1_2_4"]  # runs with published weights; the first is the blurred input
PROTOCOLS = ["psnr", "psnr_truncated", "ssim", "ssim_cw", "ssim_matlab"]  # that weights are scored with
PART, WHOLE = 10, 1111  # available images of GoPro's test set, and all
PAPERS = claims.read()
RUNS = spec.load(ROOT / "params.yaml")[1]
CHOSEN = list(spec.Profile(PROFILE, "", runs=tuple(PROFILE_RUNS)).of(RUNS))


def psnr(run: str, image: str) -> float:
    """Invent a PSNR: different for each run, with another gain on each image."""
    order = list(RUNS).index(run)
    return 20 + 3 * IMAGES.index(image) + 0.37 * math.sin(7 * order) + 0.05 * order * IMAGES.index(image)


def mean_psnr(run: str) -> float:
    """Return the mean of `psnr` over the images."""
    return sum(psnr(run, image) for image in IMAGES) / len(IMAGES)


def authors_value(run: str, quantity: str) -> float:
    """Invent a value that published weights reach on real images."""
    gain, rank = 4.125 * PUBLISHED.index(run), PROTOCOLS.index(quantity)
    return 25.5 + gain - rank / 100 if quantity.startswith("psnr") else 0.8 + gain / 100 + rank / 1000


MEASURED = ("holds", "close", "not reproduced")  # outcomes of what is measured here
KINDS = {"params": "size", "size": "size", "macs_720p": "macs", "seconds": "timed", "psnr": "retrained"}


def judge(claim: claims.Claim, index: int) -> tuple[schema.Verdict, list[schema.Finding]]:
    """Invent a verdict and its findings: outcomes take turns; every second `undecided` has a measurement."""
    outcome, measured, reason = OUTCOMES[index % 8], None, "no run for this system yet"
    kind = KINDS.get({"ssim": "psnr"}.get(claim.quantity, claim.quantity), "setting")
    protocol = {"psnr": "psnr", "ssim": "ssim_matlab"}.get(claim.quantity, "")
    if claim.value is None:
        outcome = "undecided"
    elif outcome == "holds":
        measured, reason = claim.value, ""
    elif outcome in MEASURED or index % 16 == 7:
        measured = 1.3 * claim.value + index / 1000
        reason = HOSTILE if outcome == "not reproduced" else f"{outcome} because of {claim.quantity}"
    else:
        kind = "physics" if claim.quantity == "seconds" else kind
    where, basis = place(claim), "independent" if outcome != "undecided" else ""
    finding = schema.Finding(*where, kind, outcome, reason, "a table", measured, protocol)
    explained = "unexplained" if outcome == "not reproduced" else ""
    found = [replace(finding, explanation=explained)]
    if claim.value is not None and protocol and claim.run in PUBLISHED:
        theirs = (*MEASURED, "undecided")[index % 4]
        value = claim.value - (0.0 if theirs == "holds" else 0.01)
        images, why = (PART, f"{PART} of {WHOLE:,} images") if theirs == "undecided" else (WHOLE, "")
        found.append(schema.Finding(*where, "authors_weights", theirs, why, "", value, protocol, images))
    return schema.Verdict(*where, outcome, kind, basis, reason, explained), found


def judged() -> list[tuple[schema.Verdict, list[schema.Finding]]]:
    """Invent verdict and findings of each number of the real papers."""
    printed = (claim for paper in PAPERS for claim in paper.claims() if not claim.blank)
    return [judge(claim, index) for index, claim in enumerate(printed)]


def verdicts() -> list[schema.Verdict]:
    """Select the verdicts."""
    return [verdict for verdict, _ in judged()]


def findings() -> list[schema.Finding]:
    """Select the findings."""
    return [finding for _, found in judged() for finding in found]


def published() -> list[schema.Measurement]:
    """Invent what weights reach on a part of GoPro; those of one run are not available."""
    machine = (PART, "a toaster", "2", "authors", f"{PART} of {WHOLE:,} images")
    missing = (None, "1", 0, "", "", "authors", HOSTILE)
    return [
        *(
            schema.Measurement(run, "gopro", name, authors_value(run, name), unit(name), *machine)
            for run, name in product(PUBLISHED, PROTOCOLS)
        ),
        *(schema.Measurement("sgenet", "gopro", name, *missing) for name in ("psnr", "ssim")),
    ]


def unit(quantity: str) -> str:
    """Return the unit of a quality."""
    return "dB" if quantity.startswith("psnr") else "1"


def decoded() -> list[schema.DecodedColumn]:
    """Invent printed columns: decided but for one row, inconclusive, decided in a row, and untested."""
    first, second = ("cdgnet", "Table 1"), ("cdgnet", "Table 2", "SSIM", "dvd", "ssim", "ssim", "decided")
    by = ("ssim_matlab", "decided", 0.0012, "ssim", 0.0310, 3, "three rows say so", "DMPHN 2019 [15]: ssim")
    near = ("psnr", "inconclusive", 0.1, "psnr_truncated", 0.11, 2, HOSTILE)
    nothing = ("ssim", "", "untested", None, "", None, 0, "nothing is measured")
    return [
        schema.DecodedColumn(*first, "SSIM↑", "gopro", "ssim", *by),
        schema.DecodedColumn(*first, "PSNR↑", "gopro", "psnr", *near),
        schema.DecodedColumn(*second, 0.001, "ssim_y", 0.1, 1, "one network says so", "SRN [14]: ssim_cw"),
        schema.DecodedColumn("bag", "Table 2", "SSIM", "gopro", *nothing),
    ]


SPLITS = [
    schema.DatasetSplit(
        *("gopro", "test", "partial", PART, WHOLE, 6, 11, "linear", "0123456789abcdef", "/data/GOPRO_Large"),
        f"{WHOLE - PART} pairs are missing",
    ),
    schema.DatasetSplit(
        "gopro", "train", "broken", 1, 2103, 1, 22, "unknown", "ff", HOSTILE, "000047.png is cut"
    ),
    schema.DatasetSplit("rwbi", "all", "absent", 0, 3112, 0, None, "", "", "", "ask its authors"),
    schema.DatasetSplit("hide", "test", "complete", 2025, 2025, 2, 2, "gamma", "ee", "data/HIDE", ""),
]


def measurements(runs: Iterable[str]) -> list[schema.Measurement]:
    """Invent the means of a profile; nothing has a NIQE, for want of its weights."""
    machine = (3, "cpu", "2", PROFILE)
    qualities = [("ssim_matlab", 0.75, ""), ("psnr_truncated", 19.5, ""), ("niqe", None, "no weights")]
    return [
        schema.Measurement(run, DATA, name, value, unit(name), *machine, note)
        for run in runs
        for name, value, note in [("psnr", mean_psnr(run), ""), *qualities]
    ]


def params(root: Path) -> Path:
    """Write params.yaml with one more profile, of a few runs."""
    copied = project.copy(root)
    smoke = yaml.safe_load((root / spec.PROFILES / "smoke.yaml").read_text())
    mine = smoke | {"about": "a few runs", "runs": PROFILE_RUNS}
    (root / spec.PROFILES / f"{PROFILE}.yaml").write_text(yaml.safe_dump(mine, sort_keys=False))
    return copied


def curve_point(run: str, step: int) -> schema.CurvePoint:
    """Make a point of a curve; gains are measured at every third step, from the untrained network on."""
    loss = 0.1 / step if step else None
    gains = () if step % 3 else (step / 3 - 1, step / 6 - 1, step / 5 - 1)
    return schema.CurvePoint(run, step, 1e-4, loss, *gains)


def fill(root: Path) -> None:
    """Write all inputs of the profile below `root`; those of run times are left to their own tests."""
    profile, runs = spec.load(params(root), PROFILE)
    results, chosen = Results(PROFILE, root / "results"), profile.of(runs)
    trained = [name for name, run in chosen.items() if run.train]
    sizes = [
        schema.Complexity(name, n, n, n, "aten::add x3", n, n, n) for n, name in enumerate(runs, 1_000_000)
    ]
    scores = [
        schema.Score(run, DATA, image, "psnr", psnr(run, image)) for run, image in product(chosen, IMAGES)
    ]
    curves = [curve_point(run, step) for run, step in product(trained, range(7))]
    write(root / COMPLEXITY, schema.Complexity, sizes)
    write(root / DATASETS, schema.DatasetSplit, SPLITS)
    write(Results("authors", root / "results").measurements, schema.Measurement, published())
    write(results.quality, schema.Score, scores)
    write(results.measurements, schema.Measurement, measurements(chosen))
    write(results.curves, schema.CurvePoint, curves)
    differences.write_tables(PAPERS, profile, runs, root / "results")
    write(results.findings, schema.Finding, findings())
    write(results.verdicts, schema.Verdict, verdicts())
    write(results.decoded, schema.DecodedColumn, decoded())
    results.environment.write_text(json.dumps({"device": "a toaster", "packages": {"torch": "9.9.9"}}))
    invented_pictures.fill(results, [name for name, run in chosen.items() if run.train])


def words(markup: str) -> str:
    """Return what a reader sees, without styles, scripts and tags and with single spaces."""
    markup = re.sub(r"</?code>|<wbr>|(?s:<(style|script).*?</\1>)", "", markup)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def element(text: str, name: str) -> str:
    """Return the markup of the element with this id, from its start tag to its end tag."""
    start = text.rindex("<", 0, text.index(f' id="{name}"'))
    kind = re.compile(r"\w+").search(text, start)[0]
    depth = 0
    for tag in re.compile(rf"<(/?){kind}\b[^>]*>").finditer(text, start):
        depth += -1 if tag[1] else 1
        if not depth:
            return text[start : tag.end()]
    raise AssertionError(f"element {name!r} is not closed")


def section(text: str, name: str) -> str:
    """Return what a reader sees of the element with this id."""
    return words(element(text, name))


def read(root: Path) -> inputs.Inputs:
    """Read the inputs below `root`."""
    return inputs.read(PROFILE, root / "results", root / "params.yaml", root / "data")
