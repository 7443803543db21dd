"""A picture of one video: when its actions happen, what the network saw of them, and what was detected."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import plural
from ..core.plots import drawing, save_figure
from ..core.segments import Segments
from .activation import ClassActivationSequence
from .localize import ThresholdRule, levels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TRUTH = "#4d4d4d"
_ARMS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3")  # told apart by readers with colour-blindness too
_BARS_HEIGHT = 0.35  # the room for detections, as a share of the sequence's
_MOST_BARS = 300  # of a label


def draw_timeline(
    path: Path,
    sequences: Mapping[str, ClassActivationSequence],
    detections: Mapping[str, Segments],
    *,
    truth: Segments | None = None,
    labels: tuple[str, ...] | None = None,
    threshold: Sequence[float] = (0.5,),
    threshold_rule: ThresholdRule = "max",
    title: str = "",
) -> None:
    """Draw truth, class activation sequences and detections over time, a row of panels a label.

    Of detections that overlap, the surest are shown, in up to four lines.

    Args:
        path: A PNG, PDF or SVG file; its folder is made.
        sequences: One video's sequences, by the name of the run that made them ("" for a single one).
        detections: The same runs' detections in that video.
        truth: The video's ground truth, if known.
        labels: Which classes; the true ones, else the detected ones, else the likeliest.
        threshold: Those used; a single one is drawn as a dashed line, several would hide the sequence.
        threshold_rule: What it is a threshold of.
        title: Above the picture; the video's name if empty.

    Raises:
        DataError: The file cannot be written.
    """
    first = next(iter(sequences.values()))
    labels = labels or _labels_to_draw(first, detections, truth)
    arms = list(sequences)
    with _figure(path, (10, 0.9 + len(labels) * ((0.5 if truth is not None else 0) + 1.5 * len(arms)))) as figure:
        heights = ([0.3] if truth is not None else []) + [1.0] * len(arms)
        rows = len(labels) * len(heights)
        axes = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=heights * len(labels))[:, 0]
        panel = iter(axes)
        for label in labels:
            if truth is not None:
                axis = next(panel)
                _truth(axis, truth[truth.label == label])
                axis.set_title(label, loc="left", fontsize=10)
            for arm, colour in zip(arms, _ARMS * len(arms), strict=False):
                axis = next(panel)
                found = detections[arm]
                _sequence(axis, sequences[arm], label, colour, threshold, threshold_rule)
                _detections(axis, found[found.label == label], colour)
                axis.set_ylabel(arm or label, rotation=0, ha="right", va="center")
        axes[-1].set_xlim(0, first.duration_seconds)
        axes[-1].set_xlabel("seconds")
        figure.suptitle(title or first.video)
        explanation = (
            "line: class activation over its maximum; dashed: the threshold, where there is just one; "
            "bars: detections, surer ones darker"
        )
        figure.text(0.99, 0.005, explanation, ha="right", va="bottom", fontsize=7, color="#666666")
        figure.tight_layout(rect=(0, 0.02, 1, 1))


@contextmanager
def _figure(path: Path, size: tuple[float, float]) -> Generator[Figure]:
    """An empty figure, saved when the block ends; the file is whole or not there."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with drawing():
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        yield figure
        save_figure(figure, path, dpi=120)


def mean_profile(
    sequences: Mapping[str, ClassActivationSequence], truth: Segments, *, moments: int = 60, reach: float = 0.5
) -> np.ndarray:
    """The activation of the true class over the course of an action, averaged over all instances.

    Args:
        sequences: By video.
        truth: Ground truth.
        moments: Number of moments.
        reach: How far to look before the start and after the end, in lengths of the action.

    Returns:
        (moments,) activation over the maximum of its video, at even moments from `-reach` to `1 + reach`.
    """
    at = np.linspace(-reach, 1 + reach, moments)
    rows = []
    for video, label, start, end in truth:
        sequence = sequences.get(video)
        if sequence is None or label not in sequence.classes:
            continue
        edges, values = sequence.edges_seconds, sequence.of(label)
        if values.max() > 0:
            seconds = start + at * (end - start)
            value = np.interp(seconds, (edges[1:] + edges[:-1]) / 2, values / values.max())
            rows.append(np.where((seconds < 0) | (seconds > sequence.duration_seconds), np.nan, value))
    found = np.array(rows).reshape(-1, moments)
    seen = np.isfinite(found).sum(axis=0)
    return np.where(seen > 0, np.nansum(found, axis=0) / np.maximum(seen, 1), np.nan)


def draw_profile(
    path: Path,
    sequences: Mapping[str, Mapping[str, ClassActivationSequence]],
    truth: Segments,
    *,
    threshold: float = 0.5,
) -> None:
    """Draw `mean_profile` of several runs: how much of an action each network responds to."""
    with _figure(path, (7, 4)) as figure:
        axis = figure.subplots()
        axis.axvspan(0, 1, color=_TRUTH, alpha=0.12, linewidth=0)
        axis.text(0.5, 1.02, "the action", ha="center", va="bottom", transform=axis.get_xaxis_transform())
        for (arm, by_video), colour in zip(sequences.items(), _ARMS, strict=False):
            profile = mean_profile(by_video, truth)
            axis.plot(np.linspace(-0.5, 1.5, len(profile)), profile, color=colour, label=arm)
        axis.axhline(threshold, color="#999999", linestyle="--", linewidth=0.8, label="threshold")
        axis.set_ylim(bottom=0)
        axis.set_xlabel("time, in lengths of the action from its start")
        axis.set_ylabel("class activation over its video's maximum")
        axis.legend(frameon=False)
        figure.suptitle(f"What each network responds to: mean over {plural(len(truth), 'test instance')}")
        figure.tight_layout()


