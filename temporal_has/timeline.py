"""A picture of one video: when its actions happen, what the network saw of them, and what was detected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..segments import Segments
from .activation import ClassActivationSequence

_TRUTH = "#4d4d4d"
_ARMS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3")  # told apart by readers with colour-blindness too


def draw_timeline(
    path: Path,
    sequences: Mapping[str, ClassActivationSequence],
    detections: Mapping[str, Segments],
    *,
    truth: Segments | None = None,
    labels: tuple[str, ...] | None = None,
    threshold: float = 0.5,
    title: str = "",
) -> None:
    """Draw truth, class activation sequences and detections over time, a row of panels a label.

    Args:
        path: A PNG, PDF or SVG file; its folder is made.
        sequences: One video's sequences, by the name of the run that made them ("" for a single one).
        detections: The same runs' detections in that video.
        truth: The video's ground truth, if known.
        labels: Which classes; the true ones, else the detected ones, else the likeliest.
        threshold: Drawn as a dashed line, as a fraction of the sequence's maximum.
        title: Above the picture; the video's name if empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first = next(iter(sequences.values()))
    labels = labels or _labels_to_draw(first, detections, truth)
    arms = list(sequences)
    rows = len(labels) * (len(arms) + (truth is not None))
    figure = Figure(
        figsize=(10, 0.9 + sum(0.5 if truth is not None else 0 for _ in labels) + 1.5 * len(labels) * len(arms))
    )
    FigureCanvasAgg(figure)
    heights = ([0.3] if truth is not None else []) + [1.0] * len(arms)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=heights * len(labels))[:, 0]
    panel = iter(axes)
    for label in labels:
        if truth is not None:
            axis = next(panel)
            _bars(axis, truth[truth.label == label], _TRUTH)
            axis.set_ylabel("truth", rotation=0, ha="right", va="center")
            axis.set_title(label, loc="left", fontsize=10)
        for arm, colour in zip(arms, _ARMS * len(arms), strict=False):
            axis = next(panel)
            found = detections[arm]
            _sequence(axis, sequences[arm], label, colour, threshold)
            _bars(axis, found[found.label == label], colour)
            axis.set_ylabel(arm or label, rotation=0, ha="right", va="center")
    axes[-1].set_xlim(0, first.duration_seconds)
    axes[-1].set_xlabel("seconds")
    figure.suptitle(title or first.video)
    figure.text(
        0.99,
        0.005,
        "line: class activation over its maximum; dashed: threshold; bars: segments, surer ones darker",
        ha="right",
        va="bottom",
        fontsize=7,
        color="#666666",
    )
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


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
    """Draw `mean_profile` of several runs: how much of an action each network responds to.

    Args:
        path: A PNG, PDF or SVG file; its folder is made.
        sequences: By run and video.
        truth: Ground truth.
        threshold: Drawn as a dashed line.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4))
    FigureCanvasAgg(figure)
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
    figure.suptitle(f"What each network responds to: mean over {len(truth)} test instances")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _labels_to_draw(
    sequence: ClassActivationSequence, detections: Mapping[str, Segments], truth: Segments | None
) -> tuple[str, ...]:
    named = list(dict.fromkeys(truth.label)) if truth is not None else []
    named = named or list(dict.fromkeys(label for found in detections.values() for label in found.label))
    return tuple(named[:4]) or (sequence.classes[int(sequence.probabilities.argmax())],)


def _sequence(axis, sequence: ClassActivationSequence, label: str, colour: str, threshold: float) -> None:
    """The class's activation over its maximum; one that nowhere exceeds zero is drawn over its largest size."""
    if label not in sequence.classes:
        axis.text(0.5, 0.5, "not a class of this run", transform=axis.transAxes, ha="center", va="center")
        return
    edges, values = sequence.edges_seconds, sequence.of(label)
    top = values.max() if values.max() > 0 else max(float(np.abs(values).max()), 1e-9)
    axis.stairs(values / top, edges, color=colour, linewidth=1.2)
    axis.axhline(threshold, color="#999999", linestyle="--", linewidth=0.8)
    axis.set_ylim(-0.35, 1.1)
    axis.set_yticks([0, 1])


def _bars(axis, segments: Segments, colour: str) -> None:
    """Segments as bars: ground truth fills its panel, detections lie below the sequence."""
    detected = segments.score is not None
    best = max(segments.score.max(), 1e-9) if segments.score is not None and len(segments) else 1.0
    for row in range(len(segments)):
        alpha = 1.0 if segments.score is None else 0.25 + 0.75 * max(0.0, float(segments.score[row]) / best)
        span = (segments.start_seconds[row], segments.duration_seconds[row])
        axis.broken_barh([span], (-0.3, 0.2) if detected else (0, 1), color=colour, alpha=alpha, linewidth=0)
    if not detected:
        axis.set_yticks([])
        axis.set_ylim(0, 1)
