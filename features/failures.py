"""The table of what failed: `failed.csv` in the cache, one row a video, rewritten after every run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import Failure
from ..core.files import write_atomically
from ..core.tables import csv_text

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
