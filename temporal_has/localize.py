"""From class activation sequences to segments: levels, runs, gaps, scores, and what is left of overlapping ones.

Every step is a function of arrays that treats all classes (and all thresholds) of a video at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ..core.errors import UsageError, suggestion
from ..core.segments import Segments
from .activation import ClassActivationSequence
from .settings import LocalizeSettings, Settings
from .suppress import suppress, surest

ScoreRule = Literal["max", "mean", "outer-inner"]
ThresholdRule = Literal["max", "range", "fixed"]


def levels(sequences: np.ndarray, thresholds: Sequence[float], *, rule: ThresholdRule) -> np.ndarray:
    """The activation from which a moment counts, of each class and at each threshold.

    Args:
        sequences: (C, T) activation of each class.
        thresholds: K numbers.
        rule: `max`: thresholds are fractions of a class's maximum (Hide-and-Seek section 3.3); a class that nowhere
            exceeds zero gets an infinite level. `range`: fractions of the way from its minimum to its maximum, so that
            the sign does not matter, and a constant sequence exceeds no level. `fixed`: the level itself, the same for
            all classes and videos.

    Returns:
        (K, C), of the sequences' type.

    >>> levels(np.array([[1.0, 5.0], [-3.0, -1.0]]), [0.5], rule="max").tolist()
    [[2.5, inf]]
    >>> levels(np.array([[1.0, 5.0], [-3.0, -1.0]]), [0.5], rule="range").tolist()
    [[3.0, -2.0]]
    """
    fraction = np.asarray(thresholds, dtype=sequences.dtype)[:, None]
    if rule == "fixed":
        return np.repeat(fraction, len(sequences), axis=1)
    top = sequences.max(axis=1)
    if rule == "max":
        return np.where(top > 0, fraction * top, np.array(np.inf, dtype=sequences.dtype))
    bottom = sequences.min(axis=1)
    if sequences.shape[1] == 1:  # no range; the snippet is all action if it speaks for it at all
        return np.where(top > 0, 0 * fraction * top, np.array(np.inf, dtype=sequences.dtype))
    return bottom + fraction * (top - bottom)


def runs_above(mask: np.ndarray) -> np.ndarray:
    """The runs of True in each row of a mask.

    Args:
        mask: (R, T) bool.

    Returns:
        (N, 3) int: row, first position, and the position after the last; by row and position.

    >>> runs_above(np.array([[True, True, False, True]])).tolist()
    [[0, 0, 2], [0, 3, 4]]
    """
    steps = np.diff(mask.astype(np.int8), prepend=0, append=0, axis=1)
    (row, first), (_, end) = np.nonzero(steps == 1), np.nonzero(steps == -1)
    return np.stack([row, first, end], axis=1)


def close_gaps(runs: np.ndarray, edges_seconds: np.ndarray, *, gap_seconds: float) -> np.ndarray:
    """Join runs of a row that no more than `gap_seconds` lie between.

    Args:
        runs: (N, 3) int, as `runs_above` gives them.
        edges_seconds: (T + 1,) the instants that divide the video among its snippets.
        gap_seconds: 0 joins nothing.

    Returns:
        (N', 3) int.

    >>> close_gaps(np.array([[0, 0, 2], [0, 3, 4], [0, 9, 10]]), np.arange(11.0), gap_seconds=1.0).tolist()
    [[0, 0, 4], [0, 9, 10]]
    """
    if len(runs) == 0 or gap_seconds == 0:
        return runs
    row, first, end = runs.T
    # A millisecond of tolerance: a third of a second is no binary fraction.
    apart = (edges_seconds[first[1:]] - edges_seconds[end[:-1]] > gap_seconds + 1e-3) | (row[1:] != row[:-1])
    begins, ends = np.append(True, apart), np.append(apart, True)
    return np.stack([row[begins], first[begins], end[ends]], axis=1)


def run_scores(sequences: np.ndarray, runs: np.ndarray, *, rule: ScoreRule, margin: float = 0.25) -> np.ndarray:
    """One number a run, from its class's sequence alone.

    Args:
        sequences: (C, T) activation of each class.
        runs: (N, 3) int: class, first position, and the position after the last.
        rule: The largest value of the run, its mean, or the mean inside less the mean of a margin outside
            (outer-inner contrast: Shou et al., "AutoLoc", ECCV 2018).
        margin: Length of that margin on either side, as a fraction of the run's; a snippet at least.

    Returns:
        (N,) float64.

    >>> run_scores(np.array([[0.0, 2.0, 4.0, 0.0]]), np.array([[0, 1, 3]]), rule="mean").tolist()
    [3.0]
    """
    count, (row, first, end) = sequences.shape[1], runs.T
    if len(runs) == 0:
        return np.zeros(0)
    if rule == "max":
        # All rows on end and a number to close the last; every other slice of `reduceat` is a run.
        line = np.append(sequences.ravel(), -np.inf)
        slices = (runs[:, 1:] + row[:, None] * count).ravel()
        return np.maximum.reduceat(line, slices)[::2].astype(np.float64)
    sums = np.zeros((len(sequences), count + 1))
    np.cumsum(sequences, axis=1, dtype=np.float64, out=sums[:, 1:])
    inside = (sums[row, end] - sums[row, first]) / (end - first)
    if rule == "mean":
        return inside
    reach = np.maximum(1, np.rint((end - first) * margin).astype(int))
    left, right = np.maximum(0, first - reach), np.minimum(count, end + reach)
    outer_length = (first - left) + (right - end)
    outer = sums[row, first] - sums[row, left] + sums[row, right] - sums[row, end]
    return inside - np.where(outer_length > 0, outer / np.maximum(outer_length, 1), 0.0)


def squashed(sequences: np.ndarray, spread: float) -> np.ndarray:
    """The logistic function of the activation, in units of its spread: 0 to 1, a half where the network is undecided.

    It is Platt's way to a probability ("Probabilistic outputs for support vector machines", 1999) without anything to
    fit: of a network that learned from videos, only the order and the sign of a moment's activation are to be trusted,
    not how far out it lies.

    Args:
        sequences: (C, T) activation of each class.
        spread: See `ClassActivationSequence`; 0, unknown, changes nothing.

    >>> squashed(np.array([[0.0, 3.0, 300.0]]), 3.0).round(2).tolist()
    [[0.5, 0.73, 1.0]]
    """
    if spread <= 0:
        return sequences
    # The tanh is the logistic function, and does not overflow far below zero.
    return ((1 + np.tanh(sequences / (2 * spread))) / 2).astype(sequences.dtype)


def predicted_labels(
    probabilities: np.ndarray, classes: Sequence[str], *, class_threshold: float, most: int = 0
) -> tuple[str, ...]:
    """The classes a video probably shows: the likeliest one, and all others of at least `class_threshold`.

    Of more than `most` (0 or less: no bound) the likeliest are taken, in the order of the classes.

    >>> predicted_labels(np.array([0.3, 0.1, 0.7]), ["a", "b", "c"], class_threshold=0.2)
    ('a', 'c')
    >>> predicted_labels(np.array([0.3, 0.1, 0.7]), ["a", "b", "c"], class_threshold=0.2, most=1)
    ('c',)
    """
    chosen = probabilities >= class_threshold
    chosen[int(probabilities.argmax())] = True
    if most > 0:
        chosen &= surest(probabilities, most)
    return tuple(classes[i] for i in np.flatnonzero(chosen).tolist())


def localize(
    sequence: ClassActivationSequence,
    *,
    labels: Iterable[str] | None = None,
    rules: LocalizeSettings | None = None,
    **changes: object,
) -> Segments:
    """When the actions of one video happen.

    For each class, moments whose activation exceeds a level are kept, and each run of them is one detection.
    `LocalizeSettings` says what each rule means; Hide-and-Seek (section 3.3) takes one level, half of the class's
    maximum in this video, and whole probabilities: `threshold=0.5, threshold_rule="max", score="mean",
    probability_power=1, squash=False, upsample=1, nms="none"`.

    Args:
        sequence: The video's class activation sequence.
        labels: The classes to look for, where the video's labels are known; None for those predicted.
        rules: How segments are made; the defaults if None. Its `labels` are not heeded: whoever calls knows them.
        changes: Rules that differ, by name.

    Returns:
        Detections, in seconds, by class and start.

    Raises:
        UsageError: A label is none of the network's classes, or there is no such rule, or it cannot have such a value.

    >>> start, sure = np.arange(6.0), np.array([1.0])
    >>> drawn = np.array([[0.0], [1], [4], [3], [0], [0]])
    >>> sequence = ClassActivationSequence("match", drawn, sure, sure, start, start + 1, 6.0, ("Run",))
    >>> list(localize(sequence, threshold=0.5, threshold_rule="max", score="mean", upsample=1, nms="none"))
    [('match', 'Run', 2.0, 4.0, 3.5)]
    >>> len(localize(sequence))  # one at each of eight levels
    8
    """
    rules = rules or LocalizeSettings()
    if changes:
        known = replace(Settings(), localize=rules)
        rules = known.updated({f"localize.{key}": value for key, value in changes.items()}, origin="localize").localize
    if labels is None:
        labels = predicted_labels(
            sequence.probabilities, sequence.classes, class_threshold=rules.class_threshold, most=rules.classes
        )
    columns, snippets = _columns(sequence, labels), len(sequence.logits)
    sequence = sequence.of_classes(columns).upsampled(rules.upsample)
    edges, activation = sequence.edges_seconds, np.ascontiguousarray(sequence.logits.T)
    level = levels(activation, rules.threshold, rule=rules.threshold_rule)
    mask = activation > level[..., None]
    runs = close_gaps(runs_above(mask.reshape(-1, mask.shape[-1])), edges, gap_seconds=rules.gap_seconds)
    runs = _pooled(runs, len(columns), len(edges))
    row, (start, end) = runs[:, 0], edges[runs[:, 1:]].T
    long = (end - start >= rules.minimum_seconds) & (end > start)
    runs, row, start, end = runs[long], row[long], start[long], end[long]
    scored = squashed(activation, sequence.spread) if rules.squash else activation
    scores = run_scores(scored, runs, rule=rules.score, margin=rules.margin)
    probability = sequence.probabilities[row].astype(np.float64) ** rules.probability_power
    # Below zero a product would rank the less likely class first.
    scores = np.where(scores >= 0, scores * probability, scores * (2 - probability))
    if rules.nms != "none":
        kept, scores = suppress(start, end, scores, group=row, rule=rules.nms, iou=rules.nms_iou, sigma=rules.nms_sigma)
        row, start, end, scores = row[kept], start[kept], end[kept], scores[kept]
    if rules.detections:
        kept = surest(scores, max(rules.detections, snippets))
        row, start, end, scores = row[kept], start[kept], end[kept], scores[kept]
    names = np.array(sequence.classes, dtype=object)[row]
    return Segments([sequence.video] * len(row), names, start, end, scores)


def _pooled(runs: np.ndarray, classes: int, edges: int) -> np.ndarray:
    """The runs of rows threshold x class as runs of classes, each once: a repeat scores the same at any threshold."""
    row, first, end = runs.T
    key = np.unique((row % max(classes, 1) * edges + first) * edges + end)
    return np.stack([key // edges**2, key // edges % edges, key % edges], axis=1)


def _columns(sequence: ClassActivationSequence, labels: Iterable[str]) -> np.ndarray:
    """The columns of the classes asked for, each once, in the network's order."""
    place = {name: column for column, name in enumerate(sequence.classes)}
    labels = list(labels)
    unknown = [label for label in labels if label not in place]
    if unknown:
        raise UsageError(
            f"{sequence.video} is labelled {unknown[0]!r}, which the network never learned",
            why=suggestion(unknown[0], sequence.classes),
            next="correct the label, or train on a data set that has it",
            subject=sequence.video,
        )
    return np.array(sorted({place[label] for label in labels}), dtype=int)
