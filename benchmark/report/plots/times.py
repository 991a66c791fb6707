"""Run times: printed ones beside what their cards can do, both clocks of a timing, and rooflines."""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from benchmark.compare.physics import Clocked
from benchmark.report.plot import DASHES, Axis, Panel, Plot, Series, beside, padded, scatter
from benchmark.report.runtimes import Roofline, Times
from benchmark.results.schema import PhysicsVerdict, PrintedTime

LOOKS: dict[PhysicsVerdict, tuple[str, str, bool]] = {
    "possible": ("good", "circle", False),
    "not credible": ("doubt", "diamond", False),
    "impossible": ("bad", "x", False),
    "untested": ("none", "square", True),
}
EARLY, TRUE = ("p5", "triangle-down"), ("p1", "triangle-up")  # the asynchronous and the true clock


def floors(times: Times) -> Iterator[Plot]:
    """Draw printed times beside the least that their networks take on their cards, a row each."""
    own = {
        f"{paper} {row.table}: {row.row}": row
        for paper, printed in times.papers.items()
        for row in printed
        if row.seconds and row.at_peak_s and row.lower_bound_s
    }
    if not own:
        return
    named = list(enumerate(own))
    floor = [(own[name].lower_bound_s or 0.0, float(row), name) for row, name in named]
    peak = [(own[name].at_peak_s or 0.0, float(row), name) for row, name in named]
    pairs = [
        (row, pair)
        for row, name in named
        for pair in times.clocked
        if pair.run and (pair.run, pair.card) == (own[name].run, own[name].card)
    ]
    early = [(pair.asynchronous, float(row), f"{pair.system}: {pair.source}") for row, pair in pairs]
    late = [(pair.synchronised, float(row), f"{pair.system}: {pair.source}") for row, pair in pairs]
    series = [
        scatter("least possible time", floor, "ink", "triangle-left", hollow=True),
        scatter("at the card’s peak", peak, "ink", "tick"),
        scatter("asynchronous clock, published for this card", early, *EARLY, hollow=True),
        scatter("true clock, published for this card", late, *TRUE, hollow=True),
        *(printed_series(own, verdict) for verdict in LOOKS),
    ]
    yield in_rows(
        "plot-floors",
        "Printed run times, and what their cards can do",
        "A printed time left of “least possible” is impossible: its card would exceed its highest clock even "
        "with the best known algorithm for every layer. Left of “at the card’s peak” it is not credible.",
        list(own),
        series,
    )


def in_rows(name: str, title: str, says: str, names: list[str], series: Iterable[Series]) -> Plot:
    """Make a plot of seconds with a named row for each of its things, the first at the top."""
    drawn = tuple(one for one in series if one.x)
    seconds = Axis("seconds", log=True, limits=padded([x for one in drawn for x in one.x], 0.05, log=True))
    rows = Axis("", limits=(len(names) - 0.4, -0.6), names=tuple(names))
    height = 0.8 + 0.2 * len(names)
    return Plot(name, "times", title, says, (Panel("", seconds, rows, drawn),), height=height)


def printed_series(own: Mapping[str, PrintedTime], verdict: PhysicsVerdict) -> Series:
    """Draw the printed times with one verdict, each joined to the time at its card's peak."""
    kept = [
        (float(index), name, row) for index, (name, row) in enumerate(own.items()) if row.verdict == verdict
    ]
    ends = [sorted((row.seconds or 0.0, row.at_peak_s or 0.0)) for _, _, row in kept]
    colour, marker, hollow = LOOKS[verdict]
    return scatter(
        f"printed: {verdict}",
        [(row.seconds or 0.0, index, f"{name}: {row.reason}") for index, name, row in kept],
        colour,
        marker,
        hollow=hollow,
        wide=True,
        across="x",
        low=tuple(low for low, _ in ends),
        high=tuple(high for _, high in ends),
    )


