"""A function in a fresh process: its result, its errors, and that nothing is shared."""

import os
import time
from pathlib import Path

import pytest

from benchmark.measure import fresh

CHANGED = []  # by a test; a fresh process has the module as it is written


def doubled(number):
    """Return twice the number, the folder, the process, and this module's state."""
    return 2 * number, Path.cwd(), os.getpid(), list(CHANGED)


def fail(kind, words):
    """Raise an error."""
    raise kind(words)


def call(function, *arguments, limit=60.0):
    """Call in a fresh process that imports nothing beforehand."""
    return fresh.call(function, arguments, [], limit)


def test_it_returns_the_functions_result_in_the_same_folder(tmp_path, monkeypatch):
    """In a process of its own each time."""
    monkeypatch.chdir(tmp_path)
    first, second = call(doubled, 21), call(doubled, 1)

    assert first[:2] == (42, tmp_path)
    assert len({first[2], second[2], os.getpid()}) == 3


def test_nothing_of_the_parent_is_shared():
    """Its modules were imported anew."""
    CHANGED.append("changed")
    try:
        assert call(doubled, 1)[3] == []
    finally:
        CHANGED.clear()


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (fail, (ValueError, "run 'x': no such run"), "^run 'x': no such run$"),  # ours as it is
        (fail, (RuntimeError, "CUDA error\nmany lines\nmore"), "^RuntimeError: CUDA error$"),
        (fail, (TypeError, ""), "^TypeError: $"),
        (os._exit, (3,), "its process ended with status 3"),  # such as one that was killed for its memory
    ],
)
def test_an_error_is_one_line(function, arguments, message):
    """Others with their kind and first line, or the status of the process."""
    with pytest.raises(ValueError, match=message):
        call(function, *arguments)


def test_a_process_that_takes_too_long_is_killed():
    """At the limit, not when it is done."""
    begin = time.monotonic()
    with pytest.raises(ValueError, match="stopped after 1 s"):
        call(time.sleep, 60, limit=1.0)
    assert time.monotonic() - begin < 30
