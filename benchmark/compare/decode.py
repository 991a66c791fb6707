"""Infer which protocol a printed column of PSNR or SSIM used; docs/protocols.md has the argument.

A row of a table prints PSNR and SSIM. Where the authors' weights of the same system are measured, each
protocol predicts which SSIM belongs to that PSNR. The protocol whose predictions agree with the print, row
after row, is the table's. A network retrained by this project says nothing: it is not the printed one.
"""

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy import stats

from benchmark import spec
from benchmark.claims import Claim, Paper
from benchmark.results.schema import DecodedColumn, DecodedVerdict

FAMILIES = {"psnr": " dB", "ssim": ""}  # what papers print, and its unit; a protocol's name starts with it
POOLED = {"psnr_pooled"}  # per image these are mean squared errors
CONTROL = "psnr"  # its value on the whole set is known, because it is printed
TOLERANCE = {"psnr": 0.02, "ssim": 0.001}  # error that the right weights and protocol may still have
FITS, EXCLUDED = 2.0, 3.0  # standard errors
FORESEEN = EXCLUDED + 0.84  # expected ones, of which 80 % will be beyond EXCLUDED
STRAIGHT = 0.006  # printed SSIMs of one protocol scatter less than this around a line over PSNR

Scores = Mapping[tuple[str, str], pd.DataFrame]  # by run and dataset; rows are images, columns are protocols


@dataclass(frozen=True)
class Expected:
    """The value of a protocol on the whole test set."""

    value: float
    error: float  # standard error; 0 when the whole set is measured
    freedom: float  # degrees of freedom of that error


@dataclass(frozen=True)
class Row:
    """One printed number whose system is measured with its authors' weights."""

    claim: Claim
    label: str
    psnr: float | None  # the PSNR printed in the same row
    images: int
    expected: dict[str, Expected]  # by protocol

    def residual(self, protocol: str) -> float:
        """Return printed - expected."""
        assert self.claim.value is not None
        return self.claim.value - self.expected[protocol].value

    def distance(self, first: str, second: str) -> float:
        """Return how far the values of two protocols are apart."""
        return abs(self.expected[first].value - self.expected[second].value)

    def deviation(self, protocol: str) -> float:
        """Return the residual in standard errors."""
        return self.deviate(self.residual(protocol), self.expected[protocol])

    def deviate(self, residual: float, expected: Expected) -> float:
        """Return a residual in standard errors.

        Beside the sampling error there are that of the print (half a digit, uniform) and that of measuring
        again (the tolerance, as two standard errors).
        """
        fixed = self.claim.rounding**2 / 3 + (TOLERANCE[self.claim.quantity] / 2) ** 2
        sampled = expected.error**2
        total = sampled + fixed
        # Welch and Satterthwaite: only the sampled part is estimated.
        freedom = expected.freedom * (total / sampled) ** 2 if sampled else math.inf
        return normal_deviate(residual / math.sqrt(total), freedom)

    def foreseen(self, protocol: str, best: str, times: float) -> float:
        """Return the deviation of a protocol if `best` is the right one, with so many times the images."""
        now = self.expected[protocol]
        sequences = now.freedom + (1 if self.psnr is None else 2)
        freedom = now.freedom + (times - 1) * sequences if now.error else now.freedom
        expected = Expected(now.value, now.error / math.sqrt(times), freedom)
        return self.deviate(self.distance(protocol, best), expected)


def normal_deviate(t: float, freedom: float) -> float:
    """Return the normal deviate, at least 0, that is as rare as a value of Student's t.

    >>> round(normal_deviate(3.0, math.inf), 6), round(normal_deviate(-6.62, 4), 2)
    (3.0, 3.0)
    """
    # The smaller of both, as beyond 38 standard errors the tail of the normal distribution underflows.
    return min(abs(t), float(stats.norm.isf(stats.t.sf(abs(t), freedom))))


def published(scores: pd.DataFrame, runs: Mapping[str, spec.Run]) -> pd.DataFrame:
    """Keep the rows of the blurred input and of runs with their authors' weights, of results/authors.

    Solvers are measured there too, and systems whose networks were trained here: no print has their numbers.
    """
    kept = [name for name, run in runs.items() if run.weights or run.is_input]
    return scores[scores["run"].isin(kept)]


def scores_by_image(scores: pd.DataFrame) -> Scores:
    """Turn rows of schema.Score into one frame per run and dataset."""
    groups = scores.groupby(["run", "dataset"], sort=False)
    return {
        (str(run), str(dataset)): group.pivot_table("value", "image", "quantity", aggfunc="last")
        for (run, dataset), group in groups
    }


