"""Before scoring: which detections and ground truths take part, and a count of all that do not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import numpy as np

from ..core.errors import DataError, listing, plural, suggestion
from ..core.segments import Segments
from .annotations import Annotations
from .irregularities import clean, oddities
from .prepared import Prepared
from .protocols import Protocol

UnknownLabels = Literal["error", "drop"]

_AMBIGUOUS = {
    "ignore": "left out of the ground truth; detections on them are false positives",
    "drop-unmatched": "left out of the ground truth; unmatched detections that touch them do not count",
    "drop-all": "left out of the ground truth; all detections that touch them are dropped",
}


def codes(column: np.ndarray, names: Collection[str]) -> np.ndarray:
    """The position of each value in `names`, -1 where it is not there.

    >>> codes(np.array(["b", "x"], dtype=object), ["a", "b"]).tolist()
    [1, -1]
    """
    index = {name: i for i, name in enumerate(names)}
    return np.fromiter((index.get(name, -1) for name in column), np.int64, len(column))


def prepare(
    detections: Segments,
    annotations: Annotations,
    *,
    protocol: Protocol,
    known_labels: bool = False,
    videos: Collection[str] | None = None,
    unknown_labels: UnknownLabels | None = None,
    clean_truth: bool = False,
) -> Prepared:
    """Choose the rows that take part.

    Args:
        detections: With scores.
        annotations: Ground truth of the videos to score.
        protocol: Under `thumos14` labels outside the classes are dropped and counted, as its program does.
        known_labels: Keep a detection only if its label occurs in its video's ground truth. This flatters: it takes
            the classification of the videos as solved.
        videos: Score these videos alone; other rows are dropped and counted.
        unknown_labels: What becomes of a label outside the classes; by default as the protocol has it.
        clean_truth: Drop ground truths that repeat another one or have no length. The published programs keep them,
            as actions that nothing can find; they are counted either way.

    Raises:
        DataError: The detections have no scores, or an unknown label.
    """
    if detections.score is None:
        raise DataError("the detections have no scores", next="give detections, not ground truth")
    dropped: dict[str, int] = {}
    counts = {f"ambiguous segments ({_AMBIGUOUS[protocol.ambiguous]})": len(annotations.ignored)}
    if protocol.ambiguous != "ignore" and len(annotations.ignored) == 0:
        counts["missing kinds of annotation (Ambiguous segments, which this protocol heeds)"] = 1
    label = codes(detections.label, annotations.classes)
    if (label < 0).any():
        policy = unknown_labels or ("drop" if protocol.name.startswith("thumos14") else "error")
        if policy == "error":
            names = sorted(set(detections.label[label < 0]))
            row = int(np.flatnonzero(label < 0)[0])
            raise DataError(
                plural(int((label < 0).sum()), "detection has", "detections have")
                + f" a label the ground truth does not know: {listing(names)}",
                why=f"the first is row {row}, in {detections.video[row]}; {suggestion(names[0], annotations.classes)}",
                next="correct the labels, or give --drop-unknown-labels",
                subject=names[0],
            )
        dropped["label unknown to the ground truth"] = int((label < 0).sum())
    keep = label >= 0
    if videos is not None:
        chosen = set(videos)
        inside = np.fromiter((video in chosen for video in detections.video), bool, len(detections))
        dropped["video not in the chosen list"] = int((keep & ~inside).sum())
        keep &= inside
        before = len(annotations.segments)
        unknown = len(chosen - set(annotations.videos))
        counts["videos of the chosen list that the annotations do not name"] = unknown
        annotations = annotations.only(chosen)
        counts["ground truth outside the chosen videos, dropped"] = before - len(annotations.segments)
    if known_labels:
        own = annotations.video_labels()
        theirs = zip(detections.video, detections.label, strict=True)
        allowed = np.fromiter((name in own.get(video, ()) for video, name in theirs), bool, len(detections))
        dropped["not one of its video's own labels (known labels)"] = int((keep & ~allowed).sum())
        keep &= allowed
    truth, changes = clean(annotations.segments) if clean_truth else (annotations.segments, {})
    kept = detections if keep.all() else detections[keep]
    scored = annotations.videos if videos is None else tuple(sorted(set(videos)))
    names = tuple(sorted({*scored, *kept.video, *truth.video, *annotations.ignored.video}))
    prepared = Prepared(
        detections=kept,
        truth=truth,
        ignored=annotations.ignored,
        classes=annotations.classes,
        videos=scored,
        names=names,
        label=label[keep],
        video=codes(kept.video, names),
        truth_label=codes(truth.label, annotations.classes),
        truth_video=codes(truth.video, names),
        dropped={reason: n for reason, n in dropped.items() if n},
        counts={},
    )
    counts |= oddities(prepared, annotations) | changes
    return replace(prepared, counts={kind: n for kind, n in counts.items() if n})
