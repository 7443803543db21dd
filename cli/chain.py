"""`thas run`: a folder of videos and a table of labels become intervals."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..core.errors import Failure, PartialFailure, ThasError, UsageError, counted, plural
from .console import err, note, out, progress, say, warn
from .eval_output import say_told
from .options import Help, Printed, Set, also, parse_set
from .training_bar import TrainingBar

if TYPE_CHECKING:
    from ..features.extract import Estimate
    from ..temporal_has.chain import ChainResult
    from ..temporal_has.chain_plan import Plan

_SHOWN = 40


class _Stop(Exception):
    """Only the plan was asked for."""


def run(
    folder: Annotated[str, Parameter(help=Help.DATASET)],
    table: Path | None = None,
    /,
    *,
    weights: Annotated[str | None, also(Help.WEIGHTS, "The backbone's; the best at hand by default.")] = None,
    train_backbone: bool = False,
    set_: Annotated[Set, also(Help.SET, "Of training and localizing.")] = None,
    plan: bool = False,
    printed: Printed = Printed(),
) -> None:
    """Find when actions happen in a folder of videos: looks them through, makes features, learns, localizes, scores.

    The folder holds videos and labels.csv or labels.xlsx with the columns video and label; nothing else is needed.
    Videos that the table does not name are localized too. Ends with a few sure intervals, on the screen, in
    FOLDER/intervals.csv and on a page, FOLDER/intervals.html. Interrupted, the same command goes on; run again, it does
    only what is missing. Each step is a command of its own: data check, extract-features, train, localize, eval.

    For example:

        thas run my_videos

        thas run my_videos --plan        # what it would do, and how long it would take

        thas run my_videos table.xlsx    # a table of labels that lies elsewhere or is called otherwise

        thas run my_videos --train-backbone

    Parameters
    ----------
    table
        The table of labels, where it lies elsewhere or is called otherwise: it is copied into the folder first.
    train_backbone
        Train a small backbone from your labels instead, where no published weights are of any use.
    plan
        Say what would be done and how long it would take, then stop.
    """
    from ..report.video_page import write_folder_page
    from ..temporal_has.chain import finish
    from ..temporal_has.chain_plan import bring_table, make_plan, with_backbone

    options = parse_set(set_)
    if table is not None and not Path(folder).is_dir():
        raise UsageError(f"{folder} is no folder, into which {table} could be copied", next="thas run FOLDER TABLE")
    if table is not None and (copied := bring_table(Path(folder), table)):
        note(f"{table} is copied to {copied}, where every command looks for it")
    planned = make_plan(folder, weights=weights, train_backbone=train_backbone)
    mend = _look_through(planned)
    for line in planned.lines():
        err.print(line, markup=False)
    if planned.train_backbone:
        if plan:
            note("how long the training of the backbone takes, its bar will say")
            return
        planned = with_backbone(planned, _backbone(planned))
    try:
        failed = _features(planned, stop=plan)
    except _Stop:
        return
    if plan:
        note("all features are there: what is left is the training, which its bar times")
        return
    with ExitStack() as stack:

        def watch(what: str) -> TrainingBar:
            stack.pop_all().close()
            return stack.enter_context(TrainingBar(f"learning from {what}"))

        result = finish(planned, options=options, watch=watch, failed=failed)
    page = write_folder_page(
        result.written.with_suffix(".html"), result.all_detections, result.told, scored=result.assessment is not None
    )
    if not printed.as_json({**result.to_json(), "page": str(page)}):
        _show(result, planned, page)
    if result.failed:
        raise PartialFailure(
            counted(list(result.failed), "video gave no intervals", "videos gave no intervals"),
            why="; ".join(f"{video}: {why}" for video, why in list(result.failed.items())[:3]),
            next="mend or remove them and run the same command again; the rest is done",
        )
    if mend:
        note(f"{plural(mend, 'thing')} to mend in the data: thas data check {folder}")


def _look_through(plan: Plan) -> int:
    """Tell what `thas data check` finds; how many things must be mended."""
    from ..datasets.check import check_dataset
    from ..features.extraction_job import duration

    with progress("looking at videos", total=len(plan.dataset.videos), unit="videos") as advance:
        report = check_dataset(plan.dataset, progress=advance)
    lasting = duration(sum(report.duration_seconds.values()))
    err.print(
        f"{plan.dataset.name}: {plural(len(plan.videos), 'video')}, {lasting}, "
        + plural(len(plan.dataset.classes), "class", "classes"),
        markup=False,
    )
    for problem in report.problems:
        warn(problem)
    # What it says of scoring and of videos without a row is otherwise here.
    for remark in report.remarks:
        if not any(words in remark for words in ("one subset", "no row in the table", "no true segments")):
            note(remark)
    return len(report.problems)


def _backbone(plan: Plan) -> Path:
    from ..features import backbone_settings
    from ..temporal_has.chain import own_backbone

    settings = backbone_settings.BackboneSettings()
    with progress("training the backbone", settings.epochs, "epochs") as advance:
        return own_backbone(plan, settings, progress=advance)


def _features(plan: Plan, *, stop: bool) -> list[Failure]:
    """Make the features that are missing; the videos that gave none."""
    if not plan.waiting:
        return []
    from ..features.backbones import backbone_for
    from ..features.extract import ExtractionSettings, extract_dataset

    def announce(estimate: Estimate) -> None:
        err.print(f"features: {estimate.sentence()}", markup=False)
        if stop:
            raise _Stop

    with progress("extracting", len(plan.waiting), "videos") as advance:
        result = extract_dataset(
            {video: plan.files[video] for video in plan.waiting},
            plan.dataset.features_folder,
            settings=ExtractionSettings(backbone=backbone_for(None, plan.weights)),
            weights=plan.weights,
            progress=advance,
            announce=announce,
        )
    if not result.done and not result.skipped and result.failed:
        first = result.failed[0]
        raise ThasError("no video gave features", why=f"{first.subject}: {first.why}", next="thas data check")
    return list(result.failed)


def _show(result: ChainResult, plan: Plan, page: Path) -> None:
    from rich.markup import escape
    from rich.table import Table

    from ..temporal_has.results import clock

    table = Table("video", "from", "to", "action", "score", box=None, pad_edge=False)
    for i, (video, label, start, end, score) in enumerate(result.intervals):
        if i == _SHOWN:
            break
        named = label if plan.dataset.labels.get(video) else f"{label} (predicted)"
        table.add_row(escape(video), clock(start), clock(end), escape(named), f"{score:.2f}")
    out.print(table)
    if len(result.intervals) > _SHOWN:
        say(f"... and {len(result.intervals) - _SHOWN} more")
    say(f"{plural(len(result.intervals), 'interval')}: {result.written}")
    if result.assessment is not None:
        scores = result.assessment.scores
        blind = max(100 * one.average for one in result.assessment.baselines)
        say(
            f"scored on the {plan.dataset.test_subset or 'same'} videos: mAP {100 * scores.average:.1f} % over IoU "
            + " ".join(f"{t:g}" for t in scores.thresholds)
            + f"; the best blind guess gets {blind:.1f}"
        )
    if result.told is None:
        warn("too few labelled videos to hold any out: whether these intervals are to be trusted is not known")
    say_told(result.told)
    note(f"all candidates, sequences and the network are in {result.all_detections}")
    note(f"of another video, or a stream: thas localize VIDEO --run {result.all_detections / 'run'}")
    note(f"next: look at {page} in a browser; new videos: put them into the folder, run this again")
