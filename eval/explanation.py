"""The diagnosis in tables and in plain words, for a reader who knows neither the code nor the field."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import plural
from ..core.table_text import percent, rich_table
from .annotations import Annotations
from .assessment import Assessment
from .baselines import Baseline, baselines
from .diagnosis import KINDS, LOCALIZATION, Diagnosis, diagnose
from .json_values import plain_table
from .protocols import PROTOCOLS
from .ranking import rank
from .slices import PROPOSALS, RECALL_IOU, Slice, average_recall, slices, video_level_ap

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, eq=False)
class Explanation:
    """All that the diagnosis says about one set of detections.

    Attributes:
        errors: Kinds of errors and what each costs.
        slices: Groups of actions.
        video_level_map: mAP of naming the videos' actions.
        recall: (P, 2) for each number of proposals: average recall over IoU .5 to .95, and recall at the threshold.
        baseline: The best blind guess at the threshold.
    """

    errors: Diagnosis
    slices: tuple[Slice, ...]
    video_level_map: float
    recall: np.ndarray
    baseline: Baseline | None

    def to_json(self) -> dict[str, object]:
        """Plain values, fractions."""
        return plain_table(
            {
                **self.errors.to_json(),
                "slices": [vars(group) for group in self.slices],
                "video_level_map": self.video_level_map,
                "average_recall": dict(zip(PROPOSALS, self.recall[:, 0], strict=True)),
                "summary": summary(self),
            }
        )


def explain(assessment: Assessment, annotations: Annotations, *, iou: float = 0.5) -> Explanation:
    """Diagnose detections by the rules of `activitynet`, whatever protocol they were scored under."""
    prepared = assessment.prepared
    ranking = rank(prepared, thresholds=[iou], protocol=PROTOCOLS["activitynet"])
    found = average_recall(ranking, prepared), average_recall(ranking, prepared, thresholds=np.array([iou]))
    levels = video_level_ap(ranking)
    return Explanation(
        errors=diagnose(ranking, prepared, k=0),
        slices=tuple(slices(ranking, prepared, k=0, durations=annotations.durations)),
        video_level_map=float(np.nanmean(levels)) if np.isfinite(levels).any() else float("nan"),
        recall=np.stack([values.mean(axis=1) for values in found], axis=1),
        baseline=_best_guess(assessment, annotations, iou),
    )


def _best_guess(assessment: Assessment, annotations: Annotations, iou: float) -> Baseline | None:
    """The blind guess that scores best at the threshold: of those already scored, if by the same rules."""
    prepared, scores = assessment.prepared, assessment.scores
    at = np.flatnonzero(scores.thresholds == iou)
    if assessment.baselines and scores.protocol == "activitynet" and len(at):
        known = [Baseline(one.name, one.map[at], float(one.map[at[0]])) for one in assessment.baselines]
    elif len(prepared.truth):
        truth = Annotations(prepared.truth, prepared.classes, annotations.durations, ignored=prepared.ignored)
        known = baselines(truth, iou=[iou])
    else:
        return None
    return max(known, key=lambda guess: guess.average)


def summary(explanation: Explanation) -> list[str]:
    """The diagnosis in a few sentences, the costliest error first."""
    errors = explanation.errors
    first, truths = sum(errors.first_counts.values()), max(1, sum(errors.truth_counts.values()))
    if first == 0:
        return [f"There are no detections: {plural(truths, 'action is', 'actions are')} missed."]
    lines = [
        f"At IoU {errors.threshold:g} the mAP by the rules of activitynet is {_p(errors.map)}. Of the "
        f"{plural(first, 'surest detection')}, about as many as there are actions, "
        f"{_p(errors.first_counts['correct'] / max(first, 1))} are correct."
    ]
    if explanation.baseline is not None:
        guess = explanation.baseline
        verdict = "more than these detections" if guess.average > errors.map else "less than these detections"
        lines.append(
            f"Blind guessing ({guess.name}, random scores, given the class) reaches {_p(guess.average)}, {verdict}."
        )
    lines += _costs(errors)
    lines.append(
        f"Of {plural(truths, 'action')} {_p(errors.truth_counts['found'] / truths)} are found by some detection, "
        "however unsure; "
        f"{_p(errors.truth_counts['only too short'] / truths)} are met only in part, "
        f"{_p(errors.truth_counts['only too long'] / truths)} only by something too long, "
        f"{_p(errors.truth_counts['only shifted'] / truths)} only off to one side, "
        f"{_p(errors.truth_counts['missed'] / truths)} by nothing."
    )
    lines += _completeness(errors)
    if not np.isnan(explanation.video_level_map):
        verdict = (
            "naming is not the problem" if explanation.video_level_map > 0.8 else "some of the loss is in the naming"
        )
        lines.append(f"Telling which actions a video holds works to {_p(explanation.video_level_map)} mAP: {verdict}.")
    groups = [group for group in explanation.slices if group.truths >= 20 and group.by == "length"]
    if len(groups) > 1:
        worst, best = min(groups, key=lambda g: g.map), max(groups, key=lambda g: g.map)
        lines.append(
            f"By length, actions of {worst.name} are hardest (mAP {_p(worst.map)}), of {best.name} easiest "
            f"({_p(best.map)})."
        )
    return lines


def _costs(errors: Diagnosis) -> list[str]:
    total = max(1, sum(errors.counts.values()))
    gains = {name: value - errors.map for name, value in errors.corrected.items()}
    return [
        f"{_LOSS[name]} costs {100 * gain:.1f} points of mAP ({_p(errors.counts[name] / total)} of the leading "
        f"detections). {_ADVICE[name]}"
        for name, gain in sorted(gains.items(), key=lambda item: -item[1])[:3]
        if gain >= 0.005
    ]


def _completeness(errors: Diagnosis) -> list[str]:
    """What Hide-and-Seek is about: whether detections stop short of an action or run beyond it."""
    short, long = errors.counts["too short"], errors.counts["too long"]
    pieces = (
        f"{plural(errors.split, 'action is', 'actions are')} found in two or more pieces; "
        f"{plural(errors.merged, 'detection runs', 'detections run')} over several actions."
    )
    if short > 1.5 * long:
        kind = "incomplete rather than over-complete: they hold on to the telling part of an action"
    elif long > 1.5 * short:
        kind = "over-complete rather than incomplete: they run on into what surrounds an action"
    elif short + long:
        kind = "incomplete about as often as over-complete"
    else:
        return []
    return [f"Badly placed detections are {kind} ({short} too short, {long} too long). {pieces}"]


_p = partial(percent, sign=" %")
_LOSS = {
    "double detection": "Repeating actions already found",
    "wrong label": "Calling an action by another's name",
    "too short": "Finding only part of an action",
    "too long": "Reaching beyond an action",
    "shifted": "Being off to one side",
    "wrong label and place": "Mistaking what is near another action",
    "background": "Firing where nothing happens",
}
_ADVICE = {
    "double detection": "Suppress overlapping detections more strictly.",
    "wrong label": "The classifier mixes these classes up; look at the worst classes.",
    "too short": "Lower the threshold on the sequence, close gaps between runs, or hide more in training.",
    "too long": "Raise the threshold on the sequence, or add higher ones.",
    "shifted": "Check the times of the features (fps, stride, offset) first.",
    "wrong label and place": "The classifier responds to what classes have in common.",
    "background": "Rank better: subtract what surrounds a run (outer-inner score), or learn a background class.",
}


def error_table(explanation: Explanation) -> Table:
    """A row for each kind of detection: how many, and what the mAP would be without this error."""
    errors = explanation.errors
    title = f"Detections at IoU {errors.threshold:g}, by the rules of activitynet; mAP {100 * errors.map:.1f}"
    table = rich_table(["kind of detection"], ["surest 1x", "10x", "mAP if put right", "if dropped"], title=title)
    first, ten = max(1, sum(errors.first_counts.values())), max(1, sum(errors.counts.values()))
    for name in KINDS:
        cells = [f"{100 * errors.first_counts[name] / first:.1f} %", f"{100 * errors.counts[name] / ten:.1f} %"]
        if name != "correct":
            for value in (errors.corrected[name], errors.removed[name]):
                cells.append(_changed(value, errors.map))
        table.add_row(f"place: {name}" if name in LOCALIZATION else name, *cells)
    table.add_row("missed actions (left out)", "", "", _changed(errors.missed_free, errors.map), "")
    return table


def _changed(value: float, before: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f} ({100 * (value - before):+.1f})"


def legend() -> list[str]:
    """What the words of the error table mean."""
    return [
        *(f"{name}: {meaning}" for name, meaning in KINDS.items()),
        "surest 1x, 10x: of each class, as many detections as it has actions, and ten times as many",
        "missed actions: no detection of their class comes near; the mAP if they were left out",
        "put right: with boundaries or name set to the action it is closest to, if nothing else claimed that",
    ]


def action_table(explanation: Explanation) -> Table:
    """How the actions are met, and the groups of actions."""
    title = "Actions (* as if each group had as many as its class)"
    table = rich_table(["by", "group"], ["actions", "found", "mAP*"], title=title)
    truths = max(1, sum(explanation.errors.truth_counts.values()))
    for name, count in explanation.errors.truth_counts.items():
        by = "at best" if name == "found" else ""
        table.add_row(by, name, str(count), f"{100 * count / truths:.1f} %", "")
    last = ""
    for group in explanation.slices:
        if group.by != last:
            table.add_section()
        by, last = group.by if group.by != last else "", group.by
        table.add_row(by, group.name, str(group.truths), f"{100 * group.found:.1f} %", f"{100 * group.map:.1f}")
    return table


def left_out(explanation: Explanation) -> list[str]:
    """What the table of actions cannot show, and why."""
    if any(group.by == "position" for group in explanation.slices):
        return []
    return ["share of its video and position are left out: the annotations do not say how long the videos are"]


def recall_table(explanation: Explanation) -> Table:
    """Recall at N proposals."""
    table = rich_table(["recall (%) at N a video"], [str(n) for n in PROPOSALS])
    spread = f"IoU {RECALL_IOU[0]:g} to {RECALL_IOU[-1]:g}"
    for i, name in enumerate((spread, f"IoU {explanation.errors.threshold:g}")):
        table.add_row(name, *(f"{100 * value:.1f}" for value in explanation.recall[:, i]))
    return table
