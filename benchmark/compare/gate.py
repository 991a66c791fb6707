"""Judge our reproduction: claimed against reproduced, and reproduced against a committed baseline.

A print that contradicts itself, its data set or physics is a finding about the paper, and fails nothing. What
fails: a difference that neither a formula explains nor the claims file knows nor the baseline lists, an
explanation that nothing needs, a value of the baseline that is now missing or beyond its tolerance, and
having measured nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmark.compare import baseline
from benchmark.compare.baseline import Change, Snapshot
from benchmark.results.schema import Finding, Verdict

FAILS = ("unexplained", "stale")  # explanations
KNOWN = ("explained", "known")
MEASURED = ("size", "macs", "authors_weights", "retrained", "timed")  # kinds that need a measurement of ours
CLAIMED, REPRODUCED = "claimed against reproduced", "reproduced against the baseline"


@dataclass(frozen=True)
class Check:
    """One thing that the gate looked at."""

    suite: str  # CLAIMED or REPRODUCED
    name: str  # the claim's place and kind of evidence, or the run and what was measured
    status: Literal["fails", "noted", "passes"]
    word: str  # "unexplained", "stale", "differs", "missing", "known", ...
    says: str


@dataclass(frozen=True)
class Gate:
    """All checks, and what they are about."""

    checks: tuple[Check, ...]
    since: str = ""  # the baseline's revision

    def of(self, status: str) -> list[Check]:
        """Select the checks with a status."""
        return [check for check in self.checks if check.status == status]

    @property
    def status(self) -> int:
        """Return the exit status: 1 when anything fails."""
        return int(bool(self.of("fails")))


def judge(
    findings: Sequence[Finding],
    verdicts: Sequence[Verdict] = (),
    since: str = "",
    before: Snapshot | None = None,
    changes: Sequence[Change] = (),
) -> Gate:
    """Check every finding that rests on our own numbers and, where there is a baseline, every value of it."""
    checks = [*claimed(findings, before)]
    if not any(check.word in ("holds", "close", *FAILS, *KNOWN, "listed") for check in checks):
        says = "no claim is held against a measurement of this project"
        checks.append(Check(CLAIMED, "anything", "fails", "nothing was measured", says))
    if before:
        checks += [*reproduced(before, changes), *moved(before, verdicts)]
    return Gate(tuple(checks), since)


def against(revision: str, profile: str, findings: Sequence[Finding], verdicts: Sequence[Verdict]) -> Gate:
    """Judge with the results of a git revision as baseline.

    Raises:
        ValueError: there is no git or no such revision, or a file is missing or malformed in it.
    """
    before = baseline.at_revision(revision, profile)
    after = baseline.now(profile, findings, verdicts)
    changes = list(baseline.changes(before, after, baseline.meant(revision)))
    return judge(findings, verdicts, revision, before, changes)


def claimed(findings: Sequence[Finding], before: Snapshot | None) -> Iterator[Check]:
    """Check what is measured here beside what is printed."""
    for row in findings:
        place = ", ".join(filter(None, (row.paper, row.table, row.row, row.column)))
        if not row.explanation and not (row.kind in MEASURED and row.outcome in ("holds", "close")):
            continue
        printed = f"printed {row.printed}" + (f" ({row.claimed:.10g})" if row.claimed is not None else "")
        value = "otherwise" if row.measured is None else f"{row.measured:.10g}"
        measured = f"measured {value} by {row.kind}"
        says = f"{printed}, {measured}. {row.reason}".strip()
        name, word = f"{place} [{row.kind}]", row.explanation or row.outcome
        if row.explanation in FAILS:
            if before and baseline.listed(row, before):
                yield Check(
                    CLAIMED, name, "noted", "listed", f"{row.explanation} in the baseline too: {says}"
                )
            else:
                yield Check(CLAIMED, name, "fails", word, says)
        else:
            yield Check(CLAIMED, name, "noted" if row.explanation else "passes", word, says)


def reproduced(before: Snapshot, changes: Sequence[Change]) -> Iterator[Check]:
    """Check each run's values against the baseline's: a check for each change, one for a run without any."""
    by_run = defaultdict(list)
    for change in changes:
        by_run[change.run].append(change)
    counts = Counter(run for (run, _, _), old in before.values.items() if old.value is not None)
    for run, count in counts.items():
        for change in by_run[run]:
            after = change.after.value if change.after else None
            new = "missing" if after is None else f"{after:.10g}"
            says = f"{change.before.value:.10g} -> {new}. {change.says}"
            where = " on ".join(filter(None, (change.quantity, change.dataset)))
            status: Literal["fails", "noted"] = (
                "fails" if change.status in ("differs", "missing") else "noted"
            )
            yield Check(REPRODUCED, f"{run}: {where}", status, change.status, says)
        if not by_run[run]:
            yield Check(REPRODUCED, run, "passes", "same", f"{count} values within their tolerances")


def moved(before: Snapshot, verdicts: Sequence[Verdict]) -> Iterator[Check]:
    """Note each claim whose verdict is another one than in the baseline."""
    old = {baseline.place_of(row): row for row in before.verdicts}
    for row in verdicts:
        was = old.get(baseline.place_of(row))
        if was and (was.outcome, was.basis) != (row.outcome, row.basis):
            name = ", ".join(filter(None, (row.paper, row.table, row.row, row.column)))
            words = [f"{each.outcome} ({each.basis or each.kind or 'nothing'})" for each in (was, row)]
            yield Check(REPRODUCED, name, "noted", "verdict", f"{' -> '.join(words)}. {row.reason}".strip())
