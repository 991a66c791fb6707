"""Run times: printed ones beside what a card can do at all, and what was measured here."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmark.compare.physics import VERDICTS, Clocked
from benchmark.compare.times import Timed
from benchmark.report.inputs import Inputs
from benchmark.report.printed import short
from benchmark.timing.analyse import Timing
from benchmark.timing.prices import Price

FULL = (720, 1280)  # height and width in pixels, the size of the papers' run times where one is stated
STRICT = "strict"  # the mode that the others are held against

Modes = tuple[tuple[str, tuple[Timing, ...]], ...]  # of each run, the rows of its modes


@dataclass(frozen=True)
class PaperTimes:
    """The run times that a paper prints, in printed order."""

    short: str
    rows: tuple[Timed, ...]


@dataclass(frozen=True)
class Dot:
    """One printed time beside the least times of its network on its card, in seconds."""

    label: str
    verdict: str  # one of benchmark.compare.times.VERDICTS
    printed: float
    floor: float  # at the card's printed peak
    least: float  # with its highest clock and an ideal algorithm


@dataclass(frozen=True)
class Faster:
    """A mode beside the strict one of the same run."""

    strict: Timing
    other: Timing
    times: float  # so many times the strict mode's speed


@dataclass(frozen=True)
class Batches:
    """Images per second of a run in a mode over batch sizes, of one image size."""

    run: str
    mode: str
    height: int
    width: int
    rates: dict[int, str]  # by batch size


@dataclass(frozen=True)
class Point:
    """A run on the roofline."""

    run: str
    intensity: float  # FLOP per byte
    tflops: float


@dataclass(frozen=True)
class Roofline:
    """What a device can do, measured, and where the runs are below it."""

    name: str  # of its drawing
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
    events: bool  # it has a clock of its own, which a CPU has not
    height: int  # of the main size: the largest that was measured
    width: int
    batch: int
    main: Modes
    others: Modes  # at other sizes and batches
    lies: tuple[Timing, ...]  # both clocks, the greatest factor first
    roofline: Roofline
    faster: tuple[Faster, ...]
    batches: tuple[Batches, ...]

    @property
    def batch_sizes(self) -> list[int]:
        """Every batch size that a run has beside another."""
        return sorted({size for one in self.batches for size in one.rates})


@dataclass(frozen=True)
class Lack:
    """Why runs have no price."""

    runs: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Total:
    """What training the runs of a paper's tables takes."""

    short: str
    runs: int
    priced: int  # of these
    hours: float | None  # None, here and below: not known of one of them, or there are none
    cost: float | None
    kwh: float | None


@dataclass(frozen=True)
class PriceList:
    """What training takes on a device in a mode."""

    device: str
    mode: str
    rows: tuple[Price, ...]  # that have a price
    lacks: tuple[Lack, ...]
    totals: tuple[Total, ...]


@dataclass(frozen=True)
class Times:
    """The whole section as data."""

    papers: tuple[PaperTimes, ...]
    totals: dict[str, int]  # verdict -> printed times
    waiting: int  # printed times that times.csv does not know
    dots: tuple[Dot, ...]
    clocked: tuple[Clocked, ...]
    likened: tuple[tuple[str, Timed], ...]  # paper and printed time, held against both clocks
    devices: tuple[Device, ...]
    prices: tuple[PriceList, ...]


def value(text: str) -> float | None:
    """A cell's number; None for an empty one."""
    return float(text) if text else None


def printed(inputs: Inputs) -> tuple[tuple[PaperTimes, ...], int]:
    """The rows of each paper that claims files still have, and how many printed times have no row."""
    claimed = {
        (claim.paper, claim.table, claim.row, claim.column, claim.printed)
        for paper in inputs.papers
        for claim in paper.claims()
        if claim.quantity == "seconds" and claim.value is not None
    }
    known = {(t.paper, t.table, t.row, t.column, t.printed): t for t in inputs.times}
    made = []
    for paper in inputs.papers:
        rows = tuple(row for place, row in known.items() if place in claimed and row.paper == paper.key)
        if rows:
            made.append(PaperTimes(short(paper), rows))
    return tuple(made), len(claimed - known.keys())


def dots(papers: Iterable[PaperTimes]) -> Iterator[Dot]:
    """Printed times whose network's arithmetic is known."""
    for paper in papers:
        for row in paper.rows:
            seconds, floor, least = map(value, (row.seconds, row.floor_s, row.least_s))
            if seconds and floor and least:
                yield Dot(f"{paper.short} {row.table}: {row.row}", row.verdict, seconds, floor, least)


def likened(row: Timed) -> bool:
    """Whether something is known of which clock it was read from: more than that it is its table's anchor."""
    return bool(row.resembles or (row.measured_ratio and row.row != row.anchor))


def by_run(rows: Iterable[Timing]) -> Modes:
    """Rows of a run together, in the order of the runs' first rows."""
    found: dict[str, list[Timing]] = {}
    for row in rows:
        found.setdefault(row.run, []).append(row)
    return tuple((run, tuple(modes)) for run, modes in found.items())


