"""Figures of the authors' own networks, kept to compare ours with: none of their code, none of their weights.

An official network is given weights that depend on their names alone, restores a picture, and leaves
figures of its output in `tests/golden/<case>.json`. A test gives the same weights, by `convert`, to ours.

`record` was called in a folder outside this project, where the official code was run.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from torch import Tensor, nn

from benchmark.data.pairs import image

FOLDER = Path(__file__).parent / "golden"
FRAME = Path("data/GOPRO_Large/test/GOPR0384_11_00/blur/000001.png")
SHARED = Path(__file__).parents[2] / "shared"
GRID = 6  # values kept along each side of the output


def weights(shapes: Mapping[str, tuple[int, ...] | list[int]], gain: float = 1.0) -> dict[str, Tensor]:
    """Weights by name and shape: filters of variance gain / inputs, scales near 1, the rest small."""
    state = {}
    for name, shape in shapes.items():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        values = rng.standard_normal(shape)
        if name.endswith("running_var"):
            values = 0.5 + rng.random(shape)
        elif name.endswith("num_batches_tracked"):
            values = np.zeros(shape)
        elif len(shape) > 1:
            values *= np.sqrt(gain / np.prod(shape[1:]))
        else:
            values = 0.1 * values + (name.endswith("weight") and len(shape) == 1)
        whole = name.endswith("num_batches_tracked")
        state[name] = torch.tensor(values, dtype=torch.int64 if whole else torch.float32)
    return state


def picture(side: int) -> Tensor:
    """The middle of a photograph at hand everywhere: (1, 3, side, side) in [0, 1]."""
    return _middle(skimage.data.astronaut(), side)


def frame(side: int) -> Tensor | None:
    """The middle of a real GoPro frame, if there is one beside the checkout: (1, 3, side, side) in [0, 1]."""
    path = SHARED / FRAME
    return _middle(image(path), side) if path.exists() else None


def _middle(pixels: np.ndarray, side: int) -> Tensor:
    top, left = ((n - side) // 2 for n in pixels.shape[:2])
    return torch.tensor(pixels[top : top + side, left : left + side]).permute(2, 0, 1)[None] / 255


def figures(shown: Tensor, answer: Tensor) -> dict[str, Any]:
    """What is kept of an answer (1, 3, H, W): its moments, and values on a grid; and which input it was."""
    rows, columns = (torch.linspace(0, n - 1, GRID).round().long() for n in answer.shape[-2:])
    return {
        "input_sha256": hashlib.sha256(np.ascontiguousarray(shown.float().numpy()).tobytes()).hexdigest(),
        "side": shown.shape[-1],
        "mean": float(answer.double().mean()),
        "std": float(answer.double().std()),
        "values": answer[0].double()[:, rows][:, :, columns].flatten().tolist(),
    }


def record(
    case: str,
    source: str,
    shapes: Mapping[str, tuple[int, ...]],
    answers: Mapping[str, tuple[Tensor, Tensor]],
    difference: float,
    gain: float = 1.0,
    **facts: Any,
) -> None:
    """Write a case.

    Args:
        case: name of the file.
        source: repository @commit and how it was run.
        shapes: of the authors' weights, in their order.
        answers: by input, "picture" or "frame": the input in [0, 1] and the official answer in [0, 1].
        difference: the largest one between all values of the official answer and ours, measured.
        gain: of `weights`.
        facts: whatever else is worth keeping.
    """
    kept = {name: figures(*pair) for name, pair in answers.items()}
    entry = {"source": source, "difference": difference, "gain": gain, **facts, "answers": kept}
    entry["shapes"] = {name: list(shape) for name, shape in shapes.items()}
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{case}.json").write_text(json.dumps(entry) + "\n", encoding="utf-8")


def case(name: str) -> dict[str, Any]:
    """A recorded case; `entry["shapes"]` has the authors' names."""
    entry: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return entry


def check(entry: dict[str, Any], net: nn.Module, mean: float = 0.0, scale: float = 1.0) -> None:
    """Our network, which holds the converted weights, must give the official figures to 1e-5.

    `mean` and `scale` are the recipe's normalisation. The real frame is compared where it is at hand.
    """
    net.eval()
    for name, kept in entry["answers"].items():
        shown = picture(kept["side"]) if name == "picture" else frame(kept["side"])
        if shown is None:
            continue
        with torch.inference_mode():
            answer = net((shown - mean) * scale)[-1] / scale + mean
        ours = figures(shown, answer)
        assert ours["input_sha256"] == kept["input_sha256"], name
        reach = max(1.0, max(map(abs, kept["values"])))  # outputs of such weights may leave [0, 1]
        for what in ("mean", "std", "values"):
            assert ours[what] == pytest.approx(kept[what], abs=1e-5 * reach), f"{name}: {what}"
