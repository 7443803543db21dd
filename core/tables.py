"""Tables of text as people and spreadsheets write them: CSV with commas, semicolons or tabs, a heading and rows.

All tables that a user writes are read here: labels, annotations, detections, boxes, and numbers by video.
Tables for users are written by `csv_text`, so that no name in them is a formula to a spreadsheet.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from .errors import DataError, listing, plural

_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}
SEPARATORS = "".join(_NAMES)  # a spreadsheet takes the semicolon where numbers have a comma
_FORMULA = re.compile(r"[\s']*[=+\-@]")


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
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


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """The file as UTF-8 text, less the mark that Windows puts before it; what the system says becomes a DataError."""
    try:
        if path.exists() and not path.is_file():  # a pipe would make the reader wait for ever
            raise OSError("it is not a file")
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not a text file",
            why=str(error),
            next="save it as UTF-8 (a spreadsheet calls it CSV UTF-8)",
            subject=str(path),
        ) from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be read", why=error.strerror or str(error), next="check the path", subject=str(path)
        ) from None


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
            f"{place}: the {name} is not a finite number",
            why=why,
            next="write numbers with a point instead of a comma" if "," in str(text) else "correct the row",
            subject=place.split(",")[0],
        )
    return value


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
    return [name.strip().lower() for name in names], separator


def table_rows(
    path: Path, columns: Mapping[str, Sequence[str]] | Sequence[str], *, needed: Sequence[str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table with a heading, as (line, {column: text}); blank rows and unknown columns are left out.

    Args:
        path: CSV with commas, semicolons or tabs; the heading says which.
        columns: Their names, in small letters; of a mapping, what each may be called.
        needed: Those that must be there; all if None.

    Raises:
        DataError: The file cannot be read, is empty, lacks a column or has it twice; or a row has more fields than the
            heading, or ends before a needed one.
    """
    known = columns if isinstance(columns, Mapping) else {name: (name,) for name in columns}
    needed = tuple(known) if needed is None else needed
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
                if len(fields) != len(names):
                    if len(fields) <= last or any(map(str.strip, fields[len(names) :])):
                        raise DataError(
                            f"{path}, line {line}: {plural(len(fields), 'field')} where the heading has {len(names)}",
                            why=f"{listing(fields)}; the heading's are separated by {_NAMES[separator]}",
                            next="correct the row; put what holds the separator in quotes",
                            subject=str(path),
                        )
                    fields += [""] * len(names)
                yield line, {column: as_written(fields[i].strip()) for column, i in where.items()}
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
    """Where in a row each column is."""
    for column in (*needed, *(set(known) - set(needed))):
        same = [name for name in names if name in known[column]]
        if len(same) > 1:
            raise DataError(
                f"{path} has {len(same)} columns for the {column}: {listing(same)}",
                next="keep one of them",
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
