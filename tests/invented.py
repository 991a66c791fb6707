"""Every file that the report is made from, invented, with numbers that can be computed again."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmark import claims, spec
from benchmark.compare.decode import FAMILIES, Decoded
from benchmark.compare.findings import VERDICTS, Finding
from benchmark.report import inputs
from benchmark.results import COMPLEXITY, DATASETS, Results
from benchmark.results.legacy import Measurement, columns, write
from tests import project

ROOT = Path(__file__).parents[1]
PROFILE, DATA = "tiny", "embedded"
NAMED = [
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
PUBLISHED = ["identity", "dmphn_1_2_4"]  # runs with weights, the blurred input as one
MANY = ["psnr", "psnr_truncated", "ssim", "ssim_cw", "ssim_matlab"]  # what they are scored with
PART, WHOLE = 10, 1111  # images of GoPro's test set at hand, and all
PAPERS = claims.read()
RUNS = spec.load(ROOT / "params.yaml")[1]
CHOSEN = list(spec.Profile(PROFILE, "", runs=tuple(NAMED)).of(RUNS))


def psnr(run: str, image: str) -> float:
    """An invented PSNR: another for each run, and not the same gain on each image."""
    order = list(RUNS).index(run)
    return 20 + 3 * IMAGES.index(image) + 0.37 * math.sin(7 * order) + 0.05 * order * IMAGES.index(image)


def finding(claim: claims.Claim, index: int) -> Finding:
    """An invented verdict on a claim: each in turn, `untested` with and without a measurement."""
    verdict = VERDICTS[index % 5]
    value = "" if claim.value is None else f"{claim.value:.10g}"
    measured, reason = "", "no run for this system yet"
    if claim.blank or claim.value is None:
        verdict = "untested"
    elif verdict == "agrees":
        measured, reason = value, ""
    elif verdict != "untested" or index % 10 == 4:
        measured, reason = (
            f"{1.3 * claim.value + index / 1000:.10g}",
            f"{verdict} because of {claim.quantity}",
        )
    if verdict == "differs":
        reason = HOSTILE
    return Finding(
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


def weighed(found: Finding, index: int) -> Finding:
    """A finding on a run with weights has what they give: on a part of GoPro, and each verdict in turn."""
    if found.quantity not in FAMILIES or not found.claimed or not found.run:
        return found
    known = {"protocol": {"psnr": "psnr", "ssim": "ssim_matlab"}[found.quantity]}
    if found.run in PUBLISHED:
        verdict = VERDICTS[index % 5]
        known |= {
            "authors": f"{float(found.claimed) - (0.01 if verdict != 'agrees' else 0.0):.6f}",
            "authors_n": str(PART if verdict == "untested" else WHOLE),
            "authors_verdict": verdict,
            "authors_reason": f"{PART} of {WHOLE:,} images" if verdict == "untested" else "",
        }
    return replace(found, **known)


def findings() -> list[Finding]:
    """One finding per claim of the real papers."""
    claimed = (c for paper in PAPERS for c in paper.claims())
    return [weighed(finding(claim, k), k) for k, claim in enumerate(claimed)]


def real(run: str, quantity: str) -> float:
    """An invented value on real images."""
    gain, rank = 4.125 * PUBLISHED.index(run), MANY.index(quantity)
    return 25.5 + gain - rank / 100 if quantity.startswith("psnr") else 0.8 + gain / 100 + rank / 1000


def published() -> list[Measurement]:
    """What weights give on a part of GoPro; one run's cannot be had, for a hostile reason."""
    note = f"{PART} of {WHOLE:,} images"
    known = [
        Measurement(
            *(run, "gopro", name, f"{real(run, name):.6f}", "dB" if name.startswith("psnr") else "1"),
            *(PART, "a toaster", "2", "authors", note),
        )
        for run in PUBLISHED
        for name in MANY
    ]
    lacking = [
        Measurement("sgenet", "gopro", family, "", "1", 0, "", "", "authors", HOSTILE) for family in FAMILIES
    ]
    return [*known, *lacking]


def decoded() -> list[Decoded]:
    """Columns: decided but for one row, not decided, across, and without a measurement."""
    return [
        Decoded(
            *("cdgnet", "Table 1", "SSIM↑", "gopro", "ssim", "ssim_matlab", "decided", "0.0012"),
            *("ssim", "0.0310", 3, "three rows say so", "DMPHN 2019 [15]: ssim"),
        ),
        Decoded(
            *("cdgnet", "Table 1", "PSNR↑", "gopro", "psnr", "psnr", "inconclusive", "0.1"),
            *("psnr_truncated", "0.11", 2, HOSTILE),
        ),
        Decoded(
            *("cdgnet", "Table 2", "SSIM", "dvd", "ssim", "ssim", "decided", "0.001", "ssim_y", "0.1", 1),
            *("one network says so", "SRN [14]: ssim_cw"),
        ),
        Decoded(
            "bag", "Table 2", "SSIM", "gopro", "ssim", "", "untested", "", "", "", 0, "nothing is measured"
        ),
    ]


