"""`SHA256SUMS`: what the files of a folder held when they were made, for formats that have no room for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from .errors import DataError
from .tables import opened

HASHES = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(.+)")


def read_hashes(folder: Path) -> dict[str, str]:
    """The hashes of a folder's files by their path in it, as `sha256sum` writes them; none where there is no list.

    Raises:
        DataError: The list cannot be read, or has a line of another form.
    """
    path, found = folder / HASHES, dict[str, str]()
    if not path.exists():
        return found
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            held = _LINE.fullmatch(line.rstrip("\r\n"))
            if held is None:
                raise DataError(
                    f"{path}, line {number} is no hash of a file",
                    why=f"it is {line[:80]!r}",
                    next=f"make it with sha256sum, in {folder}: find . -name '*.npy' -exec sha256sum {{}} + > {HASHES}",
                    subject=str(path),
                )
            found[held[2]] = held[1].lower()
    return found


def refuse_changed(path: Path, content: bytes, hashes: Mapping[str, str], *, folder: Path) -> None:
    """Raise a DataError if a file's content is not what the folder's list says; files it does not name pass."""
    expected = hashes.get(path.relative_to(folder).as_posix())
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise DataError(
            f"{path} is not the file that {folder / HASHES} lists",
            why="its SHA-256 is another: it was changed or damaged since",
            next="make or copy it anew; or, if it was changed on purpose, the list",
            subject=str(path),
        )
