"""Errors planted at random places of copies of the claims files: each is found, and nothing else changes.

A place is drawn, by a fixed seed, among those that some kind of evidence decides: a number whose verdict is
"holds" or "close", a true statement about order, a time of a counted network on a known card, an
explanation, a judgement. Left out, as nothing could tell, are

- a wrong digit within three times the rounding of the coarsest print that the number is held against, or
  within 3 % for sizes and operations, which counters count differently;
- a time in s in place of ms with no other print beside it: physics has no upper bound for a time;
- a word for an order that no formula states by <, > or a place ("much", "almost", "little").
"""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from benchmark.claims import Claim
from benchmark.claims.formulas import read
from benchmark.compare import gate
from benchmark.results import Results, read_rows
from benchmark.results.schema import Verdict
from tests.planted import (
    AGREE,
    Plant,
    bound,
    changes,
    clean,
    column_of,
    content,
    edited,
    entry_of,
    held,
    outcome,
    outside,
    related,
    reprint,
)

WORDS = ("two", "three", "four", "six")


def wrong(claim: Claim, rng: random.Random) -> str:
    """Write a number with one wrong digit, or a number word with another; "" where none is outside."""
    if claim.value is None and read(claim) is None and not re.search(r"\d", claim.printed):
        return rng.choice([word for word in WORDS if word != claim.printed.lower()])
    if not re.search(r"\d", claim.printed):
        number = read(claim)
        assert number is not None
        return rng.choice([w for w in WORDS if read(replace(claim, printed=w)).value != number.value])
    texts = [
        f"{claim.printed[: at.start()]}{digit}{claim.printed[at.end() :]}"
        for at in re.finditer(r"\d", claim.printed.split("^")[0])
        for digit in "123456789"
        if digit != at[0]
    ]
    values = [(text, replace(claim, printed=text).value) for text in texts]
    texts = [text for text, value in values if value is None or outside(claim, value)]
    return rng.choice(texts) if texts else ""


def draw(plants: Iterator[Plant], count: int, seed: int) -> list[Plant]:
    """Draw some of all errors of a kind."""
    return random.Random(seed).sample(list(plants), count)


def wrong_digits(among: dict[Claim, frozenset[str]], seed: int) -> Iterator[Plant]:
    """Yield one wrong digit for each number."""
    rng = random.Random(seed)
    for claim, expected in among.items():
        if text := wrong(claim, rng):
            yield Plant(
                claim.paper,
                lambda raw, claim=claim, text=text: reprint(raw, claim, text),
                (claim,),
                ((claim, expected),),
                f"{claim.printed} as {text}",
            )


def swaps() -> Iterator[Plant]:
    """Yield pairs of cells of one quantity of a table, of which at least one is held."""
    numbers = held()
    for one, expected in numbers.items():
        for other in clean().claims:
            alike = (other.paper, other.table, other.quantity, other.dataset) == (
                one.paper, one.table, one.quantity, one.dataset,
            )  # fmt: skip
            if not alike or not clean().in_table(one) or other == one or not (one.value and other.value):
                continue
            if outside(one, other.value * one.scale / other.scale):

                def edit(raw: Any, one: Claim = one, other: Claim = other) -> None:
                    reprint(raw, one, other.printed)
                    reprint(raw, other, one.printed)

                says = f"{one.printed} and {other.printed} ({other.row}, {other.column}) swapped"
                yield Plant(one.paper, edit, (one, other), ((one, expected),), says)


UNITS = {  # by quantity: what else the unit could be taken for, and the key that says so
    "params": [("quantity", "size"), ("scale", 1e3), ("scale", 1e-3)],  # MB for M, G for M, K for M
    "size": [("quantity", "params"), ("scale", 1e3), ("scale", 1e-3)],
    "macs_720p": [("scale", 1e3), ("scale", 1e-3)],
    "seconds": [("scale", 1e3), ("scale", 1e-3)],  # s for ms, ms for s
}


