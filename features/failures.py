"""The table of what failed: `failed.csv` in the cache, one row a video, rewritten after every run."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ..core.failures import Failure
from ..core.files import write_atomically
from ..core.reading import reading
from ..core.tables import as_written, csv_text

FAILED_TABLE = "failed.csv"
_COLUMNS = ("video", "stage", "reason", "frames_decoded", "next")


def row_of(failure: Failure) -> dict[str, str | int]:
    """A row of the table, by the names of its columns."""
    cells = (failure.subject, failure.what, failure.why, failure.frames, failure.next)
    return dict(zip(_COLUMNS, cells, strict=True))


def write_failures(folder: Path, failures: Sequence[Failure]) -> None:
    """Write `failed.csv`; without failures remove it."""
    path = folder / FAILED_TABLE
    if not failures:
        path.unlink(missing_ok=True)
        return
    text = csv_text([_COLUMNS, *(list(row_of(failure).values()) for failure in failures)])
    # A file name may hold bytes that are no text; they come back by the same rule.
    write_atomically(path, text.encode(errors="surrogateescape"))


def read_failures(folder: Path) -> list[Failure]:
    """The rows of `failed.csv`; none where there is no such file.

    Raises:
        DataError: It is not what `write_failures` writes.
    """
    path = folder / FAILED_TABLE
    if not path.exists():
        return []
    with (
        reading(path, "is no table of failures", next="remove it: the next run writes it again"),
        open(path, newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        rows = list(csv.DictReader(file, strict=True))
        if not all(isinstance(cell, str) for row in rows for cell in row.values()):
            raise ValueError("a row has another number of fields than the heading")
        rows = [{name: as_written(cell) for name, cell in row.items()} for row in rows]
        return [
            Failure(row["video"], row["stage"], row["reason"], int(row["frames_decoded"]), row.get("next") or "")
            for row in rows
        ]
