"""What is said where memory ran out: what was too large, and what to turn."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from .errors import ThasError

_TURN = {
    "train": "--set train.batch_size=4 (16 by default), or --set input.snippets=500",
    "image train": "--set train.batch_size=16 (128 by default), or --set train.cache_gigabytes=0",
    "train-backbone": "--batch 4 (16 by default)",
    "extract-features": "--batch 1 and --workers 1",
    "localize": "--device cpu, or fewer files at once",
    "image localize": "--device cpu, or smaller copies of the largest images",
    "image eval": "--device cpu, or smaller copies of the largest images",
    "sweep": "--workers 1",
    "image sweep": "--workers 1",
    "run": "thas extract-features with --batch 1, then the same command again",
}
"""By command, what makes it take less."""


def out_of_memory(error: BaseException, tokens: Sequence[str] = ()) -> ThasError | None:
    """The error to show for one that says that memory ran out, of the processor or a GPU; None for others.

    Args:
        error: As numpy, torch, HDF5 or Python raised it.
        tokens: The command that was typed.

    >>> told = out_of_memory(MemoryError("Unable to allocate 3.2 GiB for an array"), ["train"])
    >>> told.why
    'Unable to allocate 3.2 GiB for an array'
    """
    said = " ".join(str(error).split())
    on_gpu = type(error).__name__ == "OutOfMemoryError" or "CUDA out of memory" in said
    by_torch = isinstance(error, RuntimeError) and ("not enough memory" in said or "allocate memory" in said)
    by_system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if not (on_gpu or by_torch or by_system or isinstance(error, MemoryError)):
        return None
    command = next((name for name in (" ".join(tokens[:2]), *tokens[:1]) if name in _TURN), "")
    turn = _TURN.get(command, "end other programs, or use a machine with more memory")
    return ThasError(
        f"there is not enough memory{' on the GPU' if on_gpu else ''}",
        why=said[:300] or "Python could not say for what",
        next=f"{turn}; what was finished is kept",
    )
