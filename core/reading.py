"""Reading what others wrote: whatever a file does to its reader becomes one error that names it; and picture files.

What is compressed may ask for a plausible multiple of the memory that it takes on the disk, and no more.
"""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DataError, ThasError
from .files import system_number

if TYPE_CHECKING:
    import PIL.Image

_REFUSALS = frozenset({errno.EACCES, errno.EPERM, errno.EIO, getattr(errno, "ESTALE", errno.EIO), errno.EMFILE})
LET_BE_READ = "let it be read (permissions, the disk, the network folder), and type the same command again"


@contextmanager
def reading(
    path: Path,
    what: str,
    *,
    next: str,
    kind: type[ThasError] = DataError,
    but: type[ThasError] = ThasError,
    say: Callable[[Exception], str] | None = None,
) -> Generator[None]:
    """Within the `with` block, anything but an error of ours is one of the file.

    A damaged or hostile file makes parsers raise almost anything: text that is no UTF-8, numbers of thousands of
    digits, tables too deep or of other types than they should be. `--debug` shows what it was. What is there and no
    file is refused before the block: a pipe would make its reader wait for ever.

    Args:
        path: The file.
        what: What is then said of it, such as "holds no boxes".
        next: What to do.
        kind: The error to raise.
        but: Errors of ours that pass; others of ours are of the file, too.
        say: Puts an error into words; `said` if None.

    Raises:
        ThasError: Of that kind.
    """
    try:
        refuse_pipe(path)
        yield
    except but:
        raise
    except Exception as error:
        raise kind(f"{path} {what}", why=(say or said)(error), next=advice(error, next), subject=str(path)) from error


def refuse_pipe(path: Path) -> None:
    """Raise an OSError if what is at a path is no file (a folder, a pipe, a device) or may not be read.

    Libraries that open files by name take one that may not be read for one that is missing or damaged.
    """
    if path.exists():
        if not path.is_file():
            raise OSError("it is not a file")
        open(path, "rb").close()


def is_refused(error: BaseException | None) -> bool:
    """Whether the system does not let a file be read, which says nothing of the file."""
    return error is not None and system_number(error) in _REFUSALS


def advice(error: BaseException, usual: str) -> str:
    """What to do about a file that could not be read: it is not replaced or removed where the system refused it."""
    return LET_BE_READ if is_refused(error) else usual


def said(error: Exception) -> str:
    """What a library said of a file, in one line."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory for it ({str(error)[:150]})" if str(error) else "it takes too much memory"
    if isinstance(error, KeyError):
        return f"it lacks {str(error)[:100]}"
    if isinstance(error, OSError) and error.strerror:
        return os.strerror(system_number(error)) if is_refused(error) else error.strerror
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else "it is damaged or cut off"


# Features of networks that end in a rectifier shrink to a tenth; a file that grows fifty-fold is none.
_MOST_EXPANSION = 50
_ALWAYS_BYTES = 64 << 20


def expansion_fault(held_bytes: int, claimed_bytes: int) -> str:
    """Why a file is not read that would take far more memory than it takes on the disk; empty if it is."""
    too_many = claimed_bytes > max(_ALWAYS_BYTES, _MOST_EXPANSION * held_bytes)
    return f"claims {claimed_bytes / 1e9:.3g} GB in a file of {held_bytes / 1e6:.3g} MB" if too_many else ""


def check_expansion(held_bytes: int, claimed_bytes: int) -> None:
    """Refuse a compressed file that would take far more memory than it takes on the disk.

    Raises:
        DataError: It would.
    """
    if fault := expansion_fault(held_bytes, claimed_bytes):
        raise DataError(f"it {fault}", next="save it without compression, if it is really so large")


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


MOST_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded (300 MB as RGB): such a file may be a decompression bomb."""

# What a file holds counts, not its name, and of the forty kinds that Pillow knows some start other programs (EPS runs
# Ghostscript) or are seldom tested: a stranger's a.jpg may be any. The usual ones first, they are tried in order.
_KINDS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "AVIF")


def open_picture(path: Path) -> PIL.Image.Image:
    """A picture file's head; its pixels are decoded when they are asked for.

    Raises:
        OSError: There is no such file, or it is none.
        PIL.UnidentifiedImageError: It is no picture, or of a kind that is not read.
        Exception: Whatever else Pillow meets in damaged bytes.
    """
    import PIL.Image

    refuse_pipe(path)
    PIL.Image.init()
    return PIL.Image.open(path, formats=[kind for kind in _KINDS if kind in PIL.Image.OPEN])


def size_fault(width: int, height: int) -> str:
    """Why a picture of that size is not decoded; empty if it is.

    >>> size_fault(640, 480), size_fault(20_000, 20_000)
    ('', 'its 20000 x 20000 pixels are more than 100,000,000')
    """
    return f"its {width} x {height} pixels are more than {MOST_PIXELS:,}" if width * height > MOST_PIXELS else ""