def faster(rows: Modes) -> Iterator[Faster]:
    """Every measured mode beside the strict one."""
    for _, modes in rows:
        strict = next((row for row in modes if row.mode == STRICT and value(row.ms)), None)
        for row in modes:
            if strict and row.mode != STRICT and (ms := value(row.ms)):
                yield Faster(strict, row, float(strict.ms) / ms)


def batches(rows: Iterable[Timing]) -> Iterator[Batches]:
    """Throughput where more than one batch size was measured."""
    found: dict[tuple[str, str, int, int], dict[int, str]] = {}
    for row in rows:
        if row.images_per_second:
            place = (row.run, row.mode, row.height, row.width)
            found.setdefault(place, {})[row.batch] = row.images_per_second
    for place, rates in found.items():
        if len(rates) > 1:
            yield Batches(*place, rates)


def roofline(name: str, device: str, rows: Iterable[Timing], ceilings: Sequence[Timing]) -> Roofline:
    """Arithmetic per byte and per second of the strict mode, below what the device alone can do."""
    points = []
    for row in rows:
        tflops, gbs = value(row.tflops), value(row.gbs)
        if row.mode == STRICT and row.verdict != "unsynchronised" and tflops and gbs:
            points.append(Point(row.run, 1e3 * tflops / gbs, tflops))
    sound = [row for row in ceilings if row.verdict != "unsynchronised"]
    copies = [rate for row in sound if row.run == "copy" and (rate := value(row.gbs))]
    roofs = tuple((row.run, rate) for row in sound if (rate := value(row.tflops)))
    return Roofline(name, device, max(copies, default=None), roofs, tuple(points), tuple(ceilings))


def device(name: str, number: int, timings: Iterable[Timing]) -> Device:
    """What was measured on one device, at the largest size first."""
    mine = [row for row in timings if row.device == name]
    forward = [row for row in mine if row.kind == "forward"]
    known = [row for row in forward if row.ms] or forward
    height, width, batch = max(
        ((row.height, row.width, row.batch) for row in known),
        key=lambda size: (size[0] * size[1], -size[2]),
        default=(0, 0, 0),
    )
    main = [row for row in forward if (row.height, row.width, row.batch) == (height, width, batch)]
    lies = [row for row in main if row.mode == STRICT and row.events_ms and row.lie]
    modes = by_run(main)
    return Device(
        name,
        ", ".join(dict.fromkeys(row.torch for row in mine if row.torch)),
        any(row.events_ms for row in mine),
        height,
        width,
        batch,
        modes,
        by_run(row for row in forward if row not in main),
        tuple(sorted(lies, key=lambda row: -float(row.lie))),
        roofline(f"roofline-{number}", name, main, [row for row in mine if row.kind == "ceiling"]),
        tuple(faster(modes)),
        tuple(batches(forward)),
    )


def summed(texts: Sequence[str]) -> float | None:
    """The sum of cells; None when one of them is empty or there are none."""
    return sum(map(float, texts)) if texts and all(texts) else None


def total(name: str, runs: set[str], rows: Iterable[Price]) -> Total:
    """The sum over the runs of a paper's tables that have a price."""
    mine = [row for row in rows if row.run in runs]
    hours, cost, kwh = (summed([getattr(row, key) for row in mine]) for key in ("hours", "cost", "kwh"))
    return Total(name, len(runs), len({row.run for row in mine}), hours, cost, kwh)


def prices(inputs: Inputs) -> Iterator[PriceList]:
    """One list per device and mode."""
    runs = {
        short(paper): {
            claim.run
            for table in paper.tables
            for claim in table.claims.values()
            if claim.run in inputs.runs and inputs.runs[claim.run].train
        }
        for paper in inputs.papers
    }
    for place in dict.fromkeys((row.device, row.mode) for row in inputs.prices):
        mine = [row for row in inputs.prices if (row.device, row.mode) == place]
        known = [row for row in mine if row.hours]
        reasons: dict[str, list[str]] = {}
        for row in mine:
            if not row.hours:
                reasons.setdefault(row.reason, []).append(row.run)
        yield PriceList(
            *place,
            tuple(known),
            tuple(Lack(tuple(names), reason) for reason, names in reasons.items()),
            tuple(total(name, wanted, known) for name, wanted in runs.items()),
        )


def times(inputs: Inputs) -> Times:
    """The section."""
    papers, waiting = printed(inputs)
    totals = Counter(dict.fromkeys(VERDICTS, 0))
    totals.update(row.verdict for paper in papers for row in paper.rows)
    names = dict.fromkeys(row.device for row in inputs.timings)
    return Times(
        papers,
        dict(totals),
        waiting,
        tuple(dots(papers)),
        inputs.clocked,
        tuple((paper.short, row) for paper in papers for row in paper.rows if likened(row)),
        tuple(device(name, number, inputs.timings) for number, name in enumerate(names, 1)),
        tuple(prices(inputs)),
    )
