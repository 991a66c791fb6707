"""Let a training end between two steps, with its state saved, when its process is asked to end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = _heeded = False


class Stopped(KeyboardInterrupt):
    """The process was asked to end; the work goes on from what it has saved."""


def asked() -> bool:
    """Return whether this process was asked to end: whoever looks saves its state and raises Stopped.

    From the first look on, a signal waits for the next one.
    """
    global _heeded
    _heeded = True
    return _asked


@contextmanager
def listening(*signals: signal.Signals) -> Iterator[None]:
    """Take these signals as a request to end: at once, or when the work looks at `asked`.

    Works in a main thread alone, as Python delivers signals to no other.

    Raises:
        Stopped: the work does not look, so that there is nothing to wait for.
    """
    global _asked, _heeded
    _asked = _heeded = False

    def ask(number: int, frame: FrameType | None) -> None:
        global _asked
        _asked = True
        if not _heeded:
            raise Stopped

    before = {number: signal.signal(number, ask) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked = _heeded = False
