"""The devices that are timed: their clocks, their memory, and the settings that a mode declares."""

import platform
import re
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmark.measure.nvml import Nvml, names
from benchmark.timing.record import MODES, Mode, State
from benchmark.timing.sampler import Device

MIB = 1 << 20
FLUSHED = 64 * MIB  # bytes written, at the least, to empty a cache
FLAGS: tuple[tuple[Any, str], ...] = (
    (torch.backends.cudnn, "allow_tf32"),  # convolutions
    (torch.backends.cuda.matmul, "allow_tf32"),
    (torch.backends.cudnn, "benchmark"),
    (torch.backends.cudnn, "deterministic"),
)
CPUINFO = Path("/proc/cpuinfo")
AMPERE = (8, 0)  # compute capability of the first cards with TensorFloat-32 and bfloat16


class Watched(Device, Protocol):
    """A device that can be sampled, with what a recording says of it."""

    name: str

    def machine(self) -> dict[str, str]:
        """Versions, driver and limits."""

    def reset(self) -> None:
        """Forget the peaks of memory so far."""

    def memory(self) -> dict[str, float]:
        """Peaks since then, in MiB."""

    def others(self) -> int:
        """Other processes on the device now."""


def here() -> Watched:
    """The device that networks run on here."""
    return Cuda() if torch.cuda.is_available() else Cpu()


class Cpu:
    """The processor. A call has ended when it returns, so there is nothing to wait for and no other clock."""

    kind = "cpu"

    def __init__(self) -> None:
        threads = torch.get_num_threads()
        self.name = f"{processor()}, {threads} thread{'s' if threads > 1 else ''}"
        self.buffer: Tensor | None = None

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.perf_counter()

    def synchronise(self) -> None:
        """There is nothing to wait for."""

    def mark(self) -> None:
        """There are no events."""

    def between(self, first: Any, last: Any) -> float:
        """Nobody has marks to ask about.

        Raises:
            ValueError: always.
        """
        raise ValueError("a cpu has no events, so there is no time between two")

    def state(self, at: float) -> None:
        """Nothing is known of its clocks."""

    def joules(self) -> None:
        """No energy counter is read: it would need rights that a process should not have."""

    def flush(self) -> None:
        """Write 64 MiB: more than the caches that one core of the usual processors can fill."""
        self.buffer = scrub(self.buffer, FLUSHED, self.kind)

    def machine(self) -> dict[str, str]:
        """Versions, processor and threads."""
        return software()

    def reset(self) -> None:
        """Nothing: the system keeps a process's peak and lets nobody lower it."""

    def memory(self) -> dict[str, float]:
        """The most memory that this process has had resident, in MiB; torch's own code is in it."""
        unit = 1 if sys.platform == "darwin" else 1 << 10  # bytes there, KiB elsewhere (getrusage(2))
        return {"device": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB}

    def others(self) -> int:
        """Always 0: a processor has other processes at any time, and a longer list of them means nothing."""
        return 0


