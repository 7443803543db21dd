"""What sequences say about themselves before anyone looks at a segment: whether they move, and tell classes apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import plural
from .activation import ClassActivationSequence

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

    def to_json(self) -> dict[str, Any]:
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