def expect(values: pd.Series, control: pd.Series, total: int, psnr: float | None) -> Expected | None:
    """Estimate a protocol's mean over a whole set of `total` images from those that are measured.

    With `psnr`, the mean of `control` over the whole set, a straight line through the sequences (one point
    each, as the frames of a sequence are not independent) predicts the mean that belongs to it. Without, the
    estimate is the mean over the sequences. Too few sequences to estimate an error give None.
    """
    sequence = values.index.str.split("/").str[0]
    x, y = control.groupby(sequence).mean(), values.groupby(sequence).mean()
    count, whole = len(y), len(values) == total
    centre = float(values.mean() if whole else y.mean())
    if psnr is None or (whole and count < 3):
        if whole:
            return Expected(centre, 0.0, math.inf)
        return Expected(centre, float(stats.sem(y)), count - 1) if count > 1 else None
    if count < 3:
        return None
    line = stats.linregress(x, y)
    offset = psnr - float(control.mean() if whole else x.mean())
    error = line.stderr * math.sqrt(offset**2 + (0 if whole else x.var(ddof=0)))
    return Expected(centre + float(line.slope) * offset, float(error), count - 2)


def pooled_psnr(squared: Expected) -> Expected:
    """Convert a mean squared error to PSNR, to first order in its standard error."""
    error = 10 / math.log(10) * squared.error / squared.value
    return Expected(-10 * math.log10(squared.value), error, squared.freedom)


def printed_psnr(claim: Claim, claims: Sequence[Claim]) -> float | None:
    """Return the PSNR printed in a claim's row (or column) for the same system."""
    for other in claims:
        same = (other.run, other.dataset, other.quantity) == (claim.run, claim.dataset, CONTROL)
        if same and (other.row == claim.row or other.column == claim.column):
            return other.value
    return None


def measured_rows(column: Sequence[Claim], table: Sequence[Claim], scores: Scores, total: int) -> list[Row]:
    """List the numbers of one printed column whose systems are measured."""
    vertical = len({claim.column for claim in column}) == 1
    rows = []
    for claim in column:
        images = scores.get((claim.run or "", claim.dataset or ""), pd.DataFrame()).dropna(axis="columns")
        if CONTROL not in images:
            continue
        psnr = None if claim.quantity == CONTROL else printed_psnr(claim, table)
        protocols = [protocol for protocol in images.columns if protocol.split("_")[0] == claim.quantity]
        expected = {}
        for protocol in protocols:
            if value := expect(images[protocol], images[CONTROL], total, psnr):
                expected[protocol] = pooled_psnr(value) if protocol in POOLED else value
        rows.append(Row(claim, claim.row if vertical else claim.column, psnr, len(images), expected))
    return rows


def scatter(column: Sequence[Claim], table: Sequence[Claim]) -> tuple[int, float]:
    """Count the SSIMs with a PSNR printed beside them, and measure their spread around a line over it.

    It needs no measurement. Systems without a run are left out: they are old, and too far down for a straight
    line. Fewer than four pairs, and PSNR itself, have a spread of 0.
    """
    pairs = {(psnr, c.value) for c in column if c.run and c.value and (psnr := printed_psnr(c, table))}
    if column[0].quantity == CONTROL or len(pairs) < 4:
        return len(pairs), 0.0
    psnrs, ssims = zip(*pairs, strict=True)
    line = stats.linregress(psnrs, ssims)
    squares = sum((y - line.intercept - line.slope * x) ** 2 for x, y in pairs)
    return len(pairs), math.sqrt(squares / (len(pairs) - 2))


def rms(values: Iterable[float]) -> float:
    """Return the root of the mean square."""
    squares = [value * value for value in values]
    return math.sqrt(math.fsum(squares) / len(squares))


def images_needed(rows: Sequence[Row], best: str, others: Sequence[str], total: int) -> int | None:
    """Estimate how many images exclude each other protocol with 80 % power, if `best` is the right one.

    They are as different as the measured ones, of as many sequences to each image. None where not even the
    whole set would do, because protocols are too near to one another for what a paper prints.
    """
    most = total or 1_000_000

    def enough(images: int) -> bool:
        times = math.inf if images == total else images / rows[0].images
        return all(rms(row.foreseen(p, best, times) for row in rows) > FORESEEN for p in others)

    more = range(rows[0].images + 1, most + 1)
    return more[bisect_left(more, True, key=enough)] if more and enough(most) else None


def in_words(row: Row, protocols: Iterable[str], total: int) -> str:
    """Put the printed number of a row beside its values under some protocols."""
    unit, digits = FAMILIES[row.claim.quantity], 2 if row.claim.quantity == "psnr" else 3
    values = []
    for protocol in protocols:
        expected = row.expected[protocol]
        error = f" ± {expected.error:.{digits}f}" if expected.error >= 0.1**digits / 2 else ""
        values.append(f"{protocol} gives {expected.value:.{digits}f}{error}{unit}")
    printed = f"{row.label} prints {row.claim.printed}"
    printed += "; " if row.psnr is None else f" at {row.psnr:g} dB; at that PSNR "
    return f"{printed}{', '.join(values)} ({row.images:,}{f' of {total:,}' if total else ''} images)"


