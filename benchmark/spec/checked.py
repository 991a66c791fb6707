"""Turn YAML into checked types; errors name place, bad value and allowed values."""

import difflib
from collections.abc import Collection
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

import yaml

T = TypeVar("T")
YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is available
NAMES: dict[Any, str] = {
    bool: "true, false",
    dict: "a mapping",
    float: "numbers",
    int: "whole numbers",
    list: "a list",
    str: "text in quotes",
    tuple: "a list",
}
DEEPEST, LARGEST = 50, 1_000_000  # levels and values of a YAML file
INT64 = 2**63 - 1
LIMITS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def nearest(name: str, allowed: Collection[str]) -> str:
    """Word a hint for a mistyped name: the nearest allowed name, or all of them."""
    close = difflib.get_close_matches(name, allowed, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(allowed)}"


def build(kind: type[T], where: str, entries: Any) -> T:
    """Make a dataclass, a TypedDict or any other type that msgspec checks from parsed YAML.

    Args:
        kind: a class whose fields may be dataclasses, TypedDicts, lists, tuples and dictionaries again.
        where: the place that errors start with, such as "params.yaml: runs.cdgnet".
        entries: what `read_yaml` returned, or a part of it.

    Raises:
        ValueError: a key is unknown or missing, a value is not allowed, or a number is negative.

    >>> from dataclasses import dataclass
    >>> from msgspec import Meta
    >>> @dataclass
    ... class Schedule:
    ...     steps: Annotated[int, Meta(ge=1)]
    >>> build(Schedule, "params.yaml: train", {"steps": 0})
    Traceback (most recent call last):
    ValueError: params.yaml: train.steps: 0; allowed: whole numbers >= 1
    >>> build(Schedule, "params.yaml: train", {"stepz": 5})
    Traceback (most recent call last):
    ValueError: params.yaml: train: unknown key 'stepz'; did you mean 'steps'?
    """
    return _convert(entries, kind, where)


def _convert(value: Any, hint: Any, where: str) -> Any:
    """Convert one value; msgspec checks what has no parts, the recursion keeps the place."""
    import msgspec  # not needed by networks, losses and metrics, which import this package

    inner = _without_none(hint)
    if value is None and inner is not hint:
        return None
    origin, arguments = get_origin(inner), get_args(inner)
    if is_dataclass(inner) or is_typeddict(inner):
        return _convert_record(value, inner, where)
    if origin is dict and isinstance(value, dict):
        for key in value:
            if not isinstance(key, arguments[0]):
                raise ValueError(f"{where}: key {key!r}; allowed: {allowed(arguments[0])}")
        return {key: _convert(item, arguments[1], _below(where, key)) for key, item in value.items()}
    if origin in (list, tuple) and isinstance(value, list) and arguments[-1] in (arguments[0], ...):
        return origin(_convert(v, arguments[0], f"{where}[{_label(i, v)}]") for i, v in enumerate(value))
    try:
        converted = msgspec.convert(value, hint)
    except msgspec.ValidationError:
        raise ValueError(f"{where}: {value!r}; allowed: {allowed(hint)}") from None
    if hint is not Any and isinstance(value, int | float) and value < 0:  # no entry of any file is
        raise ValueError(f"{where}: {value} is negative")
    return converted


def _below(where: str, key: Any) -> str:
    """Join a file, or a place in it, with a key."""
    return f"{where}{': ' if where.endswith('.yaml') else '.'}{key}"


def _label(index: int, item: Any) -> Any:
    """Name an item of a list: a mapping by its first value, as in `rows[Ours]`, others by their index."""
    first = next(iter(item.values()), None) if isinstance(item, dict) else None
    return first if isinstance(first, str) else index


