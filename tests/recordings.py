"""Invented recordings of a graphics processor, for tests of what is derived from recordings."""

import random
from dataclasses import replace
from math import exp

from benchmark.timing.recording import Recording, Samples, State
from benchmark.timing.timings import timings

HARDWARE, THERMAL, POWER_CAP, IDLE = 0x08, 0x20, 0x04, 0x01
# What a processor's recording lacks.
CPU = {"kind_of_device": "cpu", "states": (), "events": (), "graph": (), "asynchronous": ()}


def times(ms=10.0, count=100, noise=0.002, seed=0):
    """Draw synchronised times around a median."""
    draw = random.Random(seed)
    return [ms * exp(draw.gauss(0, noise)) for _ in range(count)]


def states_after(wall, mhz=1980.0, events=0, slow=(), slow_mhz=None, slow_events=0):
    """Read the device's state after each sample; those in `slow` have a clock and events of their own."""
    states, end = [], 0.0
    for number, ms in enumerate(wall):
        end += ms / 1000
        clock = slow_mhz if number in slow and slow_mhz else mhz
        states.append(State(end, clock, 2619.0, 60.0, 600.0, slow_events if number in slow else events))
    return tuple(states)


def recording(wall=None, number=1, mode="strict", run="small", states=None, **more):
    """Make a flawless recording of a graphics processor with these synchronised times (ms)."""
    wall = times(seed=number) if wall is None else list(wall)
    samples = Samples(
        warm=(12.0, *wall[:9]),
        settled=more.pop("settled", True),
        at=tuple(sum(wall[:index]) / 1000 for index in range(len(wall))),
        wall=tuple(wall),
        asynchronous=tuple(more.pop("asynchronous", [0.1 * ms for ms in wall])),
        events=tuple(more.pop("events", [0.99 * ms for ms in wall])),
        graph=tuple(more.pop("graph", [0.8 * ms for ms in wall])),
        states=states_after(wall) if states is None else states,
        stopped=more.pop("stopped", "narrow"),
    )
    values = {"kind": "forward", "height": 720, "width": 1280, "batch": 1, "device": "Card"}
    values |= {"kind_of_device": "cuda", "fingerprint": "f", "started": "2026-01-01T00:00:00", "position": 0}
    return Recording(run=run, mode=mode, round=number, samples=samples, **values | more)


def pair(ratio=0.5, number=1, count=60, noise=0.01, run="small", anchor="large", ratios=None, **more):
    """Make a processor's recording of a network in turn with its anchor, which takes 10 ms."""
    draw = random.Random(f"{number} {run}")
    ratios = [ratio * exp(draw.gauss(0, noise)) for _ in range(count)] if ratios is None else ratios
    wall = [ms for i, each in enumerate(ratios) for ms in ((10.0, 10 * each) if i % 2 else (10 * each, 10.0))]
    cells = {"kind": "pair", "anchor": anchor, "turns": "ABBA" * (len(ratios) // 2), "states": ()}
    return recording(wall, number, run=run, **CPU | cells | more)


def with_samples(recording, **changes):
    """Replace some of the recording's samples."""
    return replace(recording, samples=replace(recording.samples, **changes))


def slowed(count, rejected, events=THERMAL, mhz=1980.0, ms=None):
    """Make a recording whose first samples were taken while the device slowed itself down."""
    wall = times(count=count)
    wall[:rejected] = [ms or wall[0]] * rejected
    return recording(wall, states=states_after(wall, slow=range(rejected), slow_mhz=mhz, slow_events=events))


def rising(ms=10.0, by=0.05, count=90):
    """Draw times that grow by a share from the first to the last."""
    return [value * (1 + by * i / (count - 1)) for i, value in enumerate(times(ms, count))]


def noisy(seed=0):
    """Draw forty times whose median has an interval wider than a percent."""
    return times(count=40, noise=0.2, seed=seed)


def ceiling(ms, macs, name="matmul_float32", mode="strict", **more):
    """Make both rounds of a device's best matrix product."""
    size = {"kind": "ceiling", "height": 0, "width": 0, "macs": macs}
    return [recording(times(ms, seed=number), number, mode, name, **size, **more) for number in (1, 2)]


def row(*recordings):
    """Return the only row of these recordings."""
    (only,) = timings(recordings)
    return only


def two_rounds(ms, mode="strict", noise=0.002, apart=0.0, mhz=1980.0, **more):
    """Make two rounds of a mode whose levels differ by the share `apart`."""
    rounds = []
    for number, level in ((1, ms), (2, ms * (1 + apart))):
        wall = times(level, noise=noise, seed=number)
        rounds.append(recording(wall, number, mode, states=states_after(wall, mhz), **more))
    return rounds
