"""A task says what is timed, its work how: forward.py, steps.py and ceilings.py prepare work for tasks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.spec import Run
from benchmark.timing.recording import Mode


@dataclass(frozen=True)
class Task:
    """Name a piece of work to time in a process of its own."""

    kind: str  # forward, step or ceiling
    name: str  # the run's, or the ceiling's
    mode: Mode
    height: int  # pixels; of a step: the crop; of a ceiling: 0
    width: int
    batch: int
    round: int
    fingerprint: str
    position: int = 0  # among the processes of one command
    run: Run | None = None  # None: a ceiling


@dataclass(frozen=True)
class Work:
    """Hold what a process times; nothing has been called yet."""

    call: Callable[[], Any]  # sends one call's work to the device and does not wait for it
    macs: int = 0  # of one call
    traffic: int = 0  # bytes that all operators of one call read and write, at least
    capture: Callable[[], Callable[[], Any]] | None = None  # records the call as a graph; returns its replay
    end_to_end: Callable[[], Any] | None = None  # one call from 8-bit image on the host to the same
    accuracy: Callable[[], dict[str, Any]] | None = None  # compares the restored image with mode strict's
    notes: tuple[str, ...] = ()
