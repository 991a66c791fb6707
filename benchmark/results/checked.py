"""Read YAML that people write by hand into typed values; errors name place, bad value and allowed values."""

import difflib
from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec
import yaml

T = TypeVar("T")
NAMES: dict[Any, str] = {
    bool: "true, false",
    dict: "a mapping",
    float: "numbers",
    int: "whole numbers",
    list: "a list",
    str: "text in quotes",
    tuple: "a list",
}


class _Loader(yaml.SafeLoader):
    """A loader that refuses a key that a mapping has twice, of which YAML would keep the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = [key.value for key, _ in node.value]
        for index, (key, _) in enumerate(node.value):
            if key.value in keys[:index]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} occurs twice in one mapping", key.start_mark
                )
        return node


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        ValueError: it cannot be read, is not YAML, or has a key twice; the message names the line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{path}{line}: {error.problem}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None


def build(kind: type[T], where: str, entries: Any) -> T:
    """Make a dataclass, a TypedDict or any other type that msgspec checks from parsed YAML.

    Args:
        kind: a class whose fields may be dataclasses, TypedDicts, lists, tuples and dictionaries again.
        where: the place that errors start with, such as "params.yaml: runs.cdgnet".
        entries: what `read_yaml` returned, or a part of it.

    Raises:
        ValueError: a key is unknown or missing, or a value is not allowed.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Schedule:
    ...     steps: Annotated[int, msgspec.Meta(ge=1)]
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
    inner = _without_none(hint)
    if value is None and inner is not hint:
        return None
    origin, arguments = get_origin(inner), get_args(inner)
    if is_dataclass(inner) or is_typeddict(inner):
        return _convert_record(value, inner, where)
    if origin is dict and isinstance(value, dict):
        return {key: _convert(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    if origin in (list, tuple) and isinstance(value, list) and arguments[-1] in (arguments[0], ...):
        return origin(_convert(v, arguments[0], f"{where}[{_label(i, v)}]") for i, v in enumerate(value))
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError:
        raise ValueError(f"{where}: {value!r}; allowed: {allowed(hint)}") from None


def _label(index: int, item: Any) -> Any:
    """Name an item of a list: a mapping by its first value, as in `rows[Ours]`, others by their index."""
    first = next(iter(item.values()), None) if isinstance(item, dict) else None
    return first if isinstance(first, str) else index


def _convert_record(value: Any, kind: Any, where: str) -> Any:
    """Convert a mapping to a dataclass or TypedDict."""
    hints = get_type_hints(kind, include_extras=True)
    if is_dataclass(kind):
        required = {
            field.name
            for field in fields(kind)
            if field.default is MISSING and field.default_factory is MISSING
        }
    else:
        hints, required = get_type_hints(kind), kind.__required_keys__
    if not isinstance(value, dict):
        raise ValueError(f"{where}: {value!r}; allowed: a mapping of {', '.join(hints)}")
    for key in value:
        if key not in hints:
            raise ValueError(f"{where}: unknown key {key!r}; {nearest(str(key), hints)}")
    for key in hints:
        if key in required and key not in value:
            raise ValueError(f"{where}: {key!r} is missing")
    dot = ": " if where.endswith((".yaml", ".yml")) else "."
    return kind(**{key: _convert(item, hints[key], f"{where}{dot}{key}") for key, item in value.items()})


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint for a mistyped name: the nearest allowed one, or all of them.

    >>> nearest("cdgnett", ["cdgnet", "srn"]), nearest("x", ["cdgnet", "srn"])
    ("did you mean 'cdgnet'?", 'allowed: cdgnet, srn')
    """
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(names)}"


def allowed(hint: Any, empty: str = "null") -> str:
    """Say which values a type takes.

    Args:
        hint: the type, such as `Literal["possible", "impossible"]` or `Annotated[int, Meta(ge=0)]`.
        empty: how the file writes None and "".

    >>> allowed(Literal["linear", ""], "an empty cell"), allowed(Annotated[int, msgspec.Meta(ge=0)] | None)
    ('linear, an empty cell', 'whole numbers >= 0 or null')
    """
    values = []
    for part in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        base, *metas = get_args(part) if get_origin(part) is Annotated else (part,)
        if get_origin(base) is Literal:
            values.append(", ".join(word or empty for word in get_args(base)))
        else:
            limits = [
                f"{sign} {getattr(meta, key):g}"
                for meta in metas
                for key, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
                if getattr(meta, key) is not None
            ]
            name = empty if base is type(None) else NAMES.get(get_origin(base) or base, str(base))
            values.append(" ".join([name, *limits]))
    return " or ".join(values)


def _without_none(hint: Any) -> Any:
    """Return X of `X | None`, and any other type as it is."""
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not type(None)]
        if len(parts) == 1:
            return parts[0]
    return hint
