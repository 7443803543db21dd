"""A sweep as a picture: a curve over the swept setting, or bars with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.plots import drawing, save_figure
from .table import ArmScores, SweepScores, estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that stay apart for colour-blind readers (Okabe & Ito 2008).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_GREY = "#777777"


def draw_sweep(scores: SweepScores, path: Path) -> Path:
    """Draw the main measure of all arms, and its difference from the reference."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with drawing():
        figure = _figure(scores)
        FigureCanvasAgg(figure)
        save_figure(figure, path, dpi=110)
    return path


def _figure(scores: SweepScores) -> Figure:
    from matplotlib.figure import Figure

    arms = [arm for arm in scores.arms if arm.seeds]
    x = _numbers(scores, arms)
    height = 4.2 if x is not None else 1.6 + 0.42 * len(arms)
    figure = Figure(figsize=(11, max(3.2, height)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=x is None)
    if x is not None:
        _curves(left, scores, arms, x)
        _difference_curve(right, scores, arms, x)
    else:
        _bars(left, scores, arms)
        _difference_bars(right, scores, arms)
    seeds = f"{scores.seeds} seeds" if scores.seeds > 1 else "one seed"
    figure.suptitle(f"{scores.title or scores.name}: {scores.dataset}, {seeds}", fontsize=11)
    return figure


def _numbers(scores: SweepScores, arms: list[ArmScores]) -> np.ndarray | None:
    """The values of the one swept setting, if they are numbers."""
    if not scores.swept or len(arms) < 2:
        return None
    try:
        return np.array([float(str(arm.settings[scores.swept])) for arm in arms])
    except (TypeError, ValueError):
        return None


def _name(scores: SweepScores) -> str:
    """The main measure, for an axis."""
    measure = scores.measures[scores.main]
    return f"{measure} {scores.measure_title}" if measure == "mean" else f"{measure} (%)"


def _shown_measures(scores: SweepScores) -> list[int]:
    """The main measure first, then a few of the others."""
    main = scores.main % len(scores.measures)
    others = [k for k in range(len(scores.measures)) if k != main]
    usual = [k for k in others if scores.measures[k] in ("0.1", "0.3", "0.5")]
    return [main, *(usual or others)[:3]]


def _curves(axes: Axes, scores: SweepScores, arms: list[ArmScores], x: np.ndarray) -> None:
    order = np.argsort(x)
    for k, colour in zip(_shown_measures(scores), _COLOURS, strict=False):
        mean = 100 * np.array([arm.mean[k] for arm in arms])[order]
        spread = 100 * np.nan_to_num(np.array([arm.deviation[k] for arm in arms]))[order]
        main = k == scores.main % len(scores.measures)
        axes.plot(x[order], mean, marker="o", color=colour, linewidth=2 if main else 1, label=scores.measures[k])
        axes.fill_between(x[order], mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
        blind = _blind(scores, k)
        if blind is not None:
            axes.axhline(100 * blind, color=colour, linestyle=":", linewidth=1)
    axes.set(xlabel=scores.swept, ylabel=scores.measure_title, title="mean ± standard deviation; dotted: blind")
    axes.title.set_fontsize(10)
    axes.legend(fontsize=8, framealpha=0.6)
    axes.set_ylim(bottom=0)


def _difference_curve(axes: Axes, scores: SweepScores, arms: list[ArmScores], x: np.ndarray) -> None:
    axes.axhline(0, color=_GREY, linewidth=1)
    for at, arm in zip(x, arms, strict=True):
        found = scores.difference(arm)
        if found is not None:
            _whisker(axes, at, found, scores.main, upright=True)
    reference = next((at for at, arm in zip(x, arms, strict=True) if arm.label == scores.reference), None)
    if reference is not None:
        axes.plot([reference], [0], marker="D", color="black", label="reference")
        axes.legend(fontsize=8, framealpha=0.6)
    axes.set(xlabel=scores.swept, ylabel=f"points of {_name(scores)}", title="difference from the reference, 95 %")
    axes.title.set_fontsize(10)


def _bars(axes: Axes, scores: SweepScores, arms: list[ArmScores]) -> None:
    places = np.arange(len(arms))
    mean = [100 * arm.mean[scores.main] for arm in arms]
    colours = [_GREY if arm.label == scores.reference else _COLOURS[0] for arm in arms]
    axes.barh(places, mean, color=colours, alpha=0.45, height=0.7)
    for place, arm in zip(places, arms, strict=True):
        own = estimate(arm)
        assert own is not None
        _whisker(axes, float(place), own, scores.main, upright=False, colour="black")
        values = 100 * arm.values[:, scores.main]
        axes.plot(values, np.full(len(values), place - 0.22), ".", color=_COLOURS[1], markersize=5)
    blind = _blind(scores, scores.main)
    if blind is not None:
        axes.axvline(100 * blind, color=_GREY, linestyle=":", linewidth=1.5)
    axes.set_yticks(places, [arm.label for arm in arms], fontsize=8)
    axes.invert_yaxis()
    note = "; dotted: blind" if blind is not None else ""
    axes.set(xlabel=_name(scores), title=f"mean with 95 %; dots: single seeds{note}")
    axes.title.set_fontsize(10)


def _difference_bars(axes: Axes, scores: SweepScores, arms: list[ArmScores]) -> None:
    axes.axvline(0, color=_GREY, linewidth=1)
    for place, arm in enumerate(arms):
        found = scores.difference(arm)
        if found is not None:
            _whisker(axes, float(place), found, scores.main, upright=False)
        elif arm.label == scores.reference:
            axes.plot([0], [place], marker="D", color="black")
    axes.set(xlabel="points", title="difference from the reference (diamond), 95 %")
    axes.title.set_fontsize(10)


def _whisker(axes: Axes, at: float, found, measure: int, *, upright: bool, colour: str | None = None) -> None:
    """A value with its interval; grey where the interval holds 0."""
    value, low, high = (100 * part[measure] for part in (found.value, found.low, found.high))
    colour = colour or (_COLOURS[0] if found.real[measure] else _GREY)
    # The interval of a percentile bootstrap need not hold the value itself.
    ends = [[max(0.0, value - low)], [max(0.0, high - value)]]
    if upright:
        axes.errorbar([at], [value], yerr=ends, fmt="o", color=colour, capsize=3)
    else:
        axes.errorbar([value], [at], xerr=ends, fmt="o", color=colour, capsize=3, markersize=4)


def _blind(scores: SweepScores, measure: int) -> float | None:
    """The best baseline."""
    known = [values[measure] for values in scores.baselines.values()]
    return max((value for value in known if value is not None), default=None)
