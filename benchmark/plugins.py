"""Find a model, dataset, metric, loss or adversary by its file name.

There is no registry: `benchmark/models/dmphn.py` is the model "dmphn".
Nothing is imported until it is asked for.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any


def names(kind: str) -> list[str]:
    """List the plugins of a kind: models, datasets, metrics, losses, adversaries or training.augment.

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
    known = names(kind)
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
        raise ValueError(f"no {name!r} in benchmark/{kind.replace('.', '/')}; {hint}")
    return import_module(f"benchmark.{kind}.{name}")


def settings(function: Callable[..., Any], given: Mapping[str, Any], where: str) -> Callable[..., Any]:
    """The function with settings, which are its keyword-only parameters.

    Raises:
        ValueError: it has no such setting; the message names the place and those it has.
    """
    known = [p.name for p in signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for key in given:
        if key not in known:
            raise ValueError(f"{where}: unknown setting {key!r}; known: {', '.join(known) or 'none'}")
    return partial(function, **given)
