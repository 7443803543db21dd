"""Which detection is matched to which ground truth, for all videos, classes and thresholds by arrays alone.

The reference programs go through the detections one by one, and each takes the best ground truth still free. That is
what deferred acceptance (Gale & Shapley 1962) gives when all receivers rank the proposers alike, and that runs in
parallel: all propose at once, each receiver keeps the first in rank, the others go on to their next choice. It takes
as many rounds as the longest chain of refusals, a handful in practice, instead of as many as there are detections.

Intersections over unions of time intervals come first. The reference programs compute the union in different ways. The
results differ in the last bits, which decides when an overlap lies exactly on a threshold, so every way is kept and
each protocol names its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .protocols import Protocol, Union

#: W-TALC's grid: features every 16 frames of videos resampled to 25 frames a second.
SNIPPETS_PER_SECOND = 25.0 / 16.0


_CHUNK = 4_000_000  # candidate pairs held at once: some 200 MB


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


@dataclass(frozen=True)
class Pairs:
    """Pairs of a detection and a ground truth of the same class and video that overlap enough to matter.

    Attributes:
        detection: (P,) int, row of the detection table.
        truth: (P,) int, row of the ground truth table.
        iou: (P,) float64.
    """

    detection: np.ndarray
    truth: np.ndarray
    iou: np.ndarray


def candidate_pairs(
    detection_group: np.ndarray,
    detection_seconds: np.ndarray,
    *,
    truth_group: np.ndarray,
    truth_seconds: np.ndarray,
    minimum_iou: float,
    union: Union = "lengths",
) -> Pairs:
    """All pairs within a group whose IoU is at least `minimum_iou`.

    Args:
        detection_group: (N,) int, what must be equal for a pair: the class and the video as one number.
        detection_seconds: (N, 2) start and end.
        truth_group: (M,) int.
        truth_seconds: (M, 2) start and end.
        minimum_iou: Pairs below are left out.
        union: See `paired_iou`.

    Returns:
        The pairs, by rising row of the detections, then of the truth within its group.
    """
    by_group, first, stop_at = _windows(
        detection_group,
        detection_seconds,
        truth_group=truth_group,
        truth_seconds=truth_seconds,
        apart=minimum_iou <= 0,
    )
    count = stop_at - first
    total: np.ndarray = np.concatenate([[0], np.cumsum(count)])
    parts, row = list[tuple[np.ndarray, np.ndarray, np.ndarray]](), 0
    while row < len(detection_group):
        stop = max(int(np.searchsorted(total, int(total[row]) + _CHUNK, side="right")) - 1, row + 1)
        counts = count[row:stop]
        detection = np.repeat(np.arange(row, stop), counts)
        place = np.arange(int(total[stop] - total[row])) - np.repeat(total[row:stop] - total[row], counts)
        truth = by_group[first[detection] + place]
        start, end = detection_seconds[detection].T
        other_start, other_end = truth_seconds[truth].T
        iou = paired_iou(start, end, other_start=other_start, other_end=other_end, union=union)
        keep = (iou >= minimum_iou) & (truth_group[truth] == detection_group[detection])
        parts.append((detection[keep], truth[keep], iou[keep]))
        row = stop
    if not parts:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    detection, truth, iou = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((truth, detection))
    return Pairs(detection[order], truth[order], iou[order])


def _windows(
    detection_group: np.ndarray,
    detection_seconds: np.ndarray,
    *,
    truth_group: np.ndarray,
    truth_seconds: np.ndarray,
    apart: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where in the sorted ground truths those lie that a detection can overlap.

    `apart` takes a group's ground truths that lie apart from the detection, too.

    Groups are laid one after the other on one axis of time, so that one search finds the group and the place in it.
    That loses the last digits of a time: the windows are wider by more than that, never narrower, and of enormous
    times they may reach into other groups.

    Returns:
        (M,) int, rows of the ground truths by group and start; (N,) int each, the window's first and the one after
        its last.
    """
    order = np.lexsort((truth_seconds[:, 0], truth_group))
    group = truth_group[order]
    if apart or len(order) == 0 or len(detection_group) == 0:
        return order, np.searchsorted(group, detection_group), np.searchsorted(group, detection_group, side="right")
    low = min(float(truth_seconds.min()), float(detection_seconds.min()))
    span = max(float(truth_seconds.max()), float(detection_seconds.max())) - low + 1.0
    lag: float = 8 * np.spacing(span * (max(int(group[-1]), int(detection_group.max())) + 1.0))
    start = group * span + (truth_seconds[order, 0] - low)
    ended: np.ndarray = np.maximum.accumulate(group * span + (truth_seconds[order, 1] - low))
    own = detection_group * span - low
    first = np.searchsorted(ended, own + detection_seconds[:, 0] - lag)
    stop = np.searchsorted(start, own + detection_seconds[:, 1] + lag, side="right")
    return order, first, np.maximum(first, stop)


