"""Everything a training needs to go on as if it had never stopped, in one safetensors file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim import Optimizer


def save(path: Path, tensors: Mapping[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Write atomically: a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    plain = {key: value.detach().contiguous().cpu().clone() for key, value in tensors.items()}
    save_file(plain, draft, metadata={"facts": json.dumps(facts)})
    draft.replace(path)


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and facts of a file that `save` wrote.

    Raises:
        ValueError: the file is damaged; the message names it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
            return {key: file.get_tensor(key) for key in file.keys()}, facts  # noqa: SIM118 (no mapping)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path}: damaged ({error}); delete it to start this run again") from None


def pack(nets: Mapping[str, nn.Module], optimisers: Mapping[str, Optimizer]) -> dict[str, torch.Tensor]:
    """Weights and optimiser state of every player as named tensors."""
    tensors = {
        f"{who}.net.{key}": value for who, net in nets.items() for key, value in net.state_dict().items()
    }
    for who, optimiser in optimisers.items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{who}.opt.{index}.{key}": value for key, value in state.items()}
    return tensors


def unpack(
    tensors: Mapping[str, torch.Tensor], nets: Mapping[str, nn.Module], optimisers: Mapping[str, Optimizer]
) -> None:
    """Put what `pack` gave back into freshly built players."""
    for who, net in nets.items():
        prefix = f"{who}.net."
        net.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    for who, optimiser in optimisers.items():
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"{who}.opt."):
                index, name = key.removeprefix(f"{who}.opt.").split(".", 1)
                weights = optimiser.param_groups[0]["params"][int(index)]
                # The fused optimiser walks weights and moments in memory order, so they need one layout.
                alike = value.shape == weights.shape
                moment = torch.empty_like(weights, dtype=value.dtype).copy_(value) if alike else value
                state.setdefault(int(index), {})[name] = moment
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
