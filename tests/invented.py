"""Invented results: every file that the report reads, with numbers that a test can compute again."""

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmark import claims, spec
from benchmark.compare.findings import VERDICTS
from benchmark.report import inputs
from benchmark.results import COMPLEXITY, DATASETS, Results, write
from benchmark.results.schema import (
    Complexity,
    CurvePoint,
    DatasetSplit,
    DecodedColumn,
    Finding,
    Measurement,
    Score,
)
from tests import project

ROOT = Path(__file__).parents[1]
PROFILE, DATA = "tiny", "embedded"
PROFILE_RUNS = [
    "identity",
    "dmphn_1",
    "dmphn_1_2_4",
    "cdgnet_acda",
    "cdgnet_ld",
    "cdgnet",
    "cdgnet_ssim",
    "cdgnet_mu_090",
]
HOSTILE = "<script>alert('x')</script> & \"more\""
IMAGES = ["a/000", "a/001", "b/000"]
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


def finding(claim: claims.Claim, index: int) -> Finding:
    """Invent a finding on a claim: the verdicts take turns; every second `untested` has a measurement."""
    verdict, measured, reason = VERDICTS[index % 5], None, "no run for this system yet"
    if claim.blank or claim.value is None:
        verdict = "untested"
    elif verdict == "agrees":
        measured, reason = claim.value, ""
    elif verdict != "untested" or index % 10 == 4:
        measured = 1.3 * claim.value + index / 1000
        reason = HOSTILE if verdict == "differs" else f"{verdict} because of {claim.quantity}"
    place = claim.paper, claim.table, claim.row, claim.column, claim.run or "", claim.dataset or ""
    judged = Finding(
        *(*place, claim.quantity, claim.printed, claim.value, measured, verdict, reason),
    )
    protocol = {"psnr": "psnr", "ssim": "ssim_matlab"}.get(claim.quantity, "")
    if claim.value is None or not claim.run or not protocol:
        return judged
    judged = replace(judged, protocol=protocol)
    if claim.run not in PUBLISHED:
        return judged
    verdict = VERDICTS[index % 5]
    return replace(
        judged,
        authors_measured=claim.value - (0.0 if verdict == "agrees" else 0.01),
        authors_images=PART if verdict == "untested" else WHOLE,
        authors_verdict=verdict,
        authors_reason=f"{PART} of {WHOLE:,} images" if verdict == "untested" else "",
    )


def findings() -> list[Finding]:
    """Invent one finding per claim of the real papers."""
    return [
        finding(claim, index) for index, claim in enumerate(c for paper in PAPERS for c in paper.claims())
    ]


def published() -> list[Measurement]:
    """Invent what weights reach on a part of GoPro; those of one run are not available."""
    machine = (PART, "a toaster", "2", "authors", f"{PART} of {WHOLE:,} images")
    measured = [
        Measurement(run, "gopro", name, authors_value(run, name), unit(name), *machine)
        for run, name in product(PUBLISHED, PROTOCOLS)
    ]
    missing = [
        Measurement("sgenet", "gopro", name, None, unit(name), 0, "", "", "authors", HOSTILE)
        for name in ("psnr", "ssim")
    ]
    return measured + missing


def unit(quantity: str) -> str:
    """Return the unit of a quality."""
    return "dB" if quantity.startswith("psnr") else "1"


def decoded() -> list[DecodedColumn]:
    """Invent printed columns: decided but for one row, inconclusive, decided in a row, and untested."""
    table, other = ("cdgnet", "Table 1"), ("cdgnet", "Table 2", "SSIM", "dvd", "ssim", "ssim", "decided")
    return [
        DecodedColumn(
            *(*table, "SSIM↑", "gopro", "ssim", "ssim_matlab", "decided", 0.0012, "ssim", 0.0310, 3),
            *("three rows say so", "DMPHN 2019 [15]: ssim"),
        ),
        DecodedColumn(
            *(
                *table,
                "PSNR↑",
                "gopro",
                "psnr",
                "psnr",
                "inconclusive",
                0.1,
                "psnr_truncated",
                0.11,
                2,
                HOSTILE,
            )
        ),
        DecodedColumn(*(*other, 0.001, "ssim_y", 0.1, 1, "one network says so", "SRN [14]: ssim_cw")),
        DecodedColumn(
            *(
                "bag",
                "Table 2",
                "SSIM",
                "gopro",
                "ssim",
                "",
                "untested",
                None,
                "",
                None,
                0,
                "nothing is measured",
            )
        ),
    ]


