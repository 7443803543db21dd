"""How much time goes into which action, the table that behaviour researchers report; as CSV and as a spreadsheet."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import UsageError
from ..core.files import write_atomically
from ..core.segments import Segments
from ..core.tables import csv_text
from ..temporal_has.results import clock

HEADING = (
    "video", "label", "count", "total_seconds", "total", "mean_seconds", "longest_seconds", "latency_seconds", "share",
)  # fmt: skip


def write_time_table(path: Path, rows: Sequence[TimeSpent]) -> Path:
    """Write rows as .csv or .xlsx, by the file's ending; seconds with three decimals, the total as mm:ss too.

    Raises:
        UsageError: Another ending, or openpyxl is not installed.
        DataError: The file cannot be written.
    """
    kind = path.suffix.lower()
    if kind == ".csv":
        text = csv_text([HEADING, *(_texts(row) for row in rows)])
        write_atomically(path, text)
    elif kind == ".xlsx":
        write_atomically(path, _workbook(rows))
    else:
        raise UsageError(f"{path} is neither a .csv nor a .xlsx file", next="--out summary.csv, or --out summary.xlsx")
    return path


def _texts(row: TimeSpent) -> list[object]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    share = "" if row.share is None else f"{row.share:.4f}"
    seconds = [number(value) for value in (row.mean_seconds, row.longest_seconds, row.latency_seconds)]
    return [row.video, row.label, row.count, number(row.total_seconds), clock(row.total_seconds), *seconds, share]


def _workbook(rows: Sequence[TimeSpent]) -> bytes:
    try:
        import openpyxl  # type: ignore[import-not-found]
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell  # type: ignore[import-not-found]
        from openpyxl.styles import Font  # type: ignore[import-not-found]
    except ImportError:
        raise UsageError(
            "a spreadsheet needs openpyxl",
            why="it is not installed",
            next="pip install 'thas[excel]', or --out FILE.csv",
        ) from None
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "time spent"
    sheet.append(list(HEADING))
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for place, row in enumerate(rows, 2):
        day = row.total_seconds / 86400
        values = [row.video, row.label, row.count, row.total_seconds, day, row.mean_seconds, row.longest_seconds]
        for column, value in enumerate([*values, row.latency_seconds, row.share], 1):
            cell = sheet.cell(place, column)
            assert isinstance(cell, Cell)  # none is merged
            if isinstance(value, str):
                # A text that begins with = would be a formula; what no spreadsheet may hold becomes a question mark.
                clean = ILLEGAL_CHARACTERS_RE.sub("?", value.encode("utf-8", "replace").decode())
                cell.value, cell.data_type = clean, "s"
            else:
                cell.value = value
            cell.number_format = {5: "[mm]:ss.0", 9: "0.0%"}.get(column, "0.000" if column > 3 else "General")
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions
    for letter, width in zip("ABCDEFGHI", (28, 22, 8, 14, 10, 14, 16, 16, 8), strict=True):
        sheet.column_dimensions[letter].width = width
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@dataclass(frozen=True)
class TimeSpent:
    """One label in one video, or in all.

    Attributes:
        video: Its name; empty for all videos together.
        label: The action.
        count: How often it happens.
        total_seconds: How long, of overlapping moments once.
        mean_seconds: Of one action; None if there is none.
        longest_seconds: The longest one; None if there is none.
        latency_seconds: From the video's start to the first one; None if there is none, or for all videos.
        share: Of the video's time, 0 to 1; None where the video's length is not known.
    """

    video: str
    label: str
    count: int
    total_seconds: float
    mean_seconds: float | None
    longest_seconds: float | None
    latency_seconds: float | None
    share: float | None


def union_seconds(start: np.ndarray, end: np.ndarray) -> float:
    """The time that intervals cover, what several cover once.

    >>> union_seconds(np.array([0.0, 1.0, 5.0]), np.array([2.0, 3.0, 6.0]))
    4.0
    """
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    reached = np.maximum.accumulate(np.concatenate([[-np.inf], end[:-1]])) if len(start) else start
    return float(np.maximum(end - np.maximum(start, reached), 0).sum())


def _row(video: str, label: str, mine: Segments, seconds: float | None) -> TimeSpent:
    if len(mine) == 0:
        return TimeSpent(video, label, 0, 0.0, None, None, None, 0.0 if seconds else None)
    lengths = mine.duration_seconds
    total = union_seconds(mine.start_seconds, mine.end_seconds)
    return TimeSpent(
        video=video,
        label=label,
        count=len(mine),
        total_seconds=total,
        mean_seconds=float(lengths.mean()),
        longest_seconds=float(lengths.max()),
        latency_seconds=float(mine.start_seconds.min()),
        share=min(1.0, total / seconds) if seconds else None,
    )


def time_budget(
    actions: Segments,
    *,
    videos: Sequence[str] = (),
    labels: Sequence[str] = (),
    seconds: Mapping[str, float] | None = None,
) -> list[TimeSpent]:
    """A row for each video and label, zeros included, so that tables of several videos have the same rows.

    Videos and labels are those that occur, unless they are given; `seconds` are lengths of videos, as far as known.

    >>> found = Segments(["v", "v"], ["Run", "Run"], [2.0, 6.0], [4.0, 7.0])
    >>> time_budget(found, labels=["Run", "Dive"], seconds={"v": 10.0})[0]  # doctest: +NORMALIZE_WHITESPACE
    TimeSpent(video='v', label='Run', count=2, total_seconds=3.0, mean_seconds=1.5, longest_seconds=2.0,
              latency_seconds=2.0, share=0.3)
    """
    seconds = seconds or {}
    by_video = actions.by_video()
    labels = labels or sorted(set(actions.label))
    empty = actions[:0]
    rows = list[TimeSpent]()
    for video in videos or list(by_video):
        mine = by_video.get(video, empty)
        own = {label: mine[mine.label == label] for label in set(mine.label)}
        rows += [_row(video, label, own.get(label, empty), seconds.get(video)) for label in labels]
    return rows


def by_label(rows: Sequence[TimeSpent], *, seconds: float | None = None) -> list[TimeSpent]:
    """The rows of all videos together, one a label."""
    result = list[TimeSpent]()
    for label in dict.fromkeys(row.label for row in rows):
        mine = [row for row in rows if row.label == label]
        count, total = sum(row.count for row in mine), sum(row.total_seconds for row in mine)
        lengths = sum(row.count * (row.mean_seconds or 0.0) for row in mine)
        longest = [row.longest_seconds for row in mine if row.longest_seconds is not None]
        share = total / seconds if seconds else None
        result.append(
            TimeSpent(
                "", label, count, total, lengths / count if count else None, max(longest, default=None), None, share
            )
        )
    return result
