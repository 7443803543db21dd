"""What files of detections and ground truth are made of, read with its place, so that a message can name it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from ..core.tables import number, opened

#: Headings met in the wild, for each column of a table.
HEADINGS = {
    "video": ("video", "video_id", "video-id", "videoid", "video_name", "videoname", "vid"),
    "label": ("label", "class", "class_name", "action", "category"),
    "start": ("start_seconds", "start", "t_start", "t-start", "start_time", "s"),
    "end": ("end_seconds", "end", "t_end", "t-end", "end_time", "e"),
    "score": ("score", "confidence", "conf", "probability"),
    "subset": ("subset", "split"),
    "duration": ("duration_seconds", "duration"),
}


def two_times(segment: Any) -> tuple[Any, Any]:
    """Start and end of a segment in JSON; a TypeError or ValueError says what it is instead."""
    if not isinstance(segment, list):
        raise TypeError(f"the segment is {segment!r}, not [START, END]")
    start, end = segment
    if isinstance(start, bool) or isinstance(end, bool):
        raise TypeError(f"the segment is {segment!r}, not two times")
    return start, end


def label_name(label: Any) -> str:
    """A label in JSON as a name; some files number their classes."""
    if isinstance(label, str) and label:
        return label
    if isinstance(label, int) and not isinstance(label, bool):
        return str(label)
    raise TypeError(f"the label is {label!r}, not a name")


def interval(start: Any, end: Any, *, place: str) -> tuple[float, float]:
    """A checked start and end in seconds, or a DataError that names the place."""
    first, last = number(start, place=place, name="start"), number(end, place=place, name="end")
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


def _without_repeats(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    """A table whose keys are all different: JSON readers keep the last of two without a word."""
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise DataError(f"{path}: {twice!r} is there twice", next="join the two", subject=str(path))
    return table


def load_json(path: Path) -> Any:
    """The contents of a JSON file, or a DataError that says where it breaks off."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return json.load(file, object_pairs_hook=lambda pairs: _without_repeats(pairs, path))
    except RecursionError:
        raise DataError(f"{path}: its lists lie too deep in each other", subject=str(path)) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read", why=error.strerror or str(error), subject=str(path)) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        why = f"{error.msg}, line {error.lineno}" if isinstance(error, json.JSONDecodeError) else str(error)
        empty = path.stat().st_size == 0
        raise DataError(
            f"{path} is empty" if empty else f"{path} is not valid JSON",
            why="" if empty else why,
            next="give a JSON, CSV or THUMOS text file",
            subject=str(path),
        ) from None
