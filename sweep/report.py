"""A sweep as tables for a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .plan import shown
from .table import ArmScores, SweepScores

if TYPE_CHECKING:
    from rich.table import Table


def score_title(scores: SweepScores) -> str:
    """What the numbers of `score_table` are."""
    seeds = f"mean ± standard deviation of {scores.seeds} seeds" if scores.seeds > 1 else "one seed"
    return f"{scores.measure_title}, {scores.dataset}, {seeds}"


def score_table(scores: SweepScores) -> Table:
    """A row an arm, a column a measure: mean ± standard deviation over the seeds; what guessing scores below."""
    from rich.table import Table

    table = Table(box=None)
    table.add_column(scores.swept or "arm")
    for measure in scores.measures:
        table.add_column(measure, justify="right")
    for arm in scores.arms:
        cells = [cell(mean, spread) for mean, spread in zip(arm.mean, arm.deviation, strict=True)] if arm.seeds else []
        table.add_row(_label(scores, arm), *(cells or ["failed"]))
    for name, values in scores.baselines.items():
        table.add_row(name, *("" if value is None else f"{100 * value:.1f}" for value in values), style="dim")
    return table


def difference_table(scores: SweepScores) -> Table | None:
    """Each arm less the reference, in points, with the 95 % interval; None where there is nothing to compare."""
    from rich.table import Table

    found = {arm.label: difference for arm in scores.arms if (difference := scores.difference(arm)) is not None}
    if not found:
        return None
    shown = list(range(len(scores.measures)))
    if len(shown) > 5:
        shown = [k for k in shown if scores.measures[k] in ("0.1", "0.3", "0.5", "0.7", "mean")]
    table = Table(box=None)
    table.add_column(scores.swept or "arm")
    for k in shown:
        table.add_column(scores.measures[k], justify="right")
    for label, one in found.items():
        table.add_row(
            _label(scores, scores.arm(label)),
            *(
                f"{100 * one.value[k]:+.1f} \\[{100 * one.low[k]:+.1f}, {100 * one.high[k]:+.1f}]"
                + ("*" if one.real[k] else " ")
                for k in shown
            ),
        )
    return table


def cell(mean: float, deviation: float) -> str:
    """Mean and, of several seeds, standard deviation, in per cent.

    >>> cell(0.4125, 0.01), cell(0.4125, float("nan"))
    ('41.2 ± 1.0', '41.2')
    """
    return f"{100 * mean:.1f}" + ("" if math.isnan(deviation) else f" ± {100 * deviation:.1f}")


def _label(scores: SweepScores, arm: ArmScores) -> str:
    from rich.markup import escape

    lost = f" ({len(arm.seeds)} of {scores.seeds} seeds)" if arm.failed and arm.seeds else ""
    label = shown(arm.settings[scores.swept]) if scores.swept else arm.label
    return escape(label + lost)
