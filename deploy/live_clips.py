"""Clips of a stream, each as soon as its last frame is over: what `plan_clips` chooses of a finished video."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from ..core.errors import UsageError
from ..features.extraction_settings import Clipping
from ..features.preprocessing import Preprocessing
from .sources import Shown

Clip = tuple[np.ndarray, float, float]
"""Frames (F, H, W, 3) uint8, prepared, and when the first appears and the last disappears, in seconds."""


class LiveClips:
    """Takes frames as they come and gives clips.

    Args:
        clipping: How clips are taken: by a stride; where a fixed number of clips lies is not known before the end.
        preprocessing: Of each frame.
        fps: Of the stream, where the stride is in seconds of the video's own frames; the rate that the stream says.

    Raises:
        UsageError: Clips of a stream cannot be taken so.
    """

    def __init__(self, clipping: Clipping, preprocessing: Preprocessing, *, fps: float | None) -> None:
        if type(preprocessing).frames is not Preprocessing.frames:
            raise UsageError(
                "a stream cannot be given to a backbone that sees optical flow",
                why="flow is made of whole videos",
                next="localize the finished file, or train on features of RGB frames alone (--backbone i3d)",
            )
        if clipping.snippets is not None:
            raise UsageError(
                "this run's features are a fixed number of clips, spread over the whole video",
                why="where they lie follows from its length, which a stream has not yet",
                next="extract features by a stride and train on them: thas extract-features --stride-seconds 0.5",
            )
        self._how, self._prepare = clipping, preprocessing.frame
        self._span = (clipping.length_frames - 1) * clipping.frame_step + 1
        if clipping.stride_frames is not None:
            self._stride = Fraction(clipping.stride_frames)
        else:
            rate = clipping.fps or fps
            if rate is None:
                raise UsageError("the stream does not say how many frames come a second", next="--stream-fps 25, say")
            seconds = Fraction(clipping.stride_seconds or 0)
            self._stride = max(Fraction(1), (seconds * Fraction(rate)).limit_denominator(1000))
        self._rate = Fraction(clipping.fps).limit_denominator(1_000_000) if clipping.fps else None
        self._frames: deque[tuple[float, float, np.ndarray]] = deque()
        self._first = 0  # number of the oldest frame that is kept
        self._count = 0  # frames taken so far
        self._made = 0  # clips given so far
        self._waiting: deque[tuple[float, float, np.ndarray]] = deque()

    def add(self, shown: Shown) -> Iterator[Clip]:
        """A frame that is over; the clips that are whole by it."""
        if self._rate is None:
            self._keep(shown, shown.picture())
            self._frames.append(self._waiting.popleft())
            self._count += 1
        else:
            # The frame shown at each instant k / rate, a hair later, as in `plan_clips`; one counts once the video has
            # lasted until the next instant.
            before = len(self._waiting)
            while float((self._count + len(self._waiting)) / self._rate) + 1e-6 < shown.end_seconds:
                if len(self._waiting) > before:
                    self._waiting.append(self._waiting[-1])
                else:
                    self._keep(shown, shown.picture())
            while self._waiting and self._count < int(shown.end_seconds * self._rate + Fraction(1, 1_000_000)):
                self._frames.append(self._waiting.popleft())
                self._count += 1
        yield from self._whole()

    def finish(self) -> Iterator[Clip]:
        """The stream is over: of one shorter than a clip, one clip, its last frame repeated."""
        if self._waiting and not self._count:
            self._frames.append(self._waiting.popleft())
            self._count += 1
        if not self._made and self._count:
            while self._count < self._span:
                self._frames.append(self._frames[-1])
                self._count += 1
            yield from self._whole()

    def _keep(self, shown: Shown, picture: np.ndarray) -> None:
        self._waiting.append((shown.start_seconds, shown.end_seconds, self._prepare(picture)))

    def _start(self, clip: int) -> int:
        return int(clip * self._stride + Fraction(1, 2))

    def _whole(self) -> Iterator[Clip]:
        while self._made * self._stride <= self._count - self._span:
            first = self._start(self._made)
            chosen = [
                self._frames[first - self._first + i * self._how.frame_step] for i in range(self._how.length_frames)
            ]
            self._made += 1
            yield np.stack([frame for _, _, frame in chosen]), chosen[0][0], chosen[-1][1]
            while self._first < self._start(self._made) and self._frames:
                self._frames.popleft()
                self._first += 1
