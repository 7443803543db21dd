"""Intersection over union of time intervals.

The reference programs compute the union in different ways. The results differ in the last bits, which decides when an
overlap lies exactly on a threshold, so every way is kept and each protocol names its own.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Union = Literal["lengths", "span", "snippets"]

#: W-TALC's grid: features every 16 frames of videos resampled to 25 frames a second.
SNIPPETS_PER_SECOND = 25.0 / 16.0


def paired_iou(
    start: np.ndarray,
    end: np.ndarray,
    *,
    other_start: np.ndarray,
    other_end: np.ndarray,
    union: Union = "lengths",
) -> np.ndarray:
    """IoU of intervals, element by element; the arrays broadcast. 0 where both intervals are points.

    Args:
        start: Seconds, of the detections.
        end: Seconds, of the detections.
        other_start: Seconds, of the ground truth.
        other_end: Seconds, of the ground truth.
        union: How the union is taken: `lengths` adds the lengths and takes the intersection off (ActivityNet's
            eval_detection.py), `span` is last end less first start (THUMOS14's evaluation kit; the same number where
            the two meet), `snippets` counts whole snippets after rounding both to W-TALC's grid.

    Returns:
        float64 in [0, 1], of the broadcast shape.

    >>> paired_iou(np.array([0.0]), np.array([4.0]), other_start=np.array([2.0]), other_end=np.array([6.0])).tolist()
    [0.3333333333333333]
    """
    if union == "snippets":
        start, end = np.rint(start * SNIPPETS_PER_SECOND), np.rint(end * SNIPPETS_PER_SECOND)
        other_start, other_end = np.rint(other_start * SNIPPETS_PER_SECOND), np.rint(other_end * SNIPPETS_PER_SECOND)
    inside = np.maximum(np.minimum(end, other_end) - np.maximum(start, other_start), 0.0)
    if union == "span":
        total = np.maximum(end, other_end) - np.minimum(start, other_start)
    else:
        total = (other_end - other_start) + (end - start) - inside
    return np.divide(inside, total, out=np.zeros(np.shape(total)), where=total > 0)


def temporal_iou(segments: np.ndarray, others: np.ndarray, *, union: Union = "lengths") -> np.ndarray:
    """IoU of every interval with every other one.

    Args:
        segments: (N, 2) start and end in seconds.
        others: (M, 2) start and end in seconds.
        union: See `paired_iou`.

    Returns:
        (N, M) float64 in [0, 1].

    >>> temporal_iou(np.array([[0.0, 4.0]]), np.array([[0.0, 2.0], [5.0, 6.0]])).tolist()
    [[0.5, 0.0]]
    """
    segments = np.asarray(segments, dtype=np.float64).reshape(-1, 2)
    others = np.asarray(others, dtype=np.float64).reshape(-1, 2)
    return paired_iou(
        segments[:, :1], segments[:, 1:], other_start=others[None, :, 0], other_end=others[None, :, 1], union=union
    )
