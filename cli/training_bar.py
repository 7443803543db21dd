"""The bar of a training, of videos or images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from ..core.log import Decided, Epoch, Event, Seen, Started
from ..core.messages import Progress, silent
from ..core.trackers import Trackers
from .console import err, note, progress


class TrainingBar:
    """Moves with every batch on a terminal, since an epoch of ILSVRC takes long; elsewhere with every epoch."""

    def __init__(self, title: str, *, trackers: Sequence[str] = ()) -> None:
        self.title, self._also = title, Trackers(trackers)
        self._stack = ExitStack()
        self._advance: Progress = silent
        self._items, self._done = 1, 0.0
        self._seen, self._since = 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def __call__(self, event: Event) -> None:
        """Show what a training tells."""
        match event:
            case Started(epochs, epochs_done, items):
                self._stack.close()  # a bar of an earlier training ends here
                self._advance = self._stack.enter_context(progress(self.title, total=epochs, unit="epochs"))
                self._items, self._done = max(1, items), 0.0
                self._move_to(epochs_done)
                self._seen, self._since = 0, time.perf_counter()
            case Decided(lines):
                for line in lines:
                    note(line)
            case Seen(items):
                self._seen += items
                if err.is_terminal:
                    rate = self._seen / max(1e-9, time.perf_counter() - self._since)
                    self._move_to(self._done + items / self._items, f"{rate:.0f} images/s")
            case Epoch():
                rate = f", {event.per_second:.0f} images/s" if event.things == "images" and event.per_second else ""
                self._move_to(event.number, event.summary() + rate)
                self._seen, self._since = 0, time.perf_counter()
        self._also(event)

    def _move_to(self, place: float, note: str = "") -> None:
        self._advance(place - self._done, note)
        self._done = place
