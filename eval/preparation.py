"""Before scoring: which detections and ground truths take part, and a count of all that do not."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import DataError, listing, suggestion
from ..segments import Segments
from .annotations import Annotations
from .protocols import Protocol

UnknownLabels = Literal["error", "drop"]

_NO_LENGTH = "ground truths of no length"
_REPEATED = "repeated ground truths"
_AMBIGUOUS = {
    "ignore": "left out of the ground truth; detections on them are false positives",
    "drop-unmatched": "left out of the ground truth; unmatched detections that touch them do not count",
    "drop-all": "left out of the ground truth; all detections that touch them are dropped",
}


@dataclass(frozen=True)
class Prepared:
    """What is scored, and what was left out.

    Attributes:
        detections: Those that take part, in the order of their rows.
        truth: Ground truth, in the order of its rows.
        ignored: Ambiguous segments.
        classes: (C,) labels.
        videos: Names of the videos scored, sorted.
        dropped: Count of detections left out, by reason.
        counts: Count of what is odd but takes part, by kind, and of the ground truth left out.
    """

    detections: Segments
    truth: Segments
    ignored: Segments
    classes: tuple[str, ...]
    videos: tuple[str, ...]
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
        counts["set of annotations without ambiguous segments, which this protocol would heed"] = 1
    label = codes(detections.label, annotations.classes)
    if (label < 0).any():
        policy = unknown_labels or ("drop" if protocol.name.startswith("thumos14") else "error")
        if policy == "error":
            names = sorted(set(detections.label[label < 0]))
            row = int(np.flatnonzero(label < 0)[0])
            raise DataError(
                f"{int((label < 0).sum())} detections have a label the ground truth does not know: {listing(names)}",
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
        annotations = annotations.only(chosen)
        counts["ground truth outside the chosen videos, dropped"] = before - len(annotations.segments)
    if known_labels:
        own = annotations.video_labels()
        theirs = zip(detections.video, detections.label, strict=True)
        allowed = np.fromiter((name in own.get(video, ()) for video, name in theirs), bool, len(detections))
        dropped["not one of its video's own labels (known labels)"] = int((keep & ~allowed).sum())
        keep &= allowed
    kept = detections if keep.all() else detections[keep]
    oddities = _oddities(kept, annotations)
    truth = annotations.segments
    if clean_truth:
        truth, changes = _cleaned(truth)
        oddities = {kind: n for kind, n in oddities.items() if kind not in changes} | changes
    return Prepared(
        detections=kept,
        truth=truth,
        ignored=annotations.ignored,
        classes=annotations.classes,
        videos=annotations.videos if videos is None else tuple(sorted(set(videos))),
        dropped={reason: n for reason, n in dropped.items() if n},
        counts={kind: n for kind, n in {**counts, **oddities}.items() if n},
    )


def _oddities(detections: Segments, annotations: Annotations) -> dict[str, int]:
    """Counts of what a reader of the score should know."""
    truth = annotations.segments
    with_truth = set(truth.video)
    known = set(annotations.videos)
    lacking = np.fromiter((video not in with_truth for video in detections.video), bool, len(detections))
    strange = np.fromiter((video not in known for video in detections.video), bool, len(detections))
    past = np.fromiter((annotations.durations.get(video, np.inf) for video in truth.video), float, len(truth))
    length = np.fromiter(
        (annotations.durations.get(video, np.inf) for video in detections.video), float, len(detections)
    )
    return {
        "detections in videos without ground truth, false positives": int((lacking & ~strange).sum()),
        "detections in videos the annotations do not name, false positives": int(strange.sum()),
        "detections of no length, false positives": int((detections.duration_seconds <= 0).sum()),
        "detections that start before 0 s": int((detections.start_seconds < 0).sum()),
        "detections that end more than 1 s past the video": int((detections.end_seconds > length + 1).sum()),
        "repeated rows of detections": len(detections) - _distinct(detections),
        _NO_LENGTH: int((truth.duration_seconds <= 0).sum()),
        "ground truths that start before 0 s": int((truth.start_seconds < 0).sum()),
        "ground truths that end more than 1 s past the video": int((truth.end_seconds > past + 1).sum()),
        _REPEATED: len(truth) - _distinct(truth),
    }


def _cleaned(truth: Segments) -> tuple[Segments, dict[str, int]]:
    """Ground truth without repeated rows and rows of no length, and the counts of both."""
    rows = list(zip(truth.video, truth.label, truth.start_seconds.tolist(), truth.end_seconds.tolist(), strict=True))
    first = np.zeros(len(truth), dtype=bool)
    first[list({row: i for i, row in reversed(list(enumerate(rows)))}.values())] = True
    lasting = truth.duration_seconds > 0
    counts = {_NO_LENGTH: 0, f"{_NO_LENGTH}, dropped": int((~lasting).sum())}
    counts |= {_REPEATED: 0, f"{_REPEATED}, dropped": int((lasting & ~first).sum())}
    return truth[lasting & first], counts


def _distinct(table: Segments) -> int:
    columns = (table.video, table.label, table.start_seconds.tolist(), table.end_seconds.tolist())
    return len(set(zip(*columns, strict=True)))
