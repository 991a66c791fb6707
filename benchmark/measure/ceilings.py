"""Prepare ceilings: the matrix products, convolutions and copies that a device does fastest.

A ceiling has its type in its own name and in its tensors: no autocast is involved, and all are of mode
"strict" but for the two of TensorFloat-32, which are of mode "tf32". Values are drawn from N(0, 1): zeros
take less power and so run at a higher clock.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from benchmark.measure.recorder import Work
from benchmark.timing.schedule import Job

HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
TYPES = {"float32": torch.float32, "tf32": torch.float32} | HALVES
SIDE = {"cuda": 8192, "cpu": 1024}  # of the matrices
IMAGE = {"cuda": (180, 320), "cpu": (64, 64)}  # of the convolution: a quarter of 720x1280 in each direction
WIDTH = 128  # channels of the convolution
COPY_BYTES = {"cuda": 1 << 30, "cpu": 1 << 28}
NAMES = {
    "cuda": (*(f"matmul_{name}" for name in TYPES), "conv_float32", "conv_tf32", "conv_float16", "copy"),
    "cpu": ("matmul_float32", "conv_float32", "copy"),  # others are slower, if they exist
}


def mode(name: str) -> str:
    """Return the name of the mode that a ceiling is measured in.

    >>> mode("conv_tf32"), mode("conv_float16")
    ('tf32', 'strict')
    """
    return "tf32" if name.endswith("_tf32") else "strict"


def prepare(job: Job, run: object, kind: str) -> Work:
    """Prepare the ceiling of the job's name, with its arithmetic and traffic; there is no run.

    Raises:
        ValueError: no such ceiling on this kind of device, or another mode than its own.
    """
    name = job.run
    if name not in NAMES[kind]:
        raise ValueError(f"ceilings: no {name!r} on {kind}; allowed: {', '.join(NAMES[kind])}")
    if job.mode != mode(name):
        raise ValueError(f"ceilings: {name} in mode {job.mode!r}; allowed: {mode(name)!r}")
    operation, _, dtype = name.partition("_")
    return OPERATIONS[operation](kind, TYPES.get(dtype, torch.float32))


def matmul(kind: str, dtype: torch.dtype) -> Work:
    """Multiply two square matrices into a third."""
    side = SIDE[kind]
    left, right, product = (torch.randn(side, side, device=kind).to(dtype) for _ in range(3))
    return Work(lambda: torch.matmul(left, right, out=product), side**3, moved(left, right, product))


def conv(kind: str, dtype: torch.dtype) -> Work:
    """Convolve 128 to 128 channels by 3x3 filters, as deblurring networks often do, with channels last.

    Channels last is faster on tensor cores and on processors. MACs are those of the definition. A library
    that needs fewer (Winograd's algorithm, 2.25 times fewer in its smallest form) reaches more than the
    matrix product does, and so may a network.
    """
    height, width = IMAGE[kind]
    image, weight = (
        torch.randn(size, device=kind).to(dtype).contiguous(memory_format=torch.channels_last)
        for size in ((1, WIDTH, height, width), (WIDTH, WIDTH, 3, 3))
    )
    macs = image.numel() * weight[0].numel()  # as many values come out as go in
    return Work(lambda: conv2d(image, weight, padding=1), macs, moved(image, weight, image))


def copy(kind: str, dtype: torch.dtype) -> Work:
    """Copy from the device's memory to the device's memory."""
    values = COPY_BYTES[kind] // dtype.itemsize
    source, target = torch.randn(values, device=kind), torch.zeros(values, device=kind)
    return Work(lambda: target.copy_(source), traffic=moved(source, target))


def moved(*tensors: Tensor) -> int:
    """Count the bytes of the tensors, each read or written once."""
    return sum(x.nbytes for x in tensors)


OPERATIONS: dict[str, Callable[[str, torch.dtype], Work]] = {"matmul": matmul, "conv": conv, "copy": copy}
