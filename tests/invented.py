"""Every file that the report is made from, invented, with numbers that can be computed again."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmark import claims, spec
from benchmark.compare import VERDICTS, Finding
from benchmark.report import inputs
from benchmark.results import COMPLEXITY, Measurement, Results, columns, write

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


def findings() -> list[Finding]:
    """One finding per claim of the real papers."""
    return [finding(claim, k) for k, claim in enumerate(c for paper in PAPERS for c in paper.claims())]


def picture(folder: Path, seed: int) -> None:
    """A small random image at each image's place below the folder."""
    for k, name in enumerate(IMAGES):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([seed, k]).integers(0, 255, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def params(root: Path) -> Path:
    """params.yaml with one more profile, of a few runs."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["profiles"][PROFILE] = {**raw["profiles"]["smoke"], "about": "a few runs", "runs": NAMED}
    (root / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    return root / "params.yaml"


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
