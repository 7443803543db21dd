"""What is known about trust: by the sequences themselves, by the test videos' labels, and by their truth where it is.

Sequences say whether they move and tell classes apart, labels what a probability is worth, and the truth, which
training never sees, whether the detections are above guessing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import plural
from ..core.segments import Segments
from ..datasets.dataset import Dataset
from ..eval.annotations import Annotations
from ..eval.assessment import assess
from ..eval.baselines import baselines
from ..eval.labels_told import Reliability, reliability
from .activation import ClassActivationSequence
from .settings import EvalSettings
from .validation import Calibration

FLAT = 0.1
"""A sequence whose range is below this share of the spread of the training videos' activations does not move."""
ALIKE = 0.99
"""Sequences of two classes that correlate above this mark the same moments."""


@dataclass(frozen=True)
class Doubts:
    """In how many videos a sequence says little.

    Attributes:
        videos: How many were looked at: those of two snippets and more.
        flat: Of those, where the likeliest class's sequence hardly moves.
        alike: Of those, where the two likeliest classes mark the same moments.
    """

    videos: int
    flat: int
    alike: int

    def to_json(self) -> dict[str, int]:
        """Plain values."""
        return dict(vars(self))

    def warnings(self) -> list[str]:
        """What to tell a person: nothing unless it is so in half of the videos."""
        found = []
        if self.videos and 2 * self.flat >= self.videos:
            found.append(
                f"in {self.flat} of {plural(self.videos, 'video')} the sequence of the likeliest class hardly moves: "
                "where its intervals begin and end says little"
            )
        if self.videos and 2 * self.alike >= self.videos:
            found.append(
                f"in {self.alike} of {plural(self.videos, 'video')} the two likeliest classes mark the same moments: "
                "the network finds that something happens, not what"
            )
        return found


def doubts(sequences: Sequence[ClassActivationSequence]) -> Doubts:
    """Look at the sequences of some videos.

    A sequence that does not move at all is like any other and counts as flat alone.

    >>> start, sure = np.arange(3.0), np.array([0.9, 0.2])
    >>> drawn = np.array([[0.0, 0.0], [5.0, 2.5], [0.0, 0.0]])
    >>> doubts([ClassActivationSequence("v", drawn, sure, sure, start, start + 1, 3.0, ("Run", "Jump"), spread=4.0)])
    Doubts(videos=1, flat=0, alike=1)
    """
    looked = flat = alike = 0
    for one in sequences:
        if len(one.logits) < 2:
            continue
        looked += 1
        first, *rest = np.argsort(-one.probabilities, kind="stable")[:2]
        likeliest = one.logits[:, first].astype(np.float64)
        if np.ptp(likeliest) <= FLAT * one.spread:
            flat += 1
        elif rest:
            other = one.logits[:, rest[0]].astype(np.float64)
            # Of two snippets any two sequences that rise are alike.
            if len(other) > 2 and np.ptp(other) > 0 and np.corrcoef(likeliest, other)[0, 1] > ALIKE:
                alike += 1
    return Doubts(looked, flat, alike)


def told_by_labels(
    sequences: Sequence[ClassActivationSequence], opened: Dataset, calibration: Calibration | None
) -> Reliability | None:
    """What the probabilities of labels are worth, by the labels of videos; None if none has any."""
    rows = [
        ([label in opened.labels[one.video] for label in one.classes], one.probabilities)
        for one in sequences
        if opened.labels.get(one.video)
    ]
    if not rows:
        return None
    right, said = (np.array(column) for column in zip(*rows, strict=True))
    return reliability(said if calibration is None else calibration(said), right)


@dataclass(frozen=True)
class Standing:
    """Where detections stand between nothing and guessing with the true labels known.

    Attributes:
        average: Their mean average precision over the thresholds, 0 to 1.
        blind: That of the best blind tiles, which are given the true labels.
        tiles: What these tiles are.
        thresholds: IoU.
    """

    average: float
    blind: float
    tiles: str
    thresholds: tuple[float, ...]

    @property
    def above(self) -> bool:
        """Whether the detections beat guessing."""
        return self.average > self.blind

    def to_json(self) -> dict[str, float | str | list[float]]:
        """Plain values."""
        return {**vars(self), "thresholds": list(self.thresholds)}

    def line(self) -> str:
        """For a person.

        >>> Standing(0.391, 0.307, "tiles of 3 s", (0.1, 0.5)).line()
        'mean mAP at IoU 0.1 0.5: 39.1 %; blind tiles of 3 s with the true labels: 30.7 %'
        """
        at = " ".join(f"{one:g}" for one in self.thresholds)
        line = f"mean mAP at IoU {at}: {100 * self.average:.1f} %; blind {self.tiles} with the true labels: "
        return f"{line}{100 * self.blind:.1f} %{'' if self.above else ': guessing does as well'}"


def standing(detections: Segments, truth: Annotations, settings: EvalSettings) -> Standing | None:
    """Compare detections with guessing; None where the truth holds no segment."""
    if not len(truth.segments):
        return None
    how = {"iou": settings.iou, "protocol": settings.protocol}
    best = baselines(truth, **how)[0]
    return Standing(assess(detections, truth, **how).scores.average, best.average, best.name, settings.iou)
