"""Segments: the one table of the project, for ground truth and detections alike.

Letters used throughout the package: B items, T snippets, D features, C classes, N segments, K thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

import numpy as np

from .errors import DataError
from .narrowing import as_list, to_float

if TYPE_CHECKING:
    import pandas as pd

    from .table_text import SegmentRow


def _text_column(values: Sequence[object] | np.ndarray) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = [str(value) for value in values]
    return column


def row_with_nul(column: np.ndarray) -> int | None:
    """The first row whose text holds a NUL; None if none does.

    numpy drops one at the end of a text that it compares a column with, so that a row would not even equal itself.
    """
    if not any("\0" in text for text in set(column)):
        return None
    return next(row for row, text in enumerate(column) if "\0" in text)


class ActivityNetRow(TypedDict):
    """A segment in ActivityNet's JSON; of detections with its score and, where it is known, its label's probability."""

    label: str
    segment: list[float]
    score: NotRequired[float]
    probability: NotRequired[float]


@dataclass(frozen=True, eq=False)
class Segments:
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

    def __init__(
        self,
        video: Sequence[str] | np.ndarray,
        label: Sequence[object] | np.ndarray,
        start_seconds: Sequence[float] | np.ndarray,
        end_seconds: Sequence[float] | np.ndarray,
        score: Sequence[float] | np.ndarray | None = None,
    ) -> None:
        columns: dict[str, np.ndarray | None] = {
            "video": _text_column(video),
            "label": _text_column(label),
            "start_seconds": np.array(start_seconds, dtype=np.float64).reshape(-1),
            "end_seconds": np.array(end_seconds, dtype=np.float64).reshape(-1),
            "score": None if score is None else np.array(score, dtype=np.float64).reshape(-1),
        }
        self._set(columns)
        self._check()

    def _set(self, columns: Mapping[str, np.ndarray | None]) -> None:
        for name, column in columns.items():
            if column is not None:
                column.flags.writeable = False
            object.__setattr__(self, name, column)

    def _check(self) -> None:
        lengths = {name: len(column) for name, column in self._columns().items()}
        if len(set(lengths.values())) > 1:
            raise DataError(
                "the columns of a segment table differ in length",
                why=", ".join(f"{name} has {n}" for name, n in lengths.items()),
                next="give one value a segment in every column",
            )
        for name in ("video", "label"):
            if (row := row_with_nul(getattr(self, name))) is not None:
                raise self._row_error(row, f"its {name} holds a NUL, which no text does")
        for name in ("start_seconds", "end_seconds", "score"):
            column = getattr(self, name)
            if column is not None and not np.isfinite(column).all():
                row = int(np.flatnonzero(~np.isfinite(column))[0])
                raise self._row_error(row, f"its {name} is {column[row]}, not a finite number")
        if (self.end_seconds < self.start_seconds).any():
            row = int(np.flatnonzero(self.end_seconds < self.start_seconds)[0])
            raise self._row_error(row, f"it ends at {self.end_seconds[row]:g} s, before its start")

    def _row_error(self, row: int, why: str) -> DataError:
        place = f"segment {row} ({self.label[row]} in {self.video[row]} at {self.start_seconds[row]:g} s)"
        return DataError(f"{place} is not usable", why=why, next="correct or remove the row", subject=self.video[row])

    def _columns(self) -> dict[str, np.ndarray]:
        columns = {name: getattr(self, name) for name in ("video", "label", "start_seconds", "end_seconds")}
        if self.score is not None:
            columns["score"] = self.score
        return columns

    @classmethod
    def empty(cls, *, scored: bool = False) -> Segments:
        """A table without rows, with a score column if `scored`."""
        return cls([], [], [], [], [] if scored else None)

    @classmethod
    def concat(cls, tables: Iterable[Segments]) -> Segments:
        """The rows of all tables, in order; all must have scores, or none."""
        tables = list(tables)
        if not tables:
            return cls.empty()
        scored = {table.score is not None for table in tables}
        if len(scored) > 1:
            raise DataError(
                "ground truth and detections cannot be joined in one table",
                why="some tables have scores and some have none",
                next="join tables of one kind",
            )
        names = tables[0]._columns()
        return cls(**{name: np.concatenate([getattr(table, name) for table in tables]) for name in names})

    def __len__(self) -> int:
        return len(self.video)

    def __getitem__(self, rows: int | np.integer | slice | np.ndarray | Sequence[int]) -> Segments:
        """The rows a mask, an index array or a slice selects, in that order."""
        if isinstance(rows, int | np.integer):
            rows = slice(int(rows), int(rows) + 1) if rows != -1 else slice(-1, None)
        selected = object.__new__(Segments)
        selected._set({"score": None} | {name: column[rows] for name, column in self._columns().items()})
        return selected

    def replaced(self, **columns: np.ndarray) -> Segments:
        """The same rows with other numbers in the named columns; the names are not copied one by one.

        Raises:
            DataError: As when a table is made.
        """
        changed = object.__new__(Segments)
        numbers = {name: np.array(column, dtype=np.float64).reshape(-1) for name, column in columns.items()}
        changed._set({"score": None} | self._columns() | numbers)
        changed._check()
        return changed

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segments):
            return NotImplemented
        mine, theirs = self._columns(), other._columns()
        return mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)

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
    def duration_seconds(self) -> np.ndarray:
        """(N,) float64, seconds."""
        return self.end_seconds - self.start_seconds

    def by_video(self) -> dict[str, Segments]:
        """The table cut by video, videos in order of first appearance, rows in their order."""
        order: dict[str, list[int]] = {}
        for row, video in enumerate(self.video):
            order.setdefault(video, []).append(row)
        return {video: self[np.array(rows)] for video, rows in order.items()}

    def sorted_by_score(self) -> Segments:
        """Rows by falling score; equal scores by video, start, end and label, so that the order is never luck."""
        if self.score is None:
            raise DataError("ground truth has no scores to sort by", next="sort detections instead")
        keys = (self.label.astype(str), self.end_seconds, self.start_seconds, self.video.astype(str), -self.score)
        return self[np.lexsort(keys)]

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with the same columns."""
        import pandas as pd

        return pd.DataFrame(self._columns())

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame) -> Segments:
        """From a data frame with the columns video, label, start_seconds, end_seconds and, for detections, score."""
        names = ["video", "label", "start_seconds", "end_seconds"]
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise DataError(
                f"a segment table lacks the column {missing[0]!r}",
                why=f"its columns are {', '.join(map(str, frame.columns))}",
                next=f"name the columns {', '.join(names)} and, for detections, score",
            )
        score = frame["score"].to_numpy() if "score" in frame.columns else None
        video, label, start_seconds, end_seconds = (frame[name].to_numpy() for name in names)
        return cls(video, label, start_seconds, end_seconds, score)

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
