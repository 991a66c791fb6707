"""Run times: printed ones beside the lower bounds of physics, and what was measured on devices."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.compare.physics import Clocked
from benchmark.report.entries import short
from benchmark.report.inputs import Inputs
from benchmark.results.schema import PHYSICS_VERDICTS, PhysicsVerdict, Price, PrintedTime, Timing

FULL = (720, 1280)  # height and width in pixels of the papers' run times, where a size is stated
STRICT = "strict"  # the mode that others are compared with

Modes = tuple[tuple[str, tuple[Timing, ...]], ...]  # of each run, the rows of its modes


@dataclass(frozen=True)
class Dot:
    """One printed time beside the lower bounds of its network on its card, in seconds."""

    label: str
    verdict: PhysicsVerdict
    printed: float
    at_peak: float  # the work at the card's peak
    lower_bound: float  # with the highest clock and an ideal algorithm


@dataclass(frozen=True)
class Point:
    """A run on the roofline."""

    run: str
    intensity: float  # FLOP per byte
    tflops: float


@dataclass(frozen=True)
class Roofline:
    """The measured limits of a device, and the runs below them."""

    name: str  # of its plot
    device: str
    bandwidth: float | None  # 10^9 bytes per second, the best measured
    roofs: tuple[tuple[str, float], ...]  # a ceiling's name and its TFLOP/s
    points: tuple[Point, ...]
    ceilings: tuple[Timing, ...]


@dataclass(frozen=True)
class Device:
    """Everything measured on one device."""

    name: str
    torch: str
    events: bool  # it has a clock of its own, which a CPU lacks
    height: int  # of the main size: the largest that was measured
    width: int
    batch: int
    main: Modes
    others: Modes  # at other sizes and batches
    two_clocks: tuple[Timing, ...]  # with both clocks, the greatest factor first
    roofline: Roofline
    speedups: tuple[tuple[Timing, Timing, float], ...]  # strict mode, another one, its speed over strict's
    rates: dict[tuple[str, str, int, int], dict[int, float]]  # by run, mode and size: images/s by batch

    @property
    def batch_sizes(self) -> list[int]:
        """List every batch size of the runs with several."""
        return sorted({size for rates in self.rates.values() for size in rates})


@dataclass(frozen=True)
class Total:
    """The training of all runs of a paper's tables."""

    short: str
    runs: int
    priced: int  # of these
    hours: float | None  # None, as below: unknown for one of them, or there are none
    cost: float | None
    kwh: float | None


@dataclass(frozen=True)
class PriceList:
    """The training of every run on a device in a mode."""

    device: str
    mode: str
    rows: tuple[Price, ...]  # that have a price
    unpriced: dict[str, list[str]]  # reason -> runs
    totals: tuple[Total, ...]


@dataclass(frozen=True)
class Times:
    """The whole section as data."""

    papers: dict[str, list[PrintedTime]]  # in printed order
    totals: dict[str, int]  # verdict -> printed times, each once however often its paper prints it
    waiting: int  # printed times without a row in times.csv
    dots: tuple[Dot, ...]
    clocked: tuple[Clocked, ...]
    clock_evidence: tuple[tuple[str, PrintedTime], ...]  # paper, printed time
    in_turn: tuple[tuple[str, PrintedTime], ...]  # those whose network was measured in turn with the anchor
    devices: tuple[Device, ...]
    prices: tuple[PriceList, ...]


def printed(inputs: Inputs) -> tuple[dict[str, list[PrintedTime]], int]:
    """Return the rows of each paper whose claims still exist, and how many printed times have no row."""
    claimed = {
        (claim.paper, claim.table, claim.row, claim.column, claim.printed)
        for paper in inputs.papers
        for claim in paper.claims()
        if claim.quantity == "seconds" and claim.value is not None
    }
    rows_by_claim = {(t.paper, t.table, t.row, t.column, t.printed): t for t in inputs.times}
    papers = {}
    for paper in inputs.papers:
        rows = [row for key, row in rows_by_claim.items() if key in claimed and row.paper == paper.key]
        if rows:
            papers[short(paper)] = rows
    return papers, len(claimed - rows_by_claim.keys())


def dots(papers: Mapping[str, Iterable[PrintedTime]]) -> Iterator[Dot]:
    """Yield the printed times whose network's arithmetic is counted."""
    for paper, rows in papers.items():
        for row in rows:
            if row.seconds and row.at_peak_s and row.lower_bound_s:
                label = f"{paper} {row.table}: {row.row}"
                yield Dot(label, row.verdict, row.seconds, row.at_peak_s, row.lower_bound_s)


def has_clock_evidence(row: PrintedTime) -> bool:
    """Decide whether there is evidence of the clock: a likely one, or a measured ratio to another row."""
    return bool(row.likely_clock or (row.measured_ratio and row.row != row.anchor))


def by_run(rows: Iterable[Timing]) -> Modes:
    """Group rows by run, in the order of the runs' first rows."""
    groups = defaultdict(list)
    for row in rows:
        groups[row.run].append(row)
    return tuple((run, tuple(modes)) for run, modes in groups.items())


