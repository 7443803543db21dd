"""Trackers: functions of the user's that are told what a training does, for Weights & Biases, MLflow or anything else.

They are no part of a run's settings: nothing of the result depends on them, and a resumed run may have others. What
TensorBoard shows, where it is installed, `Scalars` writes.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast

from .errors import UsageError
from .log import Epoch, Event, OnEvent
from .messages import logger
from .plugin_imports import typed_attribute
from .runs import first_process


class Trackers:
    """Hands each event on to all trackers; one that raises is warned of and not called again, and training goes on.

    A service that is down would otherwise cost a timeout with every batch; the run's log has all numbers anyhow. Of
    several processes only the first imports and calls them.

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


class _Writer(Protocol):
    """What is used of TensorBoard's."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int, /) -> None: ...
    def close(self) -> None: ...


FOLDER = "tensorboard"


class Scalars:
    """Writes each epoch's numbers into `<run>/tensorboard`; does nothing where TensorBoard is not installed.

    Args:
        run: The run's folder.
        epochs_done: What an earlier session wrote about later epochs no longer counts.
    """

    def __init__(self, run: Path, *, epochs_done: int = 0) -> None:
        self._writer: _Writer | None = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except Exception:  # absent, or broken, and then it raises whatever it meets: no reason not to train
            return
        self._writer = SummaryWriter(str(run / FOLDER), purge_step=epochs_done + 1)

    def add(self, epoch: Epoch) -> None:
        """Write an epoch's numbers."""
        if self._writer is not None:
            for name, value in epoch.known().items():
                if name != "number":
                    self._writer.add_scalar(name.replace("validation_", "validation/"), value, epoch.number)

    def close(self) -> None:
        """Let go of the file."""
        if self._writer is not None:
            self._writer.close()
