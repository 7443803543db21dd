"""From a class activation sequence to segments: threshold, runs, scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from ..errors import UsageError, suggestion
from ..segments import Segments
from .activation import ClassActivationSequence

ScoreRule = Literal["max", "mean", "outer-inner"]


def runs_above(mask: np.ndarray) -> np.ndarray:
    """The runs of True in a mask.

    Args:
        mask: (T,) bool.

    Returns:
        (N, 2) int: the first position of each run and the one after its last.

    >>> runs_above(np.array([True, True, False, True])).tolist()
    [[0, 2], [3, 4]]
    """
    steps = np.diff(mask.astype(np.int8), prepend=0, append=0)
    return np.stack([np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)], axis=1)


def close_gaps(runs: np.ndarray, edges_seconds: np.ndarray, *, gap_seconds: float) -> np.ndarray:
    """Join runs that no more than `gap_seconds` lie between.

    Args:
        runs: (N, 2) int, as `runs_above` gives them.
        edges_seconds: (T + 1,) the instants that divide the video among its snippets.
        gap_seconds: 0 joins nothing.

    Returns:
        (N', 2) int.

    >>> close_gaps(np.array([[0, 2], [3, 4], [9, 10]]), np.arange(11.0), gap_seconds=1.0).tolist()
    [[0, 4], [9, 10]]
    """
    if len(runs) == 0 or gap_seconds == 0:
        return runs
    # A millisecond of tolerance: a third of a second is no binary fraction.
    apart = edges_seconds[runs[1:, 0]] - edges_seconds[runs[:-1, 1]] > gap_seconds + 1e-3
    return np.stack([runs[np.append(True, apart), 0], runs[np.append(apart, True), 1]], axis=1)


def run_scores(sequence: np.ndarray, runs: np.ndarray, *, rule: ScoreRule, margin: float = 0.25) -> np.ndarray:
    """One number a run, from the sequence alone.

    Args:
        sequence: (T,) activation of one class.
        runs: (N, 2) int, first position and the one after the last.
        rule: The largest value of the run, its mean, or the mean inside less the mean of a margin outside
            (outer-inner contrast: Shou et al., "AutoLoc", ECCV 2018).
        margin: Length of that margin on either side, as a fraction of the run's.

    Returns:
        (N,) float64.

    >>> run_scores(np.array([0.0, 2.0, 4.0, 0.0]), np.array([[1, 3]]), rule="mean").tolist()
    [3.0]
    """
    if rule == "max":
        return np.array([sequence[slice(*run)].max() for run in runs.tolist()], dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(sequence, dtype=np.float64)])
    first, end = runs[:, 0], runs[:, 1]
    inside = (sums[end] - sums[first]) / (end - first)
    if rule == "mean":
        return inside
    reach = np.maximum(1, np.rint((end - first) * margin).astype(int))
    left, right = np.maximum(0, first - reach), np.minimum(len(sequence), end + reach)
    outer_length = (first - left) + (right - end)
    outer = sums[first] - sums[left] + sums[right] - sums[end]
    return inside - np.where(outer_length > 0, outer / np.maximum(outer_length, 1), 0.0)


def predicted_labels(probabilities: np.ndarray, classes: Sequence[str], *, class_threshold: float) -> tuple[str, ...]:
    """The classes a video probably shows: the likeliest one, and all others of at least `class_threshold`.

    >>> predicted_labels(np.array([0.7, 0.2, 0.1]), ["a", "b", "c"], class_threshold=0.2)
    ('a', 'b')
    """
    chosen = probabilities >= class_threshold
    chosen[int(probabilities.argmax())] = True
    return tuple(classes[i] for i in np.flatnonzero(chosen).tolist())


def localize(
    sequence: ClassActivationSequence,
    *,
    labels: Iterable[str] | None = None,
    class_threshold: float = 0.1,
    threshold: float | Sequence[float] = 0.5,
    score: ScoreRule = "mean",
    gap_seconds: float = 0.0,
    minimum_seconds: float = 0.0,
    upsample: int = 1,
) -> Segments:
    """When the actions of one video happen.

    For each class, moments whose activation exceeds a fraction of the class's maximum are kept, and each run of them is
    one detection (Hide-and-Seek section 3.3). The maximum is taken over this video. A class whose activation nowhere
    exceeds zero has no moment that speaks for it, and gives no detection.

    Args:
        sequence: The video's class activation sequence.
        labels: The classes to look for, where the video's labels are known; None for those predicted.
        class_threshold: Probability from which a class counts as predicted; the likeliest always does.
        threshold: Fraction of the class's maximum, 0 to 1; of several, the runs at each are pooled, exact repeats left
            out.
        score: How a run is scored; the result is multiplied by the class's video-level probability.
        gap_seconds: Runs no further apart than this are joined.
        minimum_seconds: Shorter detections are dropped.
        upsample: Interpolate the sequence to so many times its moments first.

    Returns:
        Detections, in seconds, by class and start.

    Raises:
        UsageError: A label is none of the network's classes, or a rule is unknown.
    """
    if score not in get_args(ScoreRule):
        raise UsageError(f"there is no score rule {score!r}", next=suggestion(score, get_args(ScoreRule)))
    if labels is None:
        labels = predicted_labels(sequence.probabilities, sequence.classes, class_threshold=class_threshold)
    unknown = [label for label in labels if label not in sequence.classes]
    if unknown:
        raise UsageError(
            f"{sequence.video} is labelled {unknown[0]!r}, which the network never learned",
            why=suggestion(unknown[0], sequence.classes),
            next="correct the label, or train on a data set that has it",
            subject=sequence.video,
        )
    sequence = sequence.upsampled(upsample)
    edges = sequence.edges_seconds
    thresholds = [threshold] if isinstance(threshold, int | float) else list(threshold)
    found: list[Segments] = []
    for label in sorted(set(labels), key=sequence.classes.index):
        activation = sequence.of(label)
        if activation.max() <= 0:
            continue
        pieces = [
            close_gaps(runs_above(activation > fraction * activation.max()), edges, gap_seconds=gap_seconds)
            for fraction in thresholds
        ]
        runs = np.unique(np.concatenate(pieces), axis=0)
        start, end = edges[runs[:, 0]], edges[runs[:, 1]]
        probability = float(sequence.probabilities[sequence.classes.index(label)])
        scores = run_scores(activation, runs, rule=score) * probability
        keep = (end - start >= minimum_seconds) & (end > start)
        n = int(keep.sum())
        found.append(Segments([sequence.video] * n, [label] * n, start[keep], end[keep], scores[keep]))
    return Segments.concat(found) if found else Segments.empty(scored=True)
