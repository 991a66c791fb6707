"""Find a model, dataset, metric, loss or adversary by its file name.

There is no registry: `benchmark/models/dmphn.py` is the model "dmphn".
Nothing is imported before `load`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmark.spec import nearest


def names(kind: str) -> list[str]:
    """List the plugins of a kind: models, datasets, metrics, losses, adversaries, training.augment, ...

    >>> "dmphn" in names("models")
    True
    """
    folder = Path(__file__).parent.joinpath(*kind.split("."))
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


def load(kind: str, name: str) -> ModuleType:
    """Import one plugin module.

    Raises:
        ValueError: no such file; the message has the nearest known name, or all of them.

    >>> load("models", "dmphm")
    Traceback (most recent call last):
    ValueError: no 'dmphm' in benchmark/models; did you mean 'dmphn'?
    """
    if name not in names(kind):
        raise ValueError(f"no {name!r} in benchmark/{kind.replace('.', '/')}; {nearest(name, names(kind))}")
    return import_module(f"benchmark.{kind}.{name}")


def settings(function: Callable[..., Any], values: Mapping[str, Any], where: str) -> Callable[..., Any]:
    """Bind settings of a function, which are its keyword-only parameters.

    Raises:
        ValueError: it has no such setting; the message names the place and those it has.
    """
    allowed = [p.name for p in signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for key in values:
        if key not in allowed:
            raise ValueError(f"{where}: unknown setting {key!r}; allowed: {', '.join(allowed) or 'none'}")
    return partial(function, **values)
