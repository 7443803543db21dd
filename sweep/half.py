"""What a sweep asks of either half of the package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from .._version import __version__
from ..core.settings_table import SettingsTable
from .plan import Experiment


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
    facts: Mapping[str, Any] = field(default_factory=dict)

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
            with np.load(path, allow_pickle=False) as file:
                return cls(file["values"], file["draws"], json.loads(str(file["facts"])))
        except Exception:  # a damaged archive raises almost anything, and is measured again
            return None


class Half(Protocol):
    """One half, with a data set. It is pickled, so it holds no more than names and paths."""

    kind: ClassVar[str]
    """`temporal` or `image`."""
    things: ClassVar[str]
    """What it is scored on: `videos` or `images`."""
    title: ClassVar[str]
    """What its measures are."""
    main: ClassVar[int]
    """The position of the measure that pictures and the last column show."""

    def settings(
        self, experiment: Experiment, *, presets: Sequence[str], config: Path | None, typed: Mapping[str, Any]
    ) -> SettingsTable:
        """What all arms begin from: defaults < data set < experiment < presets < config < what was typed."""
        ...

    def folder(self) -> Path:
        """Where sweeps of this data set are kept."""
        ...

    def name(self) -> str:
        """The data set's name."""
        ...

    def teaches(self, key: str) -> bool:
        """Whether a setting changes what is trained."""
        ...

    def left_out(self) -> tuple[str, ...]:
        """What should be learned from and cannot be, by name."""
        ...

    def data(self) -> Any:
        """Plain values that change whenever what is trained on does."""
        ...

    def truth(self) -> Any:
        """Plain values that change whenever what is scored against does."""
        ...

    def measures(self, settings: Any) -> tuple[str, ...]:
        """Names of the M measures."""
        ...

    def train(self, settings: Any, folder: Path, *, cores: int, on_epoch: Callable[[], None]) -> dict[str, Any]:
        """Train into a folder, from its checkpoint where it holds one, with so many cores; returns facts."""
        ...

    def measure(
        self, members: Sequence[Path], settings: Any, *, map_members: Sequence[int], draws: int, seed: int
    ) -> Outcome:
        """Localize and score a run, or several averaged."""
        ...

    def baselines(self, settings: Any) -> dict[str, list[float | None]]:
        """What guessing scores, (M,) each."""
        ...


def digest(content: Any) -> str:
    """Twelve hexadecimal digits for plain values and this version of thas.

    >>> digest({"a": 1}) == digest({"a": 1}), digest({"a": 1}) == digest({"a": 2})
    (True, False)
    """
    text = json.dumps([__version__, content], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
