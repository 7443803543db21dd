"""Readers of the files detections come in."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

import numpy as np

from ..core.errors import DataError, listing
from ..core.json_files import DECODER, scan_object, skip_space
from ..core.segments import Segments
from ..core.tables import is_number, is_table, number, opened, seconds, table_rows
from .parsing import HEADINGS, label_name, text_lines, two_times, wrong_row
from .thumos14 import CLASS_IDS

ClassIds = Literal["official", "positions"]

_VIDEO_SUFFIX = re.compile(r"\.(mp4|mpeg|mpg|avi|mkv|webm)$")
_ROW_FORM = 'a row is {"label": NAME, "segment": [START, END], "score": S}'


class _Table:
    """Columns as they are read, with the place of each row for messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.video: list[str] = []
        self.label: list[str] = []
        self.start, self.end, self.score = array("d"), array("d"), array("d")
        self.names: dict[str, str] = {}

    def fail(self, what: str, *, why: str, next: str = "correct the program that wrote the file") -> DataError:
        return DataError(what, why=why, next=next, subject=str(self.path))

    def add(self, video: str, label: str, start: object, end: object, score: object) -> None:
        if not (video and label):
            raise ValueError(f"the {'label' if video else 'video'} is empty")
        first, last, sure = _float(start), _float(end), _float(score)
        self.start.append(first)
        self.end.append(last)
        self.score.append(sure)
        self.video.append(self.names.setdefault(video, video))
        self.label.append(self.names.setdefault(label, label))

    def segments(self, place: Callable[[int], str]) -> Segments:
        """Check all rows at once; `place` says where a row is, for the message about the first bad one."""
        start, end, score = (np.array(column, dtype=np.float64) for column in (self.start, self.end, self.score))
        for name, column in (("start", start), ("end", end), ("score", score)):
            bad = np.flatnonzero(~np.isfinite(column))
            if len(bad):
                what = f"{place(int(bad[0]))}: the {name} is {column[bad[0]]}, not a finite number"
                raise self.fail(what, why=f"such rows: {len(bad)} of {len(column)}")
        bad = np.flatnonzero(end < start)
        if len(bad):
            row = int(bad[0])
            what = f"{place(row)}: the segment ends before it starts, at {start[row]:g} s and {end[row]:g} s"
            raise self.fail(what, why=f"such rows: {len(bad)} of {len(start)}; are the columns mixed up?")
        return Segments(self.video, self.label, start, end, score)


def _float(value: object) -> float:
    """What `float` makes of it; a TypeError where it is neither number nor text."""
    if isinstance(value, float | int | str):
        return float(value)
    raise TypeError(f"{value!r} is no number")


