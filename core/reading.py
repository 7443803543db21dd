"""Reading what others wrote: whatever a file does to its reader becomes one error that names it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DataError, ThasError


@contextmanager
def reading(path: Path, what: str, *, next: str, kind: type[ThasError] = DataError) -> Iterator[None]:
    """Within the `with` block, anything but an error of ours is one of the file.

    A damaged or hostile file makes parsers raise almost anything: text that is no UTF-8, numbers of thousands of
    digits, tables too deep or of other types than they should be. `--debug` shows what it was.

    Args:
        path: The file.
        what: What is then said of it, such as "holds no boxes".
        next: What to do.
        kind: The error to raise.

    Raises:
        ThasError: Of that kind.
    """
    try:
        yield
    except ThasError:
        raise
    except Exception as error:
        said = str(error).strip().splitlines()
        why = f"{said[0][:200]}" if said and not isinstance(error, KeyError) else ""
        why = f"it lacks {str(error)[:100]}" if isinstance(error, KeyError) else why or "it is damaged or cut off"
        raise kind(f"{path} {what}", why=why, next=next, subject=str(path)) from error
