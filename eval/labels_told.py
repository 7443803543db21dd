"""How many videos' labels are told right: where they are not, an interval has the wrong name wherever it lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal, Self

from ..core.errors import plural
from ..core.narrowing import as_int, as_table
from ..core.segments import Segments

Verdict = Literal["fair", "unsure", "wrong", "learned"]

_LEVEL = 0.05  # of chance, below which guessing is ruled out


@dataclass(frozen=True)
class LabelsTold:
    """How many of some labelled videos have one of their own labels as the likeliest.

    Attributes:
        videos: With a label in the table, and a result.
        right: Of them, those whose likeliest label is one of theirs.
        commonest: Of them, those that have the most frequent label: what naming every video alike would get.
        learned: The network was trained on these very videos, so the count says nothing about others.
    """

    videos: int
    right: int
    commonest: int
    learned: bool = False

    @property
    def verdict(self) -> Verdict:
        """`wrong`: most are, or naming all alike does as well; `unsure`: guessing might do as well; else `fair`."""
        if self.learned:
            return "learned"
        if 2 * self.right < self.videos or self.right < self.commonest:
            return "wrong"
        if self.right == self.commonest < self.videos:
            return "wrong"
        chance = self.commonest / self.videos
        as_good = sum(
            comb(self.videos, k) * chance**k * (1 - chance) ** (self.videos - k)
            for k in range(self.right, self.videos + 1)
        )
        return "unsure" if as_good > _LEVEL else "fair"

    def line(self) -> str:
        """One line for a person.

        >>> LabelsTold(videos=6, right=0, commonest=2).line()
        'labels told right: 0 of 6 videos: do not trust these intervals'
        """
        count = f"labels told right: {self.right} of {plural(self.videos, 'video')}"
        match self.verdict:
            case "learned":
                return f"{count}, on which the network was trained: this says nothing about others"
            case "wrong" if 2 * self.right >= self.videos:
                return f"{count}, no better than naming all alike ({self.commonest}): do not trust these intervals"
            case "wrong":
                return f"{count}: do not trust these intervals"
            case "unsure":
                return f"{count} ({self.commonest} by naming all alike): too few to tell it from guessing"
            case _:
                return f"{count} ({self.commonest} by naming all alike)"

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {**vars(self), "verdict": self.verdict}

    @classmethod
    def from_json(cls, content: object) -> Self:
        """What `to_json` gave."""
        told = as_table(content)
        videos, right, commonest = (as_int(told[name]) for name in ("videos", "right", "commonest"))
        return cls(videos, right, commonest, bool(told["learned"]))


def labels_told(
    predicted: Mapping[str, str], truth: Mapping[str, Sequence[str]], *, learned: Collection[str] = ()
) -> LabelsTold | None:
    """Compare the likeliest label of each video with those it has.

    Args:
        predicted: The likeliest label by video.
        truth: The labels of videos; those without any, and videos that nothing was predicted for, do not count.
        learned: Videos that the network was trained on.

    Returns:
        The count; None where no video counts.

    >>> labels_told({"a": "Run", "b": "Run"}, {"a": ["Run", "Jump"], "b": ["Jump"], "c": ["Run"]})
    LabelsTold(videos=2, right=1, commonest=2, learned=False)
    """
    counted = [video for video in predicted if truth.get(video)]
    if not counted:
        return None
    count = Counter(label for video in counted for label in set(truth[video]))
    return LabelsTold(
        videos=len(counted),
        right=sum(predicted[video] in truth[video] for video in counted),
        commonest=max(count.values()),
        learned=set(counted) <= set(learned),
    )


def surest_labels(detections: Segments) -> dict[str, str]:
    """The label of each video's surest detection: its likeliest label, where nothing else is known of the network."""
    ordered = detections.sorted_by_score()
    found: dict[str, str] = {}
    for video, label in zip(ordered.video.tolist(), ordered.label.tolist(), strict=True):
        found.setdefault(video, label)
    return found
