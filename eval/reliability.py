"""What a probability is worth: of the videos said to show an action with 80 %, how many do.

The table is that of reliability diagrams (Murphy and Winkler, "Reliability of subjective probability forecasts", 1977),
its mean gap the expected calibration error (Naeini et al., AAAI 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import plural

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
