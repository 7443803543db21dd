"""How far equal scores can move the mAP.

A detection file says nothing about the order of equal scores, and the usual programs leave it to their sort. Here the
order is fixed (see `protocols.Protocol.ties`), and this module says how much hangs on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .average_precision import average_precision, mean_over_classes
from .preparation import Prepared
from .protocols import Protocol
from .ranking import overlaps, rank


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
