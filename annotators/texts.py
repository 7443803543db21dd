"""Text, XML and JSON as annotation tools write them: any encoding that is marked, any line ends; checked access."""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

from ..core.errors import DataError
from ..core.json_files import parse_json, parse_xml
from ..core.spreadsheets import is_spreadsheet, plain_rows
from ..core.tables import not_text, split_heading

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST_BYTES = 1 << 29
_MOST_UNPACKED = 1 << 26
GZIP = b"\x1f\x8b"

Rows = list[tuple[int, list[str]]]
"""The cells of each row of a table, with the number of its last line."""


def bytes_of(path: Path) -> bytes:
    """The content of a file, unpacked if it is gzip's, as BORIS writes its `.boris.gz`.

    Raises:
        DataError: It cannot be read, or is larger than any annotation.
    """
    try:
        if not path.is_file():
            raise OSError("it is not a file" if path.exists() else "there is no such file")
        if path.stat().st_size > _MOST_BYTES:
            raise OSError("it has more than half a gigabyte, which no annotation has")
        raw = path.read_bytes()
        return _unpacked(raw) if raw.startswith(GZIP) else raw
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"{path} cannot be read", why=why, next="check the path", subject=str(path)) from None


def _unpacked(raw: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(raw, _MOST_UNPACKED)
    except zlib.error as error:
        raise OSError(f"it is not what gzip writes: {error}") from None
    if not stream.eof:
        raise OSError("it unpacks to more than 64 MB" if stream.unconsumed_tail else "it is cut short")
    return content


def text_of(path: Path) -> str:
    r"""The content as text with line ends `\n`: UTF-8, or UTF-16 with its mark.

    Raises:
        DataError: It is neither.
    """
    raw = bytes_of(path)
    code = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        return io.StringIO(raw.decode(code), newline=None).read()
    except UnicodeDecodeError as error:
        raise not_text(path, error) from None


def csv_rows(text: str, name: str, *, separator: str = ",") -> Rows:
    """The rows of a CSV text; `name` is what messages call it.

    Raises:
        DataError: A line is no row, as with a cell of 16 MB.
    """
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    before = csv.field_size_limit(1 << 24)  # the limit is the whole program's, and other readers keep theirs
    try:
        return [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise DataError(
            f"{name}, line {reader.line_num} is no row of a table",
            why=str(error),
            next="correct the row",
            subject=name,
        ) from None
    finally:
        csv.field_size_limit(before)


def sheet_rows(path: Path, is_heading: Callable[[list[str]], bool], *, most: int | None) -> Rows:
    """The rows of a spreadsheet, or of a text whose cells are separated as its heading's are.

    That is the first of `most` lines whose names, in small letters, `is_heading` takes for one.
    """
    if is_spreadsheet(path):
        return list(plain_rows(path))
    text = text_of(path)
    lines = (split_heading(line) for line in text.split("\n")[:most])
    separator = next((separator for names, separator in lines if is_heading(names)), ",")
    return csv_rows(text, str(path), separator=separator)


def xml_of(path: Path) -> ElementTree.Element:
    """The root of an XML file.

    Raises:
        DataError: It is not well-formed, cut short, or declares entities.
    """
    return parse_xml(bytes_of(path), str(path))


def xml_text(text: str) -> str:
    r"""A text less the signs that XML cannot hold.

    >>> xml_text("a\x0bb & c")
    'ab & c'
    """
    return _NOT_IN_XML.sub("", text)


def xml_bytes(root: ElementTree.Element) -> bytes:
    """An XML file, indented."""
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def json_of(path: Path) -> object:
    """The content of a JSON file.

    Raises:
        DataError: As `core.json_files.load_json`.
    """
    return parse_json(text_of(path), str(path), next="export the annotations anew")


def table_in(value: object, place: str) -> dict[str, object]:
    """A JSON table, or a DataError that names the place."""
    if not isinstance(value, dict):
        raise _other(place, value, "a table")
    return cast("dict[str, object]", value)


def list_in(value: object, place: str) -> list[object]:
    """A JSON list, or a DataError that names the place."""
    if not isinstance(value, list):
        raise _other(place, value, "a list")
    return cast("list[object]", value)


def text_in(value: object, place: str) -> str:
    """A JSON text, or a whole number as text; else a DataError that names the place."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _other(place, value, "a text")


def _other(place: str, value: object, wanted: str) -> DataError:
    return DataError(
        f"{place}: {str(value)[:60]!r} where {wanted} must be",
        why="the file is of another version, or was changed",
        next="export the annotations anew",
        subject=place.split(",")[0],
    )