class Cuda:
    """The current NVIDIA device, by torch's events and the driver's instruments."""

    kind = "cuda"

    def __init__(self) -> None:
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        self.name = properties.name
        self.cache = getattr(properties, "L2_cache_size", 0)  # bytes
        self.buffer: Tensor | None = None
        self.nvml = Nvml(*names(properties))
        torch.cuda.synchronize()  # makes this process one of the device's, as `others` counts on

    def now(self) -> float:
        """Seconds on the host's clock, which never goes back."""
        return time.perf_counter()

    def synchronise(self) -> None:
        """Wait until the device has done all that it was sent."""
        torch.cuda.synchronize()

    def mark(self) -> torch.cuda.Event:
        """An event that the device records when it gets here in the current stream."""
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, first: torch.cuda.Event, last: torch.cuda.Event) -> float:
        """Milliseconds between two events that have passed; resolution about 0.5 us (CUDA runtime API)."""
        return first.elapsed_time(last)

    def state(self, at: float) -> State | None:
        """What the driver says of the device now; None without NVML."""
        return self.nvml.state(at)

    def joules(self) -> float | None:
        """Energy since the driver was loaded; None where the card does not count it."""
        return self.nvml.joules()

    def flush(self) -> None:
        """Write twice the size of the L2 cache, so that nothing of a call is left in it."""
        self.buffer = scrub(self.buffer, max(2 * self.cache, FLUSHED), self.kind)

    def machine(self) -> dict[str, str]:
        """Versions and limits; `memory` says whose memory the peak called device is."""
        whose = "of the whole device" if self.nvml.used() is None else "of this process"
        versions = {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
        return software() | versions | {"memory": whose} | self.nvml.machine()

    def reset(self) -> None:
        """Forget torch's peaks."""
        torch.cuda.reset_peak_memory_stats()

    def memory(self) -> dict[str, float]:
        """Peaks in MiB: tensors, torch's reserve, and what the driver has given (CUDA's own code is in it).

        The driver tells what is used now; torch gives no memory of its reserve back, so that is its peak.
        """
        free, total = torch.cuda.mem_get_info()
        used = self.nvml.used()
        peaks = {
            "allocated": torch.cuda.max_memory_allocated(),
            "reserved": torch.cuda.max_memory_reserved(),
            "device": total - free if used is None else used,
        }
        return {name: value / MIB for name, value in peaks.items()}

    def others(self) -> int:
        """Other processes that compute on the device."""
        return self.nvml.others()


def processor() -> str:
    """The processor's name."""
    with suppress(OSError):
        if found := re.search(r"^model name\s*:\s*(.+)$", CPUINFO.read_text(), re.MULTILINE):
            return found[1].strip()
    return platform.processor() or platform.machine()


def software() -> dict[str, str]:
    """What every device runs with."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "threads": str(torch.get_num_threads()),
    }


def scrub(buffer: Tensor | None, size: int, kind: str) -> Tensor:
    """Write so many bytes on a device; the buffer is made at the first time."""
    if buffer is None:
        return torch.zeros(size, dtype=torch.uint8, device=kind)
    return buffer.zero_()


@contextmanager
def applied(mode: Mode, kind: str) -> Iterator[None]:
    """A mode's settings, until the end of the block.

    Args:
        mode: what it declares.
        kind: of device, "cuda" or "cpu".

    Raises:
        ValueError: the device cannot do what the mode declares; the message names the modes that it can.
    """
    if lacks := wants(mode, kind):
        able = ", ".join(name for name, other in MODES.items() if not wants(other, kind))
        raise ValueError(f"mode {mode.name}: {lacks}; here: {able}")
    before = switched(mode.tf32, mode.tf32, mode.search, False)
    try:
        yield
    finally:
        switched(*before)


def switched(*values: bool) -> list[bool]:
    """Give FLAGS these values; the ones they had.

    Since 2.9 torch has two sets of names for TensorFloat-32. Setting the old ones sets the new ones too;
    setting the new ones can make it an error to read the old ones, as torch.compile does (pytorch/pytorch,
    issue 166387). So the old ones are set here, and what some versions warn of then is not passed on.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Please use the new API settings", UserWarning)
        before = [getattr(*flag) for flag in FLAGS]
        for flag, value in zip(FLAGS, values, strict=True):
            setattr(*flag, value)
    return before


def wants(mode: Mode, kind: str) -> str:
    """What a mode needs and a kind of device has not; empty when it can.

    >>> wants(MODES["fast"], "cpu")
    'graph needs CUDA'
    >>> wants(MODES["channels_last"], "cpu")
    ''
    """
    if kind == "cpu":
        needs = {
            mode.launch: mode.launch != "eager",
            mode.dtype: mode.dtype != "float32",
            "TensorFloat-32": mode.tf32,
            "a search of cuDNN's algorithms": mode.search,
        }
        return next((f"{what} needs CUDA" for what, needed in needs.items() if needed), "")
    # In float16, TensorFloat-32 is for the few operators that keep float32: an older card does without.
    modern = mode.dtype == "bfloat16" or (mode.dtype == "float32" and mode.tf32)
    if modern and torch.cuda.is_available() and (has := torch.cuda.get_device_capability()) < AMPERE:
        return f"it needs compute capability 8.0, the card has {has[0]}.{has[1]}"
    return ""
