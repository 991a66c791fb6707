"""Devices that are timed: clocks, memory, and the settings that a mode declares."""

import platform
import re
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.measure.nvml import Nvml, nvml_names
from benchmark.timing.recording import MODES, Mode, State
from benchmark.timing.sampler import Device

MIB = 1 << 20
FLUSH_BYTES = 64 * MIB  # written to empty a cache, at least
FLAGS: tuple[tuple[Any, str], ...] = (
    (torch.backends.cudnn, "allow_tf32"),  # convolutions
    (torch.backends.cuda.matmul, "allow_tf32"),
    (torch.backends.cudnn, "benchmark"),
    (torch.backends.cudnn, "deterministic"),
)
CPUINFO = Path("/proc/cpuinfo")
AMPERE = (8, 0)  # compute capability of the first cards with TensorFloat-32 and bfloat16


def current() -> Device:
    """Return the device that networks run on."""
    return Cuda() if torch.cuda.is_available() else Cpu()


class Cpu(Device):
    """The processor: clocks are not readable, and energy only with rights a process should not have."""

    def __init__(self) -> None:
        threads = torch.get_num_threads()
        self.name = f"{processor()}, {threads} thread{'s' if threads > 1 else ''}"
        self.buffer: Tensor | None = None

    def flush(self) -> None:
        """Write 64 MiB: more than the caches that one core of common processors can fill."""
        self.buffer = scrub(self.buffer, FLUSH_BYTES, self.kind)

    def machine(self) -> dict[str, str]:
        """Describe versions, processor and threads."""
        return software()

    def memory(self) -> dict[str, float]:
        """Return the peak of this process's resident memory, in MiB; torch's own code is in it.

        The system keeps a process's peak, which cannot be reset.
        """
        unit = 1 if sys.platform == "darwin" else 1 << 10  # bytes there, KiB elsewhere (getrusage(2))
        return {"device": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB}


class Core(Cpu):
    """One core of the processor, with a clock of its own: the time that it works for this process.

    Time that the scheduler gives to others is not in it. With several threads there is no such clock: their
    times add up.
    """

    def mark(self) -> float | None:
        """Read the process's own time, s; None with several threads."""
        return time.process_time() if torch.get_num_threads() == 1 else None

    def between(self, first: float, last: float) -> float:
        """Return the ms between two readings."""
        return (last - first) * 1000


class Cuda(Device):
    """The current NVIDIA device, by torch's events and the driver's instruments (NVML)."""

    kind = "cuda"

    def __init__(self) -> None:
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        self.name = properties.name
        self.cache = getattr(properties, "L2_cache_size", 0)  # bytes
        self.buffer: Tensor | None = None
        self.nvml = Nvml(*nvml_names(properties))
        torch.cuda.synchronize()  # makes this process one of the device's, which `other_processes` relies on

    def synchronise(self) -> None:
        """Wait until the device has done all work that was sent to it."""
        torch.cuda.synchronize()

    def mark(self) -> torch.cuda.Event:
        """Record an event in the current stream, behind all work sent so far."""
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, first: torch.cuda.Event, last: torch.cuda.Event) -> float:
        """Return the ms between two events that have passed; resolution about 0.5 us (CUDA runtime API)."""
        return first.elapsed_time(last)

    def state(self, at: float) -> State | None:
        """Read the device's state from the driver; None without NVML."""
        return self.nvml.state(at)

    def joules(self) -> float | None:
        """Return the J since the driver was loaded; None where the card does not count them."""
        return self.nvml.joules()

    def flush(self) -> None:
        """Write twice the size of the L2 cache, so that nothing of a call is left in it."""
        self.buffer = scrub(self.buffer, max(2 * self.cache, FLUSH_BYTES), self.kind)

    def machine(self) -> dict[str, str]:
        """Describe versions and limits; `memory` says whose memory the peak named device is."""
        whose = "of the whole device" if self.nvml.used() is None else "of this process"
        versions = {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
        return software() | versions | {"memory": whose} | self.nvml.machine()

    def reset_peaks(self) -> None:
        """Forget torch's peaks."""
        torch.cuda.reset_peak_memory_stats()

    def memory(self) -> dict[str, float]:
        """Return peaks in MiB: tensors, torch's reserve, and all that the driver counts, CUDA's own code too.

        The driver counts what is used now; torch returns no memory of its reserve, so that is the peak.
        """
        free, total = torch.cuda.mem_get_info()
        used = self.nvml.used()
        peaks = {
            "allocated": torch.cuda.max_memory_allocated(),
            "reserved": torch.cuda.max_memory_reserved(),
            "device": total - free if used is None else used,
        }
        return {name: value / MIB for name, value in peaks.items()}

    def other_processes(self) -> int:
        """Count the other processes that compute on the device."""
        return self.nvml.other_processes()


def processor() -> str:
    """Return the processor's name."""
    with suppress(OSError):
        if name := re.search(r"^model name\s*:\s*(.+)$", CPUINFO.read_text(), re.MULTILINE):
            return name[1].strip()
    return platform.processor() or platform.machine()


def software() -> dict[str, str]:
    """Describe what every device runs with."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "threads": str(torch.get_num_threads()),
    }


def scrub(buffer: Tensor | None, size: int, kind: str) -> Tensor:
    """Write so many bytes on a device, into a buffer that the first call allocates."""
    if buffer is None:
        return torch.zeros(size, dtype=torch.uint8, device=kind)
    return buffer.zero_()


@contextmanager
def applied(mode: Mode, kind: str) -> Iterator[None]:
    """Apply a mode's settings until the end of the block.

    Args:
        mode: declares the settings.
        kind: of device, "cuda" or "cpu".

    Raises:
        ValueError: the device does not support the mode; the message names the modes that it supports.
    """
    if reason := unsupported(mode, kind):
        supported = ", ".join(name for name, other in MODES.items() if not unsupported(other, kind))
        raise ValueError(f"mode {mode.name}: {reason}; allowed on this device: {supported}")
    before = set_flags(mode.tf32, mode.tf32, mode.search, False)
    try:
        yield
    finally:
        set_flags(*before)


def set_flags(*values: bool) -> list[bool]:
    """Set FLAGS to these values and return the previous ones.

    Since 2.9 torch has two sets of names for TensorFloat-32. Setting the old ones sets the new ones too;
    setting the new ones can make it an error to read the old ones, as torch.compile does (pytorch/pytorch,
    issue 166387). So the old ones are set, and the warnings of some versions are ignored.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Please use the new API settings", UserWarning)
        before = [getattr(*flag) for flag in FLAGS]
        for flag, value in zip(FLAGS, values, strict=True):
            setattr(*flag, value)
    return before


def unsupported(mode: Mode, kind: str) -> str:
    """Return why a kind of device does not support a mode; empty when it does.

    >>> unsupported(MODES["fast"], "cpu")
    'graph needs CUDA'
    >>> unsupported(MODES["channels_last"], "cpu")
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
    # In float16, TensorFloat-32 is for the few operators that keep float32: older cards use float32 there.
    modern = mode.dtype == "bfloat16" or (mode.dtype == "float32" and mode.tf32)
    if modern and torch.cuda.is_available() and (card := torch.cuda.get_device_capability()) < AMPERE:
        return f"it needs compute capability 8.0, the card has {card[0]}.{card[1]}"
    return ""
