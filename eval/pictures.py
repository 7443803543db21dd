"""The diagnosis as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..core.plots import drawing, save_figure
from .assessment import Assessment
from .diagnosis import KINDS, TRUTH_KINDS
from .explanation import Explanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that stay apart for colour-blind readers (Okabe & Ito 2008).
_COLOURS = ("#009E73", "#56B4E9", "#CC79A7", "#E69F00", "#D55E00", "#F0E442", "#8a6d9b", "#999999")

_MOST_CLASSES = 40

_Subject = TypeVar("_Subject")


def draw(explanation: Explanation, assessment: Assessment, folder: Path) -> list[Path]:
    """Write errors.png, actions.png and classes.png into a folder, which is made.

    Returns:
        The files.
    """
    shown = min(_MOST_CLASSES, int((assessment.ranking.positives > 0).sum()))
    return [
        _save(folder / "errors.png", (11, 4), [_profile, _prices], explanation),
        _save(folder / "actions.png", (11, 4), [_met, _groups], explanation),
        _save(folder / "classes.png", (11, max(4.0, 0.16 * shown + 1)), [_classes, _curve], assessment),
    ]


def _save(
    path: Path, size: tuple[float, float], panels: Sequence[Callable[[Axes, _Subject], None]], subject: _Subject
) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with drawing():
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        for i, panel in enumerate(panels, 1):
            panel(figure.add_subplot(1, len(panels), i), subject)
        save_figure(figure, path, dpi=110)
    return path


def _profile(axes: Axes, explanation: Explanation) -> None:
    errors = explanation.errors
    bottom = np.zeros(2)
    totals = np.maximum(1, [sum(errors.first_counts.values()), sum(errors.counts.values())])
    for name, colour in zip(KINDS, _COLOURS, strict=True):
        share = 100 * np.array([errors.first_counts[name], errors.counts[name]]) / totals
        axes.bar(["as many as actions", "ten times as many"], share, bottom=bottom, color=colour, label=name, width=0.6)
        bottom += share
    axes.set(ylabel="share (%)", title=f"The surest detections, IoU {errors.threshold:g}")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), reverse=True)


def _prices(axes: Axes, explanation: Explanation) -> None:
    errors = explanation.errors
    gains = {name: 100 * (value - errors.map) for name, value in errors.corrected.items()}
    gains["missed actions"] = 100 * (errors.missed_free - errors.map)
    names = sorted(gains, key=lambda name: gains[name])
    colours = dict(zip(KINDS, _COLOURS, strict=True)) | {"missed actions": "#444444"}
    axes.barh(names, [gains[name] for name in names], color=[colours[name] for name in names])
    axes.set(xlabel=f"points of mAP, from {100 * errors.map:.1f} (activitynet)", title="What each error costs")


def _met(axes: Axes, explanation: Explanation) -> None:
    counts = explanation.errors.truth_counts
    colours = (_COLOURS[0], *_COLOURS[3:6], "#444444")
    axes.bar(list(TRUTH_KINDS), [counts[name] for name in TRUTH_KINDS], color=colours)
    axes.tick_params(axis="x", labelsize=8)
    axes.set(ylabel="actions", title="How each action is met at best")


def _groups(axes: Axes, explanation: Explanation) -> None:
    groups = explanation.slices
    places, place, last = [], 0.0, ""
    for group in groups:
        place += 1.0 if group.by == last else 1.8
        last = group.by
        places.append(place)
    by = list(dict.fromkeys(group.by for group in groups))
    axes.bar(
        places, [100 * group.map for group in groups], color=[_COLOURS[1 + by.index(group.by) % 4] for group in groups]
    )
    axes.set_ylim(0, 1.15 * max(1.0, *(100 * group.map for group in groups)))
    axes.axhline(100 * explanation.errors.map, color="black", linewidth=0.8, linestyle="--")
    axes.set_xticks(places, [group.name for group in groups], rotation=60, ha="right", fontsize=7)
    for name in by:
        own = [p for p, group in zip(places, groups, strict=True) if group.by == name]
        axes.text(float(np.mean(own)), axes.get_ylim()[1] * 0.98, name, ha="center", va="top", fontsize=8)
    axes.set(ylabel="mAP (%), normalized", title="By kind of action")


def _classes(axes: Axes, assessment: Assessment) -> None:
    scores = assessment.scores
    present = np.flatnonzero(assessment.ranking.positives)
    mean = 100 * scores.ap[:, present].mean(axis=0)
    order, title = np.argsort(mean, kind="stable"), scores.protocol
    if len(order) > _MOST_CLASSES:
        half = _MOST_CLASSES // 2
        title = f"{scores.protocol}, the {half} best and the {half} worst of {len(order)} classes"
        order = np.concatenate([order[:half], order[-half:]])
    axes.barh([scores.classes[present[i]] for i in order], mean[order], color=_COLOURS[1])
    axes.tick_params(axis="y", labelsize=7)
    axes.set(xlabel="AP (%), mean over the thresholds", title=title)


def _curve(axes: Axes, assessment: Assessment) -> None:
    scores = assessment.scores
    axes.plot(scores.thresholds, 100 * scores.map, marker="o", color=_COLOURS[4], label=scores.protocol)
    if assessment.interval:
        low, high = assessment.interval.low, assessment.interval.high
        axes.fill_between(scores.thresholds, 100 * low, 100 * high, color=_COLOURS[4], alpha=0.2, label="95 %")
    for baseline in assessment.baselines[:1]:
        axes.plot(scores.thresholds, 100 * baseline.map, color="#999999", label=f"blind: {baseline.name}")
    axes.set(xlabel="IoU", ylabel="mAP (%)", title="mAP by threshold", ylim=(0, None))
    axes.legend()
