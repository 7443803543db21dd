"""What is written in another form: segments, instants and lengths by video, as the writers ask for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.segments import Segments
from ..eval.annotations import Annotations


@dataclass(frozen=True, eq=False)
class Content:
    """Detections or ground truth, and where the videos are.

    Attributes:
        rows: All segments, the ambiguous ones of ground truth included.
        truth: The annotations; None of detections.
        fps: The frame rate of the videos, for forms that count frames.
        media: Where a video lies, with `{video}` for its name.
    """

    rows: Segments
    truth: Annotations | None
    fps: float
    media: str

    @classmethod
    def of(cls, table: Segments | Annotations, *, fps: float = 24.0, media: str = "{video}.mp4") -> Content:
        """Of segments, which are ground truth where they have no scores, or of annotations."""
        if isinstance(table, Annotations):
            return cls(Segments.concat([table.segments, table.ignored]), table, fps, media)
        truth = Annotations(table, tuple(sorted(set(table.label)))) if table.score is None else None
        return cls(table, truth, fps, media)

    @cached_property
    def videos(self) -> dict[str, Segments]:
        """Rows by video and time; videos of annotations without rows too."""
        rows = self.rows
        found = rows[np.lexsort((rows.end_seconds, rows.start_seconds))].by_video()
        names = self.truth.videos if self.truth is not None else tuple(found)
        empty = Segments.empty(scored=rows.score is not None)
        return {name: found.get(name, empty) for name in sorted(names)}

    @cached_property
    def points(self) -> Segments:
        """Instants, which detections have none of."""
        return self.truth.points if self.truth is not None else Segments.empty()

    @cached_property
    def _points(self) -> dict[str, Segments]:
        return self.points.by_video()

    def points_of(self, video: str) -> Segments:
        """The instants of one video."""
        return self._points.get(video, Segments.empty())

    @property
    def durations(self) -> Mapping[str, float]:
        """Seconds of each video, as far as known."""
        return self.truth.durations if self.truth is not None else {}

    def place_of(self, video: str) -> str:
        """Where a video lies."""
        return self.media.replace("{video}", video)

    def in_frames(self, video: str) -> list[tuple[str, int, int, list[float]]]:
        """Label, first frame from 0, the frame after the last, and score if there is one, of segments and instants.

        Frames are wide enough to hold the segment; an instant is one frame.
        """
        found: list[tuple[str, int, int, list[float]]] = []
        for table in (self.videos[video], self.points_of(video)):
            for _, label, start, end, *score in table:
                first = math.floor(max(start, 0) * self.fps + 1e-6)
                found.append((label, first, max(math.ceil(end * self.fps - 1e-6), first + 1), score))
        return found
