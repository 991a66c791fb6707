"""Hold what is reproduced now against the results committed in another git revision.

A difference beyond its quantity's tolerance fails, and so does a value that the baseline has and that is now
missing. What was measured under other conditions (its note and number of images say so: other steps, cuts,
images) is listed, not compared. A change that is meant is named by a trailer in the message of one of the
commits since, for one run or, with wildcards, several:

    Changes-Results: sgenet*: the width of the paper's second edition
"""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal, TypeVar

from benchmark.results import AUTHORS, COMPLEXITY, Measurement, Results, read_rows
from benchmark.results.schema import Complexity, Finding, Verdict

Row = TypeVar("Row")
Key = tuple[str, str, str]  # run, dataset (for the authors' weights with THEIRS), quantity
THEIRS = ", authors' weights"
TRAILER = "Changes-Results"
COUNTS = ("params", "macs_256", "macs_720p", "macs_720p_torch", "macs_720p_deformable", "traffic_720p")


@dataclass(frozen=True)
class Tolerance:
    """How far two measurements of one thing may be apart."""

    absolute: float
    relative: float
    why: str


# The first whose name the quantity begins with; docs/audit.md shows this table.
TOLERANCES = {
    "params": Tolerance(0, 0, "a count: any difference is another network"),
    "macs": Tolerance(0, 0, "arithmetic in whole numbers with pinned counters"),
    "traffic": Tolerance(
        0, 0.01, "operators of an eager pass: a fused one moves less, and is no other network"
    ),
    "psnr": Tolerance(
        0.05,
        0,
        "a retraining on one machine repeats bit for bit; that of MS-CNN with its pyramid summed in another "
        "order moved by 0.003 dB, and other processors sum in other orders at every step",
    ),
    "ssim": Tolerance(0.003, 0, "the same retraining moved by 0.0012"),
    "seconds": Tolerance(0, 0.15, "as on the paper's own card: drivers, libraries and cooling differ"),
    "": Tolerance(
        0, 0.02, "other metrics, most of them networks of their own: as for PSNR at 30 dB, tenfold"
    ),
}


def tolerance(quantity: str) -> Tolerance:
    """Return the tolerance of a quantity.

    >>> tolerance("ssim_matlab").absolute, tolerance("lpips").relative
    (0.003, 0.02)
    """
    return next(found for name, found in TOLERANCES.items() if quantity.startswith(name))


@dataclass(frozen=True)
class Value:
    """A measured value and the conditions that make it comparable."""

    value: float | None
    images: int = 1
    note: str = ""


@dataclass(frozen=True)
class Snapshot:
    """The results of one revision, or of the working tree."""

    values: Mapping[Key, Value]
    findings: Sequence[Finding]
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class Change:
    """A value that is not what the baseline has."""

    run: str
    dataset: str
    quantity: str
    before: Value
    after: Value | None  # None: missing
    status: Literal["differs", "missing", "other conditions", "meant"]
    says: str


def git(*arguments: str) -> str:
    """Return what a git command prints.

    Raises:
        ValueError: git is not installed, or fails; the message is its own first line.
    """
    try:
        done = subprocess.run(("git", *arguments), capture_output=True, text=True, encoding="utf-8")
    except FileNotFoundError:
        raise ValueError("--since needs git, which is not installed") from None
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or ["git failed"])[0])
    return done.stdout


def show(revision: str, path: Path, row: type[Row], optional: bool = False) -> list[Row]:
    """Read a table of results as a revision has it.

    Raises:
        ValueError: the revision lacks the file (unless `optional`), or it has other columns.
    """
    try:
        text = git("show", f"{revision}:./{path.as_posix()}")
    except ValueError as error:
        if "not installed" in str(error):
            raise
        if optional:
            return []
        raise ValueError(f"--since {revision}: has no {path}") from None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        copy.write_text(text, encoding="utf-8")
        try:
            return read_rows(copy, row)
        except ValueError as error:
            raise ValueError(f"--since {revision}: {str(error).replace(str(copy), str(path))}") from None


