"""Probabilities that mean what they say: fitted on the labels of held-out videos.

A network is surer of videos than it may be, since it learned their like by heart. Two numbers mend that, a slope and an
offset of the log-odds for all classes alike (Platt, "Probabilistic outputs for support vector machines", 1999, with his
targets, which keep a class that is told right each time from becoming certain).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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