CHECKED = [
    inputs.Checked(
        *("gopro", "test", "partial", PART, WHOLE, 6, 11, "linear", "0123456789abcdef", "/data/GOPRO_Large"),
        f"{WHOLE - PART} pairs are missing",
    ),
    inputs.Checked("gopro", "train", "broken", 1, 2103, 1, 22, "unknown", "ff", HOSTILE, "000047.png is cut"),
    inputs.Checked("rwbi", "all", "absent", 0, 3112, 0, 0, "", "", "", "ask its authors"),
    inputs.Checked("hide", "test", "complete", 2025, 2025, 2, 2, "gamma", "ee", "data/HIDE", ""),
]


def picture(folder: Path, seed: int) -> None:
    """A small random image at each image's place below the folder."""
    for k, name in enumerate(IMAGES):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([seed, k]).integers(0, 255, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def params(root: Path) -> Path:
    """params.yaml with one more profile, of a few runs."""
    copied = project.copy(root)
    smoke = yaml.safe_load((root / spec.PROFILES / "smoke.yaml").read_text())
    mine = smoke | {"about": "a few runs", "runs": NAMED}
    (root / spec.PROFILES / f"{PROFILE}.yaml").write_text(yaml.safe_dump(mine, sort_keys=False))
    return copied


def fill(root: Path) -> None:
    """All inputs of the profile, invented, below `root`."""
    profile, runs = spec.load(params(root), PROFILE)
    results, chosen = Results(PROFILE, root / "results"), profile.of(runs)
    sizes = [
        {"run": name, "uncounted": "aten::add x3", **{key: 1_000_000 * (k + 1) for key in inputs.COUNTS}}
        for k, name in enumerate(runs)
    ]
    write(root / COMPLEXITY, sizes[0], sizes)
    scores = [
        {"run": name, "dataset": DATA, "image": image, "quantity": "psnr", "value": psnr(name, image)}
        for name in chosen
        for image in IMAGES
    ]
    write(results.quality, scores[0], scores)
    means = [
        Measurement(
            name, DATA, "psnr", f"{sum(psnr(name, i) for i in IMAGES) / 3:.6f}", "dB", 3, "cpu", "2", PROFILE
        )
        for name in chosen
    ]
    more = [("ssim_matlab", "0.75", "1"), ("psnr_truncated", "19.5", "dB"), ("niqe", "", "1")]
    means += [
        Measurement(name, DATA, key, value, unit, 3, "cpu", "2", PROFILE, "" if value else "no weights")
        for name in chosen
        for key, value, unit in more
    ]
    write(results.measurements, columns(Measurement), map(asdict, means))
    curve = [
        {
            "run": name,
            "step": step,
            "lr": 1e-4,
            "loss": 0.1 / step,
            "psnr": 20 + step / 6 if step % 3 == 0 else "",
        }
        for name, run in chosen.items()
        if run.train
        for step in range(1, 7)
    ]
    write(results.curves, curve[0], curve)
    write(results.findings, columns(Finding), map(asdict, findings()))
    write(results.decoded, columns(Decoded), map(asdict, decoded()))
    write(root / DATASETS, columns(inputs.Checked), map(asdict, CHECKED))
    weights = Results("authors", root / "results").measurements
    write(weights, columns(Measurement), map(asdict, published()))
    results.environment.write_text(json.dumps({"device": "a toaster", "packages": {"torch": "9.9.9"}}))
    for k, name in enumerate(chosen):
        picture(results.images(name) / DATA, k)
    for name in IMAGES:  # sharp originals lie in GoPro's own layout
        sequence, frame = name.split("/")
        target = root / "data" / PROFILE / "test" / sequence / "sharp" / f"{frame}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((results.images("dmphn_1") / DATA / f"{name}.png").read_bytes())


def read(root: Path) -> inputs.Inputs:
    """The inputs below `root`."""
    return inputs.read(PROFILE, root / "results", root / "params.yaml", root / "data")


def keep_maps(root: Path) -> dict[int, np.ndarray]:
    """Maps of a run at six moments of its training."""
    folder = Results(PROFILE, root / "results").train("cdgnet") / "maps"
    folder.mkdir(parents=True)
    kept = {step: np.arange(12, dtype=np.float32).reshape(3, 4) * step for step in range(10, 70, 10)}
    for step, values in kept.items():
        np.savez_compressed(folder / f"{step:07d}.npz", large_map=values, small_map=values.T)
    return kept
