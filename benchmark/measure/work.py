"""What is timed: a task says what, a work how. One file beside this one prepares each kind of work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.spec import Run
from benchmark.timing.record import Mode


@dataclass(frozen=True)
class Task:
    """One measurement to make, in a process of its own."""

    kind: str  # forward, step or ceiling
    name: str  # the run's, or the ceiling's
    mode: Mode
    height: int  # pixels; of a step: the crop; of a ceiling: 0
    width: int
    batch: int
    round: int
    fingerprint: str
    order: int = 0
    run: Run | None = None  # None: a ceiling


@dataclass(frozen=True)
class Work:
    """What a process calls again and again. Nothing has been called yet when it is made."""

    call: Callable[[], Any]  # sends one call's work to the device and does not wait for it
    macs: int = 0  # of one call
    traffic: int = 0  # bytes read and written by all operators of one call, at the least
    capture: Callable[[], Callable[[], Any]] | None = None  # records the call as a graph; gives its replay
    moved: Callable[[], Any] | None = None  # one call from 8-bit image on the host to 8-bit image on the host
    answer: Callable[[], dict[str, Any]] | None = None  # how far its answer is from strict's; not timed
    notes: tuple[str, ...] = ()
