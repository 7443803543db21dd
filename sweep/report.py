"""A sweep as tables for a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .plan import shown
from .table import ArmScores, Estimate, SweepScores

if TYPE_CHECKING:
    from rich.table import Table

    from .over_sets import SetScores


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
            *(_span(one, k) for k in shown),
        )
    return table


def _span(one: Estimate, measure: int) -> str:
    """A difference in points, with its interval; a star where that leaves out 0."""
    value, low, high = (100 * part[measure] for part in (one.value, one.low, one.high))
    return f"{value:+.1f} \\[{low:+.1f}, {high:+.1f}]" + ("*" if one.real[measure] else " ")


def over_sets_table(scores: SetScores) -> Table:
    """A row an arm: the main measure on each data set, its mean, the mean rank, and the difference over all sets."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    table.add_column("arm")
    for name in (*(one.dataset for one in scores.sweeps), "mean", "rank", "difference"):
        table.add_column(name, justify="right")
    for label, values, ranks in zip(scores.labels, scores.values, scores.ranks, strict=True):
        reference = label == scores.reference
        found = None if reference else scores.difference([label] * len(scores.sweeps))
        cells = [f"{100 * value:.1f}" for value in (*values, values.mean())]
        table.add_row(escape(label), *cells, f"{ranks.mean():.1f}", _span(found, scores.main) if found else "")
    return table


def left_out_table(scores: SetScores) -> Table:
    """A row a data set: the arm that is best on the others, what it scores here, and what others would have."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    for name in ("left out", "chosen on the others", "scores", "reference", "best here", "scores"):
        table.add_column(name, justify="left" if name in ("left out", "chosen on the others", "best here") else "right")
    for one in scores.left_out:
        numbers = [f"{100 * value:.1f}" for value in (one.value, one.reference, one.best_value)]
        table.add_row(escape(one.dataset), escape(one.chosen), *numbers[:2], escape(one.best), numbers[2])
    if scores.left_out:
        rows = [(one.value, one.reference, one.best_value) for one in scores.left_out]
        means = [f"{100 * sum(column) / len(rows):.1f}" for column in zip(*rows, strict=True)]
        table.add_row("mean", "", *means[:2], "", means[2])
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