def lanes(start: np.ndarray, end: np.ndarray, score: np.ndarray, *, most: int = 4, moments: int = 1000) -> np.ndarray:
    """Lines to draw overlapping intervals on: the surest on the first, what overlaps them on the next.

    Args:
        start: (N,) seconds.
        end: (N,) seconds.
        score: (N,) the surest choose first.
        most: Number of lines.
        moments: Intervals are told apart as finely as this part of the whole; they are but drawn.

    Returns:
        (N,) int, the line of each; -1 where there is no room.

    >>> lanes(np.array([0, 1, 5]), np.array([4, 6, 9]), np.array([0.5, 0.9, 0.1]), most=2).tolist()
    [1, 0, 1]
    """
    line = np.full(len(score), -1)
    if len(score) == 0:
        return line
    unit = moments / max(float(end.max()), 1e-9)
    first = np.floor(start * unit).astype(int)
    last = np.maximum(np.ceil(end * unit).astype(int), first + 1)
    taken = np.zeros((most, moments + 1), dtype=bool)
    for row in np.argsort(-score, kind="stable"):
        free = ~taken[:, first[row] : last[row]].any(axis=1)
        if free.any():
            line[row] = int(free.argmax())
            taken[line[row], first[row] : last[row]] = True
    return line


def _labels_to_draw(
    sequence: ClassActivationSequence, detections: Mapping[str, Segments], truth: Segments | None
) -> tuple[str, ...]:
    named = list(dict.fromkeys(truth.label)) if truth is not None else []
    named = named or list(dict.fromkeys(label for found in detections.values() for label in found.label))
    return tuple(named[:4]) or (sequence.classes[int(sequence.probabilities.argmax())],)


def _sequence(
    axis: Axes,
    sequence: ClassActivationSequence,
    label: str,
    colour: str,
    thresholds: Sequence[float],
    rule: ThresholdRule,
) -> None:
    """The class's activation over its maximum; one that nowhere exceeds zero is drawn over its largest size."""
    if label not in sequence.classes:
        axis.text(0.5, 0.5, "not a class of this run", transform=axis.transAxes, ha="center", va="center")
        return
    edges, values = sequence.edges_seconds, sequence.of(label)
    top = values.max() if values.max() > 0 else max(float(np.abs(values).max()), 1e-9)
    axis.stairs(values / top, edges, baseline=None, color=colour, linewidth=1.2)
    level = levels(values[None], thresholds, rule=rule)[0, 0] / top
    if len(thresholds) == 1 and np.isfinite(level):
        axis.axhline(level, color="#999999", linestyle="--", linewidth=0.8)
    low = min(0.0, float(values.min()) / top)
    axis.set_ylim(low - (1.1 - low) * _BARS_HEIGHT, 1.1)
    axis.set_yticks([0, 1])


def _truth(axis: Axes, segments: Segments) -> None:
    """Ground truth fills its panel."""
    axis.broken_barh(_spans(segments), (0, 1), color=_TRUTH, linewidth=0)
    axis.set_ylabel("truth", rotation=0, ha="right", va="center")
    axis.set_yticks([])
    axis.set_ylim(0, 1)


def _spans(segments: Segments) -> list[tuple[float, float]]:
    """(start, length) of each, as matplotlib wants bars."""
    return list(zip(segments.start_seconds.tolist(), segments.duration_seconds.tolist(), strict=True))


def _detections(axis: Axes, segments: Segments, colour: str) -> None:
    """Detections lie below the sequence; the surer, the darker and the higher."""
    if segments.score is None or len(segments) == 0:
        return
    from matplotlib.colors import to_rgb

    surest = segments.sorted_by_score()[:_MOST_BARS]
    assert surest.score is not None
    line = lanes(surest.start_seconds, surest.end_seconds, surest.score)
    best, least = float(surest.score[0]), min(0.0, float(surest.score[-1]))
    strength = 0.25 + 0.75 * (surest.score - least) / max(best - least, 1e-9)
    # Mixed with white instead of transparent: bars that lie on one another would look surer than they are.
    shades = 1 - strength[:, None] * (1 - np.array(to_rgb(colour)))
    count = max(int(line.max()) + 1, 1)
    floor, ceiling = axis.get_ylim()
    room = (ceiling - floor) * (_BARS_HEIGHT - 0.05) / (1 + _BARS_HEIGHT)
    height = min(room, 0.2 * (ceiling - floor)) if count == 1 else room / count
    for one in range(count):
        mine = line == one
        bottom = floor + room - (one + 1) * height
        axis.broken_barh(_spans(surest[mine]), (bottom, height * 0.9), facecolors=shades[mine], linewidth=0)
    left_out = len(segments) - int((line >= 0).sum())
    if left_out:
        text = plural(left_out, "less sure detection is", "less sure detections are") + " not drawn"
        axis.text(0.995, 0.97, text, transform=axis.transAxes, ha="right", va="top", fontsize=7, color="#666666")
