"""Rows of tables of ratios: of networks in turn (ratios.csv), of steps against others' (throughput.csv)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from benchmark.results.schema import Count, Milliseconds, Ratio, TimingVerdict, number

Signed = Annotated[float, number("1", "significant")]


@dataclass(frozen=True)
class PairedRatio:
    """One row of ratios.csv: all rounds of one pair; where `run` is `anchor` the ratio must be 1."""

    device: str
    kind_of_device: Literal["cuda", "cpu", ""]  # empty: not measured
    run: str
    anchor: str
    mode: str
    height: Count
    width: Count
    batch: Count
    verdict: TimingVerdict
    reason: str  # why it is not sound, what was dropped, what could not be measured
    clock: Literal["wall", "processor time", ""] = ""  # what the ratio is formed from
    rounds: Count | None = None
    pairs: Count | None = None  # that count, of all rounds
    dropped: Count | None = None
    ratio: Ratio | None = None  # Hodges-Lehmann estimate from the ratios of all pairs
    ci_low: Ratio | None = None  # its 95 % interval, widened where it leaves out the ratio of a round
    ci_high: Ratio | None = None
    rounds_apart: Ratio | None = None  # largest ratio of two rounds' ratios, minus 1
    wall_ratio: Ratio | None = None  # by the synchronised wall clock
    async_ratio: Ratio | None = None  # of times until the call returns
    itself: Ratio | None = None  # the anchor over itself, in its own row of the same setting
    carry_over: Signed | None = None  # how much the ratio depends on which network was called before
    run_ms: Milliseconds | None = (
        None  # medians of the clock over all calls, on a machine that need not be quiet
    )
    anchor_ms: Milliseconds | None = None
    torch: str = ""
    fingerprint: str = ""  # of the code and settings that were timed


@dataclass(frozen=True)
class Throughput:
    """One row of throughput.csv: a training step of the authors' own script over the same step here."""

    network: str
    batch: Count
    crop: Count
    device: str
    threads: Count
    precision: str  # of the step here
    theirs_ms: Milliseconds
    ours_ms: Milliseconds
    ratio: Ratio  # median over pairs of theirs over ours, by the clock on the wall
    ratio_low: Ratio  # its 95 % interval
    ratio_high: Ratio
    ratio_cpu: Ratio  # by processor seconds
    ratio_cpu_low: Ratio | None
    ratio_cpu_high: Ratio | None
    pairs: Count
    torch: str
