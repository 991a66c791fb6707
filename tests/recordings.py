"""Invented recordings of a graphics processor, for tests of what is made of recordings."""

import random
from dataclasses import replace
from math import exp

from benchmark.timing.record import Recording, Samples, State

from benchmark.timing import analyse

HARDWARE, THERMAL, POWER_CAP, IDLE = 0x08, 0x20, 0x04, 0x01


def times(ms=10.0, count=100, noise=0.002, seed=0):
    """Synchronised times around a median."""
    draw = random.Random(seed)
    return [ms * exp(draw.gauss(0, noise)) for _ in range(count)]


def looks(wall, mhz=1980.0, reasons=0, slow=(), slow_mhz=None, slow_reasons=0):
    """A look at the device after each sample; the samples in `slow` have a clock and reasons of their own."""
    states, end = [], 0.0
    for number, ms in enumerate(wall):
        end += ms / 1000
        clock = slow_mhz if number in slow and slow_mhz else mhz
        states.append(State(end, clock, 2619.0, 60.0, 600.0, slow_reasons if number in slow else reasons))
    return tuple(states)


def made(wall=None, turn=1, mode="strict", run="small", states=None, **more):
    """A recording of a graphics processor with these synchronised times (ms) and nothing wrong with it."""
    wall = times(seed=turn) if wall is None else list(wall)
    at = [sum(wall[:number]) / 1000 for number in range(len(wall))]
    samples = Samples(
        warm=(12.0, *wall[:9]),
        settled=more.pop("settled", True),
        at=tuple(at),
        wall=tuple(wall),
        asynchronous=tuple(more.pop("asynchronous", [0.1 * ms for ms in wall])),
        events=tuple(more.pop("events", [0.99 * ms for ms in wall])),
        graph=tuple(more.pop("graph", [0.8 * ms for ms in wall])),
        states=looks(wall) if states is None else states,
        stopped=more.pop("stopped", "narrow"),
    )
    values = {"kind": "forward", "height": 720, "width": 1280, "batch": 1, "device": "Card"} | more
    values = {
        "kind_of_device": "cuda",
        "fingerprint": "f",
        "began": "2026-01-01T00:00:00",
        "order": 0,
    } | values
    return Recording(run=run, mode=mode, round=turn, samples=samples, **values)


def with_samples(recording, **changes):
    """The recording with other samples."""
    return replace(recording, samples=replace(recording.samples, **changes))


def slowed(count, dropped, reasons=THERMAL, mhz=1980.0, ms=None):
    """A recording whose first samples were taken while the device slowed itself down."""
    wall = times(count=count)
    wall[:dropped] = [ms or wall[0]] * dropped
    return made(wall, states=looks(wall, slow=range(dropped), slow_mhz=mhz, slow_reasons=reasons))


def rising(ms=10.0, by=0.05, count=90):
    """Times that grow by a share from the first to the last."""
    return [value * (1 + by * i / (count - 1)) for i, value in enumerate(times(ms, count))]


def wide(seed=0):
    """Forty times of which the median is known to no percent."""
    return times(count=40, noise=0.2, seed=seed)


def ceiling(ms, macs, name="matmul_float32", mode="strict", **more):
    """Both rounds of a device's best matrix product."""
    return [
        made(times(ms, seed=turn), turn, mode, name, kind="ceiling", height=0, width=0, macs=macs, **more)
        for turn in (1, 2)
    ]


def row(*recordings):
    """The only row of these."""
    (found,) = analyse.timings(recordings)
    return found


def both(ms, mode="strict", noise=0.002, apart=0.0, mhz=1980.0, **more):
    """Two rounds of a mode."""
    rounds = []
    for turn, level in ((1, ms), (2, ms * (1 + apart))):
        wall = times(level, noise=noise, seed=turn)
        rounds.append(made(wall, turn, mode, states=looks(wall, mhz), **more))
    return rounds
