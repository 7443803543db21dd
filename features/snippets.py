"""Snippets and seconds: the only place that converts one into the other.

A snippet is the short stack of frames that one feature vector describes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class SnippetGrid:
    """Evenly spaced snippets of a video with a constant frame rate.

    Attributes:
        fps: Frames a second, exact.
        length_frames: Frames that a snippet spans.
        stride_frames: Frames from one snippet's start to the next one's, exact: sampling a fixed number of snippets
            from a whole video seldom gives a whole number.
        offset_frames: The first snippet's start, exact.
        count: Number of snippets, T.

    >>> grid = SnippetGrid(fps=25, length_frames=16, stride_frames=8, count=3)
    >>> grid.start_seconds.tolist(), grid.end_seconds.tolist()
    ([0.0, 0.32, 0.64], [0.64, 0.96, 1.28])
    """

    fps: Fraction
    length_frames: int
    stride_frames: Fraction
    offset_frames: Fraction = Fraction(0)
    count: int = 0

    def __post_init__(self) -> None:
        for name in ("fps", "stride_frames", "offset_frames"):
            value = getattr(self, name)
            exact = value if isinstance(value, Fraction) else Fraction(value).limit_denominator(1_000_000)
            object.__setattr__(self, name, exact)
        for name in ("fps", "length_frames", "stride_frames"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, but is {getattr(self, name)}")
        if self.count < 0:
            raise ValueError(f"count must not be negative, but is {self.count}")

    @property
    def start_seconds(self) -> np.ndarray:
        """(T,) float64, seconds: when each snippet's first frame appears."""
        return np.array([float((self.offset_frames + i * self.stride_frames) / self.fps) for i in range(self.count)])

    @property
    def end_seconds(self) -> np.ndarray:
        """(T,) float64, seconds: when each snippet's last frame disappears (half-open)."""
        span = self.length_frames / self.fps
        first = self.offset_frames / self.fps
        return np.array([float(first + i * self.stride_frames / self.fps + span) for i in range(self.count)])


def snippet_edges(start_seconds: np.ndarray, end_seconds: np.ndarray, duration_seconds: float) -> np.ndarray:
    """The T + 1 instants that divide a video among its snippets.

    Snippets overlap as a rule, or leave gaps. Each instant belongs to the snippet whose centre is nearest, so a run of
    snippets i..j covers edges[i] to edges[j + 1]. The outermost edges are those of the first and the last snippet,
    never outside the video.

    Args:
        start_seconds: (T,) seconds, T >= 1.
        end_seconds: (T,) seconds.
        duration_seconds: The video's length in seconds.

    Returns:
        (T + 1,) float64, seconds, not falling.

    >>> snippet_edges(np.array([0.0, 1.0, 2.0]), np.array([2.0, 3.0, 4.0]), 4.0).tolist()
    [0.0, 1.5, 2.5, 4.0]
    """
    centres = (np.asarray(start_seconds, np.float64) + np.asarray(end_seconds, np.float64)) / 2
    edges = np.concatenate([start_seconds[:1], (centres[1:] + centres[:-1]) / 2, end_seconds[-1:]])
    return np.clip(edges, 0.0, duration_seconds)
