"""Measure whether the images are enough: gains on training and test images by the number of images.

    PYTHONPATH=. python tests/benchmarks/content.py [factor of the steps]

Trains DMPHN(1) and MIMO-UNet as the default profile does: on the first images of its training set, and on
photographs or leaves alone. Prints the tables of docs/data.md and draws docs/content.png: gains halfway and
at the end by number of images, and at the end by photograph and by how blurred the input is. `pipelines.data`
renders the set.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import torch

from benchmark import nets, spec
from benchmark.data import selection
from benchmark.data.pairs import Pairs
from benchmark.engine.worker import keep_memory
from benchmark.metrics import psnr
from benchmark.training import Settings, fit, start
from benchmark.training.validation import Validator

mpl.use("Agg")
from matplotlib import pyplot as plt

RUNS = {"dmphn_1": 600, "mimo_unet": 500}  # steps
COUNTS = (4, 16, 48, 144)
FIGURE = Path(__file__).parents[2] / "docs" / "content.png"
COLUMNS = ["run", "images", "train, half", "train", "test, half", "test"]


def first(pairs: Pairs, keep: list[int]) -> Pairs:
    """Select images."""
    return Pairs(*([values[i] for i in keep] for values in (pairs.names, pairs.blurry, pairs.sharp)))


def selections(train: Pairs) -> Iterator[tuple[str, Pairs]]:
    """Yield what is trained on, and its name."""
    for count in COUNTS:
        yield f"first {count}", first(train, list(range(count)))
    photographs = [i for i, name in enumerate(train.names) if not name.startswith("leaves/")]
    yield f"{len(photographs)} of photographs", first(train, photographs)
    yield (
        f"{len(train) - len(photographs)} of leaves",
        first(train, [i for i in range(len(train)) if i not in photographs]),
    )


def by_image(net: torch.nn.Module, pairs: Pairs, normalise: spec.Normalise) -> pd.DataFrame:
    """Measure every whole image: photograph, PSNR of the input, gain."""
    rows = []
    net.eval()
    for name, *images in zip(pairs.names, pairs.blurry, pairs.sharp, strict=True):
        blurry, sharp = (nets.tensor(image, torch.float32) for image in images)
        with torch.inference_mode():
            restored = nets.restore(net, blurry, normalise).clamp(0, 1)
        before, after = (float(psnr.measure(x, sharp)) for x in (blurry, restored))
        rows.append((name.split("/")[0], before, after - before))
    return pd.DataFrame(rows, columns=["photograph", "input", "gain"])


def draw(table: pd.DataFrame) -> None:
    """Draw the gains of each run over the number of images that it trained on."""
    figure, axes = plt.subplots(1, len(RUNS), figsize=(8, 2.8), layout="constrained", sharey=True)
    for axis, (name, rows) in zip(axes, table.groupby("run", sort=False), strict=True):
        rows = rows[rows["images"].str.startswith("first")]
        for split, colour in (("train", "tab:blue"), ("test", "tab:orange")):
            axis.plot(COUNTS, rows[split], "o-", color=colour, label=f"{split}, at the end")
            axis.plot(COUNTS, rows[f"{split}, half"], "o:", color=colour, label=f"{split}, halfway")
        axis.axhline(0, color="grey", linewidth=0.8)
        axis.set(xscale="log", title=name, xlabel="training images")
        axis.set_xticks(COUNTS, map(str, COUNTS), minor=False)
        axis.minorticks_off()
    axes[0].set_ylabel("gain over the blurred input, dB")
    axes[0].legend(fontsize=7)
    figure.savefig(FIGURE, dpi=90, metadata={"Software": None})


def main(factor: float = 1.0) -> None:
    """Train and print."""
    torch.set_num_threads(1)
    keep_memory()
    profile, runs = spec.load()
    train = selection.pairs(profile, "", "train")
    checks = selection.checks(profile, "")
    rows, whole = [], {}
    for name, steps in RUNS.items():
        cut = profile.at(runs[name])
        recipe = runs[name].train
        assert recipe is not None
        recipe, _ = replace(cut, steps=round(steps * factor)).cut(recipe)
        for title, images in selections(train):
            net = nets.build(runs[name], cut.thin, cut.seed)
            if cut.start:
                start.STARTS[cut.start](net, recipe.normalise)
            with tempfile.TemporaryDirectory() as folder:
                settings = Settings(round(steps * factor), Path(folder) / "x", cut.seed, validate=4)
                check = Validator({"train": images, **checks}, recipe.normalise)
                curve = pd.DataFrame(fit({"net": net}, images, recipe, settings, check)).dropna(subset="test")
            half, end = curve.iloc[len(curve) // 2], curve.iloc[-1]
            rows.append((name, title, half["train"], end["train"], half["test"], end["test"]))
            print("| {} | {} | {:+.2f} | {:+.2f} | {:+.2f} | {:+.2f} |".format(*rows[-1]), flush=True)
            if title == f"first {COUNTS[-1]}":
                whole[name] = by_image(net, checks["test"], recipe.normalise)
    draw(pd.DataFrame(rows, columns=COLUMNS))
    for name, images in whole.items():
        print(f"\n{name}\n", images.groupby("photograph").mean().round(2))
        print(
            images.groupby(pd.cut(images["input"], [0, 24, 26, 28, 60]), observed=True)["gain"].agg(
                ["mean", "count"]
            )
        )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
