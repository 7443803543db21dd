"""Tables as people write them: CSV with commas, semicolons or tabs, or a sheet of a spreadsheet; a heading and rows.

All tables that a user writes are read here: labels, annotations, detections, boxes, and numbers by video.
Tables for users are written by `csv_text`, so that no name in them is a formula to a spreadsheet.
"""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .errors import DataError, listing, plural
from .narrowing import to_float
from .reading import refuse_pipe
from .spreadsheets import OTHER_SUFFIXES, SUFFIXES, is_spreadsheet, read_sheet, trimmed

_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}
SEPARATORS = "".join(_NAMES)  # a spreadsheet takes the semicolon where numbers have a comma
_FORMULA = re.compile(r"[\s']*[=+\-@]")
# A comma before decimals; before exactly three digits it may also divide thousands, so that is refused unless below 1.
_COMMA = re.compile(r"[+-]?(\d+,(\d{1,2}|\d{4,})|0+,\d+)")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    r"""Rows as CSV text; a text that a spreadsheet would run as a formula gets an apostrophe before it.

    `table_rows` takes the apostrophe away again, so that a name written here is read as it was.

    >>> csv_text([("video", "score"), ("=1+1", -0.5)])
    "video,score\n'=1+1,-0.5\n"
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell for cell in row])
    return text.getvalue()


def as_written(cell: str) -> str:
    """A cell without the apostrophe that keeps it from being a formula."""
    return cell[1:].strip() if cell.startswith("'") and _FORMULA.match(cell) else cell


def not_text(path: Path, error: UnicodeDecodeError | str) -> DataError:
    """What is said of a file whose bytes are no text."""
    next = "save it as UTF-8 (a spreadsheet calls it CSV UTF-8)"
    if zipfile.is_zipfile(path):
        next = f"name it {path.with_suffix('.xlsx').name} if it is a spreadsheet, or save it as CSV UTF-8"
    return DataError(f"{path} is not a text file", why=str(error), next=next, subject=str(path))


@contextmanager
def opened(path: Path) -> Generator[TextIO]:
    """The file as UTF-8 text, less the mark that Windows puts before it; what the system says becomes a DataError."""
    try:
        refuse_pipe(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise not_text(path, error) from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be read", why=error.strerror or str(error), next="check the path", subject=str(path)
        ) from None


def is_number(text: str) -> bool:
    """Whether Python reads a text as a number.

    >>> is_number("-1e3"), is_number("1,5"), is_number("-x")
    (True, False, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return True


def decimal(text: object) -> float:
    """A number with a point or a comma before its decimals; a ValueError or TypeError where it is none.

    >>> decimal("61,25"), decimal("-3")
    (61.25, -3.0)
    """
    return to_float(text.replace(",", ".") if isinstance(text, str) and _COMMA.fullmatch(text.strip()) else text)


def number(text: object, *, place: str, name: str) -> float:
    """A finite number, with a point or a comma before its decimals, or a DataError that names the place.

    >>> number("2.5", place="truth.csv, line 3", name="start"), number("61,25", place="truth.csv, line 4", name="end")
    (2.5, 61.25)
    """
    try:
        value = decimal(text)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
        why = f"its {name} is {text!r}"
    else:
        why = f"its {name} is {value}"
    if not math.isfinite(value) or isinstance(text, bool):
        raise DataError(
            f"{place}: the {name} is not a finite number",
            why=why,
            next="write it with a point before the decimals and none for thousands"
            if "," in str(text)
            else "correct the row",
            subject=place.split(",")[0],
        )
    return value


def whole(text: object, *, place: str, name: str) -> int:
    """A whole number of at most 15 digits, as text or of JSON, or a DataError that names the place.

    More digits than that no frame has, a float holds them no longer, and Python reads no more than 4,300.

    >>> whole("25", place="a.txt, line 3", name="first frame"), whole(7.0, place="a.json, event 1", name="frame")
    (25, 7)
    """
    digits = text.strip().removeprefix("-") if isinstance(text, str) else ""
    if digits.isdecimal() and len(digits) < 16:
        return int(str(text))
    if isinstance(text, int | float) and not isinstance(text, bool) and abs(text) < 1e15 and text == int(text):
        return int(text)
    shown = text if isinstance(text, str) else type(text).__name__ if isinstance(text, int) else text
    raise DataError(
        f"{place}: the {name} is not a whole number of at most 15 digits",
        why=f"it is {shown!r:.60}",
        next="correct it",
        subject=place.split(",")[0],
    )


def seconds(text: object, *, place: str, name: str) -> float:
    """A time in seconds: a number of them, or mm:ss or h:mm:ss with or without decimals; or a DataError.

    >>> [seconds(text, place="truth.csv, line 3", name="start") for text in ("83.5", "1:23,5", "1:02:03")]
    [83.5, 83.5, 3723.0]
    """
    parts = text.strip().split(":") if isinstance(text, str) else []
    if not 2 <= len(parts) <= 3 or not all(part.isdecimal() and len(part) < 16 for part in parts[:-1]):
        return number(text, place=place, name=name)
    last = number(parts[-1].replace(",", "."), place=place, name=name)  # behind minutes none can mean thousands
    minutes = int(parts[-2])
    if not (0 <= last < 60 and (len(parts) == 2 or minutes < 60)) or parts[-1].strip()[:1] in "+-":
        raise DataError(
            f"{place}: the {name} is not a time",
            why=f"its {name} is {text!r}; minutes and seconds are below 60",
            next="write it as mm:ss, h:mm:ss or in seconds",
            subject=place.split(",")[0],
        )
    return (int(parts[0]) * 3600 if len(parts) == 3 else 0) + minutes * 60 + last


def is_table(path: Path) -> bool:
    """Whether a file is a table with a heading by its name: CSV, or a spreadsheet."""
    return path.suffix.lower() in {".csv", ".tsv"} or is_spreadsheet(path)


def tables_in(folder: Path) -> list[Path]:
    """The files of a folder that are tables by their names, in small letters or capitals."""
    kinds = {".csv", *SUFFIXES, *OTHER_SUFFIXES}
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in inside if path.suffix.lower() in kinds and path.is_file()]


