"""What the package says on its way without ending the work, by the standard library's logging.

A warning has the level WARNING, advice the level INFO. The command line shows both on stderr, by its one handler; a
program that uses the package does as with any other, by `logging.getLogger("thas")`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

logger = logging.getLogger("thas")


class Forwarded(logging.Handler):
    """Hands level and text of each message on: from a process that works for another one to that one.

    Args:
        say: Takes both, from whichever thread.
        level: The least level that the other process shows.
    """

    def __init__(self, say: Callable[[int, str], object], *, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """As logging asks."""
        self._say(record.levelno, record.getMessage())


class _Sieve(logging.Filter):
    """Drops what one thread says, where `passes` says so."""

    def __init__(self, passes: Callable[[logging.LogRecord], bool]) -> None:
        super().__init__()
        self._passes, self._thread = passes, threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """As logging asks."""
        return record.thread != self._thread or self._passes(record)


@contextmanager
def without(words: str) -> Generator[None]:
    """Drop the messages that contain these words: for a caller who knows better.

    >>> with without("same videos"):
    ...     logger.warning("trained and scored on the same videos")
    """
    sieve = _Sieve(lambda record: words not in record.getMessage())
    logger.addFilter(sieve)
    try:
        yield
    finally:
        logger.removeFilter(sieve)


@contextmanager
def collected() -> Generator[list[str]]:
    """Keep the warnings instead of showing them: for a process that works for another one, which shows them.

    >>> with collected() as warnings:
    ...     logger.warning("the video ends early")
    >>> warnings
    ['the video ends early']
    """
    found: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        found.append(record.getMessage())
        return False

    sieve = _Sieve(keep)
    logger.addFilter(sieve)
    try:
        yield found
    finally:
        logger.removeFilter(sieve)