SPLITS = [
    DatasetSplit(
        *("gopro", "test", "partial", PART, WHOLE, 6, 11, "linear", "0123456789abcdef", "/data/GOPRO_Large"),
        f"{WHOLE - PART} pairs are missing",
    ),
    DatasetSplit("gopro", "train", "broken", 1, 2103, 1, 22, "unknown", "ff", HOSTILE, "000047.png is cut"),
    DatasetSplit("rwbi", "all", "absent", 0, 3112, 0, None, "", "", "", "ask its authors"),
    DatasetSplit("hide", "test", "complete", 2025, 2025, 2, 2, "gamma", "ee", "data/HIDE", ""),
]


def measurements(runs: Iterable[str]) -> list[Measurement]:
    """Invent the means of a profile; nothing has a NIQE, for want of its weights."""
    machine = (3, "cpu", "2", PROFILE)
    qualities = [("ssim_matlab", 0.75, ""), ("psnr_truncated", 19.5, ""), ("niqe", None, "no weights")]
    return [
        Measurement(run, DATA, name, value, unit(name), *machine, note)
        for run in runs
        for name, value, note in [("psnr", mean_psnr(run), ""), *qualities]
    ]


def write_images(folder: Path, seed: int) -> None:
    """Write a small random image for each of IMAGES below the folder."""
    for index, name in enumerate(IMAGES):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([seed, index]).integers(0, 255, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def params(root: Path) -> Path:
    """Write params.yaml with one more profile, of a few runs."""
    copied = project.copy(root)
    smoke = yaml.safe_load((root / spec.PROFILES / "smoke.yaml").read_text())
    mine = smoke | {"about": "a few runs", "runs": PROFILE_RUNS}
    (root / spec.PROFILES / f"{PROFILE}.yaml").write_text(yaml.safe_dump(mine, sort_keys=False))
    return copied


def fill(root: Path) -> None:
    """Write all inputs of the profile below `root`; those of run times are left to their own tests."""
    profile, runs = spec.load(params(root), PROFILE)
    results, chosen = Results(PROFILE, root / "results"), profile.of(runs)
    trained = [name for name, run in chosen.items() if run.train]
    sizes = [
        Complexity(name, n, n, n, "aten::add x3", n, n, n)
        for name, n in zip(runs, range(1_000_000, 1_000_000 * (len(runs) + 1), 1_000_000), strict=True)
    ]
    scores = [Score(run, DATA, image, "psnr", psnr(run, image)) for run, image in product(chosen, IMAGES)]
    curves = [
        CurvePoint(run, step, 1e-4, 0.1 / step, None if step % 3 else 20 + step / 6)
        for run, step in product(trained, range(1, 7))
    ]
    write(root / COMPLEXITY, Complexity, sizes)
    write(root / DATASETS, DatasetSplit, SPLITS)
    write(Results("authors", root / "results").measurements, Measurement, published())
    write(results.quality, Score, scores)
    write(results.measurements, Measurement, measurements(chosen))
    write(results.curves, CurvePoint, curves)
    write(results.findings, Finding, findings())
    write(results.decoded, DecodedColumn, decoded())
    results.environment.write_text(json.dumps({"device": "a toaster", "packages": {"torch": "9.9.9"}}))
    for seed, run in enumerate(chosen):
        write_images(results.images(run) / DATA, seed)
    for name in IMAGES:  # sharp images are in GoPro's own layout
        sequence, frame = name.split("/")
        target = root / "data" / PROFILE / "test" / sequence / "sharp" / f"{frame}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((results.images("dmphn_1") / DATA / f"{name}.png").read_bytes())


def read(root: Path) -> inputs.Inputs:
    """Read the inputs below `root`."""
    return inputs.read(PROFILE, root / "results", root / "params.yaml", root / "data")


def keep_maps(root: Path) -> dict[int, np.ndarray]:
    """Write maps of a run at six moments of its training."""
    folder = Results(PROFILE, root / "results").train("cdgnet") / "maps"
    folder.mkdir(parents=True)
    maps = {step: np.arange(12, dtype=np.float32).reshape(3, 4) * step for step in range(10, 70, 10)}
    for step, values in maps.items():
        np.savez_compressed(folder / f"{step:07d}.npz", large_map=values, small_map=values.T)
    return maps
