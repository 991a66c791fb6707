"""Count arithmetic and memory traffic of one forward pass, from shapes alone.

A network runs on the meta device, which has shapes and no values, and every operator of eager execution is
intercepted. An operator moves each tensor that it reads and each that it writes once. The sum is what eager
execution moves when no cache keeps anything between two operators: caches make it less, operators that read
a tensor twice make it more.

Views are free: an operator that changes nothing and returns the memory of its arguments moves nothing. So is
allocated memory that is not written yet. Of an expanded tensor only the memory beneath it counts.

Operators are those of the meta device, which are a GPU's: a deformable convolution is one operator there. On
a CPU `_layers.deform_conv` samples and convolves, and moves more.
"""

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmark.nets import round_up_side

OVERWRITING = {"aten::copy_", "aten::fill_", "aten::zero_"}  # in place, without reading the old values
DEFORM = "torchvision::deform_conv2d"


def traffic(net: nn.Module, height: int, width: int, batch: int = 1) -> tuple[int, int]:
    """Count multiply-accumulates and bytes of one forward pass in evaluation mode.

    Images are padded as when the network restores, and have the type of its weights. The network is not
    changed.

    Returns:
        MACs of convolutions and matrix products (torch's FlopCounterMode, which counts two flops each) and of
        deformable convolutions (one for every weight of the filter that an output value sums over; the
        bilinear sampling is not counted); and bytes that all operators read and write.
    """
    net = copy.deepcopy(net).eval().to("meta")
    dtype = next((p.dtype for p in net.parameters()), torch.float32)
    images = torch.empty(
        batch, 3, round_up_side(net, height), round_up_side(net, width), dtype=dtype, device="meta"
    )
    with FlopCounterMode(display=False) as flops, TrafficCounter() as counter, torch.no_grad():
        net(images)
    return flops.get_total_flops() // 2 + counter.deformable, counter.bytes


class TrafficCounter(TorchDispatchMode):
    """Adds up what intercepted operators move.

    Attributes:
        bytes: read and written so far.
        deformable: MACs of deformable convolutions, which torch's counter leaves out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.deformable = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator and count it."""
        kwargs = kwargs or {}
        outputs = func(*args, **kwargs)
        self.bytes += moved(func._schema, args, kwargs, outputs)
        if func._schema.name == DEFORM:
            self.deformable += outputs.numel() * math.prod(args[1].shape[1:])
        return outputs


def moved(schema: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> int:
    """Count the bytes that an operator reads and writes."""
    arguments = dict(zip((argument.name for argument in schema.arguments), args, strict=False)) | kwargs
    written = [a for a in schema.arguments if a.alias_info and a.alias_info.is_write]
    changed = [x for a in written for x in tensors(arguments.get(a.name))]
    old = {memory(x) for x in tensors(list(arguments.values()))}
    fresh = [x for x in tensors(outputs) if memory(x) not in old]
    if "empty" in schema.name or not (fresh or changed):
        return 0
    if schema.name.endswith("_like") or schema.name.startswith("aten::new_"):
        return sum(map(size, fresh))  # of its arguments only the shape is used
    unread = [a.name for a in written if a.is_out or schema.name in OVERWRITING]
    read = {
        (memory(x), x.storage_offset(), x.shape, x.stride()): size(x)
        for name, value in arguments.items()
        if name not in unread
        for x in tensors(value)
    }
    return sum(read.values()) + sum(map(size, fresh)) + sum(map(size, changed))


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield all tensors in nested lists and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)


def memory(x: Tensor) -> int:
    """Identify a tensor's memory; views share it."""
    return x.untyped_storage()._cdata


def size(x: Tensor) -> int:
    """Count the bytes of memory that a tensor covers.

    >>> size(torch.empty(2, 3)), size(torch.empty(1, 3).expand(2, 3)), size(torch.empty(9).unfold(0, 4, 1))
    (24, 12, 36)
    """
    values = math.prod(n for n, stride in zip(x.shape, x.stride(), strict=True) if stride or not n)
    return min(values * x.element_size(), x.untyped_storage().nbytes())
