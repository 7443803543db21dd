"""Ctrl-C and SIGTERM: the first ends a command in good order, the second ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Terminated

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""The exit code of a command that such a signal ended."""


@contextmanager
def raising_on_sigterm() -> Iterator[None]:
    """Let SIGTERM, which schedulers send before they kill, end the block as Ctrl-C does; only in the main thread."""

    def end(*signal_and_frame: object) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_in_order() -> None:
    """From now on the first of either signal raises, for what was finished to be kept; a second ends the process.

    Nothing is lost by that but what is under way: files get their names when they are whole.
    """
    asked = False

    def end(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            os._exit(CODES[signal.Signals(number)])
        asked = True
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    for one in CODES:
        if signal.getsignal(one) is not signal.SIG_IGN:  # as behind nohup
            signal.signal(one, end)
