"""Videos held out of training: their labels choose the best epoch, and mend probabilities; no segment is ever read.

A network is surer of videos than it may be, since it learned their like by heart. Two numbers mend that, a slope and an
offset of the log-odds for all classes alike (Platt, "Probabilistic outputs for support vector machines", 1999, with his
targets, which keep a class that is told right each time from becoming certain).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..core.errors import DataError


def held_out(labels: Mapping[str, Sequence[str]], *, fraction: float, seed: int) -> list[str]:
    """Draw the videos that are held out, evenly over the labels.

    The videos are put in order by label, those of one label by chance, and every 1/fraction-th is taken. So each label
    loses its share, to less than one video, but never its last video. A video of several labels counts with its rarest.

    Args:
        labels: At least one a video.
        fraction: Of the videos, 0 to 1.
        seed: Of the draw.

    Returns:
        Videos, in the order of `labels`.

    Raises:
        DataError: There are too few videos to hold out any.

    >>> len(held_out({f"{label}{i}": [label] for label in "ab" for i in range(10)}, fraction=0.3, seed=0))
    6
    """
    count = Counter(label for known in labels.values() for label in set(known))
    stratum = {video: min(known, key=lambda label: (count[label], label)) for video, known in labels.items()}
    draw = random.Random(seed)
    order = sorted(sorted(labels), key=lambda video: (stratum[video], draw.random()))
    left, chosen, share = count.copy(), set(), Fraction(fraction).limit_denominator(10**6)
    for place, video in enumerate(order):
        due = int((place + 1) * share + Fraction(1, 2)) > int(place * share + Fraction(1, 2))
        if due and all(left[label] > 1 for label in set(labels[video])):
            chosen.add(video)
            left.subtract(set(labels[video]))
    if not chosen:
        raise DataError(
            f"train.validation={fraction:g} holds out none of {len(labels)} training videos",
            why="each class needs a video to learn from, and the share must make at least one",
            next="a larger --set train.validation=..., or 0 to train on all of them",
        )
    return [video for video in labels if video in chosen]


def label_map(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean over classes of the average precision of finding each class's videos; equal scores enter together.

    Args:
        scores: (N, C).
        labels: (N, C), above 0 where a video has a class; classes that no video has do not count.

    >>> label_map(np.array([[3.0], [2.0], [1.0]]), np.array([[1], [0], [1]]))  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    found = []
    for score, right in zip(scores.T, labels.T > 0, strict=True):
        if right.any():
            not_below = score[None, :] >= score[right, None]  # (positives, N)
            found.append(((not_below & right).sum(axis=1) / not_below.sum(axis=1)).mean())
    return float(np.mean(found))


_STEPS, _RIDGE = 50, 1e-3


class Calibration(NamedTuple):
    """From a network's probability that a video shows a class to one that can be trusted.

    Attributes:
        slope: Of the log-odds; below 1 where the network is too sure.
        offset: Of the log-odds.
    """

    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """(...) probabilities -> (...) better ones, in the same order where the slope is above 0.

        >>> Calibration(0.5)(np.array([0.5, 0.9])).round(2).tolist()
        [0.5, 0.75]
        """
        return _logistic(self.slope * _log_odds(probabilities) + self.offset)

    @classmethod
    def of(cls, value: object) -> Calibration:
        """From a checkpoint's description.

        Raises:
            ValueError: It is no pair of finite numbers.
        """
        if isinstance(value, list) and len(value) == 2 and all(isinstance(one, float | int) for one in value):
            slope, offset = (float(one) for one in value)
            if np.isfinite([slope, offset]).all():
                return cls(slope, offset)
        raise ValueError("its calibration must be two numbers")


def calibrate(probabilities: np.ndarray, labels: np.ndarray) -> Calibration:
    """Fit slope and offset by Newton's method.

    Args:
        probabilities: (N, C) of N videos that were not learned from.
        labels: (N, C), above 0 where a video has a class.

    Returns:
        The identity where all labels are alike, which tells nothing.
    """
    x, right = _log_odds(probabilities).ravel(), (labels > 0).ravel()
    positive, negative = int(right.sum()), int((~right).sum())
    if not positive or not negative:
        return Calibration()
    target = np.where(right, (positive + 1) / (positive + 2), 1 / (negative + 2))
    design, found = np.stack([x, np.ones_like(x)], axis=1), np.array([1.0, 0.0])
    for _ in range(_STEPS):
        said = _logistic(design @ found)
        # A little ridge towards the identity: few videos must not make a slope of thousands, or one below 0.
        gradient = design.T @ (said - target) + _RIDGE * (found - [1.0, 0.0])
        curve = (design * (said * (1 - said))[:, None]).T @ design + _RIDGE * np.eye(2)
        step = np.linalg.solve(curve, gradient)
        found = found - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(max(float(found[0]), 0.0), float(found[1]))


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    clipped = probabilities.astype(np.float64).clip(1e-6, 1 - 1e-6)
    return np.log(clipped) - np.log1p(-clipped)


def _logistic(x: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(x / 2)) / 2
