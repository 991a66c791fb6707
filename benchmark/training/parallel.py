"""One batch cut into parts: worked on one after another, or by several processes, each with a GPU of its own.

The loss of a batch is the mean of its parts' losses, weighted by their images, and its gradient that of their
gradients. So the recipe's batch is kept where it does not fit into a device's memory. Equal but for rounding,
unless images of a batch meet each other: see `refusal` and `notes`.

Processes are those of torchrun. They exchange gradients after backward, all at once: each loss of a step has
its own network and optimiser, so a wrapper around the network, which would exchange during backward, is not
needed (DistributedDataParallel hides the exchange behind backward; here it is one copy of the weights).
"""

import os
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, distributed, nn

from benchmark import plugins
from benchmark.losses import Batch
from benchmark.spec import Run


def join() -> bool:
    """Join the processes that torchrun has started, with the GPU of its number; tell if there are any."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not distributed.is_initialized():
        gpu = torch.cuda.is_available()
        if gpu:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if gpu else "gloo")
    return size() > 1


def rank() -> int:
    """Return the number of this process; the first, 0, validates and writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """Count the processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def of_first(value: Any) -> Any:
    """Return the value that the first process has."""
    if size() > 1:
        values = [value]
        distributed.broadcast_object_list(values)
        return values[0]
    return value


def shares(batch: Batch, parts: int) -> list[tuple[float, Batch]]:
    """Cut a batch into so many parts for each process; return those of this one, with their shares of images.

    Parts differ by an image at most. A process without an image gets one with a share of zero, so that its
    gradients are those of the same weights.
    """
    total, count = parts * size(), len(batch.blurry)
    if total == 1:
        return [(1.0, batch)]
    first = rank() * parts
    edges = [count * number // total for number in range(first, first + parts + 1)]
    cut = [(edges[k], edges[k + 1]) for k in range(parts) if edges[k + 1] > edges[k]]
    return [((stop - start) / count, images(batch, start, stop)) for start, stop in cut] or [
        (0.0, images(batch, 0, 1))
    ]


def images(batch: Batch, start: int, stop: int) -> Batch:
    """Take some images of a batch."""
    extras = {name: x[start:stop] for name, x in batch.extras.items()}
    return replace(batch, blurry=batch.blurry[start:stop], sharp=batch.sharp[start:stop], extras=extras)


def add_up(net: nn.Module, loss: Tensor) -> Tensor:
    """Add the gradients of all processes in place, and return the sum of their losses."""
    if size() == 1:
        return loss
    gradients = [weights.grad for weights in net.parameters() if weights.grad is not None]
    flat = torch.cat([loss.reshape(1).to(gradients[0].dtype), *(x.flatten() for x in gradients)])
    distributed.all_reduce(flat)
    for gradient, total in zip(gradients, flat[1:].split([x.numel() for x in gradients]), strict=True):
        gradient.copy_(total.view_as(gradient))
    return flat[0]


def refusal(run: Run, parts: int) -> str:
    """Say why a run's batch cannot be cut; empty where it can be, or is not."""
    if run.train is None or parts * size() == 1:
        return ""
    asked = f"parts: {parts}" if size() == 1 else f"{size()} processes"
    if run.train.adversary:
        return f"{run.name}: {asked}; allowed: 1, its networks are updated in turn on one batch"
    name = str(run.train.loss["name"])
    if why := getattr(plugins.load("losses", name), "WHOLE", ""):
        return f"{run.name}: {asked}; allowed: 1, the loss {name} {why}"
    return ""


def notes(net: nn.Module, batch: int, parts: int) -> list[str]:
    """Say what is not as in one piece: batch normalisation, whose averages are then those of a part."""
    total = parts * size()
    normalised = any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())
    if total == 1 or not normalised:
        return []
    return [f"batch normalisation over {-(-batch // total)} images at a time, not {batch}"]
