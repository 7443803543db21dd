"""Class activation sequences: how much each moment speaks for each class; and a shelf for those of many videos.

A sequence of 300 snippets and 200 classes is a quarter of a megabyte, and thousands of videos are localized in one go:
of many, the memory holds a few and a file the rest. What is done with them goes through them one after the other.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from ..core.files import need_room
from ..features.clips import snippet_edges

if TYPE_CHECKING:
    from torch import Tensor


def activation_map(maps: Tensor, weight: Tensor) -> Tensor:
    """M_c(t) = sum over i of W[c, i] F_i(t): the class activation sequence of a pooled network.

    The temporal twin of the class activation map (Hide-and-Seek section 3.2; Zhou et al., CVPR 2016).

    Args:
        maps: (..., T, M), the last layer's maps.
        weight: (C, M), the classifier's weight.

    Returns:
        (..., T, C).
    """
    return maps @ weight.T


@dataclass(frozen=True, eq=False)
class ClassActivationSequence:
    """One video's activation of every class, and when each of its snippets is.

    Attributes:
        video: The video's name.
        logits: (T, C) float32, the class activation sequence, unitless.
        video_logits: (C,) float32, one a class for the whole video.
        probabilities: (C,) float32, 0 to 1, the video-level probabilities.
        start_seconds: (T,) float64, each snippet's start.
        end_seconds: (T,) float64, each snippet's end.
        duration_seconds: The video's length.
        classes: C names.
        spread: How far the network's activations scatter over the training videos, their standard deviation; 0 where
            nobody measured it.
    """

    video: str
    logits: np.ndarray
    video_logits: np.ndarray
    probabilities: np.ndarray
    start_seconds: np.ndarray
    end_seconds: np.ndarray
    duration_seconds: float
    classes: tuple[str, ...]
    spread: float = 0.0

    def __post_init__(self) -> None:
        snippets, classes = self.logits.shape
        expected = {
            "video_logits": classes,
            "probabilities": classes,
            "classes": classes,
            "start_seconds": snippets,
            "end_seconds": snippets,
        }
        for name, length in expected.items():
            if len(getattr(self, name)) != length:
                raise ValueError(
                    f"{name} of {self.video} must have {length} entries to match logits {self.logits.shape}, "
                    f"but has {len(getattr(self, name))}"
                )

    @property
    def edges_seconds(self) -> np.ndarray:
        """(T + 1,) float64, the instants that divide the video among its snippets."""
        return snippet_edges(self.start_seconds, self.end_seconds, self.duration_seconds)

    def of(self, label: str) -> np.ndarray:
        """(T,) float32, the sequence of one class."""
        return self.logits[:, self.classes.index(label)]

    def of_classes(self, columns: np.ndarray) -> ClassActivationSequence:
        """The same sequence of some of the classes.

        Args:
            columns: (C',) int, which, in this order.
        """
        return replace(
            self,
            logits=self.logits[:, columns],
            video_logits=self.video_logits[columns],
            probabilities=self.probabilities[columns],
            classes=tuple(self.classes[int(column)] for column in columns),
        )

    def upsampled(self, times: int) -> ClassActivationSequence:
        """The same sequence at `times` as many moments, linear between the snippets' centres.

        Snippets far apart otherwise quantize the detections' edges.
        """
        if times == 1 or len(self.logits) == 1:
            return self
        edges = self.edges_seconds
        fine = np.interp(np.arange(len(self.logits) * times + 1) / times, np.arange(len(edges)), edges)
        centres, at = (edges[1:] + edges[:-1]) / 2, (fine[1:] + fine[:-1]) / 2
        # np.interp for all columns at once; before the first centre and after the last the sequence is constant.
        values = self.logits.astype(np.float64)
        slopes = np.diff(values, axis=0, append=values[-1:]) / np.diff(centres, append=centres[-1] + 1)[:, None]
        at = at.clip(centres[0], centres[-1])
        before = np.searchsorted(centres, at, side="right") - 1
        logits = slopes[before] * (at - centres[before])[:, None] + values[before]
        return replace(self, logits=logits.astype(np.float32), start_seconds=fine[:-1], end_seconds=fine[1:])


MEMORY_BYTES = 128_000_000
"""Activations are kept in memory up to here."""


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