def clocks(times: Times) -> Iterator[Plot]:
    """Draw both clocks of each network that has them, published or measured, beside what papers print."""
    pairs = [
        *times.clocked,
        *(
            Clocked(row.run, row.device, row.async_ms / 1e3, row.median_ms / 1e3, "measured here")
            for device in times.devices
            for row in device.two_clocks
            if row.async_ms and row.median_ms
        ),
    ]
    if not pairs:
        return
    names = [f"{pair.system.partition(' (')[0]}, {short_card(pair.card)}" for pair in pairs]
    says = [
        f"{name}: {pair.synchronised / pair.asynchronous:.3g} times apart; {pair.source}"
        for name, pair in zip(names, pairs, strict=True)
    ]
    early = [(pair.asynchronous, float(row), says[row]) for row, pair in enumerate(pairs)]
    late = [(pair.synchronised, float(row), says[row]) for row, pair in enumerate(pairs)]
    prints = [
        (row.seconds, float(index), f"{paper} {row.table}: {row.row} prints {row.printed}")
        for index, pair in enumerate(pairs)
        for paper, printed in times.papers.items()
        for row in printed
        if row.seconds and pair.run and (row.run, row.card) == (pair.run, pair.card)
    ]
    ends: dict[str, Any] = {"low": tuple(x for x, _, _ in early), "high": tuple(x for x, _, _ in late)}
    yield in_rows(
        "plot-clocks",
        "One network, two clocks",
        "A call returns before the graphics card has finished; whoever stops the clock then reads a time "
        "that no image ever took. A printed time near the left mark was probably read so.",
        names,
        [
            scatter("asynchronous: until the call returns", early, *EARLY, across="x", **ends),
            scatter("true: until the card has finished", late, *TRUE),
            scatter("printed by a paper", prints, "p2", "diamond", wide=True),
        ],
    )


def short_card(name: str) -> str:
    """Leave the maker and the family out of a card's name.

    >>> short_card("NVIDIA GeForce RTX 2080 Ti")
    'RTX 2080 Ti'
    """
    return name.removeprefix("NVIDIA ").removeprefix("GeForce ")


def roofline(device: Roofline) -> Plot:
    """Draw runs below the limits of a device: a slope for its memory, a roof for each precision."""
    runs, bandwidth = device.points, device.bandwidth
    ridges = [1e3 * roof / bandwidth for _, roof in device.roofs] if bandwidth else []
    intensities = [point.intensity for point in runs]
    low, high = min([*intensities, *ridges]) / 2, max([*intensities, *ridges]) * 2
    limits = []
    if bandwidth:
        end = max(ridges, default=high)
        slope = (bandwidth * low / 1e3, bandwidth * end / 1e3)
        limits.append(Series(f"memory {bandwidth:,.0f} GB/s", (low, end), slope, "ink", line="solid"))
    for number, (name, roof) in enumerate(device.roofs):
        start, line = ridges[number] if ridges else low, DASHES[1 + number % (len(DASHES) - 1)]
        limits.append(Series(f"{name} {roof:.3g} TFLOP/s", (start, high), (roof, roof), "ink", line=line))
    rates = [point.tflops for point in runs]
    outer = {find(runs, key=attrgetter(name)) for find in (min, max) for name in ("tflops", "intensity")}
    labels = tuple(point.run if point in outer else "" for point in runs)  # all would be too many
    says = [f"{p.run}: {p.tflops:.3g} TFLOP/s at {p.intensity:.3g} FLOP per byte" for p in runs]
    points = zip(intensities, rates, says, strict=True)
    x = Axis("FLOP per byte", log=True, limits=(low, high))
    sides = beside([(value, 0.0) for value in intensities], x)
    dots = scatter("a run, float32", points, "p1", "circle", labels=labels, sides=sides)
    shown = [value for one in limits for value in one.y if value > min(rates) / 2]
    y = padded([*rates, *shown], 0.08, log=True)
    return Plot(
        f"plot-{device.name}",
        "times",
        f"Roofline of {device.device}",
        "How fast each network computes, by how much it computes per byte that it moves. No point can lie "
        "above the lines, which were measured on the same device: the slope is its memory, a roof its "
        "arithmetic.",
        (
            Panel(
                "",
                x,
                Axis("TFLOP/s", log=True, limits=y),
                (*limits, dots),
            ),
        ),
        height=3.0,
    )


def plots(times: Times) -> Iterator[Plot]:
    """Draw all plots of run times."""
    yield from floors(times)
    yield from clocks(times)
    yield from (roofline(device.roofline) for device in times.devices if device.roofline.points)
