"""What the package says on its way without ending the work, by the standard library's logging; and how far it is.

A warning has the level WARNING, advice the level INFO. The command line shows both on stderr, by its one handler; a
program that uses the package does as with any other, by `logging.getLogger("thas")`. All that takes long tells how far
it is by one form of callback, `Progress`, and begins its stages in one way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

logger = logging.getLogger("thas")


class Forwarded(logging.Handler):
    """Hands level and text of each message on: from a process that works for another one to that one."""

    def __init__(self, say: Callable[[int, str], object], *, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """As logging asks."""
        self._say(record.levelno, record.getMessage())


@contextmanager
def _sieved(passes: Callable[[logging.LogRecord], bool]) -> Generator[None]:
    """Of what this thread says in the block, show what passes."""
    thread = threading.get_ident()

    def sieve(record: logging.LogRecord) -> bool:
        return record.thread != thread or passes(record)

    logger.addFilter(sieve)
    try:
        yield
    finally:
        logger.removeFilter(sieve)


@contextmanager
def without(words: str) -> Generator[None]:
    """Drop the messages that contain these words: for a caller who knows better.

    >>> with without("same videos"):
    ...     logger.warning("trained and scored on the same videos")
    """
    with _sieved(lambda record: words not in record.getMessage()):
        yield


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

    with _sieved(keep):
        yield found


class Progress(Protocol):
    """Called when a part of the work is done; what a bar's `advance` is."""

    def __call__(self, done: float = 1, note: str = "", /) -> object:
        """`done` more are done, of which a long one may be told in shares; `note` stands beside the bar."""
        ...


class Stage(Protocol):
    """Begins a stage of the work; inside its `with` block, what it gives is told how far the stage is."""

    def __call__(self, title: str, total: int, unit: str, /) -> AbstractContextManager[Progress]:
        """A stage called `title`, of `total` things of a kind (`unit`, in the plural)."""
        ...


def silent(done: float = 1, note: str = "", /) -> None:
    """The progress that nobody watches."""


def unseen(title: str, total: int, unit: str, /) -> AbstractContextManager[Progress]:
    """The stage that nobody watches."""
    return nullcontext(silent)
