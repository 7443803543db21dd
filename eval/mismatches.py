"""Whether detections and ground truth speak of the same videos and labels, before a score of 0 has to be explained."""

from __future__ import annotations

from ..core.errors import DataError, counted, listing
from ..core.near_names import label_sentence, near_names, told
from ..core.segments import Segments
from .annotations import Annotations


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
