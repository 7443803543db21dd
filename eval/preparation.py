"""Before scoring: which detections and ground truths take part, a count of all that do not, and of what is odd.

What is allowed in both, but a reader of the score should know, is counted; names that do not meet are told before a
score of 0 has to be explained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..core.errors import DataError, counted, listing, plural, suggestion
from ..core.near_names import label_sentence, near_names, told
from ..core.segments import Segments
from .annotations import Annotations
from .protocols import Protocol

UnknownLabels = Literal["error", "drop"]

_AMBIGUOUS = {
    "ignore": "left out of the ground truth; detections on them are false positives",
    "drop-unmatched": "left out of the ground truth; unmatched detections that touch them do not count",
    "drop-all": "left out of the ground truth; all detections that touch them are dropped",
}


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is scored, and what was left out.

    Attributes:
        detections: Those that take part, in the order of their rows.
        truth: Ground truth, in the order of its rows.
        ignored: Ambiguous segments.
        classes: (C,) labels.
        videos: Names of the videos scored, sorted.
        names: (V,) names of these and of all videos that have rows, sorted.
        label: (N,) int, the class of each detection.
        video: (N,) int, its video's position in `names`.
        truth_label: (M,) int, the class of each ground truth.
        truth_video: (M,) int, its video's position in `names`.
        dropped: Count of detections left out, by reason.
        counts: Count of what is odd but takes part, by kind, and of the ground truth left out.
    """

    detections: Segments
    truth: Segments
    ignored: Segments
    classes: tuple[str, ...]
    videos: tuple[str, ...]
    names: tuple[str, ...]
    label: np.ndarray
    video: np.ndarray
    truth_label: np.ndarray
    truth_video: np.ndarray
    dropped: dict[str, int]
    counts: dict[str, int]

    @property
    def videos_hash(self) -> str:
        """Twelve hexadecimal digits that stand for the list of videos: two scores with another hash do not compare."""
        return hashlib.sha256("\n".join(self.videos).encode()).hexdigest()[:12]


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


NO_LENGTH = "ground truths of no length"
REPEATED = "repeated ground truths"


def oddities(prepared: Prepared, annotations: Annotations) -> dict[str, int]:
    """How many rows take part though something is odd about them, by kind."""
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
