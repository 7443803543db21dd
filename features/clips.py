"""Which frames make up each clip of a video, and when snippets are: pure arithmetic.

A snippet is the short stack of frames that one feature vector describes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from ..core.errors import UsageError

# "frames" counts frames. "pytorchvideo" asks that library's UniformClipSampler for windows of time, and takes from each
# the frames that its UniformTemporalSubsample would.
Sampler = Literal["frames", "pytorchvideo"]


@dataclass(frozen=True, eq=False)
class ClipPlan:
    """The clips of one video.

    Attributes:
        frames: (T, F) int64, for each clip the numbers of its F frames in the frame table, not falling.
        start_seconds: (T,) float64, when the clip's first frame appears.
        end_seconds: (T,) float64, when its last frame disappears.
        centre_frame: (T,) int64, number of the frame in the middle of the clip's span.
        repeated: Frames that stand in for missing ones, in a video shorter than one clip.
    """

    frames: np.ndarray
    start_seconds: np.ndarray
    end_seconds: np.ndarray
    centre_frame: np.ndarray
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def wanted(self) -> np.ndarray:
        """(M,) int64, the distinct frames to decode, rising."""
        return np.unique(self.frames)


def plan_clips(
    start_seconds: np.ndarray,
    end_seconds: np.ndarray,
    *,
    length_frames: int,
    frame_step: int = 1,
    snippets: int | None = None,
    stride_frames: int | None = None,
    stride_seconds: float | None = None,
    fps: float | None = None,
    sampler: Sampler = "frames",
) -> ClipPlan:
    """Choose the clips of a video.

    Args:
        start_seconds: (N,) when each shown frame appears.
        end_seconds: (N,) when it disappears.
        length_frames: Frames that the network is given, F.
        frame_step: Frames from one of them to the next.
        snippets: At most so many clips, spread evenly from the first frame to the last; no two alike. Not read if
            a stride is given.
        stride_frames: Frames from one clip's start to the next one's.
        stride_seconds: Instead: seconds from one to the next, to the nearest frame each.
        fps: Sample the video at this rate first, taking the frame shown at each instant; None keeps its own frames.
        sampler: Who chooses the clips.

    Returns:
        One clip or more: a video shorter than a clip gives one, its last frame repeated.

    Raises:
        UsageError: pytorchvideo's sampler is asked for clips with gaps between them.
        ValueError: Neither a number of clips nor a stride is given.
    """
    times = _resampled(start_seconds, end_seconds, fps)
    span = (length_frames - 1) * frame_step + 1
    room = max(0, len(times) - span)
    stride: Fraction | None = None
    if stride_frames is not None:
        stride = Fraction(stride_frames)
    elif stride_seconds is not None:
        # Of an uneven video, its average rate: the clips are as many as its length in seconds makes them.
        rate = Fraction(fps) if fps else len(times) / Fraction(float(end_seconds[-1] - start_seconds[0]))
        stride = max(Fraction(1), (Fraction(stride_seconds) * rate).limit_denominator(1000))
    elif snippets is None:
        raise ValueError("give snippets, stride_frames or stride_seconds")
    if sampler == "pytorchvideo":
        stride = stride or Fraction(room, max(1, (snippets or 1) - 1))
        return _by_pytorchvideo(start_seconds, end_seconds, times, length_frames, frame_step, max(stride, Fraction(1)))
    if stride is not None:
        count = int(room / stride) + 1
        first = np.array([int(i * stride + Fraction(1, 2)) for i in range(count)], dtype=np.int64)
    else:
        first = spread(room, min(snippets or 1, room + 1))
    positions = first[:, None] + frame_step * np.arange(length_frames)
    last = len(times) - 1
    return _plan(start_seconds, end_seconds, times[np.minimum(positions, last)], int((positions > last).sum()))


def spread(room: int, count: int) -> np.ndarray:
    """(count,) whole numbers from 0 to `room`, evenly spread, rounded half up; a single one lies in the middle.

    >>> spread(10, 4).tolist(), spread(10, 1).tolist()
    ([0, 3, 7, 10], [5])
    """
    if count == 1:
        return np.array([room // 2], dtype=np.int64)
    return (2 * np.arange(count, dtype=np.int64) * room + count - 1) // (2 * (count - 1))


def _resampled(start_seconds: np.ndarray, end_seconds: np.ndarray, fps: float | None) -> np.ndarray:
    """The frames to take clips from, as numbers in the table."""
    if fps is None:
        return np.arange(len(start_seconds), dtype=np.int64)
    # Instants k / fps in exact fractions of the rate; a nanosecond's grace, or 1/30 would fall before frame 1 of 30.
    rate = Fraction(fps).limit_denominator(1_000_000)
    count = max(1, int(end_seconds[-1] * rate + Fraction(1, 1_000_000)))
    instants = np.array([float(k / rate) for k in range(count)]) + 1e-6
    return np.searchsorted(start_seconds, instants, side="right").astype(np.int64) - 1


def _plan(start_seconds: np.ndarray, end_seconds: np.ndarray, frames: np.ndarray, repeated: int) -> ClipPlan:
    middle = (frames[:, 0] + frames[:, -1] + 1) // 2
    return ClipPlan(frames, start_seconds[frames[:, 0]], end_seconds[frames[:, -1]], middle, repeated)


def _by_pytorchvideo(
    start_seconds: np.ndarray,
    end_seconds: np.ndarray,
    times: np.ndarray,
    length_frames: int,
    frame_step: int,
    stride_frames: Fraction,
) -> ClipPlan:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what torch has since deprecated
        from pytorchvideo.data.clip_sampling import UniformClipSampler
    if stride_frames > length_frames * frame_step:
        raise UsageError(
            "pytorchvideo's clip sampler leaves no gaps between clips",
            why=f"the stride is {float(stride_frames):g} frames, a clip {length_frames * frame_step}",
            next=f"--stride-frames {length_frames * frame_step} or less, or --sampler frames",
        )
    end = Fraction(float(end_seconds[-1])).limit_denominator(10**9)
    frame = end / len(times)
    sampler = UniformClipSampler(length_frames * frame_step * frame, stride_frames * frame)
    shown = start_seconds[times]
    rows: list[np.ndarray] = []
    last_end, last = Fraction(0), False
    while not last:
        # A hair more than the duration, or rounding would cost a clip that ends with the video.
        clip = sampler(last_end, end + frame / 100, {})  # type: ignore[arg-type]
        last_end, last = clip.clip_end_sec, clip.is_last_clip
        edges = [float(clip.clip_start_sec - frame / 100), float(last_end - frame / 100)]
        first, past = (int(place) for place in np.searchsorted(shown, edges))
        inside = np.linspace(first, max(first, past - 1), length_frames).astype(np.int64)
        rows.append(times[np.minimum(inside, len(times) - 1)])
    return _plan(start_seconds, end_seconds, np.stack(rows), 0)


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
