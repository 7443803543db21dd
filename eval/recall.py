"""Places without labels, and labels without places: average recall at N proposals, and the classes of whole videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .matching import candidate_pairs
from .preparation import Prepared
from .ranking import Ranking

PROPOSALS = (1, 5, 10, 20, 50, 100)
#: ActivityNet's proposal task averages over these.
RECALL_IOU = np.arange(10, 20) / 20


def average_recall(
    ranking: Ranking,
    prepared: Prepared,
    *,
    proposals: Sequence[int] = PROPOSALS,
    thresholds: np.ndarray = RECALL_IOU,
) -> np.ndarray:
    """Fraction of the ground truths that one of a video's N surest detections overlaps enough, whatever its label.

    Args:
        ranking: Detections.
        prepared: The rows it was made from.
        proposals: (P,) numbers N.
        thresholds: (K,) IoU.

    Returns:
        (P, K) fractions; the mean over K is the average recall.
    """
    start, end = prepared.detections.start_seconds[ranking.row], prepared.detections.end_seconds[ranking.row]
    order = np.lexsort((end, start, -ranking.score, ranking.video))
    video = ranking.video[order]
    place = np.arange(len(video)) - np.searchsorted(video, video)
    truth = prepared.truth
    pairs = candidate_pairs(
        video,
        prepared.detections.seconds[ranking.row][order],
        truth_group=ranking.truth_video,
        truth_seconds=truth.seconds,
        minimum_iou=float(np.min(thresholds)),
    )
    result = np.zeros((len(proposals), len(thresholds)))
    for p, most in enumerate(proposals):
        near = place[pairs.detection] < most
        best = np.zeros(len(truth))
        np.maximum.at(best, pairs.truth[near], pairs.iou[near])
        result[p] = (best[:, None] >= thresholds).mean(axis=0) if len(truth) else np.nan
    return result


def video_level_ap(ranking: Ranking) -> np.ndarray:
    """(C,) average precision of finding the videos in which a class occurs; NaN for classes that occur in none.

    A video's score for a class is that of its surest detection. Videos without a detection of the class come last and
    are never found; equal scores enter together. Only videos with ground truth or detections take part.
    """
    videos, classes = len(ranking.videos), len(ranking.positives)
    score = np.full((classes, videos), -np.inf)
    np.maximum.at(score, (ranking.label, ranking.video), ranking.score)
    present = np.zeros((classes, videos), dtype=bool)
    present[ranking.truth_label, ranking.truth_video] = True
    result = np.full(classes, np.nan)
    for c in np.flatnonzero(present.any(axis=1)):
        found = np.flatnonzero(np.isfinite(score[c]))
        order = found[np.argsort(-score[c, found], kind="stable")]
        values, right = score[c, order], present[c, order]
        last = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(order) else np.zeros(0, int)
        hits = np.cumsum(right)[last]
        gained = np.diff(hits, prepend=0)
        result[c] = float((gained * hits / (last + 1)).sum()) / present[c].sum()
    return result
