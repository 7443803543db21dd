"""The top of the page, for whoever opens it first: what was found, how far to trust it, scores, classes, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import DataError, plural
from ..core.table_text import percent
from ..eval.assessment import Assessment, Beside, assess, compare_assessments
from ..eval.diagnosis import KINDS
from ..eval.explanation import Explanation, explain, summary
from ..eval.report import verdict
from ..temporal_has.results import clock
from .content import RunContent
from .html import Markup, card, element, table
from .time_table import by_label, time_budget
from .video_data import Judged


def overview(one: Judged, scoring: Scoring | None, seconds: Mapping[str, float]) -> Markup:
    """Five numbers: videos, time, actions, labels told right, mAP beside blind guessing."""
    run, sure = one.run, one.sure
    total = sum(seconds.get(video, 0.0) for video in run.videos)
    cards = [
        card(str(len(run.videos)), "video" if len(run.videos) == 1 else "videos", f"{clock(total)} in all"),
        card(
            str(len(sure)),
            "action found" if len(sure) == 1 else "actions found",
            f"of {plural(len(run.detections), 'candidate')}; few and apart",
        ),
    ]
    if run.told is not None:
        told, tone = run.told, {"fair": "good", "wrong": "bad"}.get(run.told.verdict, "warn")
        cards.append(card(f"{told.right} of {told.videos}", "labels told right", _told_note(one), tone))
    if one.verdicts is not None and run.truth is not None:
        right, truths = one.verdicts.right, len(run.truth.segments)
        cards.append(
            card(
                f"{percent(right / max(len(sure), 1), 0)} %",
                f"of them right at IoU {run.verdict_iou:g}",
                f"{right} of {len(sure)}; {percent(right / max(truths, 1), 0)} % of the {truths} true actions",
            )
        )
    if scoring is not None:
        scores, best = scoring.assessment.scores, max(b.average for b in scoring.assessment.baselines)
        interval = scoring.assessment.interval
        span = (
            f"{percent(interval.average[0])} to {percent(interval.average[1])} over other videos; " if interval else ""
        )
        cards.append(
            card(
                f"{percent(scores.average)} %",
                "mean mAP",
                f"{span}blind tiles {percent(best)}",
                "good" if scores.average > best else "bad",
            )
        )
    return element("div", *cards, class_="cards")


def _told_note(one: Judged) -> str:
    told = one.run.told
    assert told is not None
    return {
        "fair": f"{told.commonest} by naming all alike",
        "unsure": f"{told.commonest} by naming all alike: too few to tell it from guessing",
        "wrong": "do not trust these intervals",
        "learned": "trained on these very videos",
    }[told.verdict]


def found_table(one: Judged, scoring: Scoring | None, seconds: Mapping[str, float]) -> Markup:
    """A row a class: how often it was found and how long, and how well where there is truth."""
    run = one.run
    labels = sorted({*one.sure.label, *(run.truth.segments.label if run.truth is not None else ())})
    rows = by_label(
        time_budget(one.sure, videos=run.videos, labels=labels, seconds=seconds),
        seconds=sum(seconds.get(video, 0.0) for video in run.videos) or None,
    )
    heading = ["action", "found", "in videos", "total", "mean", "longest", "share of time"]
    if scoring is not None:
        heading += ["true", f"AP at {run.verdict_iou:g}", "mean AP"]
    lines: list[list[str]] = []
    for row in rows:
        lengths = ["-" if v is None else f"{v:.1f} s" for v in (row.mean_seconds, row.longest_seconds)]
        times = [clock(row.total_seconds), *lengths]
        videos = len(set(one.sure.video[one.sure.label == row.label]))
        line = [row.label, str(row.count), str(videos), *times, f"{percent(row.share)} %"]
        if scoring is not None and run.truth is not None:
            line += [
                str(int((run.truth.segments.label == row.label).sum())),
                *_class_ap(scoring, row.label, run.verdict_iou),
            ]
        lines.append(line)
    return table(heading, lines)


def _class_ap(scoring: Scoring, label: str, iou: float) -> list[str]:
    scores = scoring.assessment.scores
    if label not in scores.classes:
        return ["-", "-"]
    ap = scores.ap[:, scores.classes.index(label)]
    at = np.flatnonzero(np.isclose(scores.thresholds, iou))
    return [percent(float(ap[at[0]])) if len(at) else "-", percent(float(ap.mean()))]


def score_section(runs: Sequence[Judged], scorings: Sequence[Scoring | None]) -> Markup:
    """The mAP at each threshold, its interval over videos, the best blind guess, and whether two runs differ."""
    present = [(one.run, own.assessment) for one, own in zip(runs, scorings, strict=True) if own is not None]
    if not present:
        return Markup("")
    first = present[0][1]
    lines: list[list[str | Markup]] = []
    for run, assessment in present:
        scores = assessment.scores
        lines.append([run.name, *(percent(v) for v in scores.map), percent(scores.average)])
        if assessment.interval is not None:
            interval = assessment.interval
            ends = [*zip(interval.low, interval.high, strict=True), interval.average]
            spans = [element("span", f"{percent(low)} to {percent(high)}", class_="range") for low, high in ends]
            lines.append(["95 % over other videos", *spans])
    best = max(first.baselines, key=lambda guess: guess.average)
    lines.append([f"blind: {best.name}", *(percent(v) for v in best.map), percent(best.average)])
    heading = ["mAP, % at IoU", *(f"{t:g}" for t in first.scores.thresholds), "mean"]
    parts = [table(heading, lines)]
    if len(present) == 2:
        names = (present[0][0].name, present[1][0].name)
        if present[0][1].prepared.videos_hash == present[1][1].prepared.videos_hash:
            comparison = compare_assessments(present[0][1], present[1][1], draws=500)
            parts.append(element("p", verdict(comparison, names=names), class_="verdict"))
    note = f"Protocol {first.scores.protocol}, all candidates. Blind guesses look at no video and are given the label."
    return element("section", element("h2", "Scores"), *parts, element("p", note, class_="note"), id="scores")


def error_section(run_name: str, explanation: Explanation, *, several: bool) -> Markup:
    """Why the score is what it is: kinds of errors with what each costs, and sentences."""
    errors = explanation.errors
    total = max(1, sum(errors.first_counts.values()))
    lines: list[list[Markup | str]] = []
    for name, meaning in KINDS.items():
        share = errors.first_counts[name] / total
        gain = "" if name == "correct" else f"{100 * (errors.corrected[name] - errors.map):+.1f}"
        bar = element(
            "span",
            element("i", style=f"width:{100 * share:.1f}%"),
            class_=f"bar {'right' if name == 'correct' else 'wrong'}",
        )
        lines.append([element("span", name, title=meaning), bar, f"{100 * share:.1f} %", gain])
    heading = ["kind of detection", "", "of the surest", "mAP if put right"]
    title = f"Why: {run_name}" if several else "Why"
    sentences = element("ul", *(element("li", line) for line in summary(explanation)))
    return element("section", element("h2", title), element("div", table(heading, lines), sentences, class_="split"))


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
