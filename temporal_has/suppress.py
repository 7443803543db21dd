"""Detections of one class that overlap a surer one: dropped, or trusted less; and a person's list.

Localization keeps a candidate at every threshold, because average precision only gains by unsure ones further down. Who
reads, cuts clips or counts wants each action once: few detections, apart from each other.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..core.errors import DataError
from ..core.segments import Segments
from ..eval.matching import paired_iou

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


def sure_segments(detections: Segments, *, share: float = 0.3, most: int | None = None) -> Segments:
    """The surest detections of each video, each moment of a label told once, in the order of time.

    Of each video and label the surest stands, then the next that no standing one overlaps, and so on down to a share of
    the surest one's score. On 99 recordings of gestures with 1088 actions this leaves 1088 of 9243 candidates; 65 % of
    them are right at IoU 0.3, 65 % of the actions are among them, and any share from 0.2 to 0.5 does about as well.

    Args:
        detections: Any candidates, such as a run's.
        share: Of the score of the video's surest detection of the label; less sure ones are left out. 0 keeps all that
            are apart. Where even the surest is not above 0, it alone is kept.
        most: Of each video so many at most, the surest; None for all.

    Returns:
        By video (in order of first appearance), start, end and label; scores are as given.

    Raises:
        DataError: These are segments without scores.

    >>> found = Segments(["v"] * 4, ["a"] * 4, [0, 1, 6, 8], [4, 3, 7, 9], [0.9, 0.8, 0.5, 0.1])
    >>> sure_segments(found).start_seconds.tolist()
    [0.0, 6.0]
    """
    if detections.score is None:
        raise DataError("ground truth has no scores to choose by", next="give detections")
    chosen: list[np.ndarray] = []
    for rows in detections.rows_by_video().values():
        labels = detections.label[rows]
        kept = [_apart(detections, rows[labels == label], share) for label in dict.fromkeys(labels)]
        mine = np.concatenate(kept)
        if most is not None:
            mine = mine[np.argsort(-detections.score[mine], kind="stable")[:most]]
        start, end = detections.start_seconds[mine], detections.end_seconds[mine]
        chosen.append(mine[np.lexsort((detections.label[mine].astype(str), end, start))])
    return detections[np.concatenate(chosen)] if chosen else detections


def _apart(table: Segments, rows: np.ndarray, share: float) -> np.ndarray:
    """Of one video's rows of one label those that stand."""
    assert table.score is not None
    start, end, score = table.start_seconds[rows], table.end_seconds[rows], table.score[rows]
    left = np.lexsort((end, start, -score))  # by falling score; ties by time, so that the order is never luck
    best = score[left[0]]
    left = left[score[left] >= share * best] if best > 0 else left[:1]
    kept: list[int] = []
    while len(left):
        first, left = left[0], left[1:]
        kept.append(first)
        left = left[(end[left] <= start[first]) | (start[left] >= end[first])]
    return rows[kept]
