"""What `thas eval` prints: scores, comparisons and diagnoses as tables; each function gives the same for --json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .console import note, out, say, warn

if TYPE_CHECKING:
    from rich.table import Table

    from ..eval.assessment import Assessment
    from ..eval.certainty import Comparison
    from ..eval.labels_told import LabelsTold
    from ..temporal_has.scored_source import Source


_SERIOUS = ("dropped", "no length", "repeated", "no detections", "do not name")


def _account(*assessments: Assessment) -> None:
    """What was scored on stdout; what was dropped or is odd on stderr; each line once."""
    from ..eval.report import account

    said: set[str] = set()
    for assessment in assessments:
        facts, protocol, *oddities = account(assessment)
        for line in (facts, protocol):
            if line not in said:
                say(line)
        for line in oddities:
            if line not in said:
                (warn if any(word in line for word in _SERIOUS) else note)(line)
        said.update((facts, protocol, *oddities))


def one_score(source: Source, assessments: list[Assessment]) -> dict[str, object]:
    """One set of detections, under one protocol or several."""
    from ..eval.report import class_table, score_table
    from ..temporal_has.scored_source import scores_json

    content = scores_json(assessments)
    say(source.title)
    _account(*assessments)
    out.print(score_table(assessments))
    if len(assessments) == 1 and len(assessments[0].scores.classes) <= 30:
        out.print(class_table(assessments[0]))
    if assessments[0].scores.details["known_labels"]:
        note("known labels: the classification of the videos was taken as solved, which flatters")
    say_told(source.told)
    told = {"labels_told": source.told.to_json()} if source.told else {}
    return {"detections_from": source.title, **content, **told}


def say_told(told: LabelsTold | None) -> None:
    """How many videos' labels are told right, and whether the intervals are to be trusted; nothing if unknown."""
    if told is not None:
        (warn if told.verdict == "wrong" else note)(told.line())


def score_tables(groups: list[list[Assessment]], *, comparison: Comparison | None, seeds: bool) -> list[Table]:
    """The tables of scores alone, for --markdown and --latex."""
    from ..eval.certainty import over_seeds
    from ..eval.report import class_table, comparison_table, score_table, seeds_table

    first = groups[0][0].scores
    if seeds:
        scores = [group[0].scores for group in groups]
        return [seeds_table(*over_seeds(scores), first.thresholds, runs=len(scores), protocol=first.protocol)]
    tables = [score_table(group) for group in groups]
    if comparison is not None:
        return [*tables, comparison_table(comparison, first.thresholds, names=("A", "B"))]
    return [*tables, class_table(groups[0][0])] if len(groups[0]) == 1 else tables


def seeds_score(assessments: list[Assessment]) -> dict[str, object]:
    """Runs that differ by seed: mean and standard deviation."""
    from ..eval.certainty import over_seeds
    from ..eval.json_values import plain_table
    from ..eval.report import seeds_table

    scores = [assessment.scores for assessment in assessments]
    mean, deviation = over_seeds(scores)
    _account(*assessments)
    out.print(seeds_table(mean, deviation, scores[0].thresholds, runs=len(scores), protocol=scores[0].protocol))
    content = {
        "protocol": scores[0].protocol,
        "iou": scores[0].thresholds,
        "map": mean[:-1],
        "map_deviation": deviation[:-1],
        "average": mean[-1],
        "average_deviation": deviation[-1],
        "runs": [s.to_json() for s in scores],
    }
    return plain_table(content)


def pair_score(sources: list[Source], assessments: list[Assessment], comparison: Comparison) -> dict[str, object]:
    """Two sets of detections, and whether their difference is real."""
    from ..eval.json_values import plain_table
    from ..eval.report import comparison_table, score_table, verdict

    names = ("A", "B")
    sentence = verdict(comparison, names=names)
    for name, source, assessment in zip(names, sources, assessments, strict=True):
        say(f"{name}: {source.title}")
        _account(assessment)
        out.print(score_table([assessment]))
        say_told(source.told)
    out.print(comparison_table(comparison, assessments[0].scores.thresholds, names=names))
    say(sentence)
    found = vars(comparison) | {"real": comparison.real, "verdict": sentence}
    return plain_table({"a": assessments[0].to_json(), "b": assessments[1].to_json(), **found})


def diagnosis(source: Source, assessment: Assessment, pictures: Path | None) -> dict[str, object]:
    """Why the mAP is what it is, in tables, sentences and pictures."""
    from ..eval.explanation import action_table, error_table, explain, left_out, legend, recall_table, summary

    thresholds = assessment.scores.thresholds
    explanation = explain(assessment, source.truth, iou=0.5 if 0.5 in thresholds else float(thresholds[-1]))
    out.print(error_table(explanation))
    for line in legend():
        out.print(f"  {line}", style="dim", markup=False)
    for table in (action_table, recall_table):
        out.print(table(explanation))
    for line in () if out.quiet else left_out(explanation):
        note(line)
    out.print("In short", style="bold")
    for line in summary(explanation):
        say(f"- {line}")
    folder = pictures or (source.run / "diagnosis" if source.run is not None else None)
    if folder is not None:
        from ..eval.pictures import draw

        note("pictures: " + ", ".join(map(str, draw(explanation, assessment, folder))))
    return explanation.to_json()
