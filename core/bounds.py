"""How much memory a file from elsewhere may ask for: what it holds, and of what is compressed a plausible multiple."""

from __future__ import annotations

import zipfile
from pathlib import Path

from .errors import DataError
from .reading import refuse_pipe

# Features of networks that end in a rectifier shrink to a tenth; a file that grows fifty-fold is none.
MOST_EXPANSION = 50
ALWAYS_BYTES = 64 << 20


def check_expansion(held_bytes: int, claimed_bytes: int) -> None:
    """Refuse a compressed file that would take far more memory than it takes on the disk.

    Raises:
        DataError: It would.
    """
    if claimed_bytes > max(ALWAYS_BYTES, MOST_EXPANSION * held_bytes):
        raise DataError(
            f"it claims {claimed_bytes / 1e9:.3g} GB in a file of {held_bytes / 1e6:.3g} MB",
            next="save it without compression, if it is really so large",
        )


def check_archive(path: Path) -> None:
    """Refuse a zip archive that would unpack to far more than it holds; what is no archive is let through.

    Raises:
        DataError: It would.
        OSError: The file cannot be opened.
        zipfile.BadZipFile: It is damaged.
    """
    refuse_pipe(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_expansion(path.stat().st_size, sum(member.file_size for member in archive.infolist()))
