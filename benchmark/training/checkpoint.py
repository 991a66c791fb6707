"""Save and load the state of a training, from which it continues bit for bit, in one safetensors file."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim import Optimizer

from benchmark.trouble import draft, one_line


def save(path: Path, tensors: Mapping[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and facts atomically: a reader gets the old file or the new one, never a part."""
    plain = {key: value.detach().contiguous().cpu().clone() for key, value in tensors.items()}
    # One entry: of several, the file would have them in another order each time.
    notes = {"facts": json.dumps({**facts, "sum": checksum(plain)})}
    with draft(path) as part:
        try:
            save_file(plain, part, metadata=notes)
        except SafetensorError as error:  # of a full disk, for instance
            raise ValueError(f"{path}: cannot be written ({one_line(error)})") from None


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read the tensors and facts of a file that `save` wrote.

    Raises:
        ValueError: the file is damaged or cannot be read; the message names it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        if facts.pop("sum", None) not in (None, checksum(tensors)):  # None: written before there were sums
            raise ValueError("its checksum is another")
        return tensors, facts
    except (SafetensorError, ValueError, OSError, AttributeError) as error:
        reason = one_line(error)
        raise ValueError(f"{path}: damaged ({reason}); delete it to start this run again") from None


def checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    """Compute the CRC-32 of names, types, shapes and values, in eight hexadecimal digits."""
    crc = 0
    for name in sorted(tensors):
        value = tensors[name]
        crc = zlib.crc32(f"{name} {value.dtype} {tuple(value.shape)}".encode(), crc)
        crc = zlib.crc32(value.contiguous().flatten().view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"


def pack(nets: Mapping[str, nn.Module], optimisers: Mapping[str, Optimizer]) -> dict[str, torch.Tensor]:
    """Collect weights and optimiser state of every network as named tensors."""
    tensors = {
        f"{name}.net.{key}": value for name, net in nets.items() for key, value in net.state_dict().items()
    }
    for name, optimiser in optimisers.items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}.opt.{index}.{key}": value for key, value in state.items()}
    return tensors


def unpack(
    tensors: Mapping[str, torch.Tensor], nets: Mapping[str, nn.Module], optimisers: Mapping[str, Optimizer]
) -> None:
    """Load tensors of `pack` into freshly built networks and optimisers."""
    for name, net in nets.items():
        prefix = f"{name}.net."
        net.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    for name, optimiser in optimisers.items():
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"{name}.opt."):
                index, moment = key.removeprefix(f"{name}.opt.").split(".", 1)
                weights = optimiser.param_groups[0]["params"][int(index)]
                # The fused optimiser iterates weights and moments in memory order, so layouts must match.
                if value.shape == weights.shape:
                    value = torch.empty_like(weights, dtype=value.dtype).copy_(value)
                state.setdefault(int(index), {})[moment] = value
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
