"""A look into a spreadsheet's XML before it is read: what is small in the file may be billions of cells."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.parsers import expat

from .errors import DataError

_MOST_CELLS = 2_000_000  # which take openpyxl half a minute
_MOST_MERGED_CELLS = 5_000_000


def check_parts(path: Path) -> None:
    """Refuse a workbook that declares entities, or would fill more cells than a table has; each part is parsed once.

    Every part is looked at, since relations in the file say which ones are sheets, whatever they are called.

    Raises:
        DataError: It does.
        OSError: The file cannot be opened.
        zipfile.BadZipFile: It is damaged.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as part:
                parser, cells = expat.ParserCreate(), _Cells(name)
                parser.StartElementHandler = cells.begin
                parser.StartDoctypeDeclHandler = cells.refuse_entities
                try:
                    parser.ParseFile(part)
                except expat.ExpatError:
                    continue  # no XML, or broken, which its reader says


class _Cells:
    """Counts cells, and those that merging joins."""

    def __init__(self, part: str) -> None:
        self._part, self._cells, self._merged = part, 0, 0

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        kind = tag.rpartition(":")[2]
        if kind == "c":
            self._cells += 1
        elif kind == "mergeCell":
            self._merged += _area(attributes.get("ref", ""))
        if self._cells > _MOST_CELLS or self._merged > _MOST_MERGED_CELLS:
            what = "merges" if self._merged > _MOST_MERGED_CELLS else "fills"
            raise DataError(
                f"its part {self._part[:80]} {what} millions of cells", next="remove what is far from the table"
            )

    def refuse_entities(self, *_: object) -> None:
        raise DataError(f"its part {self._part[:80]} declares a document type, as no spreadsheet does")


def _area(reference: str) -> int:
    """How many cells lie in a range such as A1:C3; 0 where it is none.

    >>> _area("A1:C3"), _area("A1:XFD1048576"), _area("?")
    (9, 17179869184, 0)
    """
    from openpyxl.utils.cell import range_boundaries  # type: ignore[import-not-found]

    try:
        first_column, first_row, last_column, last_row = (int(edge or 1) for edge in range_boundaries(reference))
    except (ValueError, TypeError):
        return 0
    return max(0, last_column - first_column + 1) * max(0, last_row - first_row + 1)
