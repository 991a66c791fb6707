"""Hash what a result depends on, so that equal hashes mean: measuring again changes nothing.

Code counts as its text without comments, docstrings and blank lines, so that rewording them repeats no work.
"""

import ast
import hashlib
import io
import json
import tokenize
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]  # of the imports `benchmark.*` and `pipelines.*`

# Modules and packages whose code moves and names things but changes no number.
PLUMBING = ("spec", "plugins", "results", "data", "datasets", "weights", "engine", "trouble")


def digest(facts: Any) -> str:
    """Hash nested dictionaries and lists."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def hashes(files: Iterable[Path]) -> dict[str, str]:
    """Hash each file's code, by its path below the package."""
    return {
        path.relative_to(ROOT / "benchmark").as_posix(): digest(bare(path.read_text(encoding="utf-8")))
        for path in files
    }


def model_code(model: str, *more: Path) -> dict[str, str]:
    """Hash the code of a model, of more files, and of what they import."""
    return hashes(with_imports([ROOT / "benchmark" / "models" / f"{model}.py", *more]))


@cache
def bare(source: str) -> str:
    r"""Strip comments, docstrings, blank lines and trailing spaces from Python source.

    >>> bare("def two():  # not three\n\n    'Return 2.'\n    return '#'\n")
    "def two():\n    return '#'"
    """
    lines = source.encode().splitlines()
    cuts: list[tuple[int, int, int, int | None]] = [
        (token.start[0], len(token.line[: token.start[1]].encode()), token.end[0], None)
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = node.body[0] if node.body and ast.get_docstring(node, clean=False) is not None else None
            if text is not None and text.end_lineno is not None:
                cuts.append((text.lineno, text.col_offset, text.end_lineno, text.end_col_offset))
    for first, begin, last, end in sorted(cuts, reverse=True):
        rest = b"" if end is None else lines[last - 1][end:]
        lines[first - 1 : last] = [lines[first - 1][:begin] + rest, *[b""] * (last - first)]
    return b"\n".join(line.rstrip() for line in lines if line.strip()).decode()


def with_imports(files: Iterable[Path], without: Collection[str] = PLUMBING) -> list[Path]:
    """List Python files and all that they import of this project, directly or not.

    Args:
        files: where to start.
        without: modules and packages below `benchmark` that are left out, with what only they import.
    """
    waiting, reached = list(files), set[Path]()
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting += imported(file.read_text(encoding="utf-8"), without)
    return sorted(reached)


@cache
def modules(source: str) -> frozenset[str]:
    """List what source imports: modules, and names in them that may be modules."""
    names = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def imported(source: str, without: Collection[str] = ()) -> list[Path]:
    """List the files of this project that source imports itself.

    >>> [path.name for path in imported("from benchmark.models.dmphn import cut")]
    ['dmphn.py']
    """
    left_out = tuple(f"benchmark.{name}." for name in without)
    kept = [name for name in modules(source) if not f"{name}.".startswith(left_out)]
    places = [
        ROOT.joinpath(*name.split(".")) for name in kept if name.split(".")[0] in ("benchmark", "pipelines")
    ]
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    return sorted(file for file in files if file.exists())
