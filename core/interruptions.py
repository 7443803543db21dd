"""Ctrl-C and SIGTERM: the first ends a command in good order, the second ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import Terminated

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""The exit code of a command that such a signal ended."""


@contextmanager
def raising_on_sigterm() -> Iterator[None]:
    """Let SIGTERM, which schedulers send before they kill, end the block as Ctrl-C does.

    Where the program already says what SIGTERM does (as the command line's `end_in_order`), that stays; and signals
    can be caught in the main thread only.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _ender())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def end_in_order() -> None:
    """From now on the first of either signal raises, for what was finished to be kept; a second ends the process."""
    end = _ender()
    for one in CODES:
        if signal.getsignal(one) is not signal.SIG_IGN:  # as behind nohup
            signal.signal(one, end)


def _ender() -> Callable[[int, object], None]:
    """A handler: its first signal raises, its second ends the process.

    Nothing is lost by that but what is under way: files get their names when they are whole.
    """
    asked = False

    def end(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            os._exit(CODES[signal.Signals(number)])
        asked = True
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    return end
