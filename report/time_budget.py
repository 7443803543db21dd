"""How much time goes into which action: the table that behaviour researchers report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.segments import Segments


@dataclass(frozen=True)
class TimeSpent:
    """One label in one video, or in all.

    Attributes:
        video: Its name; empty for all videos together.
        label: The action.
        count: How often it happens.
        total_seconds: How long, of overlapping moments once.
        mean_seconds: Of one action; None if there is none.
        longest_seconds: The longest one; None if there is none.
        latency_seconds: From the video's start to the first one; None if there is none, or for all videos.
        share: Of the video's time, 0 to 1; None where the video's length is not known.
    """

    video: str
    label: str
    count: int
    total_seconds: float
    mean_seconds: float | None
    longest_seconds: float | None
    latency_seconds: float | None
    share: float | None


def union_seconds(start: np.ndarray, end: np.ndarray) -> float:
    """The time that intervals cover, what several cover once.

    >>> union_seconds(np.array([0.0, 1.0, 5.0]), np.array([2.0, 3.0, 6.0]))
    4.0
    """
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    reached = np.maximum.accumulate(np.concatenate([[-np.inf], end[:-1]])) if len(start) else start
    return float(np.maximum(end - np.maximum(start, reached), 0).sum())


def _row(video: str, label: str, mine: Segments, seconds: float | None) -> TimeSpent:
    if len(mine) == 0:
        return TimeSpent(video, label, 0, 0.0, None, None, None, 0.0 if seconds else None)
    lengths = mine.duration_seconds
    total = union_seconds(mine.start_seconds, mine.end_seconds)
    return TimeSpent(
        video=video,
        label=label,
        count=len(mine),
        total_seconds=total,
        mean_seconds=float(lengths.mean()),
        longest_seconds=float(lengths.max()),
        latency_seconds=float(mine.start_seconds.min()),
        share=min(1.0, total / seconds) if seconds else None,
    )


def time_budget(
    actions: Segments,
    *,
    videos: Sequence[str] = (),
    labels: Sequence[str] = (),
    seconds: Mapping[str, float] | None = None,
) -> list[TimeSpent]:
    """A row for each video and label, zeros included, so that tables of several videos have the same rows.

    Args:
        actions: Apart from each other, as `sure_segments` gives them, or ground truth.
        videos: Those to tell of, in this order; those that occur if empty.
        labels: Those to tell of; those that occur if empty.
        seconds: Lengths of videos, as far as known.

    >>> found = Segments(["v", "v"], ["Run", "Run"], [2.0, 6.0], [4.0, 7.0])
    >>> time_budget(found, labels=["Run", "Dive"], seconds={"v": 10.0})[0]  # doctest: +NORMALIZE_WHITESPACE
    TimeSpent(video='v', label='Run', count=2, total_seconds=3.0, mean_seconds=1.5, longest_seconds=2.0,
              latency_seconds=2.0, share=0.3)
    """
    seconds = seconds or {}
    by_video = actions.by_video()
    labels = labels or sorted(set(actions.label))
    empty = actions[:0]
    rows = []
    for video in videos or list(by_video):
        mine = by_video.get(video, empty)
        own = {label: mine[mine.label == label] for label in set(mine.label)}
        rows += [_row(video, label, own.get(label, empty), seconds.get(video)) for label in labels]
    return rows


def by_label(rows: Sequence[TimeSpent], *, seconds: float | None = None) -> list[TimeSpent]:
    """The rows of all videos together, one a label.

    Args:
        rows: From `time_budget`.
        seconds: Length of all videos, if known.
    """
    result = []
    for label in dict.fromkeys(row.label for row in rows):
        mine = [row for row in rows if row.label == label]
        count, total = sum(row.count for row in mine), sum(row.total_seconds for row in mine)
        lengths = sum(row.count * (row.mean_seconds or 0.0) for row in mine)
        longest = [row.longest_seconds for row in mine if row.longest_seconds is not None]
        share = total / seconds if seconds else None
        result.append(
            TimeSpent(
                "", label, count, total, lengths / count if count else None, max(longest, default=None), None, share
            )
        )
    return result
