"""Choosing the best epoch by videos held out of training, judged by their labels alone; no segment is ever read."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

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
