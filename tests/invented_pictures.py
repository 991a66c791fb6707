"""Invented pictures: noise of which a test can compute every pixel again."""

from dataclasses import replace

import numpy as np
from PIL import Image

from benchmark.results import Results, write
from benchmark.results.schema import Picture, Window

DATA = "embedded"
IMAGES = ["a/000", "a/001", "b/000"]
HEIGHT, WIDTH, SIDE = 40, 48, 16
STEPS = (0, 20, 60)
BLANK = Picture(DATA, "", "blurred", "", "", None, 0, 0, WIDTH, HEIGHT, None, None, None, None, "", "")


def pixels(image: str, key: str) -> np.ndarray:
    """Invent (HEIGHT, WIDTH, 3) pixels, others for each image and key."""
    seed = [IMAGES.index(image), *key.encode()]
    return np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def rows(runs: list[str]) -> list[Picture]:
    """Describe blurred, sharp and restored images, a variant's crop, masks, and maps of the first run."""
    made = []
    for image in IMAGES:
        blank = replace(BLANK, image=image)
        made += [replace(blank, kind=kind, file=f"{image}/{kind}.png") for kind in ("blurred", "sharp")]
        made += [
            replace(
                blank, kind="restored", run=run, fidelity=40.0 + index, file=f"{image}/restored-{run}.png"
            )
            for index, run in enumerate(runs[:-1])
        ]
        made.append(replace(blank, kind="mask", name="0.96", share=0.25, file=f"{image}/mask.png"))
    first = replace(BLANK, image=IMAGES[0])
    part = {"x": 4, "y": 8, "width": SIDE, "height": SIDE}
    made.append(replace(first, kind="crop", run=runs[-1], file="a/000/crop.png", **part))
    for step in STEPS:
        made.append(
            replace(
                first,
                kind="map",
                run=runs[0],
                name="ms",
                step=step,
                low=0.0,
                high=step + 0.5,
                file=f"a/000/{step}.png",
            )
        )
    return made


def fill(results: Results, runs: list[str]) -> None:
    """Write the pictures of these runs, the last of which counts as a variant, and their tables."""
    table = rows(runs)
    for row in table:
        key = row.run or row.kind
        part = pixels(row.image, key)[row.y : row.y + row.height, row.x : row.x + row.width]
        path = results.pictures / row.file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(part).save(path)
    write(results.picture_rows, Picture, table)
    gains = {image: 1.0 + index for index, image in enumerate(IMAGES)}
    windows = [
        Window(DATA, image, 4, 8, SIDE, 3.5, runs[0], 20 + gain, runs[1], 18.0, 20.0)
        for image, gain in gains.items()
    ]
    write(results.windows, Window, windows)
