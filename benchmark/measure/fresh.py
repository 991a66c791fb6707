"""Call a function in a process of its own, which has imported what it needs and done nothing yet.

The process is forked from one that only imports. That saves the seconds of importing torch, and nothing else
is shared: no device, memory pool or choice of an algorithm is inherited.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def call(
    function: Callable[..., Any], arguments: tuple[Any, ...], imports: Sequence[str], limit: float
) -> Any:
    """What a function of a module's top level gives there.

    Args:
        function: as are its arguments and what it gives, something that can be pickled.
        arguments: of the function.
        imports: names of modules that are imported before the process is forked.
        limit: s, after which it is ended.

    Raises:
        ValueError: it raised something, ended without an answer or took too long; the message is one line.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*imports])
    answers, there = context.Pipe(duplex=False)
    worker = context.Process(target=answer, args=(function, arguments, str(Path.cwd()), there))
    worker.start()
    there.close()
    try:
        if not answers.poll(limit):
            raise ValueError(f"stopped after {limit:.0f} s")
        made, complaint = answers.recv()
    except EOFError:
        worker.join()
        raise ValueError(f"its process ended with status {worker.exitcode}") from None
    finally:
        worker.kill()
        worker.join()
    if complaint:
        raise ValueError(complaint)
    return made


def answer(
    function: Callable[..., Any], arguments: tuple[Any, ...], folder: str, answers: Connection
) -> None:
    """In the process: send what the function gives, or a complaint."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked is interrupted, and ends this one
    threading.Thread(target=follow, daemon=True).start()
    os.chdir(folder)
    try:
        answers.send((function(*arguments), ""))
    except ValueError as error:  # ours, worded for the reader
        answers.send((None, str(error)))
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        answers.send((None, f"{type(error).__name__}: {first}"))


def follow() -> None:
    """Wait for the end of the process that asked, however it ends, and end this one with it."""
    asker = multiprocessing.parent_process()
    if asker:
        asker.join()
    os._exit(1)