def read_detections(
    path: str | Path, *, classes: Sequence[str] | None = None, class_ids: ClassIds | None = None
) -> Segments:
    """Read detections, telling their form from the file itself.

    Args:
        path: ActivityNet JSON (`{"results": {video: [{"label", "segment", "score"}]}}`), a CSV with the columns video,
            label, start_seconds, end_seconds, score, or THUMOS14's text: lines `video start end class score`.
        classes: Names of the class numbers 1, 2 .. in a THUMOS14 text file, if they are not the challenge's own
            numbers; by default THUMOS14's twenty.
        class_ids: Whether class numbers are the challenge's own (`official`, 7 to 97) or `positions` from 1; told from
            the numbers themselves unless they can mean both.

    Raises:
        DataError: The file is missing, empty or malformed; the file and the row are named.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"the detections {path} do not exist" if not path.exists() else f"{path} is not a file",
            next="give a JSON, CSV or THUMOS14 text file, or a run folder",
            subject=str(path),
        )
    if is_table(path):
        return _read_csv(path)
    if path.suffix.lower() == ".json":
        return _read_json(path)
    with opened(path) as file:
        first = next((line.lstrip() for line in file if line.strip()), "")
    return _read_json(path) if first[:1] in {"{", "["} else _read_thumos(path, classes, class_ids)


def _read_csv(path: Path) -> Segments:
    table, lines = _Table(path), array("q")
    for line, row in table_rows(path, HEADINGS, needed=("video", "label", "start", "end", "score")):
        try:
            table.add(row["video"], row["label"], *_plain_numbers(row, f"{path}, line {line}"))
        except ValueError as error:
            what, why = f"{path}, line {line}: not a detection", f"{error}; are the columns mixed up?"
            raise table.fail(what, why=why, next="correct the row, or the names of the columns") from None
        lines.append(line)
    return table.segments(lambda row: f"{path}, line {lines[row]}")


def _plain_numbers(row: Mapping[str, str], place: str) -> tuple[float, float, float]:
    """Start, end and score: numbers in nearly all files, and quickly read; else times as people write them."""
    try:
        return float(row["start"]), float(row["end"]), float(row["score"])
    except ValueError:
        start, end = (seconds(row[name], place=place, name=name) for name in ("start", "end"))
        return start, end, number(row["score"], place=place, name="score")


def _read_thumos(path: Path, classes: Sequence[str] | None, class_ids: ClassIds | None) -> Segments:
    table, lines = _Table(path), array("q")
    for line, text in text_lines(path):
        fields = text.split()
        try:
            video, start, end, label, score = fields
            table.add(_VIDEO_SUFFIX.sub("", video), label, start, end, score)
        except ValueError:
            raise table.fail(
                f"{path}, line {line}: not a line of detections",
                why=f"expected: video start end class score; found: {text.strip()[:80]}",
                next="correct the line, or give a JSON or CSV file",
            ) from None
        lines.append(line)
    if not lines:
        raise DataError(f"{path} is empty", next="give a file of detections", subject=str(path))
    if any(is_number(label) for label in set(table.label)):
        known = classes or tuple(CLASS_IDS.values())
        names = _class_names(table, lines, known, class_ids)
        table.label = [names[label] for label in table.label]
    return table.segments(lambda row: f"{path}, line {lines[row]}")


def _class_names(
    table: _Table, lines: Sequence[int], classes: Sequence[str], class_ids: ClassIds | None
) -> dict[str, str]:
    """The name behind each class number in a THUMOS14 text file: a number of the challenge, or a position from 1."""
    path, labels, found = table.path, table.label, set(table.label)
    meanings = {
        "official": {str(number): name for number, name in CLASS_IDS.items()},
        "positions": {str(i): name for i, name in enumerate(classes, 1)},
    }
    fits = [kind for kind, names in meanings.items() if found <= set(names) and class_ids in (None, kind)]
    if len(fits) == 2 and any(meanings["official"][name] != meanings["positions"][name] for name in found):
        first, second = (names[min(found)] for names in meanings.values())
        raise table.fail(
            f"{path}: the class numbers {listing(sorted(found))} can mean two things",
            why=f"{min(found)} is {first} in the challenge, and {second} by position",
            next="give --class-ids official, or --class-ids positions",
        )
    if not fits:
        known = set[str]().union(*(names for kind, names in meanings.items() if class_ids in (None, kind)))
        strange = next((i for i, label in enumerate(labels) if label not in known), 0)
        raise table.fail(
            f"{path}, line {lines[strange]}: the class is {labels[strange]!r}",
            why=f"the classes must be names, numbers of THUMOS14, or positions from 1 to {len(classes)}, all alike",
            next="a line is: video start end class score; are the columns mixed up?",
        )
    return meanings[fits[0]]


def _read_json(path: Path) -> Segments:
    """ActivityNet's results. A video at a time, so that a file of 500 MB needs little more memory than itself."""
    with opened(path) as file:
        text = file.read()
    if not text.strip():
        raise DataError(f"{path} is empty", next="give a file of detections", subject=str(path))
    table = _Table(path)
    counts: dict[str, int] = {}
    keys: set[str] = set()

    def video(name: str, at: int) -> int:
        rows, stop = DECODER.raw_decode(text, at)
        if name in counts:
            raise DataError(f"{path}: the video {name} is there twice", next="join its rows", subject=str(path))
        _add_video(table, name, rows)
        counts[name] = len(rows)
        return stop

    def top(key: str, at: int) -> int:
        if key in keys:
            raise _other_shape(path, f'"{key}" is there twice')
        keys.add(key)
        if key != "results":
            return DECODER.raw_decode(text, at)[1]
        if text[at] != "{":
            raise _other_shape(path, '"results" is not a table of videos')
        return scan_object(text, at, video)

    try:
        start = skip_space(text, 0)
        if text[start] != "{":
            raise _other_shape(path, "it is not a table")
        if skip_space(text, scan_object(text, start, top)) != len(text):
            raise _other_shape(path, "something follows its end")
    except json.JSONDecodeError as error:
        why = f"{error.msg}, line {error.lineno}, column {error.colno}"
        raise table.fail(f"{path} is not valid JSON", why=why, next="write the file again") from None
    except RecursionError:
        raise _other_shape(path, "its lists lie too deep in each other") from None
    except ValueError as error:  # a whole number of more digits than Python reads
        raise _other_shape(path, str(error)[:200]) from None
    if "results" not in keys:
        looks = "; it looks like ground truth" if "database" in keys else ""
        raise _other_shape(path, f'it has no table "results"{looks}')

    def place(row: int) -> str:
        for name, n in counts.items():
            if row < n:
                return f"{path}, video {name}, row {row}"
            row -= n
        raise IndexError(row)

    return table.segments(place)


def _add_video(table: _Table, video: str, rows: object) -> None:
    if not isinstance(rows, list):
        raise _other_shape(table.path, f"the entry of video {video} is not a list of rows")
    for i, row in enumerate(cast("list[dict[str, object]]", rows)):
        try:
            start, end = two_times(row["segment"])
            score = row["score"]
            if isinstance(score, bool):
                raise TypeError(f"the score is {score}")
            table.add(video, label_name(row["label"]), start, end, score)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"{table.path}, video {video}, row {i}: not a detection"
            raise table.fail(what, why=wrong_row(error, row), next=_ROW_FORM) from None


def _other_shape(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} does not hold detections in ActivityNet's form",
        why=why,
        next=f'give {{"results": {{VIDEO: [ROW, ...]}}}}; {_ROW_FORM}',
        subject=str(path),
    )
