"""Which protocol a printed table used, inferred from what the authors' weights give under each.

A row of a table prints PSNR and SSIM. Where the same system is measured, each protocol says which SSIM
belongs to that PSNR; the protocol that says the printed one, row after row, is the table's. docs/protocols.md
has the argument. Only author weights count: a network retrained here is not the one that was printed.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression, stdev, variance

from benchmark.claims import Claim, Paper

VERDICTS = ("decided", "inconclusive", "untested")
FAMILIES = {"psnr": " dB", "ssim": ""}  # what papers print, and its unit; a protocol's name starts with it
POOLED = {"psnr_pooled"}  # per image these are mean squared errors
CONTROL = "psnr"  # known for the whole set, because it is printed
TOLERANCE = {"psnr": 0.02, "ssim": 0.001}  # what the right weights and protocol may still be off
FITS, EXCLUDED = 2.0, 3.0  # standard errors
STRAIGHT = 0.006  # printed SSIMs of one protocol scatter less than this around a line over PSNR

Images = Mapping[
    tuple[str, str], Mapping[str, Mapping[str, float]]
]  # run, dataset -> protocol -> image -> value


@dataclass(frozen=True)
class Decoded:
    """One row of decoded.csv: a column of a printed table, and the protocol that explains it."""

    paper: str
    table: str
    column: str  # the printed column, or the row where systems stand across
    dataset: str
    family: str  # "psnr" or "ssim": what the paper calls it
    protocol: str  # the best one; empty when untested
    verdict: str  # one of VERDICTS
    residual: str  # RMS of printed - expected over the rows it fits, in the quantity's unit
    runner_up: str
    runner_up_residual: str  # over the same rows
    rows: int  # with a measurement
    evidence: str  # one sentence
    mixed: str = ""  # rows that only another protocol fits, as "label: protocol", joined by "; "

    def fits(self, claim: Claim) -> str:
        """The protocol that fits a cell where it is not the table's; empty for most."""
        odd = dict(part.rsplit(": ", 1) for part in self.mixed.split("; ") if part)
        return odd.get(claim.row) or odd.get(claim.column, "")


@dataclass(frozen=True)
class Expected:
    """What a protocol gives on the whole test set."""

    value: float
    error: float  # standard error; 0 when the whole set is measured
    freedom: float  # degrees of freedom of that error


@dataclass(frozen=True)
class Row:
    """One printed number whose system is measured."""

    claim: Claim
    label: str
    at: float | None  # the PSNR printed beside it
    images: int
    expected: dict[str, Expected]  # by protocol

    def residual(self, protocol: str) -> float:
        """Printed - expected."""
        assert self.claim.value is not None
        return self.claim.value - self.expected[protocol].value

    def apart(self, one: str, other: str) -> float:
        """How far two protocols are from each other."""
        return abs(self.expected[one].value - self.expected[other].value)

    def z(self, protocol: str) -> float:
        """The residual in standard errors.

        Beside the sampling error there are that of the print (half a digit, uniform) and that of measuring
        again (the tolerance, as two standard errors).
        """
        known = self.claim.rounding**2 / 3 + (TOLERANCE[self.claim.quantity] / 2) ** 2
        sampled = self.expected[protocol].error ** 2
        total = sampled + known
        # Welch and Satterthwaite: only the sampled part is estimated.
        freedom = self.expected[protocol].freedom * (total / sampled) ** 2 if sampled else math.inf
        return normal(self.residual(protocol) / math.sqrt(total), freedom)


def normal(t: float, freedom: float) -> float:
    """The normal deviate, not negative, that is as rare as Student's t (Wallace, 1959).

    >>> round(normal(3.0, math.inf), 6), round(normal(-6.62, 4), 2)
    (3.0, 2.97)
    """
    if math.isinf(freedom):
        return abs(t)
    return (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))


def means(images: Mapping[str, float]) -> list[float]:
    """The mean of each sequence, the part of a name before the slash, in the order of these parts."""
    groups: dict[str, list[float]] = defaultdict(list)
    for name, value in images.items():
        groups[name.split("/")[0]].append(value)
    return [fmean(groups[sequence]) for sequence in sorted(groups)]


