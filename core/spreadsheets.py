"""Spreadsheets as people keep them: several sheets, a title above the heading, merged and empty cells, formulas, times.

What a cell shows is read where that is plain; where it is not (a date, hours and minutes, a formula never computed),
the cell is named, for a guess would put an action into another minute.
"""

from __future__ import annotations

import datetime
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import DataError, UsageError, listing
from .reading import advice, check_archive, refuse_pipe, said
from .workbook_parts import check_parts

SUFFIXES = frozenset({".xlsx", ".xlsm"})
OTHER_SUFFIXES = frozenset({".xls", ".ods", ".numbers", ".xlsb"})
_MOST_CELLS = 5_000_000  # a few seconds
_ENDS = re.compile(r"^[\s\u200b\u200e\u200f\u2060\ufeff]+|[\s\u200b\u200e\u200f\u2060\ufeff]+$")
_HEADING_WITHIN = 20  # filled rows: a title, a date, who wrote it


class Sheet(NamedTuple):
    """The table of a spreadsheet.

    Attributes:
        names: Its columns, in small letters.
        rows: Row numbers, from 1, and the texts of as many cells as there are names; rows without any are left out.
    """

    names: list[str]
    rows: Iterator[tuple[int, list[str]]]


def trimmed(text: str) -> str:
    r"""A cell without what nobody sees at its ends: blanks, and marks of no width that are copied along with a text.

    >>> trimmed("\u200bRun\xa0 ")
    'Run'
    """
    return _ENDS.sub("", text)


def is_spreadsheet(path: Path) -> bool:
    """Whether a file is a spreadsheet by its name.

    Raises:
        DataError: It is one of a kind that is not read.
    """
    if path.suffix.lower() in OTHER_SUFFIXES:
        raise DataError(
            f"{path} is a spreadsheet of a kind that is not read",
            why=f"read are {listing(sorted(SUFFIXES))}, and CSV",
            next="save it as .xlsx, or as CSV UTF-8; with LibreOffice: soffice --headless --convert-to xlsx --outdir "
            f"{shlex.quote(str(path.parent))} {shlex.quote(str(path))}",
            subject=str(path),
        )
    return path.suffix.lower() in SUFFIXES


def read_sheet(path: Path, columns: Mapping[str, Sequence[str]], needed: Sequence[str]) -> Sheet:
    """The one sheet of a spreadsheet that has the needed columns.

    Hidden sheets are not looked at. A cell merged over several rows counts in each of them.

    Args:
        path: .xlsx or .xlsm.
        columns: What each column may be called, in small letters.
        needed: Those that must be there.

    Raises:
        UsageError: openpyxl is not installed.
        DataError: The file cannot be read, no sheet or more than one has the columns, or a cell is not plain.
    """
    book = _opened(path)
    sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    for sheet in sheets:
        cells = sheet.max_row * sheet.max_column + sum(area.size["rows"] for area in sheet.merged_cells.ranges)
        if cells > _MOST_CELLS:
            raise DataError(
                f"{path}, sheet {sheet.title} spans {cells} cells",
                why=f"its last filled cell is in row {sheet.max_row}, column {sheet.max_column}",
                next="remove the cells far from the table, or save it as CSV UTF-8",
                subject=str(path),
            )
    found: list[tuple[Any, int, list[str]]] = []
    first = ""
    for sheet in sheets:
        filled = 0
        for row in sheet.iter_rows():
            names = [trimmed(str(cell.value)).lower() if cell.value is not None else "" for cell in row]
            if not any(names):
                continue
            first = first or ",".join(names).strip(",")
            if all(any(name in columns[column] for name in names) for column in needed):
                found.append((sheet, row[0].row, names))
                break
            filled += 1
            if filled == _HEADING_WITHIN:
                break
    if len(found) > 1:
        raise DataError(
            f"{path} has {len(found)} sheets with such a table: {listing([sheet.title for sheet, _, _ in found])}",
            why="it is not clear which is meant",
            next="keep one of them in this file, or hide the others",
            subject=str(path),
        )
    if not found:
        want = ",".join(columns[column][0] for column in needed)
        raise DataError(
            f"{path} has no sheet with the columns {want}" if first else f"{path} is empty",
            why=f"its first row is {first[:80]!r}" if first else "",
            next=f"name the columns in the first row: {want}",
            subject=str(path),
        )
    sheet, heading, names = found[0]
    last = max(i for i, name in enumerate(names) if name) + 1
    known = {i for i, name in enumerate(names) if any(name in several for several in columns.values())}
    return Sheet(names[:last], _rows(path, sheet, heading, last, known))


