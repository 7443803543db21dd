"""The feature vectors of one video, checked when they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..core.errors import FeatureError, plural


@dataclass(frozen=True, eq=False)
class Features:
    """The feature vectors of one video.

    Attributes:
        video: The video's name.
        data: (T, D) float32, finite, T >= 1.
        start_seconds: (T,) float64, seconds from the first shown frame to each snippet's first frame.
        end_seconds: (T,) float64, seconds, when each snippet's last frame disappears.
        duration_seconds: Length of the video in seconds.
        lost_seconds: (T,) float64, how much of each snippet was lost to damage; None if nothing was. Such rows hold
            what the decoder made up: they are not trained on, and no detection reaches into them.

    Raises:
        FeatureError: A shape is wrong, a number is not finite, or times fall; the video is named.
    """

    video: str
    data: np.ndarray
    start_seconds: np.ndarray
    end_seconds: np.ndarray
    duration_seconds: float
    lost_seconds: np.ndarray | None = None

    def __post_init__(self) -> None:
        why = ""
        try:
            for name, dtype in (("data", np.float32), ("start_seconds", np.float64), ("end_seconds", np.float64)):
                object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype))
            object.__setattr__(self, "duration_seconds", float(self.duration_seconds))
            if self.lost_seconds is not None:
                object.__setattr__(self, "lost_seconds", np.ascontiguousarray(self.lost_seconds, np.float64))
        except (TypeError, ValueError, OverflowError) as error:
            why = f"they are no numbers: {error}"
        why = why or self._fault()
        if why:
            raise FeatureError(
                f"the features of {self.video!r} are not usable",
                why=why,
                next="extract or import this video's features again",
                subject=self.video,
            )

    def _fault(self) -> str:
        if self.data.ndim != 2 or 0 in self.data.shape:
            return f"they must be (T, D) with T and D at least 1, but are {self.data.shape}"
        for name in ("start_seconds", "end_seconds"):
            times = getattr(self, name)
            if times.shape != (len(self.data),):
                return f"{name} must be ({len(self.data)},), one a row, but is {times.shape}"
            if not np.isfinite(times).all():
                return f"{name} of row {int(np.argmin(np.isfinite(times)))} is not a finite number"
            if (np.diff(times) < 0).any():
                return f"{name} falls after row {int(np.argmax(np.diff(times) < 0))}"
        if (self.end_seconds < self.start_seconds).any():
            return f"row {int(np.argmax(self.end_seconds < self.start_seconds))} ends before its start"
        if self.lost_seconds is not None and self.lost_seconds.shape != (len(self.data),):
            return f"lost_seconds must be ({len(self.data)},), one a row, but is {self.lost_seconds.shape}"
        if not (math.isfinite(self.duration_seconds) and self.duration_seconds >= 0):
            return f"duration_seconds is {self.duration_seconds}"
        finite = np.isfinite(self.data)
        if not finite.all():
            row = int(np.argmin(finite.all(axis=1)))
            found = plural(int((~finite).sum()), "number is", "numbers are")
            return f"{found} NaN or infinite, the first in row {row}"
        return ""

    @property
    def dimension(self) -> int:
        """Length D of a feature vector."""
        return self.data.shape[1]

    @property
    def lost(self) -> np.ndarray:
        """(T,) bool, the snippets of which something was lost to damage."""
        return np.zeros(len(self.data), bool) if self.lost_seconds is None else self.lost_seconds > 0

    def __len__(self) -> int:
        return len(self.data)
