"""Say how far a long restoration is, to whoever wants to know: solvers take minutes for one large image."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def told(listener: Listener) -> Iterator[None]:
    """Let a function hear of every step that is taken inside, as text such as "patches, 2 of 5".

    >>> with told(print):
    ...     list(steps("abc", "letter"))
    letter 1 of 3
    letter 2 of 3
    letter 3 of 3
    ['a', 'b', 'c']
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def steps(items: Sequence[T], what: str) -> Iterator[T]:
    """Iterate, and tell the listener before each step which it is."""
    for number, item in enumerate(items, start=1):
        if listener := _listener.get():
            listener(f"{what} {number} of {len(items)}")
        yield item
