"""Rows of tables of text, read with the place they came from, so that a message can name it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ..errors import DataError, listing

#: Headings met in the wild, for each column.
HEADINGS = {
    "video": ("video", "video_id", "video-id", "videoid", "video_name", "videoname", "vid"),
    "label": ("label", "class", "class_name", "action", "category"),
    "start": ("start_seconds", "start", "t_start", "t-start", "start_time", "s"),
    "end": ("end_seconds", "end", "t_end", "t-end", "end_time", "e"),
    "score": ("score", "confidence", "conf", "probability"),
    "subset": ("subset", "split"),
    "duration": ("duration_seconds", "duration"),
}


def number(text: Any, *, place: str, name: str) -> float:
    """A finite number, or a DataError that names the place.

    >>> number("2.5", place="truth.csv, line 3", name="start")
    2.5
    """
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
        why = f"its {name} is {text!r}"
    else:
        why = f"its {name} is {value}"
    if not math.isfinite(value) or isinstance(text, bool):
        raise DataError(
            f"{place}: the {name} is not a finite number", why=why, next="correct the row", subject=place.split(",")[0]
        )
    return value


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


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """The file as UTF-8 text; what the system says against it becomes a DataError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file", why=str(error), subject=str(path)) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read", why=error.strerror or str(error), subject=str(path)) from None


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank, from 1."""
    with opened(path) as lines:
        for i, line in enumerate(lines, 1):
            if line.strip():
                yield i, line


def table_rows(path: Path, *, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV or TSV file with a heading, as (line, {column: text}).

    Args:
        path: A file with commas, semicolons or tabs.
        needed: Columns of `HEADINGS` that must be there.

    Raises:
        DataError: The file is empty, a column is missing, or a row has more or fewer fields than the heading.
    """
    with opened(path) as file:
        heading = next((line for line in file if line.strip()), "")
        if not heading:
            raise DataError(f"{path} is empty", next="give a file with a heading and rows", subject=str(path))
        delimiter = max(",;\t", key=heading.count)
        names = [name.strip().lower() for name in next(csv.reader([heading], delimiter=delimiter))]
        for column in (*needed, *(set(HEADINGS) - set(needed))):
            same = [name for name in names if name in HEADINGS[column]]
            if len(same) > 1:
                raise DataError(
                    f"{path} has {len(same)} columns for the {column}: {listing(same)}",
                    next="keep one of them",
                    subject=str(path),
                )
        where = {column: i for column, known in HEADINGS.items() for i, name in enumerate(names) if name in known}
        missing = [column for column in needed if column not in where]
        if missing:
            raise DataError(
                f"{path} has no column {missing[0]!r}",
                why=f"its first line is {heading.strip()[:80]!r}",
                next=f"name the columns in the first line: {', '.join(HEADINGS[column][0] for column in needed)}",
                subject=str(path),
            )
        reader = csv.reader(file, delimiter=delimiter)
        for fields in reader:
            if len(fields) == len(names):
                yield reader.line_num + 1, {column: fields[i].strip() for column, i in where.items()}
            elif any(field.strip() for field in fields):
                raise DataError(
                    f"{path}, line {reader.line_num + 1}: {len(fields)} fields where the heading has {len(names)}",
                    why=listing(fields),
                    next="correct the row",
                    subject=str(path),
                )


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
