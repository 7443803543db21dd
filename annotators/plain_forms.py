"""What is written in another form, and the writers of the forms of data sets: each gives files with their contents.

These are ActivityNet's JSON, tables, THUMOS14's text files and FiftyOne's JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..core.errors import DataError, UsageError, listing, plural
from ..core.file_names import file_name
from ..core.messages import logger
from ..core.segments import Segments
from ..core.tables import csv_text, table_rows
from ..eval.annotations import Annotations
from ..eval.thumos14 import CLASS_IDS

Files = Mapping[Path, str | bytes]
"""What is to be written where."""


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


def json_text(content: object) -> str:
    """JSON as people read it: indented, in letters of any script."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def write_activitynet(content: Content, path: Path) -> Files:
    """ActivityNet's JSON, of results or of ground truth."""
    own, truth = content.rows.to_activitynet(), content.truth
    if truth is None:
        return {path: json_text({"version": "thas", "results": own, "external_data": {}})}
    database: dict[str, object] = {}
    for video in truth.videos:
        entry: dict[str, object] = {"annotations": own.get(video, [])}
        if points := [{"label": label, "time": time} for _, label, time, _ in content.points_of(video)]:
            entry["points"] = points
        if video in truth.subsets:
            entry["subset"] = truth.subsets[video]
        if video in truth.durations:
            entry["duration"] = truth.durations[video]
        database[video] = entry
    return {path: json_text({"version": "thas", "taxonomy": [], "database": database})}


def write_csv(content: Content, path: Path) -> Files:
    """A table with a row a segment."""
    rows, truth = content.rows, content.truth
    heading = ["video", "label", "start_seconds", "end_seconds"]
    if truth is None:
        return {path: csv_text([[*heading, "score"], *rows])}
    instants = [[video, label, time, ""] for video, label, time, _ in truth.points]  # no end: no length
    more = [
        [*row, truth.subsets.get(str(row[0]), ""), truth.durations.get(str(row[0]), "")] for row in [*rows, *instants]
    ]
    return {path: csv_text([[*heading, "subset", "duration_seconds"], *more])}


def _one_word(name: str, path: Path) -> str:
    if len(name.split()) != 1 or "/" in name:
        raise DataError(
            f"{name!r} cannot be written in THUMOS14's form",
            why="names there are single words",
            next="another form holds it: --to activitynet, or --to csv",
            subject=str(path),
        )
    return name


def write_thumos(content: Content, path: Path) -> Files:
    """THUMOS14's text: lines of detections; of ground truth a folder with a file a class and subset."""
    rows, truth = content.rows, content.truth
    if truth is None:
        numbers = {name: str(number) for number, name in CLASS_IDS.items()}
        if not set(rows.label) <= set(numbers):
            numbers = {name: _one_word(name, path) for name in set(rows.label)}
        lines = [
            f"{_one_word(video, path)} {start!r} {end!r} {numbers[label]} {s!r}\n"
            for video, label, start, end, s in rows
        ]
        return {path: "".join(lines)}
    files: dict[str, list[str]] = {}
    shorter = {"validation": "val"}
    for video, label, start, end in rows:
        subset = truth.subsets.get(video, "all")
        name = file_name(f"{_one_word(label, path)}_{shorter.get(subset, subset)}", ".txt")
        files.setdefault(name, []).append(f"{_one_word(video, path)}  {start!r} {end!r}\n")
    for video, seconds in sorted(truth.durations.items()):
        name = file_name(f"durations_{truth.subsets.get(video, 'all')}", ".csv")
        files.setdefault(name, ["video,duration_seconds\n"]).append(f"{video},{seconds!r}\n")
    return {path / name: "".join(lines) for name, lines in files.items()}


def write_labels(content: Content, path: Path) -> Files:
    """The labels of whole videos, as a data set's labels.csv has them; those of other videos in it stay."""
    truth = content.truth
    if truth is None:
        raise UsageError("detections are no labels", next="convert annotations, such as those saved on a report's page")
    rows = [
        (video, label, truth.subsets.get(video, ""))
        for video, labels in truth.video_labels().items()
        for label in labels or ("",)
    ]
    there = _rows_there(path, ("video", "label", "subset"), set(content.videos))
    subsets = {row[0]: row[2] for row in there}
    there = [row for row in there if row[0] not in content.videos]
    rows = [(video, label, subset or subsets.get(video, "")) for video, label, subset in rows]
    return {path: csv_text([("video", "label", "subset"), *there, *rows])}


def _rows_there(path: Path, columns: tuple[str, str, str], videos: set[str]) -> list[tuple[str, ...]]:
    """What a table that is written anew holds: labels of other videos may have been typed by hand."""
    if not path.exists():
        return []
    there = [tuple(row.get(name, "") for name in columns) for _, row in table_rows(path, columns, needed=columns[:2])]
    if others := {row[0] for row in there} - videos:
        logger.warning(
            f"{path} has rows of {plural(len(others), 'other video')}, which stay: {listing(sorted(others))}"
        )
    return there


def write_points(content: Content, path: Path) -> Files:
    """Instants, as training with points reads them; those of other videos in the file stay."""
    if not len(content.points):
        raise UsageError(
            "there are no instants to write",
            why="points are what annotators marked without a length",
            next="convert annotations with points, or leave --to points out",
        )
    rows = [(video, label, time) for video, label, time, _ in content.points]
    heading = ("video", "label", "time_seconds")
    there = [row for row in _rows_there(path, heading, set(content.videos)) if row[0] not in content.videos]
    return {path: csv_text([heading, *there, *rows])}


def write_fiftyone(content: Content, path: Path) -> Files:
    """FiftyOne's labels.json of a FiftyOneTemporalDetectionDataset."""
    labels: dict[str, list[object]] = {}
    for video, rows in content.videos.items():
        own: list[object] = []
        for _, label, start, end, *score in rows:
            own.append({"label": label, "timestamps": [start, end]} | ({"confidence": score[0]} if score else {}))
        place = content.place_of(video)
        # Its key is the path in the folder data/ without the ending, or the whole of an absolute path.
        labels[place if place.startswith("/") else str(Path(place).with_suffix(""))] = own
    return {path: json_text({"labels": labels})}
