"""Trackers: functions of the user's that are told what a training does, for Weights & Biases, MLflow or anything else.

They are no part of a run's settings: nothing of the result depends on them, and a resumed run may have others.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import cast

from .errors import UsageError
from .log import Event, OnEvent
from .messages import logger
from .plugin_imports import typed_attribute
from .runs import first_process


class Trackers:
    """Hands each event on to all trackers; one that raises is warned of and not called again, and training goes on.

    A service that is down would otherwise cost a timeout with every batch; the run's log has all numbers anyhow. Of
    several processes only the first imports and calls them.

    Args:
        names: MODULE:ATTRIBUTE of each, as somebody typed it here and now.

    Raises:
        UsageError: One cannot be imported, or cannot be called with an event.
    """

    def __init__(self, names: Iterable[str]) -> None:
        named = dict.fromkeys(names) if first_process() else {}
        self._trackers: dict[str, OnEvent] = {name: _tracker(name) for name in named}

    def __call__(self, event: Event) -> None:
        """Tell them of an event, in the order in which they were named."""
        for name, tracker in list(self._trackers.items()):
            try:
                tracker(event)
            except (Exception, SystemExit) as error:  # Ctrl-C and SIGTERM are meant for the training
                del self._trackers[name]
                logger.warning(
                    "tracker %s raised %s: %s; training goes on without it", name, type(error).__name__, error
                )


def _tracker(name: str) -> OnEvent:
    found = typed_attribute(name)
    if inspect.isclass(found):
        raise _no_tracker(name, "it is a class, of which each event would make another object; name an object of it")
    if not callable(found):
        raise _no_tracker(name, f"it cannot be called: it is of type {type(found).__name__}")
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # as of some functions in C
        return cast(OnEvent, found)
    try:
        signature.bind(None)
    except TypeError as error:
        raise _no_tracker(name, f"it is called with one argument, the event: {error}") from error
    return cast(OnEvent, found)


def _no_tracker(name: str, why: str) -> UsageError:
    return UsageError(f"{name} is no tracker", why=why, next="docs/training.md (Trackers) shows two", subject=name)
