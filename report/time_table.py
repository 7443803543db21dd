"""The table of time spent, as CSV and as a spreadsheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import UsageError
from ..core.files import write_atomically
from ..core.tables import csv_text
from ..temporal_has.results import clock
from .time_budget import TimeSpent

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
