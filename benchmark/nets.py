"""Build a run's network, keep its weights, and say whether what was kept still holds."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from benchmark import plugins
from benchmark.spec import Normalise, Profile, Run
from benchmark.spec import build as build_dataclass

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


def restore(net: nn.Module, blurry: Tensor, normalise: Normalise) -> Tensor:
    """The restored image: pad to the network's stride, restore, crop. (B, 3, H, W) in [0, 1] -> the same.

    The border is replicated, the padding all official test scripts that pad use (MS-CNN, SRN).
    """
    height, width = blurry.shape[-2:]
    stride = cast(int, net.stride)
    bottom, right = -height % stride, -width % stride
    x = pad((blurry - normalise.mean) * normalise.scale, (0, right, 0, bottom), mode="replicate")
    x = x.contiguous(memory_format=torch.channels_last)
    answer = net(x)[-1][..., :height, :width]
    return (answer / normalise.scale + normalise.mean).clamp(0, 1)


def fingerprint(run: Run, profile: Profile, data: str, code: Iterable[Path]) -> str:
    """A hash of everything a trained network depends on: when it is equal, training again changes nothing."""
    made_by = {
        "run": {
            k: v for k, v in asdict(run).items() if k not in ("about", "ablates", "test_on", "pixel_loss")
        },
        "profile": {k: v for k, v in asdict(profile).items() if k not in ("name", "about", "runs")},
        "data": data,
        "torch": torch.__version__,
        "device": device(),
        "code": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in code},
    }
    return hashlib.sha256(json.dumps(made_by, sort_keys=True, default=str).encode()).hexdigest()


def code(run: Run) -> list[Path]:
    """The files whose text decides what a run's training does."""
    training = sorted((HERE / "training").glob("*.py"))
    return [HERE / "models" / f"{run.model}.py", HERE / "layers.py", HERE / "metrics" / "ssim.py", *training]


def device() -> str:
    """Where networks run here: "cuda" when there is one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name() -> str:
    """The device in words, for the device column."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
