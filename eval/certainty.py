"""How sure a score is: the bootstrap over videos (Efron 1979), and the order of equal scores.

A data set's videos are a sample; with others of the same kind the score would have come out differently. Each draw
takes as many videos as there are, with replacement, and scores the detections on them, for one set of detections and
for the difference of two. Matching never crosses videos, so a draw is a weight for each video, and no detection is
matched twice. A detection file says nothing about the order of equal scores, and the usual programs leave it to their
sort: here it is fixed (see `protocols.Protocol.ties`), and it is said how much hangs on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import UsageError
from .average_precision import RECALL_POINTS, Scores, average_precision, mean_over_classes
from .preparation import Prepared
from .protocols import Protocol
from .ranking import Ranking, overlaps, rank

_CELLS = 4_000_000  # weights held at once: 32 MB an array


@dataclass(frozen=True, eq=False)
class Interval:
    """What the draws gave.

    Attributes:
        low: (K,) lower end of the 95 % interval of the mAP.
        high: (K,) upper end.
        average: (2,) both ends for the mean over the thresholds.
        draws: (B, K) mAP of each draw.
    """

    low: np.ndarray
    high: np.ndarray
    average: np.ndarray
    draws: np.ndarray


@dataclass(frozen=True, eq=False)
class Comparison:
    """The difference of two sets of detections on the same draws, B - A.

    Attributes:
        difference: (K + 1,) of the mAP at each threshold, and of their mean.
        low: (K + 1,) lower end of its 95 % interval.
        high: (K + 1,) upper end.
        p: (K + 1,) two-sided: how often a draw turns the sign round, twice.
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray

    @property
    def real(self) -> np.ndarray:
        """(K + 1,) bool: whether the interval leaves out 0."""
        return (self.low > 0) | (self.high < 0)


