"""Segments: the one table of the project, for ground truth and detections alike.

Letters used throughout the package: B items, T snippets, D features, C classes, N segments, K thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

import numpy as np

from .columns import Columns, numbers
from .errors import DataError
from .narrowing import as_list, to_float

if TYPE_CHECKING:
    from .table_text import SegmentRow


class ActivityNetRow(TypedDict):
    """A segment in ActivityNet's JSON; of detections with its score and, where it is known, its label's probability."""

    label: str
    segment: list[float]
    score: NotRequired[float]
    probability: NotRequired[float]


@dataclass(frozen=True, eq=False)
class Segments(Columns):
    """A table of intervals in videos. Its columns are checked when it is made and cannot be written to.

    Attributes:
        video: (N,) object, the video's name.
        label: (N,) object, the name of the action.
        start_seconds: (N,) float64, seconds from the video's first shown frame.
        end_seconds: (N,) float64, seconds, not before the start.
        score: (N,) float64, higher is surer; None for ground truth.

    Raises:
        DataError: Columns differ in length, a number is not finite, a text holds a NUL, or an end lies before its
            start; the row is named.

    >>> truth = Segments(["v1", "v1"], ["Diving", "Diving"], [2.0, 9.0], [4.5, 11.0])
    >>> len(truth), float(truth.duration_seconds.sum())
    (2, 4.5)
    """

    video: np.ndarray
    label: np.ndarray
    start_seconds: np.ndarray
    end_seconds: np.ndarray
    score: np.ndarray | None = None

    row, table = "segment", "a segment table"
    names = ("video", "label", "start_seconds", "end_seconds")
    unlike = (
        "ground truth and detections cannot be joined in one table",
        "some tables have scores and some have none",
        "join tables of one kind",
    )

    def __init__(
        self,
        video: Sequence[str] | np.ndarray,
        label: Sequence[object] | np.ndarray,
        start_seconds: Sequence[float] | np.ndarray,
        end_seconds: Sequence[float] | np.ndarray,
        score: Sequence[float] | np.ndarray | None = None,
    ) -> None:
        self._fill((video, label), (start_seconds, end_seconds), score)

    def _check(self) -> None:
        super()._check()
        if (self.end_seconds < self.start_seconds).any():
            row = int(np.flatnonzero(self.end_seconds < self.start_seconds)[0])
            raise self._row_error(row, f"it ends at {self.end_seconds[row]:g} s, before its start")

    def _place(self, row: int) -> str:
        return f"{super()._place(row)} at {self.start_seconds[row]:g} s"

    def replaced(self, **columns: np.ndarray) -> Segments:
        """The same rows with other numbers in the named columns; the names are not copied one by one.

        Raises:
            DataError: As when a table is made.
        """
        changed = object.__new__(Segments)
        changed._set({"score": None} | self._columns() | {name: numbers(column) for name, column in columns.items()})
        changed._check()
        return changed

    def __iter__(self) -> Iterator[SegmentRow]:
        """Rows as tuples, in the order of the columns."""
        return iter(zip(*(column.tolist() for column in self._columns().values()), strict=True))

    def __repr__(self) -> str:
        kind = "segments" if self.score is None else "detections"
        return f"<Segments: {len(self)} {kind}, {len(set(self.video))} videos, {len(set(self.label))} labels>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the first rows, and a timeline of the first videos."""
        from .table_text import table_html, timeline_svg

        heading = list(self._columns())
        rows = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in self[:10]]
        note = f"{self!r}" + (f", {len(self) - 10} more rows" if len(self) > 10 else "")
        return table_html(heading, rows, note=note) + timeline_svg(self)

    @property
    def seconds(self) -> np.ndarray:
        """(N, 2) float64, start and end in seconds."""
        return np.stack([self.start_seconds, self.end_seconds], axis=1)

    @property
    def duration_seconds(self) -> np.ndarray:
        """(N,) float64, seconds."""
        return self.end_seconds - self.start_seconds

    def rows_by_video(self) -> dict[str, np.ndarray]:
        """(n,) int of each video: its rows in their order, videos in order of first appearance."""
        order: dict[str, list[int]] = {}
        for row, video in enumerate(self.video):
            order.setdefault(video, []).append(row)
        return {video: np.array(rows) for video, rows in order.items()}

    def by_video(self) -> dict[str, Segments]:
        """The table cut by video; see `rows_by_video`."""
        return {video: self[rows] for video, rows in self.rows_by_video().items()}

    def sorted_by_score(self) -> Segments:
        """Rows by falling score; equal scores by video, start, end and label, so that the order is never luck."""
        if self.score is None:
            raise DataError("ground truth has no scores to sort by", next="sort detections instead")
        keys = (self.label.astype(str), self.end_seconds, self.start_seconds, self.video.astype(str), -self.score)
        return self[np.lexsort(keys)]

    def to_activitynet(self) -> dict[str, list[ActivityNetRow]]:
        """{video: [{"label", "segment": [start, end], "score"?}]}, the inner part of ActivityNet's JSON files."""
        videos: dict[str, list[ActivityNetRow]] = {}
        for video, label, start, end, *score in self:
            row: ActivityNetRow = {"label": label, "segment": [start, end]}
            if score:
                row["score"] = score[0]
            videos.setdefault(video, []).append(row)
        return videos

    @classmethod
    def from_activitynet(cls, videos: Mapping[str, Sequence[Mapping[str, object]]], *, scored: bool) -> Segments:
        """From the inner part of ActivityNet's JSON: {video: [{"label", "segment": [start, end], "score"?}]}.

        Raises:
            DataError: A row lacks a key or has one of another form; the video and the row are named.
        """
        names, labels = list[str](), list[object]()
        starts, ends, scores = list[float](), list[float](), list[float]()
        for video, rows in videos.items():
            for i, row in enumerate(rows):
                try:
                    start, end = as_list(row["segment"])
                    starts.append(to_float(start))
                    ends.append(to_float(end))
                    labels.append(row["label"])
                    if scored:
                        scores.append(to_float(row["score"]))
                except (KeyError, TypeError, ValueError) as error:
                    raise DataError(
                        f"row {i} of video {video} is not a segment",
                        why=f"{type(error).__name__}: {error} in {str(row)[:80]}",
                        next='a row is {"label": NAME, "segment": [START, END]' + (', "score": S}' if scored else "}"),
                        subject=video,
                    ) from None
                names.append(video)
        return cls(names, labels, starts, ends, scores if scored else None)
