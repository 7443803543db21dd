"""What a sweep asks of either half of the package."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, cast

import numpy as np

from .._version import __version__
from ..core.data_options import DataOptions
from ..core.log import Epoch, Event, OnEvent
from ..core.messages import collected
from ..core.narrowing import is_table
from ..core.presets import Table
from ..core.reading import check_archive
from ..core.resume import Begin
from ..core.settings_table import SettingsTable
from ..core.train_result import Found, TrainResult


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one run, or one ensemble, scored on the test data.

    Attributes:
        values: (M,) fractions, one a measure.
        draws: (B, M) the same on each draw of test videos or images; NaN where a draw has nothing to score.
        facts: Counts and times, plain values.
    """

    values: np.ndarray
    draws: np.ndarray
    facts: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def warnings(self) -> list[str]:
        """What a reader of the scores should know: labels that no training video has, a single test video."""
        told = self.facts.get("strangers")
        return [str(one) for one in cast(list[object], told)] if isinstance(told, list) else []

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        import io

        from ..core.files import write_atomically

        content = io.BytesIO()
        np.savez_compressed(content, values=self.values, draws=self.draws, facts=np.array(json.dumps(dict(self.facts))))
        write_atomically(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> Outcome | None:
        """What `save` wrote; None where there is nothing, or nothing whole."""
        try:
            check_archive(path)
            with np.load(path, allow_pickle=False) as file:
                values, draws, facts = file["values"], file["draws"], json.loads(str(file["facts"]))
            floats = values.dtype.kind == draws.dtype.kind == "f" and values.ndim == 1 and draws.ndim == 2
            if not floats or draws.shape[1] != len(values) or not is_table(facts):
                return None
            # What no draw of videos could measure is NaN; what all of them did is a number.
            return cls(values, draws, facts) if np.isfinite(values).all() and not np.isinf(draws).any() else None
        except Exception:  # a damaged archive raises almost anything, and is measured again
            return None


@dataclass(frozen=True)
class Half(ABC, Generic[Table]):
    """A data set of one half of the package, and what differs between the halves in a sweep.

    What both do alike is done here, or by `run`. It is pickled, so it holds no more than names and paths.

    Attributes:
        dataset: A name or a folder.
        runs: Where runs lie.
        options: Subsets and features, where they are not the data set's own.
    """

    dataset: str
    runs: Path
    options: DataOptions

    table: ClassVar[type[SettingsTable]]
    """Its settings."""
    things: ClassVar[str]
    """What it is scored on: `videos` or `images`."""
    title: ClassVar[str]
    """What its measures are."""
    main: ClassVar[int]
    """The position of the measure that pictures and the last column show."""

    @property
    @abstractmethod
    def preset(self) -> str | None:
        """The preset that goes with the data set."""

    @abstractmethod
    def name(self) -> str:
        """The data set's name."""

    def left_out(self) -> tuple[str, ...]:
        """What should be learned from and cannot be, by name, as far as it is known before training: nothing."""
        return ()

    @abstractmethod
    def data(self) -> object:
        """Plain values that change whenever what is trained on does."""

    @abstractmethod
    def truth(self) -> object:
        """Plain values that change whenever what is scored against does."""

    @abstractmethod
    def measures(self, settings: Table) -> tuple[str, ...]:
        """Names of the M measures."""

    @abstractmethod
    def trained(self, settings: Table, begin: Begin, *, cores: int, on_event: OnEvent) -> TrainResult[Found]:
        """Train, with so many cores."""

    @abstractmethod
    def measure(
        self, members: Sequence[Path], settings: Table, *, map_members: Sequence[int], draws: int, seed: int
    ) -> Outcome:
        """Localize and score a run, or several averaged."""

    @abstractmethod
    def baselines(self, settings: Table) -> dict[str, list[float | None]]:
        """What guessing scores, (M,) each."""

    def folder(self) -> Path:
        """Where sweeps of this data set are kept: `<runs>/<data set>/sweeps`."""
        return self.runs / self.name() / "sweeps"

    def train(self, settings: Table, folder: Path, *, cores: int, on_epoch: Callable[[], None]) -> dict[str, object]:
        """Train into a folder, from its checkpoint where it holds one; returns facts, with what was warned of."""

        def told(event: Event) -> None:
            if isinstance(event, Epoch):
                on_epoch()

        with collected() as warnings:
            result = self.trained(settings, Begin(self.runs, into=folder), cores=cores, on_event=told)
        unread = [one for one in result.failed if one.subject not in self.left_out()]
        warnings += [f"{one.subject} could not be read and taught nothing" for one in unread[:3]]
        facts: dict[str, object] = {
            self.things: result.items,
            "loss": result.last["loss"],
            "accuracy": result.last["accuracy"],
        }
        untested = result.to_json().get("untested")
        return facts | {"warnings": warnings} | ({"untested": untested} if untested else {})


AnyHalf = Half[Any]
"""One of the halves, whichever settings it has."""


def digest(content: object) -> str:
    """Twelve hexadecimal digits for plain values and this version of thas.

    >>> digest({"a": 1}) == digest({"a": 1}), digest({"a": 1}) == digest({"a": 2})
    (True, False)
    """
    text = json.dumps([__version__, content], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
