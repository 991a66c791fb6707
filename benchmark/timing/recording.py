"""A recording: what one timing process leaves behind, with every raw sample.

Nothing is judged here: verdicts are derived from recordings by `verdicts`, on any machine, at any time.
Times are milliseconds; moments are seconds since the first sample began.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from benchmark.timing.rules import RULES

# A network restores; a recipe trains; the device alone; a network and its table's anchor in turn.
KINDS = ("forward", "step", "ceiling", "pair")


@dataclass(frozen=True)
class Mode:
    """Declare how a network is run: none of these settings is left to a library's default."""

    name: str
    about: str
    dtype: str = "float32"  # or float16, bfloat16: under autocast
    tf32: bool = False  # convolutions and matrix products in TensorFloat-32
    layout: str = "nchw"  # or channels_last
    search: bool = False  # cudnn.benchmark: convolution algorithms are measured, not guessed
    launch: str = "eager"  # or graph (a replayed CUDA graph), compiled (torch.compile, then a graph)
    cold: bool = False  # the L2 cache is emptied before every sample


FAST = Mode(
    "fast",
    "what a user would choose: float16, channels last, searched algorithms, a replayed CUDA graph",
    dtype="float16",
    tf32=True,
    layout="channels_last",
    search=True,
    launch="graph",
)
MODES = {
    mode.name: mode
    for mode in (
        Mode("strict", "plain eager float32, as the papers' formulas are"),
        Mode("tf32", "eager float32 whose convolutions may use TensorFloat-32", tf32=True),
        Mode("cold", "strict, from an empty L2 cache", cold=True),
        Mode("channels_last", "strict, with channels last in memory", layout="channels_last"),
        FAST,
        replace(FAST, name="fast_bf16", about="fast, in bfloat16", dtype="bfloat16"),
        replace(FAST, name="compiled", about="fast, compiled first", launch="compiled"),
    )
}
DEFAULT_MODES = {"cuda": ("strict", "tf32", "fast"), "cpu": ("strict", "channels_last")}  # by kind of device


class State(NamedTuple):
    """The device's state at a moment, as NVML reports it; 0 means not readable."""

    at: float  # s since the first sample began
    sm_mhz: float
    memory_mhz: float
    celsius: float
    watts: float
    clock_events: int  # nvmlClocksEventReasons, a bit mask


@dataclass(frozen=True)
class Samples:
    """All samples of a process, by every clock; clocks that the device does not have are empty.

    Raises:
        ValueError: a time is negative, a sample took no time, or clocks have different numbers of samples.
    """

    warm: tuple[float, ...]  # wall ms of the warm-up's calls
    settled: bool  # whether the warm-up ended because times were steady, not at its time limit
    at: tuple[float, ...]  # s since the first sample began, of each sample's begin
    wall: tuple[float, ...]  # synchronised before and after
    asynchronous: tuple[float, ...] = ()  # until the call returns: what the literature printed
    events: tuple[float, ...] = ()  # between two events on the device
    graph: tuple[float, ...] = ()  # a replayed graph, between two events
    states: tuple[State, ...] = ()
    stopped: str = "narrow"  # why sampling stopped: the median's interval was narrow; or "time": a limit

    def __post_init__(self) -> None:
        for name in ("warm", "at", "wall", "asynchronous", "events", "graph"):
            clock = getattr(self, name)
            if min(clock, default=0) < 0:
                raise ValueError(f"{name}: {min(clock)}; allowed: numbers from 0 on")
            if name != "warm" and len(clock) != len(self.wall) and (clock or name == "at"):
                raise ValueError(f"{name}: {len(clock)} numbers for {len(self.wall)} samples")
        if 0 in self.wall:
            raise ValueError("wall: a sample took 0 ms; allowed: numbers above 0")


@dataclass(frozen=True)
class Burst:
    """Calls sent back to back, synchronised once at the end: throughput and energy."""

    calls: int
    seconds: float
    joules: float | None = None  # None: the device has no energy counter


@dataclass(frozen=True)
class Recording:
    """One process: one network (or ceiling, or training step) in one mode at one size.

    Raises:
        ValueError: kind, mode or kind of device is unknown, a number is negative, or the samples of a pair
            are not those of its turns.
    """

    kind: str  # one of KINDS
    run: str  # a run of benchmark/runs; a ceiling's own name
    mode: str  # one of MODES
    height: int  # pixels as requested, before padding to the network's size constraint
    width: int
    batch: int
    round: int  # from 1 on; rounds of one timing are different processes
    device: str  # its name
    kind_of_device: str  # "cuda" or "cpu"
    fingerprint: str  # of the code, config and versions that were timed
    started: str  # UTC, ISO 8601
    position: int  # among the processes of one command
    samples: Samples
    macs: int = 0  # of one call
    traffic: int = 0  # bytes that all operators of one call read and write (measure/traffic.py)
    first_call_ms: float | None = None  # with all its preparations
    end_to_end: tuple[float, ...] = ()  # wall ms from 8-bit image on the host to 8-bit image on the host
    burst: Burst | None = None
    memory: dict[str, float] = field(default_factory=dict)  # MiB: allocated, reserved, device (peaks)
    accuracy: dict[str, Any] = field(default_factory=dict)  # beside mode strict: measure.forward.compare
    machine: dict[str, str] = field(default_factory=dict)  # versions, driver, threads
    other_processes: int = 0  # on the device, before or after
    notes: tuple[str, ...] = ()  # what could not be measured, with the reason
    # Of a pair alone; its samples are those of both networks in the order in which they were taken.
    anchor: str = ""  # the run that `run` is compared with
    turns: str = ""  # whose turn it was: A of `run`, B of `anchor`; two turns are a pair
    calls: tuple[int, int] = (1, 1)  # samples of a turn of A, and of B

    def __post_init__(self) -> None:
        for name, allowed in (("kind", KINDS), ("mode", MODES), ("kind_of_device", RULES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} {getattr(self, name)!r}; allowed: {', '.join(allowed)}")
        numbers = {"first_call_ms": [self.first_call_ms or 0], "end_to_end": self.end_to_end}
        for name, values in (numbers | {"memory": self.memory.values()}).items():
            if min(values, default=0) < 0:
                raise ValueError(f"{name}: {min(values)}; allowed: numbers from 0 on")
        for name in ("error", "psnr_change"):
            if not isinstance(self.accuracy.get(name, 0.0), int | float):
                raise ValueError(f"accuracy.{name} {self.accuracy[name]!r}; allowed: numbers")
        if self.kind == "pair":
            self.check_turns()

    def check_turns(self) -> None:
        """Check that every two turns are one of each network, and that all their samples are there.

        Raises:
            ValueError: they are not.
        """
        pairs = {self.turns[start : start + 2] for start in range(0, len(self.turns), 2)}
        if not pairs <= {"AB", "BA"}:
            raise ValueError(f"turns {self.turns!r}; allowed: AB and BA, any number of times")
        if min(self.calls) < 1:
            raise ValueError(f"calls {min(self.calls)}; allowed: whole numbers from 1 on")
        expected = len(self.turns) // 2 * sum(self.calls)
        if len(self.samples.wall) != expected:
            raise ValueError(f"wall: {len(self.samples.wall)} numbers for {expected} samples of the turns")


def timing_key(row: Any) -> tuple[Any, str, str, int, int, int, str]:
    """Return what all rounds of one timing on one device share: of a Recording, a Job or a row of a table.

    The last is the anchor, empty for all but pairs; a table of other kinds has no such column.
    """
    anchor = getattr(row, "anchor", "")
    return row.kind, row.run, row.mode, row.height, row.width, row.batch, anchor