def _opened(path: Path, *, formulas: bool = False) -> Any:
    try:
        import openpyxl  # type: ignore[import-not-found]
    except ImportError:
        raise UsageError(
            f"{path} needs openpyxl",
            why="it reads spreadsheets, and is not installed",
            next="pip install openpyxl, or save the sheet as CSV UTF-8",
            subject=str(path),
        ) from None
    import warnings

    next = "save it again as .xlsx, or as CSV UTF-8"
    try:
        refuse_pipe(path)
        check_archive(path)
        check_parts(path)
        with warnings.catch_warnings():  # of what is lost in writing back, which nobody does
            warnings.simplefilter("ignore")
            return openpyxl.load_workbook(path, data_only=not formulas)
    except (OSError, DataError) as error:
        why, next = said(error), advice(error, next)
    except Exception as error:  # a zip file of XML: its reader raises whatever damaged bytes provoke
        why = f"{error}; is it protected by a password, or cut short?"
        with path.open("rb") as file:
            begin = file.read(200)
        if begin and not re.search(rb"[\x00-\x08\x0e-\x1f]", begin):  # signs that no text holds
            why, next = "it is text, and no spreadsheet", f"name it {path.with_suffix('.csv').name}"
    raise DataError(f"{path} cannot be read", why=why, next=next, subject=str(path))


def _rows(path: Path, sheet: Any, heading: int, last: int, known: set[int]) -> Iterator[tuple[int, list[str]]]:
    above = {
        (row, area.min_col): sheet.cell(area.min_row, area.min_col)
        for area in sheet.merged_cells.ranges
        for row in range(area.min_row + 1, area.max_row + 1)
    }
    formulas: Any = None
    for row in sheet.iter_rows(min_row=heading + 1, max_col=last):
        texts = []
        for cell in row:
            cell = above.get((cell.row, cell.column), cell)
            if cell.column - 1 not in known:
                texts.append("")  # a remark of theirs, whatever it holds
                continue
            if cell.value is None:
                formulas = formulas or _opened(path, formulas=True)[sheet.title]
                if formulas.cell(cell.row, cell.column).data_type == "f":
                    raise _cell_error(
                        path,
                        cell,
                        "is a formula whose value the file does not hold",
                        "no spreadsheet has computed it yet",
                        "open the file in a spreadsheet and save it, or write the value",
                    )
            texts.append(_text(path, cell))
        if any(texts):
            yield row[0].row, texts


def _text(path: Path, cell: Any) -> str:
    """What a cell shows, as it would stand in a CSV table."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "e":
        raise _cell_error(
            path, cell, f"holds the error {value}", "its formula failed", "correct it, or write the value"
        )
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and re.fullmatch("0+", str(cell.number_format)):
        return str(value).zfill(len(cell.number_format))  # 007, a camera's or a person's number
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return _time(path, cell, value)
    return trimmed(str(value))


def _time(path: Path, cell: Any, value: datetime.date | datetime.time | datetime.timedelta) -> str:
    written = str(cell.number_format).lower()
    if isinstance(value, datetime.time):
        passed = datetime.timedelta(
            hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
        )
    elif isinstance(value, datetime.timedelta):
        passed = value
    else:
        raise _cell_error(
            path,
            cell,
            f"is a date, {value.isoformat()[:10]}",
            "spreadsheets turn what looks like one into a date",
            "format the column as text and type it again: names as they are, times as 1:23 or 83.5",
        )
    if "s" not in written:
        hours, minutes = divmod(round(passed.total_seconds() / 60), 60)
        raise _cell_error(
            path,
            cell,
            f"is {hours} hours {minutes} minutes",
            f"a spreadsheet takes {hours}:{minutes:02d} for hours and minutes",
            f"type 0:{hours:02d}:{minutes:02d} if minutes and seconds are meant, or {hours}:{minutes:02d}:00",
        )
    minutes, seconds = divmod(passed.total_seconds(), 60)
    return f"{int(minutes // 60)}:{int(minutes % 60):02d}:{seconds:06.3f}".rstrip("0").rstrip(".")


def _cell_error(path: Path, cell: Any, what: str, why: str, next_: str) -> DataError:
    return DataError(
        f"{path}, sheet {cell.parent.title}, cell {cell.coordinate} {what}", why=why, next=next_, subject=str(path)
    )


def plain_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """All rows of the first visible sheet that has any, each cell as text; dates and formulas as they are held.

    For the tables of programs, which are known by their own headings.

    Raises:
        UsageError: openpyxl is not installed.
        DataError: The file cannot be read.
    """
    if not path.is_file():
        raise DataError(f"{path} cannot be read", why="there is no such file", next="check the path", subject=str(path))
    for sheet in _opened(path).worksheets:
        if sheet.sheet_state == "visible" and sheet.max_row > 1:
            for row in sheet.iter_rows():
                held = ("" if cell.value is None else cell.value for cell in row)
                yield row[0].row, [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in held]
            return
