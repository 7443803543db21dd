"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from .errors import DataError

DISK_FULL = "the disk is full"


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file under a temporary name, flush it to the disk, then rename it; its folder is made.

    Raises:
        DataError: The folder is not writable or the disk is full; nothing is left behind.
    """
    path = Path(path)
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_read_only(path)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def _refuse_read_only(path: Path) -> None:
    """Respect a file or folder marked read-only, also for root, whom the system would let through."""
    for place in (path, path.parent):
        if place.exists() and not place.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(errno.EACCES, f"{place} is marked read-only", str(place))


def cannot_write(path: Path, error: OSError) -> DataError:
    """The message for a file that could not be written."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return DataError(
        f"{path} could not be written",
        why=f"{DISK_FULL}; files finished so far are kept" if full else (error.strerror or str(error)),
        next="free some space and run the same command again: it continues" if full else "name another place",
        subject=str(path),
    )
