"""Class activation sequences of many videos: the memory of a few, the rest in a file.

A sequence of 300 snippets and 200 classes is a quarter of a megabyte, and thousands of videos are localized in one go.
All that is done with them afterwards goes through them one after the other.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np

from ..core.files import need_room
from .activation import ClassActivationSequence

MEMORY_BYTES = 128_000_000
"""Activations are kept in memory up to here."""


def give_back_memory() -> None:
    """Let the system have what was freed; the C library of Linux keeps it, in pieces between small things that last."""
    with suppress(AttributeError, OSError, TypeError):  # other systems have no such call
        ctypes.CDLL(None).malloc_trim(0)


class SequenceShelf(Sequence[ClassActivationSequence]):
    """Sequences in the order they came in; each is read anew when it is asked for.

    Args:
        sequences: To begin with.
        near: A folder for the file, which has no name and goes with this object; the system's own if it cannot be
            written to, or None.
        memory_bytes: Fewer need no file.

    >>> start = np.arange(2.0)
    >>> one = ClassActivationSequence("v", np.ones((2, 1)), start[:1], start[:1], start, start + 1, 2.0, ("Run",))
    >>> [(one.video, one.logits.tolist()) for one in SequenceShelf([one])]
    [('v', [[1.0], [1.0]])]
    """

    def __init__(
        self,
        sequences: Iterable[ClassActivationSequence] = (),
        *,
        near: Path | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._folder = near if near is not None and os.access(near, os.W_OK) else Path(tempfile.gettempdir())
        self._most, self._end = memory_bytes, 0
        self._entries: list[tuple[ClassActivationSequence, int]] = []  # without activations, and where these begin
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed with this object
            max_size=memory_bytes, dir=str(self._folder)
        )
        weakref.finalize(self, self._file.close)
        self.extend(sequences)

    def extend(self, sequences: Iterable[ClassActivationSequence]) -> None:
        """Put some behind those that are there.

        Raises:
            OSError: The disk is full.
        """
        for one in sequences:
            values = np.ascontiguousarray(one.logits)
            if self._end + values.nbytes > self._most:
                need_room(self._folder, values.nbytes)
            self._file.seek(self._end)
            self._file.write(values.tobytes())
            nothing = np.broadcast_to(np.zeros((), values.dtype), values.shape)  # of no size, whatever its shape
            self._entries.append((replace(one, logits=nothing), self._end))
            self._end += values.nbytes

    def arrange(self, order: Sequence[int]) -> None:
        """Put them into another order, given by the present places; those not named are gone."""
        self._entries = [self._entries[i] for i in order]

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> ClassActivationSequence: ...

    @overload
    def __getitem__(self, index: slice) -> list[ClassActivationSequence]: ...

    def __getitem__(self, index: int | slice) -> ClassActivationSequence | list[ClassActivationSequence]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        bare, begin = self._entries[index]
        self._file.seek(begin)
        content = self._file.read(bare.logits.nbytes)
        return replace(bare, logits=np.frombuffer(content, bare.logits.dtype).reshape(bare.logits.shape).copy())
