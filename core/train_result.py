"""What a training leaves behind, of either half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from .errors import Failure, plural, reasons
from .log import LOG, best_epoch, read_log
from .presets import Table
from .resume import Begun
from .runs import first_process


class Found(Protocol):
    """What the network found in the test data."""

    def to_json(self) -> Mapping[str, object]:
        """Plain values."""
        ...

    def summary(self) -> str:
        """A few words for a person."""
        ...


FoundThen = TypeVar("FoundThen", bound=Found, covariant=True)


@dataclass(frozen=True)
class TrainResult(Generic[FoundThen]):
    """What a training left behind.

    Attributes:
        run: The run's folder.
        things: What it learned from: `videos` or `images`.
        items: How many of them.
        classes: C.
        last: What the log says of the last epoch; empty in torchrun's other processes, and before any epoch.
        new_epochs: How many this session did; a finished run that is resumed does none.
        failed: What could not be learned from, and was left out.
        best_epoch: The epoch whose network is used, chosen on held-out data; None if none was held out.
        validation_map: Mean average precision of its labels of the held-out data.
        found: What the network found in the test data; None if it was not asked.
    """

    run: Path
    things: str
    items: int
    classes: int
    last: Mapping[str, float]
    new_epochs: int
    failed: tuple[Failure, ...] = ()
    best_epoch: int | None = None
    validation_map: float | None = None
    found: FoundThen | None = None

    @classmethod
    def of(cls, run: Begun[Table], things: str, items: int, classes: int, failed: Sequence[Failure]) -> Self:
        """By the log of a run whose training is over; of torchrun's other processes, which write none, the counts."""
        log = read_log(run.folder / LOG) if first_process() else []
        counts, best = (run.folder, things, items, classes), best_epoch(log)
        if not log:
            return cls(*counts, {}, run.new_epochs)
        found = (int(best["number"]), best["validation_map"]) if best else (None, None)
        return cls(*counts, log[-1], run.new_epochs, tuple(failed), *found)

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        last = {"epoch" if key == "number" else key: value for key, value in self.last.items()}
        return {
            "run": str(self.run),
            self.things: self.items,
            "classes": self.classes,
            **last,
            "failed": reasons(self.failed),
            "skipped": [one.subject for one in self.failed],
            "best_epoch": self.best_epoch,
            "validation_map": self.validation_map,
            **(self.found.to_json() if self.found is not None else {}),
        }

    def summary(self) -> str:
        """A line for a person."""
        parts = [f"{plural(self.items, self.things[:-1])}, {plural(self.classes, 'class', 'classes')}"]
        if self.last:
            parts[0] += f", loss {self.last['loss']:.3f}, {self.things} right {self.last['accuracy']:.0%}"
        if not self.new_epochs:
            parts[0] += ", already trained"
        if self.validation_map is not None:
            parts.append(f"best after epoch {self.best_epoch}: held out mAP {self.validation_map:.0%}")
        if self.found is not None:
            parts.append(self.found.summary())
        return f"{self.run}: {'; '.join(parts)}"
