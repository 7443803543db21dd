"""What is particular to THUMOS14: its class numbers, and which test videos papers score."""

from __future__ import annotations

from ..core.errors import DataError
from .annotations import Annotations

#: The numbers the detection classes have among the 101 of the challenge, as in detclasslist.txt.
CLASS_IDS = {
    7: "BaseballPitch",
    9: "BasketballDunk",
    12: "Billiards",
    21: "CleanAndJerk",
    22: "CliffDiving",
    23: "CricketBowling",
    24: "CricketShot",
    26: "Diving",
    31: "FrisbeeCatch",
    33: "GolfSwing",
    36: "HammerThrow",
    40: "HighJump",
    45: "JavelinThrow",
    51: "LongJump",
    68: "PoleVault",
    79: "Shotput",
    85: "SoccerPenalty",
    92: "TennisSwing",
    93: "ThrowDiscus",
    97: "VolleyballSpiking",
}

AMBIGUOUS_ONLY = "video_test_0001292"
PAST_ITS_END = "video_test_0000270"
WRONGLY_ANNOTATED = "video_test_0001496"

#: The lists by name: what each leaves out of the 213 annotated test videos, and why.
VIDEO_LISTS: dict[str, tuple[str, frozenset[str]]] = {
    "thumos14-213": ("every annotated test video, one of them with Ambiguous segments only", frozenset()),
    "thumos14-212": (f"those with an instance of the 20 classes: not {AMBIGUOUS_ONLY}", frozenset({AMBIGUOUS_ONLY})),
    "thumos14-211": (
        f"all 213 but the two with wrong annotations, {PAST_ITS_END} (rows past its end) and {WRONGLY_ANNOTATED}",
        frozenset({PAST_ITS_END, WRONGLY_ANNOTATED}),
    ),
    "thumos14-210": (
        f"those with an instance and right annotations: not {AMBIGUOUS_ONLY}, {PAST_ITS_END}, {WRONGLY_ANNOTATED}",
        frozenset({AMBIGUOUS_ONLY, PAST_ITS_END, WRONGLY_ANNOTATED}),
    ),
}


def thumos14_videos(name: str, annotations: Annotations) -> tuple[str, ...]:
    """The names of the videos of a list in `VIDEO_LISTS`, taken from THUMOS14's own test annotations.

    Raises:
        DataError: The annotations are others, or not complete.
    """
    annotated = {video for video in annotations.segments.video if video.startswith("video_test_")}
    if len(annotated) != 212:
        raise DataError(
            f"the list {name} does not fit these annotations",
            why=f"THUMOS14 has 212 test videos with instances of its classes, these annotations have {len(annotated)}",
            next="give THUMOS14's test annotations, or a file of video names after --videos",
            subject=name,
        )
    return tuple(sorted((annotated | {AMBIGUOUS_ONLY}) - VIDEO_LISTS[name][1]))
