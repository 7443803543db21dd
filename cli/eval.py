"""`thas eval` and `thas convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from ..core.errors import UsageError
from .console import print_as, print_json, table_form
from .eval_output import diagnosis, one_score, pair_score, score_tables, seeds_score
from .eval_source import Source, Truth

_FLAG = Parameter(negative=())
_MANY = Parameter(negative=(), consume_multiple=True)
_DRAWS = 1000


def eval_(
    detections: Annotated[list[Path] | None, _MANY] = None,
    /,
    *,
    run: Annotated[list[Path] | None, _MANY] = None,
    annotations: Path | None = None,
    dataset: str | None = None,
    data_root: Path = Path("data"),
    subset: str | None = None,
    iou: Annotated[list[float] | None, _MANY] = None,
    protocol: Literal["activitynet", "thumos14", "thumos14-11point", "wtalc", "all"] | None = None,
    videos: str | None = None,
    known_labels: Annotated[bool, _FLAG] = False,
    drop_unknown_labels: Annotated[bool, _FLAG] = False,
    clean_truth: Annotated[bool, _FLAG] = False,
    class_ids: Literal["official", "positions"] | None = None,
    tie_order: Literal["canonical", "file"] | None = None,
    ties: Annotated[bool, _FLAG] = False,
    baselines: Annotated[bool, _FLAG] = False,
    bootstrap: Annotated[bool, _FLAG] = False,
    diagnose: Annotated[bool, _FLAG] = False,
    pictures: Path | None = None,
    seeds: Annotated[bool, _FLAG] = False,
    seed: int = 0,
    markdown: Annotated[bool, _FLAG] = False,
    latex: Annotated[bool, _FLAG] = False,
    json: Annotated[bool, _FLAG] = False,
) -> int:
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
    annotations
        Ground truth: ActivityNet JSON, CSV, a folder of THUMOS14 text files, or a data set's folder.
    dataset
        A data set's name or folder, instead of annotations; without detections its newest run is scored.
    data_root
        The folder that holds data sets called by name.
    subset
        The subset to score; if left out, the one that the detections lie in.
    iou
        Thresholds, as fractions; if left out those of the run's settings, or 0.1 to 0.7.
    protocol
        How AP is computed; the same detections differ by up to 13 points between them. `all` shows them side by side.
        If left out that of the run's settings, or activitynet.
    videos
        Score these alone: thumos14-213, -212, -211, -210, or a text file with a name on each line.
    known_labels
        Count only detections whose label occurs in their video, as the Hide-and-Seek paper does; this flatters.
    drop_unknown_labels
        Leave out detections whose label the ground truth does not know, instead of stopping.
    clean_truth
        Drop ground truths that repeat another one or have no length; the published programs keep them.
    class_ids
        What class numbers in a THUMOS14 text file mean, if they can mean two things.
    tie_order
        Order of equal scores, if not the protocol's: canonical (video, start, end) or file (as the rows come).
    ties
        Show how far equal scores could move the mAP.
    baselines
        Show what blind guesses score: tiles of fixed lengths, the whole video.
    bootstrap
        Show the 95 % interval of the mAP over the choice of videos (1000 draws).
    diagnose
        Say why the mAP is what it is: kinds of errors, what each costs, and where actions are missed.
    pictures
        Folder for the diagnosis's pictures, which asks for --diagnose; if a run is scored, its own folder by default.
    seeds
        Take the detections as runs that differ by seed: mean and standard deviation.
    seed
        Of all random draws here.
    markdown
        Print the tables alone, as Markdown.
    latex
        Print the tables alone, as LaTeX (booktabs).
    json
        Print one JSON object, with fractions.
    """
    from ..eval.assessment import compare_assessments
    from ..eval.average_precision import DEFAULT_IOU
    from ..eval.protocols import PROTOCOLS

    form = table_form(markdown, latex, json=json)
    quiet = json or form is not None
    files: list[Path | None] = [*(detections or []), *(run or [])] or [None]
    if len(files) > 2 and not seeds:
        raise UsageError(
            f"{len(files)} sets of detections were given", why="two can be compared", next="give two, or add --seeds"
        )
    if seeds and len(files) < 2:
        raise UsageError(
            "a mean over seeds needs two or more sets of detections", next="thas eval FILE FILE ... --seeds"
        )
    diagnose = diagnose or pictures is not None
    if protocol == "all" and (len(files) > 1 or diagnose):
        raise UsageError(
            "--protocol all goes with one set of detections and without --diagnose", next="name one protocol"
        )
    options: dict[str, Any] = {
        "known_labels": known_labels,
        "unknown_labels": "drop" if drop_unknown_labels else None,
        "clean_truth": clean_truth,
        "tie_order": tie_order,
        "with_ties": ties,
        "with_baselines": baselines,
        "draws": _DRAWS if bootstrap else 0,
        "seed": seed,
    }
    truth = Truth(annotations, dataset, data_root, subset, videos)
    sources = [Source(path, truth, class_ids) for path in files]
    wanted = sources[0].settings
    options["iou"] = iou or list(wanted.iou if wanted else DEFAULT_IOU)
    names = list(PROTOCOLS) if protocol == "all" else [protocol or (wanted.protocol if wanted else "activitynet")]
    groups = [[source.assess(name, options) for name in names] for source in sources]
    for source, group in zip(sources, groups, strict=True):
        source.keep_scores(group)
    comparison = None
    if len(files) == 1:
        content = one_score(sources[0], groups[0], json=quiet)
    elif seeds:
        content = seeds_score([group[0] for group in groups], json=quiet)
    else:
        both = [group[0] for group in groups]
        comparison = compare_assessments(*both, draws=_DRAWS, seed=seed)
        content = pair_score(sources, both, comparison, json=quiet)
    if diagnose:
        content["diagnosis"] = [
            diagnosis(source, group[0], pictures, json=quiet) for source, group in zip(sources, groups, strict=True)
        ]
    if form is not None:
        print_as(score_tables(groups, comparison=comparison, seeds=seeds), form)
    if json:
        print_json(content)
    return 0
