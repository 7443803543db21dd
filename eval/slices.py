"""Where actions are found and where they are missed: by length, coverage, number in the video, and position.

After Alwassel et al. (ECCV 2018), with bounds that suit short actions. And places without labels, and labels without
places: average recall at N proposals, and the classes of whole videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .average_precision import area
from .matching import candidate_pairs
from .preparation import Prepared
from .ranking import Ranking

#: Upper bounds; the last group is open.
LENGTH_SECONDS = (2.0, 5.0, 10.0, 30.0)
COVERAGE = (0.02, 0.05, 0.1, 0.3)
INSTANCES = (1, 4, 10, 20)
THIRDS = ("first third", "middle third", "last third")


@dataclass(frozen=True)
class Slice:
    """One group of actions.

    Attributes:
        by: What they are grouped by.
        name: The group.
        truths: How many actions it has.
        found: Fraction that some detection matches.
        map: Normalized mAP: as if the group had as many actions as its class, so that small groups compare with large.
    """

    by: str
    name: str
    truths: int
    found: float
    map: float


def slices(
    ranking: Ranking, prepared: Prepared, *, k: int, durations: Mapping[str, float] | None = None
) -> list[Slice]:
    """Score each group of ground truths on its own.

    Matches are those under `activitynet` at the k-th threshold. Coverage and position are left out for videos without
    `durations`.

    A detection matched to an action of another group is left out; one without a match is a false positive everywhere.
    """
    truth, durations = prepared.truth, durations or {}
    length = truth.duration_seconds
    video = np.fromiter((durations.get(name, np.nan) for name in truth.video), float, len(truth))
    centre = (truth.start_seconds + truth.end_seconds) / 2
    number = np.bincount(ranking.truth_video, minlength=len(ranking.videos))[ranking.truth_video]
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage, third = length / video, np.clip(np.floor(3 * centre / video), 0, 2)
    groups = [
        ("length", _names(LENGTH_SECONDS, "{} s"), np.searchsorted(LENGTH_SECONDS, length).astype(float)),
        ("share of its video", _names([100 * c for c in COVERAGE], "{} %"), np.searchsorted(COVERAGE, coverage)),
        ("actions in its video", _names(INSTANCES, "{}", whole=True), np.searchsorted(INSTANCES, number).astype(float)),
        ("position", THIRDS, third),
    ]
    result: list[Slice] = []
    for by, names, member in groups:
        member = np.where(np.isnan(video), -1, member) if by in ("share of its video", "position") else member
        for i, name in enumerate(names):
            inside = member == i
            if inside.any():
                result.append(_score(ranking, inside, k=k, by=by, name=name))
    return result


def _names(bounds: Sequence[float], form: str, *, whole: bool = False) -> tuple[str, ...]:
    texts = [f"{bound:g}" for bound in bounds]
    if whole:
        lows = [f"{int(bound) + 1}" for bound in bounds]
        middle = [f"{low} to {high}" if low != high else high for low, high in zip(lows, texts[1:], strict=False)]
        return (texts[0], *middle, f"more than {texts[-1]}")
    middle = [form.format(f"{low} to {high}") for low, high in pairwise(texts)]
    return (form.format(f"up to {texts[0]}"), *middle, form.format(f"over {texts[-1]}"))


def _score(ranking: Ranking, inside: np.ndarray, *, k: int, by: str, name: str) -> Slice:
    matched = ranking.matched[k]
    own = np.bincount(ranking.truth_label[inside], minlength=len(ranking.positives))
    in_group = inside[matched] & (matched >= 0)
    # Each true positive stands for as many as its class has actions for each one in the group.
    weight = np.divide(ranking.positives, own, out=np.zeros(len(own)), where=own > 0)[ranking.label]
    hits = np.flatnonzero(in_group)
    label = ranking.label[hits]
    found = np.cumsum(np.where(in_group, weight, 0.0))
    wrong = np.cumsum(matched < 0)
    starts = ranking.offsets[label]
    before_found = np.concatenate([[0.0], found])[starts]
    before_wrong = np.concatenate([[0], wrong])[starts]
    right = found[hits] - before_found
    precision = right / (right + wrong[hits] - before_wrong)
    number = np.arange(1, len(hits) + 1) - np.searchsorted(label, label)
    ap = area(precision, number, label, positives=own, curve="interpolated")
    recall = len(np.unique(matched[in_group])) / int(inside.sum())
    return Slice(by, name, int(inside.sum()), recall, float(np.nanmean(ap)))


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