def at_revision(revision: str, profile: str) -> Snapshot:
    """Read the results that a git revision has.

    Raises:
        ValueError: there is no git, repository, or such revision, or a file is missing or malformed there.
    """
    if not revision.strip() or revision.startswith("-"):
        raise ValueError(f"--since {revision!r}: no revision of this repository")
    git("rev-parse", "--git-dir")
    try:
        git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except ValueError:
        raise ValueError(f"--since {revision!r}: no revision of this repository") from None
    own = Results(profile)
    return Snapshot(
        values(
            show(revision, own.measurements, Measurement),
            show(revision, AUTHORS.measurements, Measurement, optional=True),
            show(revision, COMPLEXITY, Complexity),
        ),
        show(revision, own.findings, Finding),
        show(revision, own.verdicts, Verdict),
    )


def now(profile: str, findings: Sequence[Finding], verdicts: Sequence[Verdict]) -> Snapshot:
    """Read the results of the working tree.

    Raises:
        ValueError: a table is malformed.
    """
    own = Results(profile)
    ours, theirs = (read_rows(of.measurements, Measurement, optional=True) for of in (own, AUTHORS))
    counted = read_rows(COMPLEXITY, Complexity, optional=True)
    return Snapshot(values(ours, theirs, counted), findings, verdicts)


def values(
    ours: Sequence[Measurement], theirs: Sequence[Measurement], counted: Sequence[Complexity]
) -> dict[Key, Value]:
    """Index measurements, ours and of the authors' weights; counts come from complexity.csv alone."""
    found = {
        (row.run, f"{row.dataset}{whose}", row.quantity): Value(row.value, row.n, row.note)
        for whose, measured in (("", ours), (THEIRS, theirs))
        for row in measured
        if row.dataset
    }
    return found | {
        (row.run, "", name): Value(float(count))
        for row in counted
        for name in COUNTS
        if (count := getattr(row, name)) is not None
    }


def meant(revision: str) -> dict[str, str]:
    """Return what commits since a revision say of changes: the reason by run, which may have wildcards."""
    form = f"--format=%(trailers:key={TRAILER},valueonly,unfold)"
    lines = git("log", form, f"{revision}..HEAD").splitlines()
    pairs = (line.partition(":") for line in lines if line.strip())
    return {run.strip(): reason.strip() for run, _, reason in pairs}


def changes(before: Snapshot, after: Snapshot, reasons: Mapping[str, str]) -> Iterator[Change]:
    """Yield every value of the baseline that is missing now, or beyond its tolerance."""
    for key, old in before.values.items():
        new = after.values.get(key)
        if old.value is None:
            continue
        reason = next((why for run, why in reasons.items() if fnmatch(key[0], run)), None)
        if new is None or new.value is None:
            says = new.note if new and new.note else "the baseline has it, and it is not measured now"
            yield Change(*key, old, new, "missing" if reason is None else "meant", reason or says)
            continue
        limits = tolerance(key[2])
        allowed = max(limits.absolute, limits.relative * abs(old.value))
        if abs(new.value - old.value) <= allowed * (1 + 1e-9):
            continue
        if reason is not None:
            yield Change(*key, old, new, "meant", reason)
        elif (conditions(old), old.images) != (conditions(new), new.images):
            yield Change(*key, old, new, "other conditions", conditions(new))
        else:
            yield Change(*key, old, new, "differs", f"tolerance {allowed:.4g}: {limits.why}")


def conditions(value: Value) -> str:
    """Return the part of a note that says what was measured, without the spread that follows from it.

    >>> conditions(Value(1.0, 12, "sd over images 2.42; 110 of 842,400 steps"))
    '110 of 842,400 steps'
    """
    parts = [part for part in value.note.split("; ") if not part.startswith("sd over images")]
    return "; ".join(parts)


def listed(finding: Finding, before: Snapshot) -> bool:
    """Decide whether the baseline has the same unexplained difference: of the same claim, kind and value."""
    for old in before.findings:
        if (place_of(old), old.kind, old.explanation) != (
            place_of(finding),
            finding.kind,
            finding.explanation,
        ):
            continue
        limits = tolerance("params" if finding.quantity == "size" else finding.quantity)
        distance = abs((old.measured or 0.0) - (finding.measured or 0.0))
        # Tables keep six decimals of a quality.
        return distance <= max(limits.absolute, limits.relative * abs(old.measured or 0.0)) + 1e-6
    return False


def place_of(row: Finding | Verdict) -> tuple[str, ...]:
    """Return where a claim is printed, and what; its run may change."""
    return row.paper, row.table, row.row, row.column, row.dataset, row.quantity, row.printed
