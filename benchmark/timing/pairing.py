"""The loop of a pair: a network and its anchor in turn, until the ratio of their times is certain.

Both are called in one process, in blocks ABBA or BAAB that a seed draws, so that whatever slows the machine
down for longer than a block slows both, and a drift cancels. Two neighbouring turns are a pair; its ratio is
one sample of what is measured, and all of them give the ratio and its interval (`stats.ratio_interval`).
"""

import random
from collections.abc import Iterator, Sequence
from statistics import fmean, median

import numpy as np

from benchmark.timing import sampler, stats
from benchmark.timing.recording import Recording, Samples
from benchmark.timing.rejection import reject_reasons
from benchmark.timing.rules import PAIR_RULES, Rules
from benchmark.timing.sampler import Call, Device, Monitor, TimedCall

BLOCKS = ("ABBA", "BAAB")  # A is the network, B its anchor
MOST_CALLS = 8  # of a turn


def sample_pair(
    device: Device, network: Call, anchor: Call, rules: Rules, seed: str
) -> tuple[Samples, str, tuple[int, int]]:
    """Warm both up, then call them in turn until the ratio is certain or time is up.

    Args:
        device: has the clocks.
        network: is what the ratio is of.
        anchor: is what it is compared with.
        rules: when to stop, of `rules.PAIR_RULES`; `max_samples` are pairs.
        seed: draws the blocks.

    Returns:
        Samples of both in the order they were taken, whose turns they are (A or B, each), and how many
        samples a turn of A has, and one of B.
    """
    sides, dice = {"A": network, "B": anchor}, random.Random(seed)
    with sampler.paused_garbage_collection():
        warmed = {side: sampler.warm_up(device, call, rules) for side, call in sides.items()}
        own = device.kind == "cpu" and device.mark() is not None  # a clock that others do not disturb
        calls = (1, 1) if own else calls_per_turn(*(median(warm[-5:]) for warm, _ in warmed.values()))
        counts = dict(zip(sides, calls, strict=True))
        monitor = Monitor(device, rules.state_seconds)
        taken: list[TimedCall] = []
        turns, stopped, check = "", "", rules.min_samples
        while not stopped:
            turns += (block := dice.choice(BLOCKS))
            for side in block:
                for _ in range(counts[side]):
                    taken.append(sampler.time_call(device, sides[side]))
                    elapsed = monitor.elapsed()
            pairs = len(turns) // 2
            late = pairs >= sampler.FEWEST and elapsed * (pairs + 2) / pairs > rules.max_seconds
            over = late or pairs >= rules.max_samples
            if over or pairs >= check:
                check = sampler.next_check(pairs)
                samples = sampler.all_samples([], True, taken, monitor, "")
                sure = certain(pair_ratios(samples, turns, calls, device.kind, rules), rules)
                stopped = "narrow" if sure else "time" if over else ""
    warm = [ms for times, _ in warmed.values() for ms in times]
    settled = all(settled for _, settled in warmed.values())
    return sampler.all_samples(warm, settled, taken, monitor, stopped), turns, calls


def calls_per_turn(network_ms: float, anchor_ms: float) -> tuple[int, int]:
    """Return how many calls make a turn of each, so that both turns take about the same time.

    A short disturbance then meets as many turns of either. Were a turn always one call, the median of short
    calls would miss disturbances that every long call contains.

    >>> calls_per_turn(100.0, 20.0), calls_per_turn(20.0, 21.0), calls_per_turn(1.0, 100.0)
    ((1, 5), (1, 1), (8, 1))
    """
    slower = max(network_ms, anchor_ms)
    network, anchor = (min(MOST_CALLS, max(1, round(slower / ms))) for ms in (network_ms, anchor_ms))
    return network, anchor


def certain(ratios: Sequence[float], rules: Rules) -> bool:
    """Decide whether enough pairs count, and their ratio has a narrow interval."""
    enough = len(ratios) >= rules.min_samples
    return enough and stats.ratio_interval(ratios).half_width <= rules.target_half_width


def own_clock(samples: Samples, kind_of_device: str) -> Sequence[float]:
    """Return the clock that ratios are formed from: what the device itself needs, or synchronised wall.

    A processor's own clock is the process's processor time, which leaves out what the scheduler gave to
    others; there is one where a single thread does the work. On a GPU the synchronised wall clock counts.
    """
    return samples.events if kind_of_device == "cpu" and samples.events else samples.wall


def pair_ratios(
    samples: Samples,
    turns: str,
    calls: tuple[int, int],
    kind_of_device: str,
    rules: Rules,
    clock: Sequence[float] | None = None,
) -> list[float]:
    """Return the ratio of each pair of turns without a rejected sample, in the order they were taken.

    Args:
        samples: of both, in their order.
        turns: A or B, each; as `calls` from `sample_pair`.
        calls: samples of a turn of A, and of B.
        kind_of_device: "cuda" or "cpu".
        rules: say which samples are rejected.
        clock: of the samples; by default `own_clock`.

    Returns:
        Mean time of a call of A over that of B, each.
    """
    clock = own_clock(samples, kind_of_device) if clock is None else clock
    rejected = reject_reasons(samples.at, samples.wall, samples.states, rules)
    means = [
        (side, None if any(rejected[part]) else fmean(clock[part])) for side, part in parts(turns, calls)
    ]
    ratios = []
    for first, second in zip(means[::2], means[1::2], strict=True):
        pair = dict((first, second))
        network, anchor = pair["A"], pair["B"]
        if network and anchor:
            ratios.append(network / anchor)
    return ratios


def parts(turns: str, calls: tuple[int, int]) -> Iterator[tuple[str, slice]]:
    """Yield the side of each turn and where its samples are."""
    counts, start = dict(zip("AB", calls, strict=True)), 0
    for side in turns:
        yield side, slice(start, start + counts[side])
        start += counts[side]


def ratios_of(
    recording: Recording, clock: Sequence[float] | None = None, rules: Rules | None = None
) -> list[float]:
    """Return the ratios of a recorded pair, by default by its own clock and the rules of its device."""
    kind = recording.kind_of_device
    rules = rules or PAIR_RULES[kind]
    return pair_ratios(recording.samples, recording.turns, recording.calls, kind, rules, clock)


def carry_over(recording: Recording) -> float | None:
    """Return how much the ratio depends on which network was called before; None without samples.

    The two middle turns of a block are of one network: the first follows the other network, whose data is in
    the caches, the second follows itself. What that costs the network, over what it costs the anchor, minus
    1, is how far a ratio of calls that all follow the other is from one of calls that all follow themselves;
    the measured ratio lies in between.
    """
    clock = own_clock(recording.samples, recording.kind_of_device)
    first_call = [(side, clock[part.start]) for side, part in parts(recording.turns, recording.calls)]
    costs: dict[str, list[float]] = {"A": [], "B": []}
    for start in range(0, len(first_call) - 3, 4):
        (side, after_other), (_, after_itself) = first_call[start + 1 : start + 3]
        costs[side].append(after_other / after_itself)
    if not (costs["A"] and costs["B"]):
        return None
    network, anchor = (float(np.median(costs[side])) for side in "AB")
    return network / anchor - 1
