"""Build a run's network, keep its weights, and say whether what was kept still holds."""

import ast
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from benchmark import plugins
from benchmark.spec import Normalise, Profile, Run
from benchmark.spec import build as build_dataclass
from benchmark.weights import pretrained

HERE = Path(__file__).parent


def build(run: Run, thin: int = 1, seed: int = 0) -> nn.Module:
    """The run's network with freshly drawn weights; `thin` divides its widths.

    Raises:
        ValueError: no such model, a key its Config does not have, or a choice its file does not know.
    """
    module = plugins.load("models", run.model)
    config = build_dataclass(module.Config, f"runs.{run.name}.config", run.config)
    torch.manual_seed(seed)
    try:
        return module.Net(config.thin(thin) if thin > 1 else config)
    except KeyError as choice:  # a config's choices are keys of the model file's tables
        tables = f"see the tables in benchmark/models/{run.model}.py"
        raise ValueError(f"runs.{run.name}.config: no choice {choice}; {tables}") from None


def start(net: nn.Module, names: Iterable[str]) -> list[str]:
    """Put pretrained weights into a network that starts from some; what is not at hand, in words.

    A model that starts from weights of others has `start_from(name, state)`, which says in words why it
    could not use them ("" when it could). Other names are losses' own affair.
    """
    notes = []
    for name in names:
        path = pretrained.path(name)
        if path is None:
            notes += pretrained.fallbacks([name])
        elif hasattr(net, "start_from"):
            notes.append(cast(Any, net).start_from(name, pretrained.read(path)))
    return [note for note in notes if note]


def attention(net: nn.Module, blurry: Tensor, normalise: Normalise) -> dict[str, NDArray[np.float32]]:
    """The model's attention maps for an image (1, 3, H, W) in [0, 1], channels averaged; most have none.

    The image is cropped to a multiple of the network's stride.
    """
    if not hasattr(net, "attention"):
        return {}
    stride, _ = grid(net)
    height, width = (side // stride * stride for side in blurry.shape[-2:])
    maps: dict[str, Tensor] = cast(Any, net).attention(
        (blurry[..., :height, :width] - normalise.mean) * normalise.scale
    )
    return {name: values[0].float().mean(dim=0).cpu().numpy() for name, values in maps.items()}


def grid(net: nn.Module) -> tuple[int, int]:
    """The multiple that heights and widths must be, and the smallest that works."""
    stride = cast(int, net.stride)
    return stride, cast(int, getattr(net, "least", stride))


def fitting(net: nn.Module, side: int) -> int:
    """The next height or width that the network takes.

    >>> net = nn.Identity()
    >>> net.stride = 32
    >>> [fitting(net, side) for side in (720, 1280)]
    [736, 1280]
    """
    stride, least = grid(net)
    return max(least, -(-side // stride) * stride)


def tensor(image: NDArray[np.uint8], dtype: torch.dtype = torch.float64) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(dtype) / 255


def restore(net: nn.Module, blurry: Tensor, normalise: Normalise) -> Tensor:
    """The restored image: pad to what the network takes, restore, crop. (B, 3, H, W) -> (B, 3, H, W).

    The blurry image is in [0, 1]; values of the answer are the network's own, so some may lie outside.

    The border is replicated, the padding most official test scripts that pad use (MS-CNN, SRN, PSS-NSC), at
    the bottom and right; a model whose authors do otherwise says so in its `padding` ("reflect").
    """
    height, width = blurry.shape[-2:]
    x = (blurry - normalise.mean) * normalise.scale
    while x.shape[-2:] != (size := (fitting(net, height), fitting(net, width))):
        bottom, right = (want - have for want, have in zip(size, x.shape[-2:], strict=True))
        mode = getattr(net, "padding", "replicate")
        if mode == "reflect":  # it cannot add more than there is
            bottom, right = min(bottom, x.shape[-2] - 1), min(right, x.shape[-1] - 1)
        x = pad(x, (0, right, 0, bottom), mode=mode)
    x = x.contiguous(memory_format=torch.channels_last)
    answer = net(x)[-1][..., :height, :width]
    return answer / normalise.scale + normalise.mean


# Of a run, what its training does not depend on.
SAID_ONLY = ("about", "ablates", "weights", "test_on", "pixel_loss")
# Of a profile, the same; which weights are at hand is hashed by itself.
LEFT_OUT = ("name", "about", "runs", "pretrained", "perceptual", "timing")


def fingerprint(run: Run, profile: Profile, data: str, given: Iterable[str] = ()) -> str:
    """A hash of everything a trained network depends on: when it is equal, training again changes nothing.

    Args:
        run: with its recipe.
        profile: its cuts for this run (`Profile.at`).
        data: a hash of the training images.
        given: which pretrained weights are at hand.
    """
    made_by = {
        "run": {k: v for k, v in asdict(run).items() if k not in SAID_ONLY},
        "profile": {k: v for k, v in asdict(profile).items() if k not in LEFT_OUT},
        "data": data,
        "pretrained": sorted(given),
        "torch": torch.__version__,
        "device": device(),
        "code": texts(code(run)),
    }
    return digest(made_by)


def digest(made_by: dict[str, Any]) -> str:
    """A hash of a nested dict."""
    return hashlib.sha256(json.dumps(made_by, sort_keys=True, default=str).encode()).hexdigest()


def texts(files: Iterable[Path]) -> dict[str, str]:
    """A hash of each file of this package."""
    return {str(path.relative_to(HERE)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def code(run: Run) -> list[Path]:
    """The files that decide what a run's training does: its plugins, the loop, and what they import."""
    files = [HERE / "models" / f"{run.model}.py", *(HERE / "training").glob("*.py")]
    if run.train:
        files.append(HERE / "losses" / f"{run.train.loss.get('name')}.py")
        if run.train.adversary:
            files.append(HERE / "adversaries" / f"{run.train.adversary.get('name')}.py")
    return with_imports(files)


def with_imports(files: list[Path]) -> list[Path]:
    """Files of this package and all that they import of it; without those that decide no number."""
    files = list(files)
    found: set[Path] = set()
    while files:
        file = files.pop()
        if file.exists() and file not in found:
            found.add(file)
            files += [HERE.parent / f"{name.replace('.', '/')}.py" for name in imported(file.read_text())]
    return sorted(found - {HERE / f"{name}.py" for name in NO_ARITHMETIC})


# Imported by what trains, but no number depends on them; `spec` decides what a recipe is, and the recipe
# itself is in the fingerprint.
NO_ARITHMETIC = ("spec", "plugins", "pairs", "fetch")


def imported(source: str) -> set[str]:
    """Modules of this package that a file's text imports.

    >>> sorted(imported("from benchmark.models.dmphn import cut"))
    ['benchmark.models.dmphn', 'benchmark.models.dmphn.cut']
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "benchmark":
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {str(node.module)} - {"benchmark"}
    return found


def device() -> str:
    """Where networks run here: "cuda" when there is one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name() -> str:
    """The device in words, for the device column."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
