"""Find a model, dataset or metric by its file name.

There is no registry: `benchmark/models/dmphn.py` is the model "dmphn".
Nothing is imported until it is asked for.
"""

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType


def names(kind: str) -> list[str]:
    """Names of all plugins of a kind ("models", "datasets", "metrics").

    >>> "dmphn" in names("models")
    True
    """
    folder = Path(__file__).parent / kind
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
        raise ValueError(f"no {name!r} in benchmark/{kind}; {hint}")
    return import_module(f"benchmark.{kind}.{name}")
