"""Detections of one class that overlap a surer one: dropped, or trusted less."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..core.segments import Segments
from ..eval.iou import paired_iou

Suppression = Literal["none", "nms", "soft", "soft-linear"]


def suppress(
    start: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
    *,
    group: np.ndarray | None = None,
    rule: Suppression = "nms",
    iou: float = 0.5,
    sigma: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Greedy suppression over temporal IoU, in all groups at once.

    In every round the surest detection left in each group stands, and those that overlap it in the same group give way:

    - `nms` drops those whose IoU with it is `iou` or more;
    - `soft-linear` multiplies their score by 1 - IoU from `iou` on;
    - `soft` multiplies every score by exp(-IoU^2 / sigma) (both: Bodla et al., "Soft-NMS", ICCV 2017).

    Soft suppression presumes that scores are positive. One that is not (the outer-inner contrast may be negative) keeps
    its score: a factor would raise it. Equal scores stand in the order given.

    Args:
        start: (N,) seconds.
        end: (N,) seconds.
        score: (N,) higher is surer.
        group: (N,) int, such as the class, or one number for each video and class; None for one group.
        rule: See above; `none` changes nothing.
        iou: 0 to 1.
        sigma: Of Gaussian decay, above 0.

    Returns:
        Which are kept, (N,) bool, and all scores after decay, (N,) float64.

    >>> kept, _ = suppress(np.array([0.0, 1.0, 6.0]), np.array([4.0, 5.0, 9.0]), np.array([0.5, 0.9, 0.4]))
    >>> kept.tolist()
    [False, True, True]
    >>> kept, scores = suppress(np.array([0.0, 0.0]), np.array([4.0, 2.0]), np.array([0.5, 0.9]), rule="soft-linear")
    >>> scores.tolist()
    [0.25, 0.9]
    """
    kept, scores = np.ones(len(score), dtype=bool), np.array(score, dtype=np.float64)
    if rule == "none" or len(scores) == 0:
        return kept, scores
    groups = np.zeros(len(scores), dtype=int) if group is None else np.asarray(group)
    left = np.argsort(groups, kind="stable")  # those not decided yet; always whole groups side by side
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    while len(left):
        now, firsts = scores[left], np.flatnonzero(np.diff(groups[left], prepend=groups[left[0]] - 1))
        size = np.diff(firsts, append=len(left))
        best = np.flatnonzero(now == np.repeat(np.maximum.reduceat(now, firsts), size))
        best = best[np.searchsorted(best, firsts)]  # the first of equals in each group
        top = np.repeat(left[best], size)
        overlap = paired_iou(start[left], end[left], other_start=start[top], other_end=end[top])
        standing = np.zeros(len(left), dtype=bool)
        standing[best] = True
        if rule == "nms":
            loses = (overlap >= iou) & ~standing
            kept[left[loses]] = False
            left = left[~loses & ~standing]
            continue
        factor = np.exp(-(overlap**2) / sigma) if rule == "soft" else np.where(overlap >= iou, 1 - overlap, 1.0)
        scores[left] = np.where(standing | (now <= 0), now, now * factor)
        left = left[~standing]
    return kept, scores


def surest(score: np.ndarray, most: int) -> np.ndarray:
    """Which are the `most` of highest score, of equals the first: (N,) -> (N,) bool.

    >>> surest(np.array([0.5, 0.9, 0.5]), 2).tolist()
    [True, True, False]
    """
    kept = np.zeros(len(score), dtype=bool)
    kept[np.argsort(-score, kind="stable")[:most]] = True
    return kept


def suppress_segments(
    detections: Segments, *, rule: Suppression = "nms", iou: float = 0.5, sigma: float = 0.5
) -> Segments:
    """`suppress` among the detections of the same video and class, in the order they are in.

    >>> detections = Segments(["v", "v", "w"], ["a", "a", "a"], [0, 1, 1], [4, 5, 5], [0.5, 0.9, 0.1])
    >>> suppress_segments(detections).video.tolist()
    ['v', 'w']
    """
    if rule == "none" or detections.score is None:
        return detections
    numbers: dict[tuple[str, str], int] = {}
    group = [numbers.setdefault(key, len(numbers)) for key in zip(detections.video, detections.label, strict=True)]
    kept, scores = suppress(
        detections.start_seconds,
        detections.end_seconds,
        detections.score,
        group=np.array(group, dtype=int),
        rule=rule,
        iou=iou,
        sigma=sigma,
    )
    columns = (detections.video, detections.label, detections.start_seconds, detections.end_seconds, scores)
    return Segments(*(column[kept] for column in columns))
