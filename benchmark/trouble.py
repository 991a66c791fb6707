"""Turn what goes wrong on the user's machine into one line: here, and nowhere else.

A file, a folder, a setting, the disk or the memory may be other than it must be. Such trouble reaches a stage
as ValueError, worded by whoever knows place, value and what is allowed, or as an error of the machine, worded
here. Any other error is a mistake of this project and keeps its traceback.
"""

import io
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EDQUOT, EFBIG, EMFILE, ENOSPC, EPERM, EROFS
from pathlib import Path
from typing import Any

# What to do about errors of the machine.
ALLOWED = {
    EACCES: "allowed: what this user may read and write",
    EPERM: "allowed: what this user may read and write",
    EROFS: "allowed: a folder on a disk that can be written",
    ENOSPC: "free some space and start again; what is finished is kept",
    EDQUOT: "free some space and start again; what is finished is kept",
    EFBIG: "the disk, or this user's limit, allows no file of this size",
    EMFILE: "too many files are open; raise the limit (ulimit -n)",
}
NO_MEMORY = ("alloc", "memory")  # in torch's RuntimeError


def one_line(message: object) -> str:
    """Shorten an error's text to one line of at most 300 printable characters."""
    text = " ".join(str(message).split())[:300] or type(message).__name__
    return "".join(character if character.isprintable() else "?" for character in text)


def line(error: BaseException) -> str:
    """Word the user's trouble in one line; raise any other error again.

    >>> line(PermissionError(13, "Permission denied", "results/complexity.csv"))
    'results/complexity.csv: Permission denied; allowed: what this user may read and write'
    """
    if isinstance(error, OSError) and error.strerror:
        places = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        allowed = ALLOWED.get(error.errno or 0, "")
        return one_line("; ".join(filter(None, [": ".join(filter(None, [places, error.strerror])), allowed])))
    if isinstance(error, ValueError | OSError):
        return " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in NO_MEMORY)
    ):
        return f"not enough memory ({one_line(error)}); allowed: smaller images, or a larger machine"
    raise error


@contextmanager
def reading(place: object, what: str) -> Iterator[None]:
    """Turn any error over a file that others made into a ValueError that names it.

    Parsers raise anything over a damaged or hostile file, so every kind counts as the file's.

    Args:
        place: the file; errors start with it.
        what: what it should hold, such as "an image".

    Raises:
        ValueError: anything was raised.
    """
    try:
        yield
    except Exception as error:
        reason = one_line(error.strerror if isinstance(error, OSError) and error.strerror else error)
        if reason.startswith(f"{place}: "):
            raise ValueError(reason) from None
        kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
        raise ValueError(f"{place}: cannot be read as {what} ({kind}{reason})") from None


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Give a place to write a file's new content to: the file gets all of it, or stays as it was.

    Each process writes a draft of its own, so that two that write one file do not mix. A draft that a killed
    process left is removed by the next one that writes the file.

    Raises:
        ValueError: the file cannot be written; the message names it.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f"{path.name}.*.part"):
            if not alive(old.suffixes[-2][1:]):
                old.unlink(missing_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        reason = "; ".join(filter(None, [error.strerror, ALLOWED.get(error.errno or 0)]))
        raise ValueError(f"{path}: cannot be written ({reason})") from None
    finally:
        with suppress(OSError):
            part.unlink()


def alive(process: str) -> bool:
    """Check whether a process of this number runs; True for what is no number."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError, OverflowError):
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; raises as `draft`."""
    with draft(path) as part:
        part.write_text(text, encoding="utf-8")


def told(name: str, main: Callable[..., int | None], *arguments: Any, failed: int = 1) -> int:
    """Call a program's main and return its exit status; the user's trouble becomes one line.

    The line starts with `name`, and the status is `failed`. What a terminal cannot show is escaped. A
    termination (SIGTERM) ends the program like Ctrl-C: drafts are removed, finished work is kept.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    alone = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, terminate) if alone else None
    try:
        status = main(*arguments)
        if sys.stdout:
            sys.stdout.flush()
        return status or 0
    except BrokenPipeError:  # whoever reads has seen enough; Python must not flush again on its way out
        discard_output()
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        print(f"{name}: interrupted; what is finished is kept, start again to go on", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        print(f"{name}: {line(error)}", file=sys.stderr)
        if isinstance(error, OSError):  # perhaps of stdout itself, on a full disk
            discard_output()
        return failed
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def terminate(number: int, frame: object) -> None:
    """Ask the worker processes to end, which nobody has told, and end this one as Ctrl-C does."""
    for child in multiprocessing.active_children():
        child.terminate()
    raise KeyboardInterrupt


def discard_output() -> None:
    """Let what is still to be printed go nowhere, so that Python ends without an error of its own."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
