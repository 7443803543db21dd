"""How far the work is: one form of callback for all that takes long, and one way to begin a stage of it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


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
