"""What is allowed in detections and ground truth, but a reader of the score should know.

Odd rows are counted; names that do not meet are told before a score of 0 has to be explained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import DataError, counted, listing
from ..core.near_names import label_sentence, near_names, told
from ..core.segments import Segments
from .annotations import Annotations

if TYPE_CHECKING:
    from .annotations import Annotations
    from .prepared import Prepared


NO_LENGTH = "ground truths of no length"
REPEATED = "repeated ground truths"


def oddities(prepared: Prepared, annotations: Annotations) -> dict[str, int]:
    """How many rows take part though something is odd about them, by kind.

    Args:
        prepared: The rows.
        annotations: For the known videos and their lengths.
    """
    detections, truth = prepared.detections, prepared.truth
    annotated = np.zeros(len(prepared.names), dtype=bool)
    annotated[prepared.truth_video] = True
    videos = set(annotations.videos)
    known = np.fromiter((name in videos for name in prepared.names), bool, len(prepared.names))
    seconds = np.fromiter((annotations.durations.get(name, np.inf) for name in prepared.names), float, len(known))
    bare = (~annotated & known)[prepared.video]
    late = detections.end_seconds > seconds[prepared.video] + 1
    truth_late = truth.end_seconds > seconds[prepared.truth_video] + 1
    return {
        "detections in videos without ground truth, false positives": int(bare.sum()),
        "detections in videos the annotations do not name, false positives": int((~known)[prepared.video].sum()),
        "detections of no length, false positives": int((detections.duration_seconds <= 0).sum()),
        "detections that start before 0 s": int((detections.start_seconds < 0).sum()),
        "detections that end more than 1 s past the video": int(late.sum()),
        "repeated rows of detections": int(repeated(detections, prepared.label, prepared.video).sum()),
        NO_LENGTH: int((truth.duration_seconds <= 0).sum()),
        "ground truths that start before 0 s": int((truth.start_seconds < 0).sum()),
        "ground truths that end more than 1 s past the video": int(truth_late.sum()),
        REPEATED: int(repeated(truth, prepared.truth_label, prepared.truth_video).sum()),
    }


def repeated(table: Segments, label: np.ndarray, video: np.ndarray) -> np.ndarray:
    """(N,) bool: rows that another row before them equals in video, label and times; the score may differ.

    Args:
        table: N rows.
        label: (N,) int.
        video: (N,) int.
    """
    keys = (table.end_seconds, table.start_seconds, video, label)
    order = np.lexsort(keys)  # stable: of equal rows the first stays first
    result = np.zeros(len(table), dtype=bool)
    if len(table):
        same = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
        result[order[1:]] = same
    return result


def clean(truth: Segments) -> tuple[Segments, dict[str, int]]:
    """Ground truth without repeated rows and rows of no length, and the counts of both."""
    label = np.unique(truth.label.astype(str), return_inverse=True)[1]
    video = np.unique(truth.video.astype(str), return_inverse=True)[1]
    short = truth.duration_seconds <= 0
    double = ~short & repeated(truth, label, video)
    counts = {f"{NO_LENGTH}, dropped": int(short.sum()), f"{REPEATED}, dropped": int(double.sum())}
    return truth[~(short | double)], counts


def mismatches(detections: Segments, truth: Annotations) -> list[str]:
    """Where the names of detections and ground truth do not meet, a sentence each.

    Raises:
        DataError: Not one detection lies in a video of the ground truth.
    """
    if not len(detections) or not truth.videos:
        return []
    sentences: list[str] = []
    known, found = set(truth.videos), set(detections.video)
    near = told(near_names(sorted(found - known), known))
    if not found & known:
        raise DataError(
            "no detection lies in a video of the ground truth",
            why=f"detections are of {listing(sorted(found), 3)}; the ground truth has {listing(truth.videos, 3)}{near}",
            next="call the videos alike in both, or give the annotations that belong to these detections",
            subject=sorted(found)[0],
        )
    if near:
        what = "of the detections is not in the ground truth"
        several = "of the detections are not in the ground truth"
        sentences.append(counted(sorted(found - known), f"video {what}", f"videos {several}") + near)
    labels, detected = set(truth.segments.label), set(detections.label)
    lost = sorted(labels - detected)
    like = label_sentence(lost, sorted(detected - labels))
    if like:
        what = "of the ground truth is never detected"
        several = "of the ground truth are never detected"
        sentences.append(counted(lost, f"label {what}", f"labels {several}") + like)
    return sentences
