"""What files of detections and ground truth are made of, read with its place, so that a message can name it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from ..core.errors import DataError
from ..core.tables import opened, seconds

#: Headings met in the wild, for each column of a table.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "video": ("video", "video_id", "video-id", "videoid", "video_name", "videoname", "vid"),
    "label": ("label", "class", "class_name", "action", "category"),
    "start": ("start_seconds", "start", "t_start", "t-start", "start_time", "s"),
    "end": ("end_seconds", "end", "t_end", "t-end", "end_time", "e", "stop", "stop_seconds"),
    "time": ("time_seconds", "time"),
    "score": ("score", "confidence", "conf", "probability"),
    "subset": ("subset", "split"),
    "duration": ("duration_seconds", "duration"),
}


def two_times(segment: object) -> tuple[object, object]:
    """Start and end of a segment in JSON; a TypeError or ValueError says what it is instead."""
    if not isinstance(segment, list):
        raise TypeError(f"the segment is {segment!r}, not [START, END]")
    start, end = cast("list[object]", segment)
    if isinstance(start, bool) or isinstance(end, bool):
        raise TypeError(f"the segment is {segment!r}, not two times")
    return start, end


def label_name(label: object) -> str:
    """A label in JSON as a name; some files number their classes."""
    if isinstance(label, str) and label:
        return label
    if isinstance(label, int) and not isinstance(label, bool):
        return str(label)
    raise TypeError(f"the label is {label!r}, not a name")


def wrong_row(error: Exception, row: object) -> str:
    """Why a row of JSON is none."""
    return f"{type(error).__name__}: {error} in {str(row)[:80]}"


def interval(start: object, end: object, *, place: str) -> tuple[float, float]:
    """A checked start and end in seconds, or a DataError that names the place."""
    first, last = seconds(start, place=place, name="start"), seconds(end, place=place, name="end")
    if last < first:
        raise DataError(
            f"{place}: the segment ends before it starts",
            why=f"start {first:g} s, end {last:g} s; are the columns mixed up?",
            next="correct the row, or the order of the columns",
            subject=place.split(",")[0],
        )
    return first, last


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank, from 1."""
    with opened(path) as lines:
        for i, line in enumerate(lines, 1):
            if line.strip():
                yield i, line