def units() -> Iterator[Plant]:
    """Yield wrong units, of a sentence or of all of a column."""
    numbers, fast = held(), {claim for claim in clean().claims if bound(claim) * 1e3 > (claim.value or 0)}
    for claim in clean().claims:
        cell = clean().in_table(claim)
        where = (claim.paper, claim.table, claim.column)
        touched = [c for c in clean().claims if (c.paper, c.table, c.column) == where] if cell else [claim]
        if touched[0] != claim or {c.quantity for c in touched} != {claim.quantity}:
            continue
        for key, value in UNITS.get(claim.quantity, []):
            must = [(c, numbers[c]) for c in touched if c in numbers]
            if claim.quantity == "seconds" and cell:  # other prints are of single cells; physics of all
                must = [(c, frozenset({"impossible"})) for c in touched if c in fast and value == 1e-3]
                must = [(c, e) for c, e in must if outcome(c) != "impossible"]
            if not must:
                continue

            def edit(
                raw: Any, claim: Claim = claim, key: str = key, value: Any = value, cell: bool = cell
            ) -> None:
                entry = column_of(raw, claim) if cell else entry_of(raw, claim)
                entry[key] = value if key == "quantity" else claim.scale * value

            yield Plant(claim.paper, edit, tuple(touched), tuple(must), f"{key} {value} in {claim.quantity}")


def impossible_times(seed: int) -> Iterator[Plant]:
    """Yield times below the card's limits."""
    rng = random.Random(seed)
    for claim in clean().claims:
        if bound(claim) and outcome(claim) != "impossible":
            text = f"{rng.uniform(0.2, 0.9) * bound(claim) / claim.scale:.6f}"

            def edit(raw: Any, claim: Claim = claim, text: str = text) -> None:
                reprint(raw, claim, text)

            must = ((claim, frozenset({"impossible"})),)
            yield Plant(claim.paper, edit, (claim,), must, f"{claim.printed} as {text}")


REVERSED = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": ">"}  # a later place in place of this one


def reversed_orders() -> Iterator[Plant]:
    """Yield true statements with their order reversed."""
    for relation in clean().relations:
        claim = relation.claim
        formula = re.sub(r"(?<= )(<=|>=|==|<|>)(?= )", lambda sign: REVERSED[sign[0]], relation.formula)
        if relation.truth and formula != relation.formula:

            def edit(raw: Any, claim: Claim = claim, formula: str = formula) -> None:
                entry = entry_of(raw, claim)
                entry["formula"] = (
                    {**entry["formula"], claim.column: formula} if "cells" in entry else formula
                )

            yield Plant(claim.paper, edit, (claim,), ((claim, frozenset({"contradicted"})),), formula)


def stale_explanations(known_ones: bool, seed: int) -> Iterator[Plant]:
    """Yield the known explanations, of another value or with another formula, or new ones of what holds."""
    rng, stale = random.Random(seed), frozenset({"stale"})
    for claim in clean().claims:
        known = claim.explain
        if (known is not None) != known_ones:
            continue
        if known is None and outcome(claim) in AGREE:
            new: dict[str, dict[str, Any]] = {"unexplained": {"measured": rng.uniform(1, 1e6), "says": "x"}}
        elif known is not None and known.formula and rng.random() < 0.5:
            cause = {"measured": known.measured, "says": known.says, "formula": f"{known.formula} * 1.1"}
            new = {"explain": cause}
        elif known is not None:
            cause = {"measured": known.measured * rng.choice([0.9, 1.01]), "says": known.says}
            new = {"explain": cause | {"formula": known.formula}} if known.formula else {"unexplained": cause}
        else:
            continue

        def edit(raw: Any, claim: Claim = claim, new: dict[str, dict[str, Any]] = new) -> None:
            entry = entry_of(raw, claim)
            for key, cause in new.items():
                entry[key] = {**entry.get(key, {}), claim.column: cause} if "cells" in entry else cause

        yield Plant(claim.paper, edit, (claim,), ((claim, stale),), f"{new}")


def stale_judgements(seed: int) -> Iterator[Plant]:
    """Yield judgements of digits that the paper does not print."""
    rng = random.Random(seed)
    for at, judgement in enumerate(content("values")["judgements"]):
        for paper, by_quantity in judgement["prints"].items():
            for quantity, texts in by_quantity.items():
                touched = tuple(
                    comparison.claim
                    for group in clean().groups
                    for comparison in group.comparisons
                    if (group.system, group.dataset, group.quantity)
                    == (judgement["system"], judgement["dataset"], quantity)
                    and comparison.claim.paper == paper
                )
                judged = [claim for claim in touched if not claim.quoted]
                if not judged:
                    continue
                text = re.sub(r"\d", lambda d: str((int(d[0]) + rng.randint(1, 9)) % 10), texts[0], count=1)

                def edit(raw: Any, where: tuple[Any, ...] = (at, paper, quantity), text: str = text) -> None:
                    number, paper, quantity = where
                    raw["judgements"][number]["prints"][paper][quantity][0] = text

                must = ((judged[0], frozenset({"stale"})),)
                yield Plant("values", edit, touched, must, f"{texts[0]} as {text} in a judgement of {paper}")


