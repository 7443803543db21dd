"""How much memory a file from elsewhere may ask for: what it holds, and of what is compressed a plausible multiple."""

from __future__ import annotations

from ..core.errors import DataError

# Features of networks that end in a rectifier shrink to a tenth; a file that grows fifty-fold is none.
_MOST_EXPANSION = 50
_ALWAYS_BYTES = 64 << 20


def check_expansion(held_bytes: int, claimed_bytes: int) -> None:
    """Refuse a compressed file that would take far more memory than it takes on the disk.

    Raises:
        DataError: It would.
    """
    if claimed_bytes > max(_ALWAYS_BYTES, _MOST_EXPANSION * held_bytes):
        raise DataError(
            f"it claims {claimed_bytes / 1e9:.3g} GB in a file of {held_bytes / 1e6:.3g} MB",
            next="save it without compression, if it is really so large",
        )
