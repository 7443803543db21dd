"""`thas eval`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..core.data_options import Truth
from ..core.errors import UsageError
from .console import hushed, print_as
from .eval_output import diagnosis, one_score, pair_score, score_tables, seeds_score
from .options import Tables, options

if TYPE_CHECKING:
    from ..eval.assessment import Assessment
    from ..temporal_has.scored_source import Source

_DRAWS = 1000


@options
class Measure:
    """How detections are scored, and what is shown beside the score."""

    iou: list[float] | None = None
    """Thresholds, as fractions; if left out those of the run's settings, or 0.1 to 0.7."""
    protocol: Literal["activitynet", "thumos14", "thumos14-11point", "wtalc", "all"] | None = None
    """How AP is computed; the same detections differ by up to 13 points between them. `all` shows them side by side.
    If left out that of the run's settings, or activitynet."""
    known_labels: bool = False
    """Count only detections whose label occurs in their video, as the Hide-and-Seek paper does; this flatters."""
    drop_unknown_labels: bool = False
    """Leave out detections whose label the ground truth does not know, instead of stopping."""
    clean_truth: bool = False
    """Drop ground truths that repeat another one or have no length; the published programs keep them."""
    class_ids: Literal["official", "positions"] | None = None
    """What class numbers in a THUMOS14 text file mean, if they can mean two things."""
    tie_order: Literal["canonical", "file"] | None = None
    """Order of equal scores, if not the protocol's: canonical (video, start, end) or file (as the rows come)."""
    ties: bool = False
    """Show how far equal scores could move the mAP."""
    baselines: bool = False
    """Show what blind guesses score: tiles of fixed lengths, the whole video."""
    bootstrap: bool = False
    """Show the 95 % interval of the mAP over the choice of videos (1000 draws)."""
    diagnose: bool = False
    """Say why the mAP is what it is: kinds of errors, what each costs, and where actions are missed."""
    pictures: Path | None = None
    """Folder for the diagnosis's pictures, which asks for --diagnose; if a run is scored, its own folder by default."""
    seeds: bool = False
    """Take the detections as runs that differ by seed: mean and standard deviation."""
    seed: int = 0
    """Of all random draws."""


def eval_(
    detections: list[Path] | None = None,
    /,
    *,
    run: list[Path] | None = None,
    truth: Annotated[Truth, Parameter(name="*")] = Truth(),
    measure: Measure = Measure(),
    printed: Tables = Tables(),
) -> None:
    """Score detections: mean average precision at temporal IoU thresholds.

    Without DETECTIONS the newest run is scored on its data set's test videos. Two files of detections are compared;
    with --seeds several are averaged.

    For example:

        thas eval --iou 0.1 0.3 0.5

        thas eval detections.json --annotations thumos14/annotations --protocol all --ties --baselines

        thas eval ours.json theirs.json --annotations truth.json --subset test

        thas eval detections.json --annotations truth.json --diagnose --pictures why/

    Parameters
    ----------
    detections
        Files (ActivityNet JSON, CSV, THUMOS14 text) or run folders.
    run
        Run folders; the same as naming them without --run.
    """
    from ..temporal_has.scored_source import open_source

    form = printed.form()
    files: list[Path | None] = [*(detections or []), *(run or [])] or [None]
    measure = replace(measure, diagnose=measure.diagnose or measure.pictures is not None)
    _check(len(files), measure)
    sources = [open_source(path, truth, class_ids=measure.class_ids) for path in files]
    groups = _assessments(sources, measure)
    comparison, firsts = None, [group[0] for group in groups]
    with hushed(printed.json or form is not None):
        if len(files) == 1:
            content = one_score(sources[0], groups[0])
        elif measure.seeds:
            content = seeds_score(firsts)
        else:
            from ..eval.assessment import compare_assessments

            comparison = compare_assessments(*firsts, draws=_DRAWS, seed=measure.seed)
            content = pair_score(sources, firsts, comparison)
        if measure.diagnose:
            pairs = zip(sources, firsts, strict=True)
            content["diagnosis"] = [diagnosis(source, first, measure.pictures) for source, first in pairs]
    if form is not None:
        print_as(score_tables(groups, comparison=comparison, seeds=measure.seeds), form)
    printed.as_json(content)


def _check(count: int, measure: Measure) -> None:
    """Refuse what does not go together."""
    if count > 2 and not measure.seeds:
        raise UsageError(
            f"{count} sets of detections were given", why="two can be compared", next="give two, or add --seeds"
        )
    if measure.seeds and count < 2:
        raise UsageError(
            "a mean over seeds needs two or more sets of detections", next="thas eval FILE FILE ... --seeds"
        )
    if measure.protocol == "all" and (count > 1 or measure.diagnose):
        raise UsageError(
            "--protocol all goes with one set of detections and without --diagnose", next="name one protocol"
        )


def _assessments(sources: list[Source], measure: Measure) -> list[list[Assessment]]:
    """Of each source its scores, one a protocol; a run keeps them."""
    from ..eval.assessment import Beside, assess
    from ..eval.protocols import PROTOCOLS

    wanted = sources[0].settings
    protocol = measure.protocol or wanted.protocol
    draws = _DRAWS if measure.bootstrap else 0
    beside = Beside(ties=measure.ties, baselines=measure.baselines, draws=draws, seed=measure.seed)
    groups = [
        [
            assess(
                source.detections,
                source.truth,
                iou=measure.iou or list(wanted.iou),
                protocol=name,
                known_labels=measure.known_labels,
                videos=source.videos,
                unknown_labels="drop" if measure.drop_unknown_labels else None,
                clean_truth=measure.clean_truth,
                tie_order=measure.tie_order,
                beside=beside,
            )
            for name in (list(PROTOCOLS) if protocol == "all" else [protocol])
        ]
        for source in sources
    ]
    for source, group in zip(sources, groups, strict=True):
        source.keep_scores(group)
    return groups
