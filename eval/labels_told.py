"""How far labels can be trusted: how many videos' are told right, and what their probabilities are worth.

Where a label is told wrong, an interval has the wrong name wherever it lies. Of the videos said to show an action with
80 %, how many do: the table is that of reliability diagrams (Murphy and Winkler, "Reliability of subjective probability
forecasts", 1977), its mean gap the expected calibration error (Naeini et al., AAAI 2015).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal, Self

import numpy as np

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

    Videos without a label, and those that nothing was predicted for, do not count. `learned` are those that the network
    was trained on.

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


BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Probabilities beside what came true, in ten bins of the probability; empty bins are left out.

    Attributes:
        said: The mean probability of each bin.
        right: The share that came true.
        count: How many probabilities fell into it.
    """

    said: tuple[float, ...]
    right: tuple[float, ...]
    count: tuple[int, ...]

    @property
    def gap(self) -> float:
        """By how much they are off, on average over all probabilities: 0 to 1."""
        total = sum(self.count)
        off = (abs(s - r) * n for s, r, n in zip(self.said, self.right, self.count, strict=True))
        return sum(off) / total if total else 0.0

    def to_json(self) -> dict[str, list[float] | float]:
        """Plain values."""
        return {"said": list(self.said), "right": list(self.right), "count": list(self.count), "gap": self.gap}

    def line(self) -> str:
        """The surest bin and the mean gap, for a person.

        >>> Reliability(said=(0.05, 0.9), right=(0.1, 0.6), count=(30, 10)).line()
        'probabilities of labels: off by 11 points on average; of 10 said to be 90 % sure, 60 % are right'
        """
        if not self.count:
            return "probabilities of labels: none to look at"
        sure = f"of {self.count[-1]} said to be {self.said[-1]:.0%} sure, {self.right[-1]:.0%} are right"
        return f"probabilities of labels: off by {plural(round(100 * self.gap), 'point')} on average; {sure}".replace(
            "%", " %"
        )


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> Reliability:
    """Compare probabilities with what came true.

    Args:
        probabilities: (N, C), 0 to 1, that a video shows a class.
        labels: (N, C), above 0 where it does.

    >>> reliability(np.array([[0.95, 0.05], [0.95, 0.05]]), np.array([[1, 0], [0, 0]]))
    Reliability(said=(0.05, 0.95), right=(0.0, 0.5), count=(2, 2))
    """
    said, right = probabilities.astype(np.float64).ravel(), (labels > 0).ravel()
    place = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    filled = np.flatnonzero(count)

    def mean(values: np.ndarray) -> tuple[float, ...]:
        sums = np.bincount(place, values, BINS)[filled]
        return tuple((sums / count[filled]).round(12).tolist())

    return Reliability(mean(said), mean(right), tuple(count[filled].tolist()))
