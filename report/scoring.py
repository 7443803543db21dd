"""What the page says of the scores: every number is `eval`'s own, asked once."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import DataError
from ..eval.assessment import Assessment, Beside, assess
from ..eval.explanation import Explanation, explain
from .content import RunContent


@dataclass(frozen=True, eq=False)
class Scoring:
    """A run's scores with the interval over videos, blind guesses and the diagnosis."""

    assessment: Assessment
    explanation: Explanation


def scored(run: RunContent, *, draws: int = 500) -> Scoring | None:
    """Score a run as `thas eval --bootstrap --baselines --diagnose` does; None where there is nothing to score by."""
    if run.truth is None:
        return None
    try:
        assessment = assess(
            run.detections,
            run.truth,
            iou=run.iou,
            protocol=run.protocol,
            unknown_labels="drop",
            beside=Beside(baselines=True, draws=draws),
        )
    except DataError:
        return None
    return Scoring(assessment, explain(assessment, run.truth, iou=run.verdict_iou))
