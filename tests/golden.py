"""Figures of the authors' own networks to compare ours with, without any of their code or weights.

An official network with weights that depend on their names alone restored a picture; figures of its output
are in `tests/golden/<case>.json`. Tests load the same weights, by `convert`, into our network.

`record` was called in a folder outside this project, where the official code was run.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from torch import Tensor, nn

from benchmark.data.pairs import image
from benchmark.spec import Normalise

FOLDER = Path(__file__).parent / "golden"
FRAME = Path("data/GOPRO_Large/test/GOPR0384_11_00/blur/000001.png")
SHARED = Path(__file__).parents[2] / "shared"
GRID = 6  # values recorded along each side of the output
# On the processor of the recordings ours are within 1e-5; another one sums float32 in another order.
TOLERANCE = 3e-5
RAW = Normalise()


def weights(shapes: Mapping[str, tuple[int, ...] | list[int]], gain: float = 1.0) -> dict[str, Tensor]:
    """Draw weights by name and shape: filters of variance gain / inputs, scales near 1, the rest small."""
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


def authors_weights(entry: dict[str, Any], reads: str = "torch") -> dict[str, Any]:
    """Draw a case's weights as a file of the authors would contain them.

    Args:
        entry: the case.
        reads: the reader of the files, as in published.yaml. TensorFlow orders the axes of filters otherwise;
            "parts" has names "file/weight" and one state dict per file; Caffe has two arrays per layer.
    """
    drawn = weights(entry["shapes"], entry["gain"])
    if "slope" in entry:  # of MPRNet, which shares it between all blocks
        slope = torch.tensor([entry["slope"]])
        drawn = {name: slope if value.shape == (1,) else value for name, value in drawn.items()}
    if reads == "tensorflow":
        return {n: (x.permute(2, 3, 1, 0) if x.dim() == 4 else x).numpy() for n, x in drawn.items()}
    files: dict[str, Any] = {}
    for name, value in drawn.items():
        if reads == "parts":
            file, name = name.split("/")
            files.setdefault(file, {})[name] = value
        elif reads == "caffe":
            files.setdefault(name.rpartition(".")[0], []).append(value.numpy())
        else:
            files[name] = value
    return files


def picture(side: int) -> Tensor:
    """Crop the middle of a photograph of scikit-image: (1, 3, side, side) in [0, 1]."""
    return _middle(skimage.data.astronaut(), side)


def frame(side: int) -> Tensor | None:
    """Crop the middle of a real GoPro frame beside the checkout, if there is any: (1, 3, side, side)."""
    path = SHARED / FRAME
    return _middle(image(path), side) if path.exists() else None


def _middle(pixels: np.ndarray, side: int) -> Tensor:
    top, left = ((n - side) // 2 for n in pixels.shape[:2])
    return torch.tensor(pixels[top : top + side, left : left + side]).permute(2, 0, 1)[None] / 255


def figures(blurry: Tensor, output: Tensor) -> dict[str, Any]:
    """Compute moments of an output (1, 3, H, W), values on a grid, and a hash of the input."""
    rows, columns = (torch.linspace(0, n - 1, GRID).round().long() for n in output.shape[-2:])
    return {
        "input_sha256": hashlib.sha256(np.ascontiguousarray(blurry.float().numpy()).tobytes()).hexdigest(),
        "side": blurry.shape[-1],
        "mean": float(output.double().mean()),
        "std": float(output.double().std()),
        "values": output[0].double()[:, rows][:, :, columns].flatten().tolist(),
    }


def record(
    case: str,
    source: str,
    shapes: Mapping[str, tuple[int, ...]],
    outputs: Mapping[str, tuple[Tensor, Tensor]],
    difference: float,
    gain: float = 1.0,
    **facts: Any,
) -> None:
    """Write a case of a source, "repository @commit and how it was run", with shapes in the authors' order.

    By input, "picture" or "frame", `outputs` has the input and the official output in [0, 1]; `difference` is
    the largest one between all values of the official output and ours.
    """
    recorded = {name: figures(*pair) for name, pair in outputs.items()}
    entry = {"source": source, "difference": difference, "gain": gain, **facts, "answers": recorded}
    entry["shapes"] = {name: list(shape) for name, shape in shapes.items()}
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{case}.json").write_text(json.dumps(entry) + "\n", encoding="utf-8")


def case(name: str) -> dict[str, Any]:
    """Read a recorded case; `entry["shapes"]` has the authors' names."""
    entry: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return entry


class AsNetwork(nn.Module):
    """Give a discriminator, or a part of one, the form of a restoring network."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, image: Tensor) -> list[Tensor]:
        """(1, 3, H, W) in [0, 1] -> [whatever the function returns]."""
        return [self.function(image)]


def check(entry: dict[str, Any], net: nn.Module, normalise: Normalise = RAW) -> None:
    """Assert that our network, with the converted weights, gives the official figures.

    The real frame is compared where it is available.
    """
    net.eval()
    mean, scale = normalise.mean, normalise.scale
    for name, recorded in entry["answers"].items():
        blurry = picture(recorded["side"]) if name == "picture" else frame(recorded["side"])
        if blurry is None:
            continue
        with torch.inference_mode():
            output = net((blurry - mean) * scale)[-1] / scale + mean
        ours = figures(blurry, output)
        assert ours["input_sha256"] == recorded["input_sha256"], name
        largest = max(1.0, max(map(abs, recorded["values"])))  # outputs of such weights may leave [0, 1]
        for figure in ("mean", "std", "values"):
            assert ours[figure] == pytest.approx(recorded[figure], abs=TOLERANCE * largest), (
                f"{name}: {figure}"
            )
