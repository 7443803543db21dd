"""Reading what others wrote: whatever a file does to its reader becomes one error that names it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .errors import DataError, ThasError


@contextmanager
def reading(
    path: Path, what: str, *, next: str, kind: type[ThasError] = DataError, but: type[ThasError] = ThasError
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

    Raises:
        ThasError: Of that kind.
    """
    try:
        refuse_pipe(path)
        yield
    except but:
        raise
    except Exception as error:
        raise kind(f"{path} {what}", why=said(error), next=next, subject=str(path)) from error


def refuse_pipe(path: Path) -> None:
    """Raise an OSError if there is something at a path that is no file: a folder, a pipe, a device."""
    if path.exists() and not path.is_file():
        raise OSError("it is not a file")


def said(error: Exception) -> str:
    """What a library said of a file, in one line."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory for it ({str(error)[:150]})" if str(error) else "it takes too much memory"
    if isinstance(error, KeyError):
        return f"it lacks {str(error)[:100]}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else "it is damaged or cut off"
