"""Scores as tables for a terminal. Per cent here, fractions in files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import plural
from ..core.table_text import percent, rich_table
from .assessment import Assessment
from .certainty import Comparison
from .protocols import PROTOCOLS

if TYPE_CHECKING:
    from rich.table import Table


def _with_mean(values: Sequence[float] | np.ndarray, mean: float) -> list[str]:
    """A mean over one threshold would say the same twice."""
    return [*_row(values), percent(mean)] if len(values) > 1 else _row(values)


def _row(values: Sequence[float] | np.ndarray) -> list[str]:
    return [percent(value) for value in values]


def _spans(assessment: Assessment) -> list[tuple[str, np.ndarray, np.ndarray, tuple[float, float]]]:
    """Name, lower and upper ends at each threshold, and both ends of the mean."""
    spans: list[tuple[str, np.ndarray, np.ndarray, tuple[float, float]]] = []
    if interval := assessment.interval:
        ends = float(interval.average[0]), float(interval.average[1])
        spans.append(("95 % over videos", interval.low, interval.high, ends))
    if ties := assessment.ties:
        pairs = [("other tie orders", ties.usual_low, ties.usual_high), ("ties at worst, best", ties.low, ties.high)]
        spans += [(name, low, high, (float(low.mean()), float(high.mean()))) for name, low, high in pairs]
    return spans


def _columns(first: str, thresholds: np.ndarray, *more: str) -> Table:
    mean = ["mean"] if len(thresholds) > 1 else []
    return rich_table([first], [*(f"{threshold:g}" for threshold in thresholds), *mean, *more])


def score_table(assessments: Sequence[Assessment]) -> Table:
    """A row for each protocol, with the interval of ties, the bootstrap and the baselines below it."""
    table = _columns("mAP (%) at IoU", assessments[0].scores.thresholds)
    for assessment in assessments:
        scores = assessment.scores
        table.add_row(f"[bold]{scores.protocol}[/]", *_with_mean(scores.map, scores.average))
        for name, low, high, mean in _spans(assessment):
            table.add_row(f"  {name}, from", *_with_mean(low, mean[0]))
            table.add_row("    to", *_with_mean(high, mean[1]))
        for baseline in assessment.baselines:
            table.add_row(f"  blind: {baseline.name}", *_with_mean(baseline.map, baseline.average), style="dim")
    return table


def class_table(assessment: Assessment) -> Table:
    """A row for each class that has ground truth, by falling mean."""
    from rich.markup import escape

    scores, ranking = assessment.scores, assessment.ranking
    table = _columns(f"AP (%), {scores.protocol}", scores.thresholds, "truths")
    present = np.flatnonzero(ranking.positives)
    order = present[np.argsort(-scores.ap[:, present].mean(axis=0), kind="stable")]
    for c in map(int, order):
        ap = scores.ap[:, c]
        table.add_row(escape(scores.classes[c]), *_with_mean(ap, ap.mean()), str(ranking.positives[c]))
    return table


def account(assessment: Assessment) -> list[str]:
    """What was scored, in one line, then one line for each thing that was dropped or is odd."""
    scores, prepared = assessment.scores, assessment.prepared
    facts = scores.details

    def count(name: str) -> int:
        return int(str(facts[name]))

    nothing = ["no detections: the score is 0 because nothing was given to score"] if not facts["detections"] else []
    dropped = [f"{plural(n, 'detection')} dropped: {reason}" for reason, n in prepared.dropped.items()]
    return [
        f"{plural(count('detections'), 'detection')}, {plural(count('ground_truth'), 'ground truth')} of "
        f"{plural(count('classes_with_ground_truth'), 'class', 'classes')} in "
        f"{facts['videos_with_ground_truth']} of {plural(count('videos'), 'video')} (list {facts['videos_hash']})",
        f"protocol {scores.protocol}: {PROTOCOLS[scores.protocol].source}",
        *nothing,
        *dropped,
        *(f"{kind}: {n}" for kind, n in prepared.counts.items()),
    ]


def comparison_table(comparison: Comparison, thresholds: np.ndarray, *, names: tuple[str, str]) -> Table:
    """The difference at each threshold, its interval, and whether it is real."""
    table = _columns(f"{names[1]} less {names[0]}, points", thresholds)
    shown = slice(None) if len(thresholds) > 1 else slice(1)
    rows = {"difference": comparison.difference, "  95 %, from": comparison.low, "    to": comparison.high}
    for name, values in rows.items():
        table.add_row(name, *(f"{100 * value:+.1f}" for value in values[shown]))
    table.add_row("p", *(f"{value:.3f}" for value in comparison.p[shown]))
    table.add_row("real?", *("[green]yes[/]" if real else "no" for real in comparison.real[shown]))
    return table


def verdict(comparison: Comparison, *, names: tuple[str, str]) -> str:
    """The comparison of the means in a sentence."""
    change, low, high = (100 * float(values[-1]) for values in (comparison.difference, comparison.low, comparison.high))
    if change == low == high == 0:
        return f"No difference is shown: {names[0]} and {names[1]} score the same."
    if low == -100 and high == 100:
        return f"No difference is shown: {change:+.1f} points of mean mAP on a single video say nothing of others."
    better, worse = names[::-1] if change > 0 else names
    if comparison.real[-1]:
        near, far = sorted((abs(low), abs(high)))
        return f"{better} is better than {worse}: by {abs(change):.1f} points of mean mAP ({near:.1f} to {far:.1f})."
    return (
        f"No difference is shown: {change:+.1f} points of mean mAP, but other videos of the same kind "
        f"could give {low:+.1f} to {high:+.1f}."
    )


def seeds_table(mean: np.ndarray, deviation: np.ndarray, thresholds: np.ndarray, *, runs: int, protocol: str) -> Table:
    """Mean and standard deviation over runs."""
    table = _columns(f"mAP (%), {protocol}, {runs} runs", thresholds)
    table.add_row("mean", *_with_mean(mean[:-1], mean[-1]))
    table.add_row("standard deviation", *_with_mean(deviation[:-1], deviation[-1]))
    return table