def decide(column: Sequence[Claim], table: Sequence[Claim], scores: Scores, total: int) -> DecodedColumn:
    """Decide the protocol of one printed column.

    A row fits a protocol within 3 standard errors. The protocol that most rows fit is the column's, of
    equals the one with the smallest residual. It is decided when at least two rows and more than half of them
    fit it, with an RMS of at most 2 standard errors, and by the same rows every other protocol is off by more
    than 3. Protocols that give the same within the tolerance count as one.

    Args:
        column: the claims of the column.
        table: the claims of its whole table.
        scores: of the authors' weights.
        total: official number of test images; 0 where it is unknown.
    """
    first = column[0]
    family: Any = first.quantity
    label = next((c for c in (first.column, first.row) if all(c in (o.column, o.row) for o in column)), "")
    place = (first.paper, first.table, label, first.dataset or "", family)
    pairs, spread = scatter(column, table)
    scattered = (
        f"its {pairs} printed pairs scatter by {spread:.3f} around a line, which one protocol does not"
    )
    mixing = f"; {scattered}" if spread > STRAIGHT else ""

    def decoded(protocol: str, verdict: DecodedVerdict, evidence: str, **columns: Any) -> DecodedColumn:
        columns = {"residual": None, "runner_up": "", "runner_up_residual": None} | columns
        return DecodedColumn(*place, protocol, verdict, rows=len(rows), evidence=evidence + mixing, **columns)

    rows = measured_rows(column, table, scores, total)
    if not rows:
        return decoded("", "untested", "no system here is measured with its authors' weights")
    shared = [p for p in rows[0].expected if all(p in row.expected for row in rows)]
    if not shared:
        few = f"{rows[0].images:,} images of {rows[0].label} are too few sequences to tell an error"
        return decoded("", "inconclusive", few)
    fitting = {p: [row for row in rows if row.deviation(p) <= EXCLUDED] for p in shared}
    best = max(shared, key=lambda p: (len(fitting[p]), -rms(row.residual(p) for row in fitting[p] or rows)))
    used = fitting[best] or rows
    residuals = {p: rms(row.residual(p) for row in used) for p in shared}
    deviations = {p: rms(row.deviation(p) for row in used) for p in shared}
    equivalent = [p for p in shared if all(row.distance(p, best) <= TOLERANCE[family] for row in used)]
    others = sorted(set(shared) - set(equivalent), key=lambda p: (residuals[p], p))
    not_excluded = [p for p in others if deviations[p] <= EXCLUDED]
    name = first.quantity if first.quantity in equivalent else best
    enough = len(fitting[best]) >= 2 and 2 * len(fitting[best]) > len(rows)
    needed = images_needed(used, best, not_excluded, total) if not_excluded else None
    certain = enough and deviations[best] <= FITS and bool(others) and not not_excluded
    if certain:
        reason = f"every other protocol is more than {EXCLUDED:g} standard errors off over {len(used)} rows"
    elif not_excluded:
        reason = f"not excluded: {', '.join(not_excluded)} "
        reason += f"({f'about {needed:,}' if needed else 'no number of'} images would exclude them)"
        reason += "; one row decides no column" if len(rows) == 1 else ""
    elif not others:
        reason = "no other protocol is measured"
    elif len(rows) == 1:
        reason = "one row decides no column"
    else:
        reason = f"{len(fitting[best])} of {len(rows)} rows fit, to {deviations[best]:.1f} standard errors"
    example = max(used, key=lambda row: row.deviation(others[0]) if others else 0.0)
    outliers = [(row, min(shared, key=row.deviation)) for row in rows if row not in used]
    return decoded(
        name,
        "decided" if certain else "inconclusive",
        f"{in_words(example, [name, *others[:1]], total)}; {reason}",
        residual=residuals[name],
        runner_up=others[0] if others else "",
        runner_up_residual=residuals[others[0]] if others else None,
        mixed="; ".join(f"{row.label}: {p}" for row, p in outliers if row.deviation(p) <= FITS),
        images_needed=needed,
    )


def other_protocol(column: DecodedColumn, claim: Claim) -> str:
    """Return the protocol that fits a cell where it is not its column's; empty for most cells."""
    protocols = dict(re.findall(r"(.+?): (\w+)(?:; |$)", column.mixed))  # a label may have ": " or "; "
    return protocols.get(claim.row) or protocols.get(claim.column, "")


def tables(papers: Sequence[Paper], scores: Scores, totals: Mapping[str, int]) -> Iterator[DecodedColumn]:
    """Decode every printed column of PSNR or SSIM, in printed order.

    Args:
        papers: with their claims.
        scores: of the authors' weights.
        totals: official number of test images of each dataset.
    """
    for paper in papers:
        for table in paper.tables:
            claims = list(table.claims.values())
            columns: dict[tuple[str, str], list[Claim]] = defaultdict(list)
            for claim in claims:
                if claim.quantity in FAMILIES and claim.dataset and claim.value is not None:
                    columns[claim.dataset, claim.quantity].append(claim)
            for (dataset, _), column in columns.items():
                yield decide(column, claims, scores, totals.get(dataset, 0))