def expect(
    images: Mapping[str, float], total: int, control: Mapping[str, float], at: float | None
) -> Expected | None:
    """A protocol's mean over a whole set of `total` images, from those that are measured.

    With `at`, the mean of `control` over the whole set is known to be `at`, and a straight line through the
    sequences (each one point: its frames are not independent) says which mean belongs to it. Without, it
    is the plain mean. None: too few sequences to tell an error.
    """
    x, y = means(control), means(images)
    count, whole = len(y), len(images) == total
    centre = fmean(images.values() if whole else y)
    if at is None or (whole and count < 3):
        if whole:
            return Expected(centre, 0.0, math.inf)
        return Expected(centre, stdev(y) / math.sqrt(count), count - 1) if count > 1 else None
    if count < 3:
        return None
    slope, intercept = linear_regression(x, y)
    squares = sum((b - intercept - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    away = at - fmean(control.values() if whole else x)
    spread = (0 if whole else 1 / count) + away**2 / ((count - 1) * variance(x))
    return Expected(centre + slope * away, math.sqrt(squares / (count - 2) * spread), count - 2)


def decibels(squared: Expected) -> Expected:
    """PSNR of a mean squared error, to first order in its standard error."""
    error = 10 / math.log(10) * squared.error / squared.value
    return Expected(-10 * math.log10(squared.value), error, squared.freedom)


def beside(claim: Claim, claims: Sequence[Claim]) -> float | None:
    """The PSNR printed in a claim's line for the same system."""
    for other in claims:
        same = (other.run, other.dataset, other.quantity) == (claim.run, claim.dataset, CONTROL)
        if same and (other.row == claim.row or other.column == claim.column):
            return other.value
    return None


def rows(group: Sequence[Claim], claims: Sequence[Claim], images: Images, total: int) -> Iterator[Row]:
    """The numbers of one column whose systems are measured; `claims` are those of the whole table."""
    down = len({claim.column for claim in group}) == 1
    for claim in group:
        scores = images.get((claim.run or "", claim.dataset or ""), {})
        if CONTROL not in scores:
            continue
        at = None if claim.quantity == CONTROL else beside(claim, claims)
        expected = {}
        for protocol, values in scores.items():
            if protocol.split("_")[0] == claim.quantity and values.keys() == scores[CONTROL].keys():
                found = expect(values, total, scores[CONTROL], at)
                if found:
                    expected[protocol] = decibels(found) if protocol in POOLED else found
        yield Row(claim, claim.row if down else claim.column, at, len(scores[CONTROL]), expected)


def scatter(group: Sequence[Claim], claims: Sequence[Claim]) -> tuple[int, float]:
    """How many SSIMs of a column have their PSNR printed beside them, and their spread around a line over it.

    It needs no measurement. Systems without a run are left out: they are old, and too far down for a straight
    line. Fewer than four pairs, or PSNR itself, have no spread: 0.
    """
    pairs = {(at, c.value) for c in group if c.run and c.value and (at := beside(c, claims))}
    if group[0].quantity == CONTROL or len(pairs) < 4:
        return len(pairs), 0.0
    slope, intercept = linear_regression(*zip(*pairs, strict=True))
    squares = sum((ssim - intercept - slope * psnr) ** 2 for psnr, ssim in pairs)
    return len(pairs), math.sqrt(squares / (len(pairs) - 2))


def rms(values: Iterable[float]) -> float:
    """Root of the mean square."""
    return math.sqrt(fmean(value * value for value in values))


def say(row: Row, protocols: Iterable[str], total: int) -> str:
    """One row's numbers in words."""
    unit, digits = FAMILIES[row.claim.quantity], 2 if row.claim.quantity == "psnr" else 3
    given = []
    for protocol in protocols:
        found = row.expected[protocol]
        error = f" ± {found.error:.{digits}f}" if found.error >= 0.1**digits / 2 else ""
        given.append(f"{protocol} gives {found.value:.{digits}f}{error}{unit}")
    at, there = (f" at {row.at:g} dB", "at that PSNR ") if row.at is not None else ("", "")
    of = f"{row.images:,} of {total:,} images" if total else f"{row.images:,} images"
    return f"{row.label} prints {row.claim.printed}{at}; {there}{', '.join(given)} ({of})"


def decide(group: Sequence[Claim], claims: Sequence[Claim], images: Images, total: int) -> Decoded:
    """The verdict on one column; `claims` are those of the whole table.

    A row fits a protocol within 3 standard errors. The protocol that most rows fit is the column's, of
    equals the one with the smallest residual. It is decided when at least two rows and more than half of them
    fit it, with an RMS of at most 2 standard errors, and by the same rows every other protocol is off by more
    than 3. Protocols that give the same within the tolerance count as one.
    """
    first = group[0]
    column = next((c for c in (first.column, first.row) if all(c in (o.column, o.row) for o in group)), "")
    place = (first.paper, first.table, column, first.dataset or "", first.quantity)
    pairs, spread = scatter(group, claims)
    bent = f"; its {pairs} printed pairs scatter by {spread:.3f} around a line, which one protocol does not"
    bent = bent if spread > STRAIGHT else ""
    measured = list(rows(group, claims, images, total))
    if not measured:
        why = f"no system here is measured with its authors' weights{bent}"
        return Decoded(*place, "", "untested", "", "", "", 0, why)
    shared = [p for p in measured[0].expected if all(p in row.expected for row in measured)]
    if not shared:
        why = f"{measured[0].images:,} images of {measured[0].label} are too few sequences to tell an error"
        return Decoded(*place, "", "inconclusive", "", "", "", len(measured), why + bent)
    fits = {p: [row for row in measured if row.z(p) <= EXCLUDED] for p in shared}
    best = max(shared, key=lambda p: (len(fits[p]), -rms(row.residual(p) for row in fits[p] or measured)))
    used = fits[best] or measured
    off = {p: rms(row.residual(p) for row in used) for p in shared}
    z = {p: rms(row.z(p) for row in used) for p in shared}
    alike = [p for p in shared if all(row.apart(p, best) <= TOLERANCE[first.quantity] for row in used)]
    others = sorted(set(shared) - set(alike), key=lambda p: (off[p], p))
    left = [p for p in others if z[p] <= EXCLUDED]
    name = first.quantity if first.quantity in alike else best
    enough = len(fits[best]) >= 2 and 2 * len(fits[best]) > len(measured)
    decided = enough and z[best] <= FITS and bool(others) and not left
    evidence = say(max(used, key=lambda row: row.z(others[0]) if others else 0.0), [name, *others[:1]], total)
    if decided:
        why = f"every other protocol is more than {EXCLUDED:g} standard errors off over {len(used)} rows"
    elif left:
        why = f"not excluded: {', '.join(left)}"
    elif not others:
        why = "no other protocol is measured"
    elif len(measured) == 1:
        why = "one row decides no column"
    else:
        why = f"{len(fits[best])} of {len(measured)} rows fit, to {z[best]:.1f} standard errors"
    odd = [(row, min(shared, key=row.z)) for row in measured if row not in used]
    return Decoded(
        *place,
        name,
        "decided" if decided else "inconclusive",
        f"{off[name]:.4f}",
        others[0] if others else "",
        f"{off[others[0]]:.4f}" if others else "",
        len(measured),
        f"{evidence}; {why}{bent}",
        "; ".join(f"{row.label}: {other}" for row, other in odd if row.z(other) <= FITS),
    )


def tables(papers: Sequence[Paper], images: Images, totals: Mapping[str, int]) -> Iterator[Decoded]:
    """Every printed column of PSNR or SSIM, in printed order; `totals` are the test sets' official sizes."""
    for paper in papers:
        for table in paper.tables:
            claims = list(table.claims.values())
            groups: dict[tuple[str, str], list[Claim]] = defaultdict(list)
            for claim in claims:
                if claim.quantity in FAMILIES and claim.dataset and claim.value is not None:
                    groups[claim.dataset, claim.quantity].append(claim)
            for (dataset, _), group in groups.items():
                yield decide(group, claims, images, totals.get(dataset, 0))