def video_weights(videos: int, *, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """How often each video is taken in each draw.

    Returns:
        (B, V) int16; every row sums to V.

    >>> video_weights(3, draws=2).sum(axis=1).tolist()
    [3, 3]
    """
    generator = np.random.default_rng(seed)
    taken = generator.integers(0, max(videos, 1), size=(draws, videos))
    flat = (taken + np.arange(draws)[:, None] * videos).ravel()
    return np.bincount(flat, minlength=draws * videos).reshape(draws, videos).astype(np.int16)


def bootstrap(ranking: Ranking, *, draws: int = 1000, seed: int = 0) -> Interval | None:
    """The 95 % interval of the mAP over draws of videos that have ground truth or detections; None of a single one."""
    used = np.union1d(ranking.video, ranking.truth_video)
    if len(used) < 2:  # drawn again and again it is the same, which would look like certainty
        return None
    weights = np.zeros((draws, len(ranking.videos)), dtype=np.int16)
    weights[:, used] = video_weights(len(used), draws=draws, seed=seed)
    maps = weighted_map(ranking, weights)
    low, high = np.nanpercentile(maps, [2.5, 97.5], axis=0)
    return Interval(low, high, np.nanpercentile(maps.mean(axis=1), [2.5, 97.5]), maps)


def compare(a: Ranking, b: Ranking, *, draws: int = 1000, seed: int = 0) -> Comparison:
    """Whether B really differs from A: both are scored on the same draws, and the differences are looked at.

    Args:
        a: Detections of one method, matched.
        b: Of another, on the same ground truth and thresholds.
        draws: Number of draws.
        seed: Of the draws.

    A single video tells nothing of others: the interval is then from -1 to 1.
    """
    videos = sorted({*a.videos, *b.videos})
    column = {video: i for i, video in enumerate(videos)}
    own = [np.array([column[video] for video in ranking.videos], dtype=np.int64) for ranking in (a, b)]
    used = np.unique(np.concatenate([o[r.video] for o, r in zip(own, (a, b), strict=True)] + [own[0][a.truth_video]]))
    weights = np.zeros((draws, len(videos)), dtype=np.int16)
    weights[:, used] = video_weights(len(used), draws=draws, seed=seed)

    def with_mean(maps: np.ndarray) -> np.ndarray:
        return np.concatenate([maps, maps.mean(axis=-1, keepdims=True)], axis=-1)

    once = np.ones((1, len(videos)), dtype=np.int16)
    first, second = (with_mean(weighted_map(r, weights[:, o])) for o, r in zip(own, (a, b), strict=True))
    whole_a, whole_b = (with_mean(weighted_map(r, once[:, o]))[0] for o, r in zip(own, (a, b), strict=True))
    change = second - first
    if len(used) < 2:
        nothing = np.ones(change.shape[1])
        return Comparison(whole_b - whole_a, -nothing, nothing, nothing)
    low, high = np.nanpercentile(change, [2.5, 97.5], axis=0)
    turned = np.minimum((change <= 0).sum(axis=0), (change >= 0).sum(axis=0))
    return Comparison(whole_b - whole_a, low, high, np.minimum(1.0, 2 * (turned + 1) / (draws + 1)))


def over_seeds(scores: Sequence[Scores]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (of a sample) of the mAP of several runs.

    Returns:
        Two (K + 1,) arrays: for each threshold, and for the mean over the thresholds.

    Raises:
        UsageError: They were not scored alike.
    """
    alike = {(s.protocol, s.details.get("videos_hash"), s.thresholds.tobytes()) for s in scores}
    if len(alike) > 1:
        raise UsageError(
            "only scores of the same videos, protocol and thresholds can be averaged", next="score them alike"
        )
    values = np.stack([np.append(score.map, score.average) for score in scores])
    deviation = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1], np.nan)
    return values.mean(axis=0), deviation


def weighted_map(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    """The mAP when each video counts several times or not at all.

    Args:
        ranking: Matched detections.
        weights: (B, V) for each draw and each of `ranking.videos`.

    Returns:
        (B, K); NaN where no drawn video has any ground truth.
    """
    step = max(1, _CELLS // max(1, int(np.diff(ranking.offsets).max(initial=1))))
    return np.concatenate([_weighted_map(ranking, weights[i : i + step]) for i in range(0, len(weights), step)])


def _weighted_map(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    total = np.zeros((len(weights), len(ranking.thresholds)))
    classes = np.zeros(len(weights))
    for c in np.flatnonzero(ranking.positives):
        positives = weights[:, ranking.truth_video[ranking.truth_label == c]].sum(axis=1, dtype=np.float64)
        own = slice(ranking.offsets[c], ranking.offsets[c + 1])
        weight = weights[:, ranking.video[own]].astype(np.float64)
        present = positives > 0
        classes += present
        everything = None
        for k in range(len(ranking.thresholds)):
            counted, hits = ranking.counted[k, own], np.flatnonzero(ranking.matched[k, own] >= 0)
            if everything is None or not counted.all():
                everything = np.cumsum(weight * counted, axis=1)
            ap = _weighted_ap(
                weight, everything, hits, positives, block=ranking.block_start[own] - own.start, ranking=ranking
            )
            total[present, k] += ap[present]
    result = np.divide(total, classes[:, None], out=np.full(total.shape, np.nan), where=classes[:, None] > 0)
    scored = ranking.positives > 0
    if ranking.protocol.empty_class_is_fatal and (np.diff(ranking.offsets)[scored] == 0).any():
        result[:] = 0.0
    return result


def _weighted_ap(
    weight: np.ndarray,
    everything: np.ndarray,
    hits: np.ndarray,
    positives: np.ndarray,
    *,
    block: np.ndarray,
    ranking: Ranking,
) -> np.ndarray:
    """(B,) average precision of one class; copies of a video enter together."""
    if len(hits) == 0:
        return np.zeros(len(weight))
    own = weight[:, hits]
    found = np.cumsum(own, axis=1)
    place = everything[:, hits]
    if ranking.protocol.hits_first:
        at = block[hits]
        first = np.searchsorted(at, at)
        before = np.where(at > 0, everything[:, at - 1], 0.0)
        place = before + found - (found[:, first] - own[:, first])
    precision = np.divide(found, place, out=np.zeros_like(found), where=place > 0)
    if ranking.protocol.curve != "hits":
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    if ranking.protocol.curve != "11-point":
        return np.divide((own * precision).sum(axis=1), positives, out=np.zeros(len(own)), where=positives > 0)
    recall = np.divide(found, positives[:, None], out=np.zeros_like(found), where=positives[:, None] > 0)
    padded = np.concatenate([precision, np.zeros((len(own), 1))], axis=1)
    reached = np.stack([(recall < point).sum(axis=1) for point in RECALL_POINTS], axis=1)
    return np.take_along_axis(padded, reached, axis=1).mean(axis=1)


@dataclass(frozen=True, eq=False)
class TieInterval:
    """The range of scores that the order of equal scores can reach.

    Attributes:
        low: (K,) mAP with true positives last among equal scores.
        high: (K,) mAP with true positives first among equal scores.
        usual_low: (K,) lowest mAP of the orders tried, as they come.
        usual_high: (K,) highest mAP of the orders tried, as they come.
        ap_low: (K, C) like `low`, for single classes.
        ap_high: (K, C) like `high`, for single classes.
        tied: How many detections share their score with another one of their class.
    """

    low: np.ndarray
    high: np.ndarray
    usual_low: np.ndarray
    usual_high: np.ndarray
    ap_low: np.ndarray
    ap_high: np.ndarray
    tied: int


def tie_interval(
    prepared: Prepared, *, thresholds: np.ndarray, protocol: Protocol, orders: int = 8, seed: int = 0
) -> TieInterval:
    """Search the orders of equal scores for the best and the worst mAP.

    The order decides two things. Which detections are matched: that is searched, over the canonical order, its
    reverse, the order of the rows and `orders` random ones. And, given the matches, where they stand among their
    equals: that is exact, all first or all last. Classes do not touch each other, so each takes its own extreme.

    Args:
        prepared: The rows that take part.
        thresholds: (K,) IoU.
        protocol: How to match.
        orders: Random orders to try.
        seed: Of the random orders.

    Returns:
        The interval, and the range of the orders tried: what a sort that leaves ties to chance may give. The
        interval's upper end is reached by some order. The lower end may lie slightly below what any order
        gives: an unmatched detection moved ahead of a matched one of the same video may take its match.
    """
    n = len(prepared.detections)
    generator = np.random.default_rng(seed)
    met = overlaps(prepared, minimum_iou=float(thresholds.min()), protocol=protocol)
    first = rank(prepared, thresholds=thresholds, protocol=protocol, met=met)
    canonical = rank(prepared, thresholds=thresholds[:1], protocol=protocol, ties="canonical", met=met).row
    position = np.empty(n)
    position[canonical] = np.arange(len(canonical))
    tried = [first]
    if first.tied:
        keys = [position, -position, np.arange(n, dtype=float), *(generator.random(n) for _ in range(orders))]
        tried += [rank(prepared, thresholds=thresholds, protocol=protocol, ties=key, met=met) for key in keys]
    low = np.stack([average_precision(ranking, ties="hits-last") for ranking in tried]).min(axis=0)
    high = np.stack([average_precision(ranking, ties="hits-first") for ranking in tried]).max(axis=0)
    usual = np.stack([mean_over_classes(average_precision(ranking), ranking) for ranking in tried])
    return TieInterval(
        low=mean_over_classes(low, first),
        high=mean_over_classes(high, first),
        usual_low=usual.min(axis=0),
        usual_high=usual.max(axis=0),
        ap_low=low,
        ap_high=high,
        tied=first.tied,
    )
