"""How far apart do two trainings of the same run end: on two machines, or with two seeds?

    python tests/benchmarks/same_training_twice.py results/night/finished OTHER/results/night/finished
    python tests/benchmarks/same_training_twice.py results/night/finished   # seeds 0 and 1

OTHER is a checkout with `profile: night` on another machine. A processor with fewer instructions sums in
another order, as a second machine does; `ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX python -m
pipelines.train NAME...` trains so, in a checkout without records of NAME.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np


def ends(path: Path) -> dict[str, float]:
    """Read where a training ends, in dB: its last gain on validation crops, its mean PSNR of test images."""
    record = json.loads(path.read_text(encoding="utf-8"))
    last = [row[4] for row in record["curve"] if row[4] is not None][-1]
    scores = [values["psnr"] for images in record["scores"].values() for values in images.values()]
    return {"validation": last, "test": fmean(scores)}


def pairs(folder: Path, other: Path | None) -> Iterator[tuple[str, Path, Path]]:
    """Yield the trainings that two machines did; of one folder, those with the seeds 0 and 1."""
    for path in sorted(folder.glob("*.json")):
        run, _, rest = path.stem.partition("@")
        again = other / path.name if other else path.with_stem(f"{run}@1{rest.removeprefix('0')}")
        if not again.exists() or again == path:
            continue
        one, two = (json.loads(p.read_text(encoding="utf-8")) for p in (path, again))
        if one["curve"] and (not other or one["machine"] != two["machine"]):  # else a copied record
            yield path.stem, path, again


def main(folder: str, other: str = "") -> None:
    """Print the distances of each training, then their median, 90 % quantile and greatest."""
    apart: dict[str, list[float]] = {"validation": [], "test": []}
    for name, one, two in pairs(Path(folder), Path(other) if other else None):
        first, second = ends(one), ends(two)
        for where, values in apart.items():
            values.append(abs(first[where] - second[where]))
        print(f"{name:28} validation {apart['validation'][-1]:.4f} dB, test {apart['test'][-1]:.4f}")
    for where, values in apart.items():
        middle, tenth, most = np.quantile(values, [0.5, 0.9, 1])
        print(
            f"{where}: {len(values)} trainings, median {middle:.4f} dB, 90 % {tenth:.4f}, at most {most:.4f}"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