def speedups(rows: Modes) -> Iterator[tuple[Timing, Timing, float]]:
    """Compare every measured mode with the strict one."""
    for _, modes in rows:
        strict = next((row for row in modes if row.mode == STRICT), None)
        for row in modes:
            if strict and strict.median_ms and row.mode != STRICT and row.median_ms:
                yield strict, row, strict.median_ms / row.median_ms


def batch_rates(rows: Iterable[Timing]) -> dict[tuple[str, str, int, int], dict[int, float]]:
    """Return throughput where more than one batch size was measured."""
    rates: dict[tuple[str, str, int, int], dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row.images_per_second:
            rates[row.run, row.mode, row.height, row.width][row.batch] = row.images_per_second
    return {key: by_batch for key, by_batch in rates.items() if len(by_batch) > 1}


def roofline(name: str, device: str, rows: Iterable[Timing], ceilings: Sequence[Timing]) -> Roofline:
    """Return arithmetic per byte and per second of the strict mode, with the limits of the device."""
    points = []
    for row in rows:
        if row.mode == STRICT and row.verdict != "unsynchronised" and row.tflops and row.gb_per_s:
            points.append(Point(row.run, 1e3 * row.tflops / row.gb_per_s, row.tflops))
    sound = [row for row in ceilings if row.verdict != "unsynchronised"]
    copies = [row.gb_per_s for row in sound if row.run == "copy" and row.gb_per_s]
    roofs = tuple((row.run, row.tflops) for row in sound if row.tflops)
    return Roofline(name, device, max(copies, default=None), roofs, tuple(points), tuple(ceilings))


def device(name: str, number: int, timings: Iterable[Timing]) -> Device:
    """Collect what was measured on one device; the largest size is the main one."""
    own = [row for row in timings if row.device == name]
    forward = [row for row in own if row.kind == "forward"]
    measured = [row for row in forward if row.median_ms] or forward
    height, width, batch = max(
        ((row.height, row.width, row.batch) for row in measured),
        key=lambda size: (size[0] * size[1], -size[2]),
        default=(0, 0, 0),
    )
    main = [row for row in forward if (row.height, row.width, row.batch) == (height, width, batch)]
    two_clocks = [
        (row.wall_over_async, row)
        for row in main
        if row.mode == STRICT and row.events_ms and row.wall_over_async
    ]
    modes = by_run(main)
    return Device(
        name,
        ", ".join(dict.fromkeys(row.torch for row in own if row.torch)),
        any(row.events_ms for row in own),
        height,
        width,
        batch,
        modes,
        by_run(row for row in forward if row not in main),
        tuple(row for _, row in sorted(two_clocks, key=lambda pair: -pair[0])),
        roofline(f"roofline-{number}", name, main, [row for row in own if row.kind == "ceiling"]),
        tuple(speedups(modes)),
        batch_rates(forward),
    )


def complete_sum(cells: Sequence[float | None]) -> float | None:
    """Add cells; None when one of them is empty or there are none."""
    numbers = [cell for cell in cells if cell is not None]
    return sum(numbers) if numbers and len(numbers) == len(cells) else None


def total(name: str, runs: set[str], rows: Iterable[Price]) -> Total:
    """Add up the runs of a paper's tables that have a price."""
    priced = [row for row in rows if row.run in runs]
    sums = (complete_sum([getattr(row, column) for row in priced]) for column in ("hours", "cost", "kwh"))
    return Total(name, len(runs), len({row.run for row in priced}), *sums)


def prices(inputs: Inputs) -> Iterator[PriceList]:
    """Yield one price list per device and mode."""
    runs = {
        short(paper): {
            claim.run
            for table in paper.tables
            for claim in table.claims.values()
            if claim.run in inputs.runs and inputs.runs[claim.run].train
        }
        for paper in inputs.papers
    }
    for device, mode in dict.fromkeys((row.device, row.mode) for row in inputs.prices):
        rows = [row for row in inputs.prices if (row.device, row.mode) == (device, mode)]
        priced = [row for row in rows if row.hours is not None]
        reasons = defaultdict(list)
        for row in rows:
            if row.hours is None:
                reasons[row.reason].append(row.run)
        yield PriceList(
            device,
            mode,
            tuple(priced),
            dict(reasons),
            tuple(total(name, trained, priced) for name, trained in runs.items()),
        )


def times(inputs: Inputs) -> Times:
    """Collect the section's data."""
    papers, waiting = printed(inputs)
    totals = Counter[str](dict.fromkeys(PHYSICS_VERDICTS, 0))
    once = {(p, row.run or row.row, row.seconds): row for p, rows in papers.items() for row in rows}
    totals.update(row.verdict for row in once.values())
    names = dict.fromkeys(row.device for row in inputs.timings)
    return Times(
        papers,
        dict(totals),
        waiting,
        tuple(dots(papers)),
        inputs.clocked,
        tuple((paper, row) for paper, rows in papers.items() for row in rows if has_clock_evidence(row)),
        tuple((paper, row) for paper, rows in papers.items() for row in rows if row.paired_ratio),
        tuple(device(name, number, inputs.timings) for number, name in enumerate(names, 1)),
        tuple(prices(inputs)),
    )
