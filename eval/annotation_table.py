"""Ground truth while it is read: each row checked, and named by its place where something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import DataError, suggestion
from ..core.segments import Segments
from ..core.tables import seconds
from .annotations import Annotations


class AnnotationTable:
    """Rows as they are read; ambiguous ones go aside.

    Args:
        path: The file, for messages.
        classes: All labels there can be; None takes those found.
        ignore_label: Of segments that are neither right nor wrong.
    """

    def __init__(self, path: Path, classes: Sequence[str] | None, ignore_label: str) -> None:
        self.path, self.given, self.ignore_label = path, classes, ignore_label
        self.rows: list[tuple[str, str, float, float]] = []
        self.ignored: list[tuple[str, str, float, float]] = []
        self.points: list[tuple[str, str, float, float]] = []
        self.durations: dict[str, float] = {}
        self.subsets: dict[str, str] = {}

    def add(self, video: str, label: str, start: float, end: float, *, place: str, instant: bool = False) -> None:
        """One more row, or instant."""
        if not (video and label):
            raise DataError(
                f"{place}: the {'label' if video else 'video'} is empty", next="correct the row", subject=str(self.path)
            )
        if label == self.ignore_label:
            self.ignored.append((video, label, start, end))
            return
        if self.given is not None and label not in self.given:
            raise DataError(
                f"{place}: the label {label!r} is not one of the classes",
                why=suggestion(label, self.given),
                next="correct the row, or the list of classes",
                subject=str(self.path),
            )
        (self.points if instant else self.rows).append((video, label, start, end))

    def put_in(self, video: str, subset: str, *, place: str) -> None:
        """The subset of a video; it has one."""
        if self.subsets.setdefault(video, subset) != subset:
            raise DataError(
                f"{place}: the video {video} is in two subsets, {self.subsets[video]!r} and {subset!r}",
                next="keep it in one",
                subject=str(self.path),
            )

    def lasts(self, video: str, duration: object, *, place: str) -> None:
        """The length of a video."""
        lasting = seconds(duration, place=place, name="duration")
        if lasting <= 0:
            raise DataError(
                f"{place}: a duration of {lasting:g} s",
                why="a video lasts longer than 0 s",
                next="correct it, or leave it out",
                subject=str(self.path),
            )
        self.durations[video] = lasting

    def annotations(self, notes: Sequence[str] = ()) -> Annotations:
        """What was read.

        Raises:
            DataError: Nothing was.
        """
        if not (self.rows or self.points or self.durations or self.subsets):
            raise DataError(f"{self.path} holds no annotations", next="give another file", subject=str(self.path))
        rows, aside, instants = (
            Segments(*(list(zip(*table, strict=True)) or [(), (), (), ()]))
            for table in (self.rows, self.ignored, self.points)
        )
        found = {*rows.label, *instants.label}
        classes = tuple(self.given) if self.given is not None else tuple(sorted(found))
        return Annotations(rows, classes, self.durations, self.subsets, aside, tuple(notes), instants)
