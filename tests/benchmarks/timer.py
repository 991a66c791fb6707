"""Our medians beside those of torch.utils.benchmark.Timer, and on a GPU of triton.testing.do_bench.

    PYTHONPATH=. python tests/benchmarks/timer.py [PAIRS] [SECONDS]

All time the same call of the same network in one process, with as many threads, in turns of SECONDS (default
0.7) whose order is random within each of PAIRS (default 15). What counts is the median of the pairs' ratios,
with its 95 % interval: what slows the machine down for longer than a pair hits both sides alike. The exit
status is 1 when it is off by more than 3 %, or 2 % beside do_bench. "A/A" is the A/A
spread: the largest difference between two turns of one side.

Run it in the project's root, when nothing else is running.

On a GPU the Timer sends several calls before it waits, which ours does not, so it is printed and not judged;
do_bench reads the device's own clock with an empty L2 cache, and so do we beside it.
"""

import random
import sys
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.benchmark import Timer

from benchmark import spec
from benchmark.measure import devices, forward
from benchmark.timing.comparison import spread
from benchmark.timing.recording import MODES
from benchmark.timing.rules import RULES
from benchmark.timing.sampler import sample
from benchmark.timing.schedule import Job
from benchmark.timing.stats import median_interval

NETWORKS = ("dmphn_1", "mimo_unet", "deblurgan")
SIZES = {"cpu": (128, 128), "cuda": (720, 1280)}  # on a GPU large enough that launching costs nothing
PARAMS = Path(__file__).parents[2] / "params.yaml"
Side = Callable[[], float]  # takes one turn; returns the median in ms


def ours(device: Any, call: Callable[[], Any], seconds: float, clock: str, cold: bool) -> float:
    """Time by the project's own sampling loop, which may stop only when its turn is over."""
    rules = replace(
        RULES[device.kind], warm_seconds=0.1, warm_max_seconds=0.5, target_half_width=0.0, max_seconds=seconds
    )
    return median(getattr(sample(device, call, rules, cold=cold), clock))


def theirs(call: Callable[[], Any], seconds: float) -> float:
    """Time by torch's own timer."""
    timer = Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=seconds).median * 1000


def tritons(call: Callable[[], Any], seconds: float) -> float:
    """Time by Triton's."""
    from triton.testing import do_bench

    return float(do_bench(call, rep=round(1000 * seconds), return_mode="median"))


def comparisons(device: Any, call: Callable[[], Any], seconds: float) -> list[tuple[str, Side, Side, float]]:
    """List each opponent's name, our side, its side, and how far the ratio may be off."""

    def side(clock: str, cold: bool) -> Side:
        return lambda: ours(device, call, seconds, clock, cold)

    timer = ("Timer", side("wall", cold=False), lambda: theirs(call, seconds))
    if device.kind == "cpu":
        return [(*timer, 0.03)]
    return [(*timer, inf), ("do_bench", side("events", cold=True), lambda: tritons(call, seconds), 0.02)]


def turns(sides: tuple[Side, Side], pairs: int, dice: random.Random) -> list[tuple[float, float]]:
    """Return the medians of each pair."""
    medians = []
    for _ in range(pairs):
        turn = {side: sides[side]() for side in dice.sample((0, 1), 2)}
        medians.append((turn[0], turn[1]))
    return medians


def main(pairs: int = 15, seconds: float = 0.7) -> int:
    """Print one line per network and opponent; 1 when a ratio is off."""
    device, runs, dice = devices.current(), spec.load(PARAMS)[1], random.Random(0)
    height, width = SIZES[device.kind]
    print(f"{device.name}: {height}x{width}, {pairs} pairs of turns of {seconds:g} s")
    off = False
    for name in NETWORKS:
        job = Job("forward", name, "strict", height, width, 1, 1)
        with devices.applied(MODES[job.mode], device.kind):
            call = forward.prepare(job, runs[name], device.kind).call
            call()
            for opponent, mine, other, limit in comparisons(device, call, seconds):
                pairs_of_medians = turns((mine, other), pairs, dice)
                ratios = [a / b for a, b in pairs_of_medians]
                low, high = median_interval(ratios)
                our, their = zip(*pairs_of_medians, strict=True)
                wrong = abs(median(ratios) - 1) > limit
                off |= wrong
                print(
                    f"{name}: ours {median(our):.3f} ms (A/A {spread(our):.1%}), "
                    f"{opponent} {median(their):.3f} ms (A/A {spread(their):.1%}), "
                    f"ratio {median(ratios):.4f} ({low:.4f} to {high:.4f}){', OFF' if wrong else ''}",
                    flush=True,
                )
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main(*(kind(word) for kind, word in zip((int, float), sys.argv[1:], strict=False))))