def find_table(folder: Path, name: str) -> Path | None:
    """The table of a name in a folder, `labels.csv` or `Labels.xlsx` for instance; None if there is none.

    Raises:
        DataError: There are several, or it is of a kind that is not read.
    """
    found = [path for path in tables_in(folder) if path.stem.lower() == name]
    if len(found) > 1:
        raise DataError(
            f"{folder} has {listing([path.name for path in found])}",
            why="it is not clear which is meant",
            next="keep one of them",
            subject=str(folder),
        )
    if found:
        is_spreadsheet(found[0])  # refuses the kinds that are not read
    return found[0] if found else None


def split_heading(line: str) -> tuple[list[str], str]:
    """The names of a table's columns in small letters, and what separates them: the most frequent of the separators.

    >>> split_heading("Video;Label;Subset")
    (['video', 'label', 'subset'], ';')
    """
    separator = max(SEPARATORS, key=line.count)
    try:
        names = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # such as a field of a megabyte: no heading, whatever it is
        names = line.split(separator)
    return [trimmed(name).lower() for name in names], separator


def table_rows(
    path: Path, columns: Mapping[str, Sequence[str]] | Sequence[str], *, needed: Sequence[str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table with a heading, as (line, {column: text}); blank rows and unknown columns are left out.

    So are rows that repeat the heading, as of several tables put behind one another.

    Args:
        path: CSV with commas, semicolons or tabs; the heading says which. Or .xlsx, as `spreadsheets` reads it.
        columns: Their names, in small letters; of a mapping, what each may be called.
        needed: Those that must be there; all if None.

    Raises:
        DataError: The file cannot be read, is empty, lacks a column or has it twice; or a row has more fields than the
            heading, or ends before a needed one.
    """
    known = columns if isinstance(columns, Mapping) else {name: (name,) for name in columns}
    needed = tuple(known) if needed is None else needed
    if is_spreadsheet(path):
        if not path.is_file():
            raise DataError(f"{path} cannot be read", why="there is no such file", next="check the path")
        sheet = read_sheet(path, known, needed)
        where = _places(path, sheet.names, known, needed, ",".join(sheet.names))
        for line, fields in sheet.rows:
            if any(fields[i].lower() != sheet.names[i] for i in where.values()):
                yield line, {column: as_written(fields[i]) for column, i in where.items()}
        return
    with opened(path) as file:
        skipped = 0
        for heading in file:
            if heading.strip():
                break
            skipped += 1
        else:
            raise DataError(f"{path} is empty", next="give a file with a heading and rows", subject=str(path))
        names, separator = split_heading(heading)
        where = _places(path, names, known, needed, heading)
        last = max((where[column] for column in needed), default=0)
        reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
        try:
            for fields in reader:
                if not any(map(str.strip, fields)):
                    continue
                line = reader.line_num + 1 + skipped
                if any("\0" in field for field in fields):
                    raise not_text(path, f"line {line} holds a NUL")
                if len(fields) != len(names):
                    if len(fields) <= last or any(map(str.strip, fields[len(names) :])):
                        raise DataError(
                            f"{path}, line {line}: {plural(len(fields), 'field')} where the heading has {len(names)}",
                            why=f"{listing(fields)}; the heading's are separated by {_NAMES[separator]}",
                            next="correct the row; put what holds the separator in quotes",
                            subject=str(path),
                        )
                    fields += [""] * len(names)
                fields = [trimmed(field) for field in fields]
                if any(fields[i].lower() != names[i] for i in where.values()):
                    yield line, {column: as_written(fields[i]) for column, i in where.items()}
        except csv.Error as error:
            raise DataError(
                f"{path}, line {reader.line_num + 1 + skipped} is not a row of a CSV table",
                why=str(error),
                next="correct the row",
                subject=str(path),
            ) from None


def _places(
    path: Path, names: Sequence[str], known: Mapping[str, Sequence[str]], needed: Sequence[str], heading: str
) -> dict[str, int]:
    """Where in a row each column is; times for people do not count where all are there in seconds, too."""
    units = {c: possible[:1] for c, possible in known.items() if possible[0].endswith("_seconds")}
    units = {c: one for c, one in units.items() if any(name in names for name in known[c])}
    if all(one[0] in names for one in units.values()):
        known = {**known, **units}
    for column in (*needed, *(set(known) - set(needed))):
        same = [name for name in names if name in known[column]]
        if len(same) > 1:
            raise DataError(
                f"{path} has {len(same)} columns for the {column}: {listing(same)}",
                next="keep one of them" + "; what has several labels takes a row for each" * (column == "label"),
                subject=str(path),
            )
    where = {column: i for column, possible in known.items() for i, name in enumerate(names) if name in possible}
    missing = [column for column in needed if column not in where]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]!r}",
            why=f"its first line is {heading.strip()[:80]!r}",
            next=f"name the columns in the first line: {','.join(known[column][0] for column in needed)}",
            subject=str(path),
        )
    return where
