"""What is right and wrong in each video, for a person's list of detections: kinds of errors, and an order of videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.segments import Segments
from ..eval.annotations import Annotations
from ..eval.diagnosis import KINDS, TRUTH_KINDS, diagnose
from ..eval.preparation import prepare
from ..eval.protocols import PROTOCOLS
from ..eval.ranking import rank

CORRECT = tuple(KINDS).index("correct")
FOUND = TRUTH_KINDS.index("found")


@dataclass(frozen=True, eq=False)
class Verdicts:
    """How a list of detections compares with the truth at one IoU, by the rules of `activitynet`.

    Attributes:
        kind: (N,) int, position in `eval.diagnosis.KINDS`; -1 where no truth tells.
        truth_kind: (M,) int, position in `TRUTH_KINDS`, of each true segment.
    """

    kind: np.ndarray
    truth_kind: np.ndarray

    @property
    def right(self) -> int:
        """Detections that are right."""
        return int((self.kind == CORRECT).sum())


def judge(detections: Segments, truth: Annotations, *, iou: float) -> Verdicts:
    """Compare a list with the truth.

    >>> truth = Annotations(Segments(["v", "v"], ["a", "a"], [0, 10], [4, 14]), ("a",))
    >>> verdicts = judge(Segments(["v", "v"], ["a", "a"], [0, 10], [4, 11], [0.9, 0.8]), truth, iou=0.5)
    >>> [tuple(KINDS)[kind] for kind in verdicts.kind], [TRUTH_KINDS[kind] for kind in verdicts.truth_kind]
    (['correct', 'too short'], ['found', 'only too short'])
    """
    known, videos = set(truth.classes), set(truth.videos)
    pairs = zip(detections.label, detections.video, strict=True)
    inside = np.fromiter((label in known and video in videos for label, video in pairs), bool, len(detections))
    prepared = prepare(detections[inside], truth, protocol=PROTOCOLS["activitynet"])
    ranking = rank(prepared, thresholds=[iou], protocol=PROTOCOLS["activitynet"])
    diagnosis = diagnose(ranking, prepared, k=0)
    kind = np.full(len(detections), -1)
    kind[np.flatnonzero(inside)[ranking.row]] = diagnosis.kind
    return Verdicts(kind, diagnosis.truth_kind)


def order_of_videos(videos: Sequence[str], detections: Segments, truth: Annotations, verdicts: Verdicts) -> list[str]:
    """Worst first: by the F1 of the list in each video, then by the number of errors, then by name.

    A video without true segments and without detections is as good as one that is all right.
    """
    right, wrong, missed = (dict.fromkeys(videos, 0) for _ in range(3))
    for video, kind in zip(detections.video, verdicts.kind, strict=True):
        if video in right and kind >= 0:
            (right if kind == CORRECT else wrong)[video] += 1
    for video, kind in zip(truth.segments.video, verdicts.truth_kind, strict=True):
        if video in missed and kind != FOUND:
            missed[video] += 1

    def badness(video: str) -> tuple[float, int, str]:
        errors = wrong[video] + missed[video]
        total = 2 * right[video] + errors
        return (2 * right[video] / total if total else 1.0), -errors, video

    return sorted(videos, key=badness)
