"""How well the videos themselves are classified, judged from the detections alone."""

from __future__ import annotations

import numpy as np

from .ranking import Ranking


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