@cache
def plants() -> dict[str, list[Plant]]:
    """Draw the errors of every kind."""
    numbers = held()
    cells = {claim: expected for claim, expected in numbers.items() if clean().in_table(claim)}
    data = {c: e for c, e in numbers.items() if any(r.kind == "data" for r in clean().rows[clean().index(c)])}
    return {
        "wrong digit, anywhere": draw(wrong_digits(numbers, 1), 16, 1),
        "wrong digit, in a table": draw(wrong_digits(cells, 2), 10, 2),
        "swapped cells": draw(swaps(), 12, 3),
        "wrong unit": draw(units(), 8, 4),
        "impossible time": draw(impossible_times(5), 8, 5),
        "contradicting sentence": draw(reversed_orders(), 10, 6),
        "stale explanation": draw(stale_explanations(True, 7), 7, 7),
        "explanation of what holds": draw(stale_explanations(False, 10), 6, 10),
        "stale judgement": draw(stale_judgements(8), 6, 8),
        "wrong count of a data set": draw(wrong_digits(data, 9), 6, 9),
    }


KINDS = (
    "wrong digit, anywhere",
    "wrong digit, in a table",
    "swapped cells",
    "wrong unit",
    "impossible time",
    "contradicting sentence",
    "stale explanation",
    "explanation of what holds",
    "stale judgement",
    "wrong count of a data set",
)


@pytest.mark.parametrize("kind", KINDS)
def test_planted_errors_are_found(tmp_path, kind):
    """Each turns its claim, or one that uses it, into the stated outcome, and no unrelated claim changes."""
    missed, invented = [], []
    for number, plant in enumerate(plants()[kind]):
        touched = {clean().index(claim) for claim in plant.touched}
        where = "; ".join(f"{c.paper}, {c.table}, {c.row}, {c.column}" for c, _ in plant.must[:1])
        try:
            state = edited(plant.file, plant.edit, tmp_path / str(number))
        except ValueError as error:  # refused: the error names the file and the place
            if plant.file not in str(error) or not any(c.row in str(error) for c, _ in plant.must):
                missed.append(f"{where}: {plant.says}: {error}")
            continue
        changed = changes(state)
        for claim, expected in plant.must:
            near = related(clean(), {clean().index(claim)})
            if not any(changed.get(i, set()) & expected for i in near):
                now = state.verdicts[clean().index(claim)]
                missed.append(f"{where}: {plant.says}: {claim.row} is {now.outcome}, not {sorted(expected)}")
        far = set(changed) - related(clean(), touched)
        for i in far - related(state, touched) if far else far:
            invented.append(f"{where}: {plant.says}: {clean().claims[i]} is {changed[i]}")

    assert missed == []
    assert invented == []


def test_at_least_sixty_errors_are_planted():
    """Every kind has some, no error is planted twice."""
    drawn = plants()
    places = [(plant.file, plant.touched, plant.says) for found in drawn.values() for plant in found]

    assert set(drawn) == set(KINDS)
    assert len(set(places)) >= 60


def test_no_error_is_invented_on_clean_copies(tmp_path):
    """Copies of all files give the committed verdicts, and the gate has nothing to say."""
    committed = {
        (v.paper, v.table, v.row, v.column, v.dataset, v.quantity): v.outcome
        for v in read_rows(Results(clean().evidence.profile.name).verdicts, Verdict)
    }
    for paper in clean().evidence.papers:
        state = edited(paper.key, lambda raw: None, tmp_path / paper.key)
        found = {
            (v.paper, v.table, v.row, v.column, v.dataset, v.quantity): v.outcome for v in state.verdicts
        }
        assert changes(state) == {}
        assert found == committed
    assert changes(edited("values", lambda raw: None, tmp_path / "values")) == {}
    assert not any(row.explanation in gate.FAILS for rows in clean().rows for row in rows)
