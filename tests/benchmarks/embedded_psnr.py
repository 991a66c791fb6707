"""Compare the embedded set with real GoPro_Large pairs: docs/embedded_psnr.png and the table of docs/data.md.

python tests/benchmarks/embedded_psnr.py <folder with GOPRO_Large> [<folder for the embedded set>]
"""

import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio as psnr

from benchmark.data.pairs import Pairs, read_pairs
from benchmark.datasets import embedded

mpl.use("Agg")
from matplotlib import pyplot as plt

IMAGES = {"train": 144, "validation": 12, "test": 12}  # as profile embedded has, whose folder may be given
KINDS = ("names", "blurry", "sharp")
FIGURE = Path(__file__).parents[2] / "docs" / "embedded_psnr.png"


def gradient(image: NDArray[np.uint8]) -> float:
    """Compute the mean size of the gradient of the grey image, in levels per pixel."""
    grey = image @ np.array([0.299, 0.587, 0.114])
    return float(np.hypot(np.diff(grey, axis=0)[:, 1:], np.diff(grey, axis=1)[1:]).mean())


def cut(pairs: Pairs, side: int = 256) -> Pairs:
    """Cut each image into the tiles that fit, so that all compared images have one size."""
    tiles: dict[str, list[NDArray[np.uint8]]] = {"blurry": [], "sharp": []}
    for kind, parts in tiles.items():
        for image in getattr(pairs, kind):
            height, width = image.shape[:2]
            for y in range(0, height - side + 1, side):
                parts += [image[y : y + side, x : x + side] for x in range(0, width - side + 1, side)]
    return Pairs([""] * len(tiles["sharp"]), tiles["blurry"], tiles["sharp"])


def select(pairs: Pairs, keep: list[bool]) -> Pairs:
    """Keep these images, without extras."""
    return Pairs(*([x for x, kept in zip(getattr(pairs, kind), keep, strict=True) if kept] for kind in KINDS))


def measure(pairs: Pairs) -> dict[str, list[float]]:
    """Measure the compared quantities, per image."""
    both = list(zip(pairs.blurry, pairs.sharp, strict=True))
    return {
        "PSNR of blur": [psnr(b, s) for b, s in both],
        "gradient of sharp": [gradient(s) for _, s in both],
        "gradient left by blur": [gradient(b) / gradient(s) for b, s in both],
        "contrast of sharp": [float(s.std()) for _, s in both],
    }


def main(real: Path, folder: Path) -> None:
    """Print the table and draw the figure."""
    embedded.prepare(folder, IMAGES)
    parts = [read_pairs(real / "GOPRO_Large" / split) for split in ("train", "test")]
    names, blurry, sharp = ([x for part in parts for x in getattr(part, kind)] for kind in KINDS)
    pairs = Pairs(names, blurry, sharp)
    train = embedded.pairs(folder, "train")
    leaves = [name.startswith("leaves/") for name in train.names]
    sets = {
        "embedded train, photographs": measure(select(train, [not leaf for leaf in leaves])),
        "embedded train, dead leaves": measure(select(train, leaves)),
        "embedded validation": measure(embedded.pairs(folder, "validation")),
        "embedded test": measure(embedded.pairs(folder, "test")),
        "GoPro_Large": measure(pairs),
        "GoPro_Large, tiles of 256": measure(cut(pairs)),
    }
    for split in IMAGES:
        linear, gamma = read_pairs(folder / split), read_pairs(folder / split, "blur_gamma")
        apart = [psnr(a, b) for a, b in zip(linear.blurry, gamma.blurry, strict=True)]
        print(f"{split}: blur_gamma is {min(apart):.1f} to {max(apart):.1f} dB from blur")
    print("| set | images | " + " | ".join(sets["GoPro_Large"]) + " |")
    for name, values_by_quantity in sets.items():
        cells = [
            f"{np.mean(v):.2f} ± {np.std(v, ddof=1):.2f} ({min(v):.2f} to {max(v):.2f})"
            for v in values_by_quantity.values()
        ]
        print(f"| {name} | {len(values_by_quantity['PSNR of blur'])} | " + " | ".join(cells) + " |")

    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    whole, tiles = sets["GoPro_Large"], sets["GoPro_Large, tiles of 256"]
    panels = (("PSNR of blur", "dB", range(18, 37)), ("gradient of sharp", "levels per pixel", range(2, 18)))
    for axis, (quantity, unit, bins) in zip(axes, panels, strict=True):
        colours = {"train, photographs": "tab:blue", "train, dead leaves": "tab:green", "test": "tab:orange"}
        for part, colour in colours.items():
            name = f"embedded {part}"
            values = sets[name][quantity]
            axis.hist(
                values,
                bins,
                weights=np.full(len(values), 1 / len(values)),
                color=colour,
                alpha=0.5,
                label=name,
            )
        values = tiles[quantity]
        look = {"histtype": "step", "color": "black", "label": "GoPro_Large, tiles of 256"}
        axis.hist(values, bins, weights=np.full(len(values), 1 / len(values)), **look)
        heights = [0.01] * len(whole[quantity])
        axis.plot(whole[quantity], heights, "k^", markersize=5, label="GoPro_Large, whole frames")
        axis.set(xlabel=f"{quantity}, {unit}", ylabel="share of images")
    axes[0].legend(fontsize=7)
    figure.savefig(FIGURE, dpi=90, metadata={"Software": None})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(scratch) / "embedded")
