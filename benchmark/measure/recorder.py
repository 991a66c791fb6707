"""One process's work: call it, time it, and write down all that was seen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import torch

from benchmark.measure.clocks import Watched, applied
from benchmark.measure.work import Task, Work
from benchmark.timing import sampler
from benchmark.timing.record import Recording
from benchmark.timing.rules import RULES, Rules

MOVED = 10  # times that images go from host to host, after one that does not count


def record(task: Task, work: Work, device: Watched, rules: Rules | None = None) -> Recording:
    """Time a piece of work in its mode, all clocks and all rules of the protocol.

    A cold mode has no burst and no way from host to host: caches are emptied before its samples alone, and
    those would be the warm mode's.

    Args:
        task: what is timed.
        work: not called yet.
        device: where it is.
        rules: of the protocol; the default are those of this kind of device.

    Raises:
        ValueError: the device has too little memory, or cannot do what the mode declares.
    """
    rules = rules or RULES[device.kind]
    notes = list(work.notes)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    with fitting(task, device), applied(task.mode, device.kind):
        others = device.others()
        device.reset()
        first_ms = timed(device, work.call)
        timed(device, work.call)
        memory = device.memory()
        replay = graph(work, notes)
        samples = sampler.sample(device, work.call, rules, replay, task.mode.cold)
        burst = None if task.mode.cold else sampler.burst(device, work.call, rules)
        moved = () if task.mode.cold or not work.moved else times(device, work.moved, rules)
        answer = checked(work, notes)
    return Recording(
        kind=task.kind,
        run=task.name,
        mode=task.mode.name,
        height=task.height,
        width=task.width,
        batch=task.batch,
        round=task.round,
        device=device.name,
        kind_of_device=device.kind,
        fingerprint=task.fingerprint,
        began=began,
        order=task.order,
        samples=samples,
        macs=work.macs,
        traffic=work.traffic,
        first_ms=first_ms,
        moved=moved,
        burst=burst,
        memory=memory,
        answer=answer,
        machine=device.machine(),
        others=max(others, device.others()),
        notes=tuple(notes),
    )


@contextmanager
def fitting(task: Task, device: Watched) -> Iterator[None]:
    """Say what did not fit into the device's memory, in one line.

    Raises:
        ValueError: something did not.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        size = f"{task.height}x{task.width}, batch {task.batch}"
        what = f"{task.kind} of {task.name}, mode {task.mode.name}, {size}"
        raise ValueError(f"{what}: more memory than {device.name} has") from None


def timed(device: Watched, call: Callable[[], Any]) -> float:
    """Wall ms of one call, synchronised before and after."""
    device.synchronise()
    begin = device.now()
    call()
    device.synchronise()
    return (device.now() - begin) * 1000


def times(device: Watched, call: Callable[[], Any], rules: Rules) -> tuple[float, ...]:
    """Wall ms of each of some calls, fewer when they take longer than a burst; the first is left out."""
    end = device.now() + rules.burst
    with sampler.uncollected():
        timed(device, call)
        found = [timed(device, call)]
        while len(found) < MOVED and device.now() < end:
            found.append(timed(device, call))
    return tuple(found)


def graph(work: Work, notes: list[str]) -> Callable[[], Any] | None:
    """The work as a graph, where there is one; else a note says why there is none."""
    if work.capture is None:
        return None
    try:
        return work.capture()
    except (ValueError, torch.OutOfMemoryError) as error:
        notes.append(line(error, "no graph"))
    return None


def checked(work: Work, notes: list[str]) -> dict[str, Any]:
    """How far the answer is from strict's; a note where that cannot be said."""
    if work.answer is None:
        return {}
    try:
        return work.answer()
    except (ValueError, torch.OutOfMemoryError) as error:
        notes.append(line(error, "answer not compared"))
    return {}


def line(error: Exception, what: str) -> str:
    """What could not be had, and the first line of why."""
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    return why if why.startswith(what) else f"{what}: {why}"