def assign(proposer: np.ndarray, receiver: np.ndarray, *, receivers: int) -> np.ndarray:
    """One round after another, every proposer gets the first receiver on its list that no earlier proposer wants.

    Args:
        proposer: (P,) int, rising; the smaller number goes first where two want the same receiver.
        receiver: (P,) int, in the order in which the proposer prefers them.
        receivers: How many receivers there are.

    Returns:
        (receivers,) int64, the proposer that each receiver ends with, or -1.

    >>> assign(np.array([0, 1, 1]), np.array([5, 5, 2]), receivers=6).tolist()
    [-1, -1, 1, -1, -1, 0]
    """
    held = np.full(receivers, -1, dtype=np.int64)
    if len(proposer) == 0:
        return held
    cursor = np.flatnonzero(np.concatenate([[True], proposer[1:] != proposer[:-1]]))
    names, stop = proposer[cursor], np.append(cursor[1:], len(proposer))
    nobody = len(cursor)
    holder = np.full(receivers, nobody, dtype=np.int64)
    active = np.arange(len(cursor))
    while active.size:
        wanted = receiver[cursor[active]]
        before = holder[wanted]
        np.minimum.at(holder, wanted, active)
        won = holder[wanted] == active
        displaced = before[won]
        refused = np.concatenate([active[~won], displaced[displaced < nobody]])
        cursor[refused] += 1
        active = refused[cursor[refused] < stop[refused]]
    taken = holder < nobody
    held[taken] = names[holder[taken]]
    return held


def match(
    pairs: Pairs,
    *,
    detections: int,
    truth_order: np.ndarray,
    thresholds: np.ndarray,
    protocol: Protocol,
) -> np.ndarray:
    """Match at every threshold.

    Args:
        pairs: Candidates; the detections' rows must be by rank within a class (falling score).
        detections: N, number of detections.
        truth_order: (M,) int, a rank of the ground truths. Of two with equal IoU a detection takes the later one, as a
            stable sort read from its end does; where ground truths propose, the earlier goes first.
        thresholds: (K,) IoU.
        protocol: Says who proposes and what passes.

    Returns:
        (K, N) int64, the row of the ground truth each detection is matched to, or -1.
    """
    rank = truth_order[pairs.truth]
    if protocol.proposer == "truth":
        order = np.lexsort((pairs.detection, -pairs.iou, rank))
    elif protocol.prefers == "first-listed":
        order = np.lexsort((rank, pairs.detection))
    else:
        order = np.lexsort((-rank, -pairs.iou, pairs.detection))
    detection, truth, iou, rank = pairs.detection[order], pairs.truth[order], pairs.iou[order], rank[order]
    by_rank = np.argsort(truth_order, kind="stable")
    matched = np.full((len(thresholds), detections), -1, dtype=np.int64)
    if len(truth_order) == 0:
        return matched
    for k, threshold in enumerate(thresholds):
        passes = iou > threshold if protocol.strict else iou >= threshold
        if protocol.proposer == "truth":
            held = assign(rank[passes], detection[passes], receivers=detections)
            matched[k] = np.where(held >= 0, by_rank[held], -1)
        else:
            held = assign(detection[passes], truth[passes], receivers=len(truth_order))
            taken = np.flatnonzero(held >= 0)
            matched[k, held[taken]] = taken
    return matched
