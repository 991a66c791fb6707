"""Record one timing process: call the work, time it by every clock, and keep all samples."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import torch

from benchmark.measure.devices import applied
from benchmark.timing import pairing, sampler
from benchmark.timing.recording import MODES, Recording
from benchmark.timing.rules import PAIR_RULES, RULES, Rules
from benchmark.timing.sampler import Device
from benchmark.timing.schedule import Job

END_TO_END_CALLS = 10  # from host to host, after one that does not count


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


def record(
    job: Job, work: Work, device: Device, fingerprint: str = "", position: int = 0, rules: Rules | None = None
) -> Recording:
    """Time a job's work in its mode, by all clocks and by the rules of this kind of device or others.

    A cold mode has no burst and no end-to-end time: caches are emptied before its samples alone, so those
    would be the warm mode's.

    Raises:
        ValueError: the device has too little memory, or does not support the mode.
    """
    rules, mode = rules or RULES[device.kind], MODES[job.mode]
    notes = list(work.notes)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with memory_error(job, device), applied(mode, device.kind):
        other_processes = device.other_processes()
        device.reset_peaks()
        first_call_ms = wall_ms(device, work.call)
        wall_ms(device, work.call)
        memory = device.memory()
        replay = optional(work.capture, "no graph", notes)
        samples = sampler.sample(device, work.call, rules, replay, mode.cold)
        warm = not mode.cold
        burst = sampler.burst(device, work.call, rules) if warm else None
        end_to_end = end_to_end_times(device, work.end_to_end, rules) if warm and work.end_to_end else ()
        accuracy = optional(work.accuracy, "restored image not compared", notes) or {}
    return Recording(
        **asdict(job),
        device=device.name,
        kind_of_device=device.kind,
        fingerprint=fingerprint,
        started=started,
        position=position,
        samples=samples,
        macs=work.macs,
        traffic=work.traffic,
        first_call_ms=first_call_ms,
        end_to_end=end_to_end,
        burst=burst,
        memory=memory,
        accuracy=accuracy,
        machine=device.machine(),
        other_processes=max(other_processes, device.other_processes()),
        notes=tuple(notes),
    )


def record_pair(
    job: Job,
    network: Work,
    anchor: Work,
    device: Device,
    fingerprint: str = "",
    position: int = 0,
    rules: Rules | None = None,
) -> Recording:
    """Time a network and its anchor in turn, both in this process and on this device.

    Peaks of memory are those of both. Processors keep the time until a call returns nowhere: it is all of it.

    Raises:
        ValueError: the device has too little memory for both, or does not support the mode.
    """
    rules = rules or PAIR_RULES[device.kind]
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with memory_error(job, device), applied(MODES[job.mode], device.kind):
        other_processes = device.other_processes()
        device.reset_peaks()
        first_call_ms = wall_ms(device, network.call)
        wall_ms(device, anchor.call)
        memory = device.memory()
        samples, turns, calls = pairing.sample_pair(device, network.call, anchor.call, rules, str(job))
    return Recording(
        **asdict(job),
        device=device.name,
        kind_of_device=device.kind,
        fingerprint=fingerprint,
        started=started,
        position=position,
        samples=replace(samples, asynchronous=()) if device.kind == "cpu" else samples,
        first_call_ms=first_call_ms,
        memory=memory,
        machine=device.machine(),
        other_processes=max(other_processes, device.other_processes()),
        notes=(*network.notes, *anchor.notes),
        turns=turns,
        calls=calls,
    )


@contextmanager
def memory_error(job: Job, device: Device) -> Iterator[None]:
    """Turn running out of the device's memory into one line.

    Raises:
        ValueError: the block ran out of memory.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        what = f"{job.kind} of {job.run}, mode {job.mode}, {job.height}x{job.width}, batch {job.batch}"
        raise ValueError(f"{what}: more memory than {device.name} has") from None


def wall_ms(device: Device, call: Callable[[], Any]) -> float:
    """Return the wall ms of one call, synchronised before and after."""
    device.synchronise()
    begin = device.now()
    call()
    device.synchronise()
    return (device.now() - begin) * 1000


def end_to_end_times(device: Device, call: Callable[[], Any], rules: Rules) -> tuple[float, ...]:
    """Return the wall ms of up to ten calls, as many as begin within a burst's time, after a first one."""
    end = device.now() + rules.burst_seconds
    with sampler.paused_garbage_collection():
        wall_ms(device, call)
        times = [wall_ms(device, call)]
        while len(times) < END_TO_END_CALLS and device.now() < end:
            times.append(wall_ms(device, call))
    return tuple(times)


def optional(call: Callable[[], Any] | None, failure: str, notes: list[str]) -> Any:
    """Call what a recording can do without; a failure becomes a note with its reason.

    Returns:
        What the call returns; None where there is no call or it failed.
    """
    if call is None:
        return None
    try:
        return call()
    except (ValueError, torch.OutOfMemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        notes.append(reason if reason.startswith(failure) else f"{failure}: {reason}")
    return None
