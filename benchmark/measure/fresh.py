"""Call a function in a fresh process, forked from one that has only imported modules.

That saves the seconds of importing torch, and nothing else is shared: no device, memory pool or choice of an
algorithm is inherited.
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
    """Call a function in a fresh process and return its result.

    Args:
        function: can be pickled, as its arguments and its result.
        arguments: of the function.
        imports: names of modules that are imported before the process is forked.
        limit: s, after which the process is killed.

    Raises:
        ValueError: the function raised, its process ended or took too long; the message is one line.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*imports])
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=send_result, args=(function, arguments, str(Path.cwd()), sender))
    worker.start()
    sender.close()
    try:
        if not receiver.poll(limit):
            raise ValueError(f"stopped after {limit:.0f} s")
        result, error = receiver.recv()
    except EOFError:
        worker.join()
        raise ValueError(f"its process ended with status {worker.exitcode}") from None
    finally:
        worker.kill()
        worker.join()
    if error:
        raise ValueError(error)
    return result


def send_result(
    function: Callable[..., Any], arguments: tuple[Any, ...], folder: str, sender: Connection
) -> None:
    """Run in the fresh process: send the function's result, or the message of its error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and kills this process
    threading.Thread(target=exit_with_parent, daemon=True).start()
    os.chdir(folder)
    try:
        sender.send((function(*arguments), ""))
    except ValueError as error:  # ours, worded for the reader
        sender.send((None, str(error)))
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        sender.send((None, f"{type(error).__name__}: {first_line}"))


def exit_with_parent() -> None:
    """Wait for the end of the parent, however it ends, and exit."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
    os._exit(1)
