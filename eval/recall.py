"""Average recall at N proposals: how much a method finds when labels do not matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .matching import candidate_pairs
from .prepared import Prepared
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
        np.stack([start, end], axis=1)[order],
        truth_group=ranking.truth_video,
        truth_seconds=np.stack([truth.start_seconds, truth.end_seconds], axis=1),
        minimum_iou=float(np.min(thresholds)),
    )
    result = np.zeros((len(proposals), len(thresholds)))
    for p, most in enumerate(proposals):
        near = place[pairs.detection] < most
        best = np.zeros(len(truth))
        np.maximum.at(best, pairs.truth[near], pairs.iou[near])
        result[p] = (best[:, None] >= thresholds).mean(axis=0) if len(truth) else np.nan
    return result
