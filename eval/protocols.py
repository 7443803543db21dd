"""The named ways to compute average precision.

On the same detections they differ by up to 13 points of mAP, so a score without its protocol's name says little.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from ..core.errors import UsageError, suggestion

ProtocolName = Literal["activitynet", "thumos14", "thumos14-11point", "wtalc"]
TieOrder = Literal["canonical", "file"]
Union = Literal["lengths", "span", "snippets"]


@dataclass(frozen=True)
class Protocol:
    """How detections are matched to ground truth and how precision becomes one number.

    Attributes:
        name: The name to give on the command line and to print beside every score.
        source: The program whose numbers it reproduces.
        proposer: Whose turn it is. `detection`: detections by falling score, each takes a free ground truth.
            `truth`: a video at a time, ground truths in the order of their file, each takes a free detection.
        prefers: What the proposer takes among the free ones that pass: the highest IoU, or the first listed.
        strict: Whether the IoU must exceed the threshold, or may equal it.
        union: How the IoU's union is computed, see `matching.paired_iou`.
        curve: `interpolated`: area under the envelope of precision, all points (PASCAL VOC 2010 on).
            `hits`: precision summed at the true positives, over the number of ground truths.
            `11-point`: mean of the best precision at recalls 0, 0.1 .. 1.
        ambiguous: What becomes of detections that touch a segment annotated as ambiguous. `ignore`: nothing.
            `drop-unmatched`: those without a match are not counted. `drop-all`: all are removed before matching.
        ties: Order of equal scores. `canonical`: by video name, start, end, whatever the order of the rows.
            `file`: by video name, then the order of the rows, as the program does it.
        hits_first: Whether true positives go before false positives of the same score.
        empty_class_is_fatal: Whether a class without detections makes the whole mAP 0.
    """

    name: ProtocolName
    source: str
    proposer: Literal["detection", "truth"] = "detection"
    prefers: Literal["highest-iou", "first-listed"] = "highest-iou"
    strict: bool = False
    union: Union = "lengths"
    curve: Literal["interpolated", "hits", "11-point"] = "interpolated"
    ambiguous: Literal["ignore", "drop-unmatched", "drop-all"] = "ignore"
    ties: TieOrder = "canonical"
    hits_first: bool = False
    empty_class_is_fatal: bool = False


_THUMOS14 = Protocol(
    name="thumos14",
    source="THUMOS14 evaluation kit, TH14evalDet_Updated.m",
    proposer="truth",
    strict=True,
    union="span",
    curve="hits",
    ambiguous="drop-unmatched",
    ties="file",
)
PROTOCOLS: dict[str, Protocol] = {
    "activitynet": Protocol(name="activitynet", source="ActivityNet challenge, Evaluation/eval_detection.py"),
    "thumos14": _THUMOS14,
    # The first program joins the confidences as `[tpconf fpconf]` and sorts them, and MATLAB's sort is stable: true
    # positives win every tie. Both public copies of TH14evaldet.m found in August 2014's form read so; the updated
    # program brings the two back into the order of the file before it sorts, and keeps the older line as a comment.
    "thumos14-11point": replace(
        _THUMOS14,
        name="thumos14-11point",
        source="THUMOS14 evaluation kit of August 2014, TH14evaldet.m",
        curve="11-point",
        hits_first=True,
    ),
    "wtalc": Protocol(
        name="wtalc",
        source="W-TALC (Paul et al., ECCV 2018), detectionMAP.py, on its 25/16 snippets a second",
        prefers="first-listed",
        union="snippets",
        curve="hits",
        ambiguous="drop-all",
        empty_class_is_fatal=True,
    ),
}


def get_protocol(name: str) -> Protocol:
    """The protocol of that name.

    >>> get_protocol("thumos14").curve
    'hits'
    """
    if name not in PROTOCOLS:
        raise UsageError(
            f"there is no evaluation protocol {name!r}",
            why=suggestion(name, get_args(ProtocolName)),
            next="give --protocol " + "|".join(PROTOCOLS),
            subject=name,
        )
    return PROTOCOLS[name]