def _convert_record(value: Any, kind: Any, where: str) -> Any:
    """Convert a mapping to a dataclass or TypedDict."""
    hints = get_type_hints(kind, include_extras=is_dataclass(kind))
    if is_dataclass(kind):
        required = {f.name for f in fields(kind) if f.default is f.default_factory is MISSING}
    else:
        required = kind.__required_keys__
    if not isinstance(value, dict):
        raise ValueError(f"{where}: {value!r}; allowed: a mapping of {', '.join(hints)}")
    for key in value:
        if key not in hints:
            raise ValueError(f"{where}: unknown key {key!r}; {nearest(str(key), hints)}")
    for key in hints:
        if key in required and key not in value:
            raise ValueError(f"{where}: {key!r} is missing")
    return kind(**{key: _convert(item, hints[key], _below(where, key)) for key, item in value.items()})


def allowed(hint: Any, empty: str = "null") -> str:
    """Say which values a type takes.

    Args:
        hint: the type, such as `Literal["possible", "impossible"]` or `Annotated[int, Meta(ge=0)]`.
        empty: how the file writes None and "".

    >>> from msgspec import Meta
    >>> allowed(Literal["linear", ""], "an empty cell"), allowed(Annotated[int, Meta(ge=0)] | None)
    ('linear, an empty cell', 'whole numbers >= 0 or null')
    """
    values = []
    for part in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        base, *metas = get_args(part) if get_origin(part) is Annotated else (part,)
        if get_origin(base) is Literal:
            values.append(", ".join(word or empty for word in get_args(base)))
        else:
            limits = [(sign, getattr(meta, key)) for meta in metas for key, sign in LIMITS.items()]
            name = empty if base is NoneType else NAMES.get(get_origin(base) or base, str(base))
            values.append(
                " ".join(
                    [name, *(f"{sign} {limit:g}" for sign, limit in limits if limit not in (None, INT64))]
                )
            )
    return " or ".join(values)


def _without_none(hint: Any) -> Any:
    """Return X of `X | None`, and any other type as it is."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    parts = tuple(part for part in parts if part is not NoneType)
    return parts[0] if len(parts) == 1 else hint


def read_yaml(path: Path) -> Any:
    """Read a YAML file and refuse a key that appears twice in a mapping, where YAML takes the last.

    Raises:
        ValueError: the file cannot be read, is not YAML or has a duplicate key; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_nesting(text, path)
        loader = YAML(text)
        document = loader.get_single_node()
        _refuse_duplicates(document, path)
        return loader.construct_document(document) if document else None
    except RefusedError:
        raise
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None


class RefusedError(ValueError):
    """What is YAML, but nothing this project reads; the message names file and line."""


def _refuse_nesting(text: str, path: Path) -> None:
    """Refuse what would overflow the stack of a parser, or grow without bound by aliases of aliases."""
    sizes: dict[str | None, int] = {}  # of what is anchored, with its aliases written out
    open_: list[tuple[str | None, int]] = [(None, 0)]  # anchors and sizes of the nodes around an event

    for event in yaml.parse(text, Loader=YAML):
        mark, size = event.start_mark, 0
        line = mark.line + 1 if mark else 0
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_.pop()
            sizes[anchor] = size
        elif isinstance(event, yaml.ScalarEvent):
            sizes[event.anchor] = size = 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise RefusedError(
                    f"{path}, line {line}: alias *{event.anchor}; allowed: of an anchor before it"
                )
            size = sizes[event.anchor]
        open_[-1] = open_[-1][0], open_[-1][1] + size
        if len(open_) > DEEPEST or open_[-1][1] > LARGEST:
            raise RefusedError(
                f"{path}, line {line}: nested more than {DEEPEST} deep, or more than {LARGEST:,} values"
            )


def _refuse_duplicates(node: Any, path: Path) -> None:
    """Raise ValueError for the first mapping below a YAML node that has a key twice."""
    lines: dict[str, int] = {}
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        key, value = child if isinstance(child, tuple) else (None, child)
        if key is not None:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise RefusedError(f"{path}, line {line}: a key is a list or a mapping; allowed: text")
            if key.value in lines:
                raise RefusedError(
                    f"{path}, line {line}: key {key.value!r} is also in line {lines[key.value]}"
                )
            lines[key.value] = line
        _refuse_duplicates(value, path)
