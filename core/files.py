"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from .errors import DataError

DISK_FULL = "the disk is full"
# What a system says of nothing but writing.
ONLY_WRITING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
# What systems and file systems say that have no files without a name, or no /proc.
_NO_NAMELESS = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.EPERM, errno.EXDEV})


def is_file(path: Path) -> bool:
    """Whether there is such a file; none is called what the system takes for no name, such as one of 300 letters."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def write_atomically(path: Path, content: bytes | bytearray | str) -> None:
    """Write a file that gets its name when it is whole and flushed to the disk; its folder is made, and flushed after.

    A new file never has another name, so that who is killed leaves nothing; one that is there is replaced by a rename.

    Raises:
        DataError: The folder is not writable or the disk is full; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.part")
    if isinstance(content, str):  # bytes of names that are no text come back by the same rule
        content = content.encode(errors="surrogateescape")
    with writing(path):
        make_room(path)
        try:
            if _write_nameless(path, temporary, content):
                sync_folder(path.parent)
            else:
                put_in_place(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _write_nameless(path: Path, temporary: Path, content: bytes | bytearray) -> bool:
    """Write a file that has no name until it is whole; whether it has its own now, or the temporary one."""
    if not hasattr(os, "O_TMPFILE"):
        return _write_named(temporary, content)
    try:
        handle = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError as error:
        if error.errno not in _NO_NAMELESS:
            raise
        return _write_named(temporary, content)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        temporary.unlink(missing_ok=True)
        for name in (path, temporary):
            try:
                # With a folder's number, which an absolute path makes void, Python asks for the link to be followed.
                os.link(f"/proc/self/fd/{file.fileno()}", name, src_dir_fd=file.fileno(), follow_symlinks=True)
                return name is path
            except FileExistsError:  # it is to be replaced, or another process writes the same, whole as well
                continue
            except OSError as error:
                if error.errno not in _NO_NAMELESS:
                    raise
                return _write_named(temporary, content)
    return False


def _write_named(temporary: Path, content: bytes | bytearray) -> Literal[False]:
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return False


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a closed file of the same folder its name, also another file's, through a loss of power: both are flushed.

    Raises:
        OSError: The system refuses.
    """
    with suppress(FileNotFoundError):  # another process put the same in its place
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush to the disk which names a folder holds."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems of a network do not sync folders
            raise
    finally:
        os.close(handle)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left half written in a folder; only for who holds it against other processes."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)


def make_room(path: Path) -> None:
    """Make the folder that a file is to lie in.

    Raises:
        OSError: The file, its folder, or the one that this would be made in is marked read-only, which is respected
            also for root, whom the system would let through; or the system refuses.
    """
    folder = next(place for place in path.parents if place.exists())
    for place in (path, folder):
        if place.exists() and not place.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(errno.EACCES, f"{place} is marked read-only", str(place))
    path.parent.mkdir(parents=True, exist_ok=True)


def need_room(folder: Path, count: int) -> None:
    """See that so many bytes are free, for libraries that go down with the process where a disk fills up: HDF5 does.

    Raises:
        OSError: Fewer are.
    """
    if hasattr(os, "statvfs"):
        free = os.statvfs(folder)
        if free.f_bavail * free.f_frsize < count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def system_error(error: Exception, path: Path) -> OSError:
    """The error of the system behind one of HDF5, which has its number in the text only.

    >>> system_error(RuntimeError("file write failed: errno = 28, error message = 'No space left'"), Path("a.h5")).errno
    28
    """
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return error
    number = system_number(error)
    return OSError(number or errno.EIO, os.strerror(number) if number else str(error), str(path))


def system_number(error: BaseException) -> int:
    """The system's number of an error, also of one of HDF5; 0 if it is none of the system."""
    told = re.search(r"errno = (\d+)", str(error))
    return (error.errno if isinstance(error, OSError) else None) or (int(told.group(1)) if told else 0)


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Within the `with` block, an error of the system, or of HDF5 about it, is one of this file, or of this folder.

    Raises:
        DataError: It could not be written.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error
    except RuntimeError as error:
        if "errno = " not in str(error):
            raise
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError | RuntimeError) -> DataError:
    """The message for a file that could not be written."""
    error = system_error(error, path)
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return DataError(
        f"{path} could not be written",
        why=f"{DISK_FULL}; files finished so far are kept" if full else (error.strerror or str(error)),
        next="free some space and run the same command again: it continues" if full else "name another place",
        subject=str(path),
    )
