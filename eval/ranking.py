"""Detections by rank within their class, matched to ground truth: what every score is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .matching import Pairs, candidate_pairs, match
from .preparation import Prepared, codes
from .protocols import Protocol, TieOrder


@dataclass(frozen=True, eq=False)
class Ranking:
    """Detections sorted by class, then by rank; N of them, M ground truths, C classes, K thresholds.

    Attributes:
        thresholds: (K,) IoU.
        row: (N,) int, row of each in the table of detections.
        label: (N,) int, class.
        video: (N,) int, position in `videos`.
        score: (N,) float64.
        offsets: (C + 1,) int, where each class begins.
        matched: (K, N) int, row of the ground truth, or -1.
        counted: (K, N) bool, false where the protocol takes the detection out (Ambiguous).
        block_start: (N,) int, first detection of the class with the same score.
        block_stop: (N,) int, the one after the last with the same score.
        truth_label: (M,) int.
        truth_video: (M,) int.
        positives: (C,) int, number of ground truths.
        videos: Names of all videos that have detections, ground truth or are known, sorted.
        protocol: The protocol they were matched under.
    """

    thresholds: np.ndarray
    row: np.ndarray
    label: np.ndarray
    video: np.ndarray
    score: np.ndarray
    offsets: np.ndarray
    matched: np.ndarray
    counted: np.ndarray
    block_start: np.ndarray
    block_stop: np.ndarray
    truth_label: np.ndarray
    truth_video: np.ndarray
    positives: np.ndarray
    videos: tuple[str, ...]
    protocol: Protocol

    @property
    def tied(self) -> int:
        """How many detections share their score with another one of their class."""
        return int((self.block_stop - self.block_start > 1).sum())


def rank(
    prepared: Prepared,
    *,
    thresholds: Sequence[float] | np.ndarray,
    protocol: Protocol,
    ties: TieOrder | np.ndarray | None = None,
    met: Overlaps | None = None,
) -> Ranking:
    """Sort the detections and match them at every threshold.

    Args:
        prepared: The rows that take part.
        thresholds: (K,) IoU.
        protocol: How to match.
        ties: Order of equal scores, by default the protocol's; or (N,) numbers, the smaller first.
        met: `overlaps` of the same rows, where they are ranked several times.
    """
    detections, truth = prepared.detections, prepared.truth
    label, video, videos = prepared.label, prepared.video, prepared.names
    score = detections.score if detections.score is not None else np.zeros(len(detections))
    ties = protocol.ties if ties is None else ties
    if isinstance(ties, np.ndarray):
        order = np.lexsort((ties, -score, label))
    elif ties == "file":  # lexsort is stable: rows stay in order
        order = np.lexsort((video, -score, label))
    else:
        order = np.lexsort((detections.end_seconds, detections.start_seconds, video, -score, label))
    thresholds = np.asarray(thresholds, dtype=np.float64).reshape(-1)
    met = met or overlaps(prepared, minimum_iou=float(thresholds.min(initial=1.0)), protocol=protocol)
    if protocol.ambiguous == "drop-all":
        order = order[~met.touching[order]]
    row, label, video, score = order, label[order], video[order], score[order]
    place = np.full(len(detections), -1, dtype=np.int64)
    place[row] = np.arange(len(row))
    own = place[met.pairs.detection]
    pairs = Pairs(own[own >= 0], met.pairs.truth[own >= 0], met.pairs.iou[own >= 0])

    in_file = protocol.proposer == "truth" or protocol.prefers == "first-listed"
    truth_order = np.empty(len(truth), dtype=np.int64)
    by_time = np.arange(len(truth)) if in_file else np.lexsort((truth.end_seconds, truth.start_seconds))
    truth_order[by_time] = np.arange(len(truth))
    matched = match(pairs, detections=len(row), truth_order=truth_order, thresholds=thresholds, protocol=protocol)

    counted = np.ones(matched.shape, dtype=bool)
    if protocol.ambiguous == "drop-unmatched":
        counted = (matched >= 0) | ~met.touching[row]
    classes = len(prepared.classes)
    new = (
        np.concatenate([[True], (label[1:] != label[:-1]) | (score[1:] != score[:-1])])
        if len(row)
        else np.zeros(0, bool)
    )
    starts = np.flatnonzero(new)
    block = np.cumsum(new) - 1
    return Ranking(
        thresholds=thresholds,
        row=row,
        label=label,
        video=video,
        score=score,
        offsets=np.searchsorted(label, np.arange(classes + 1)),
        matched=matched,
        counted=counted,
        block_start=starts[block],
        block_stop=np.append(starts[1:], len(row))[block],
        truth_label=prepared.truth_label,
        truth_video=prepared.truth_video,
        positives=np.bincount(prepared.truth_label, minlength=classes),
        videos=videos,
        protocol=protocol,
    )


@dataclass(frozen=True)
class Overlaps:
    """What the detections of a table meet, in whatever order they are ranked.

    Attributes:
        pairs: Of rows of the detections with ground truths of their video and class.
        touching: (N,) bool, which detections overlap an ambiguous segment of their video at all; all false where the
            protocol does not ask.
    """

    pairs: Pairs
    touching: np.ndarray


def overlaps(prepared: Prepared, *, minimum_iou: float, protocol: Protocol) -> Overlaps:
    """Find what the detections meet, of pairs above `minimum_iou`, which is at most the lowest threshold."""
    label, video, videos = prepared.label, prepared.video, len(prepared.names)
    seconds = prepared.detections.seconds
    pairs = candidate_pairs(
        label * videos + video,
        seconds,
        truth_group=prepared.truth_label * videos + prepared.truth_video,
        truth_seconds=prepared.truth.seconds,
        minimum_iou=minimum_iou,
        union=protocol.union,
    )
    touching = np.zeros(len(label), dtype=bool)
    if protocol.ambiguous != "ignore":
        touched = candidate_pairs(
            video,
            seconds,
            truth_group=codes(prepared.ignored.video, prepared.names),
            truth_seconds=prepared.ignored.seconds,
            minimum_iou=np.nextafter(0.0, 1.0),
            union=protocol.union,
        )
        touching[touched.detection] = True
    return Overlaps(pairs, touching)
