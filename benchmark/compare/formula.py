"""Evaluate the formula of an explanation over measured counts, and nothing else.

    4 * params() / MiB        the claim's own network
    trunc(params(srn_gray), 1e5)    another run's, cut off after the first decimal of millions

Counts are `params`, `macs_256`, `macs_720p` and `macs_720p_deformable` of a run.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from benchmark.results.schema import Complexity

COUNTS = ("params", "macs_256", "macs_720p", "macs_720p_deformable")
UNITS = {"MB": 1e6, "MiB": 2.0**20}
OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def evaluate(formula: str, run: str, counts: Mapping[str, Complexity]) -> float:
    """Evaluate a formula for a run.

    Raises:
        ValueError: it has something else than numbers, +, -, *, /, counts of runs, trunc and units; or
            divides by zero.

    >>> evaluate("trunc(11588163, 1e5) / MB", "", {})
    11.5
    >>> evaluate("1 / (2 - 2)", "", {})
    Traceback (most recent call last):
    ValueError: formula '1 / (2 - 2)': divides by zero
    >>> evaluate("params('dmphn_1')", "", {})
    Traceback (most recent call last):
    ValueError: formula "params('dmphn_1')": params('dmphn_1'); allowed: + - * /, numbers, ...
    >>> evaluate("4 * size()", "dmphn_1", {})
    Traceback (most recent call last):
    ValueError: formula '4 * size()': size(); allowed: + - * /, numbers, MB, MiB, trunc(x, step), ...
    """

    def value(node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=unit) if unit in UNITS:
                return UNITS[unit]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](value(left), value(right))
            case ast.Call(func=ast.Name(id="trunc"), args=[x, step], keywords=[]):
                return value(x) // value(step) * value(step)
            case ast.Call(func=ast.Name(id=name), args=[], keywords=[]) if name in COUNTS:
                return float(count(name, run))
            case ast.Call(func=ast.Name(id=name), args=[ast.Name(id=of)], keywords=[]) if name in COUNTS:
                return float(count(name, of))
        raise ValueError(
            f"formula {formula!r}: {ast.unparse(node)}; allowed: + - * /, numbers, MB, MiB, trunc(x, step), "
            f"{', '.join(f'{name}(run)' for name in COUNTS)}"
        )

    def count(name: str, of: str) -> Any:
        if of not in counts:
            raise ValueError(f"formula {formula!r}: no counts of a run {of!r}")
        if (number := getattr(counts[of], name)) is None:
            raise ValueError(f"formula {formula!r}: {name} of {of} {counts[of].uncounted}")
        return number

    try:
        return value(ast.parse(formula, mode="eval").body)
    except SyntaxError:
        raise ValueError(f"formula {formula!r}: is no expression") from None
    except ZeroDivisionError:
        raise ValueError(f"formula {formula!r}: divides by zero") from None
