"""`thas convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..annotators.convert import Form
from ..core.errors import UsageError, plural
from .console import note, say
from .options import All, Help, Printed, also, options
from .reading_options import Said, with_split


@options
class What:
    """What is written of it."""

    split: list[str] | None = None
    """Put the videos into subsets, each label shared out alike: test=0.2, or training=0.7 validation=0.1 test=0.2."""
    split_by: str | None = None
    """What must stay in one subset: an expression that finds the person in a video's name, such as P[0-9]+, or a
    table with the columns video,subject."""
    seed: Annotated[int, Parameter(help=Help.SEED)] = 0
    subset: Annotated[str | None, also(Help.SUBSET, "Only its annotations are written.")] = None
    min_score: float | None = None
    """Only detections with this score or more."""
    top: int | None = None
    """Only so many detections of each video, the surest."""
    all_: All = False
    """All candidates, overlapping or not, instead of the few that are sure and apart."""
    media: str = "{video}.mp4"
    """Where annotation tools and FiftyOne find a video, with {video} for its name."""


def convert(
    source: Path,
    target: Path,
    /,
    *,
    to: Form | None = None,
    said: Said = Said(),
    what: What = What(),
    printed: Printed = Printed(),
) -> None:
    """Convert annotations and detections between formats.

    Files of annotation tools are read as `thas eval` reads them (docs/annotators.md); what such a file does not say, a
    rate or a video's name, is given here.

    For example:

        thas convert coding.boris annotations.json

        thas convert gestures.eaf annotations.csv --where tier=K-RGph

        thas convert job.xml labels.csv --to labels --fps 30 --video match1 --split test=0.2

        thas convert detections.json subtitles/ --to srt

        thas convert thumos14/annotations truth.json --to activitynet --subset test

        thas convert runs/latest tasks.json --to label-studio --fps 30 --media "https://host/videos/{video}.mp4"

    Parameters
    ----------
    source
        Detections or annotations in any form that `thas eval` reads, or a run folder.
    target
        The file to write; a folder for webvtt and srt, and for annotations in THUMOS14's form.
    to
        The form: activitynet, csv, thumos, webvtt and srt (chapters and subtitles, a file a video), labels (of whole
        videos, as labels.csv), points (instants, as points.csv), boris (a project), elan and cvat (a file a video),
        label-studio (with its labelling configuration), fiftyone. If left out, the target's ending tells: .json,
        .csv, .txt, .boris or .eaf.
    """
    from dataclasses import replace

    from ..annotators.annotation_files import read_any
    from ..annotators.convert import LABEL_STUDIO_FPS, losses, select, write
    from ..annotators.events import NOTHING_SAID
    from ..core.segments import Segments
    from ..eval.annotations import Annotations

    if source.exists() and target.exists() and target.samefile(source):
        raise UsageError(f"{source} would be replaced by its own conversion", next="give another TARGET")
    if what.top is not None and what.top < 1:
        raise UsageError(f"--top must be 1 or more, not {what.top}", next="leave --top out for all detections")
    forms = {".json": "activitynet", ".csv": "csv", ".txt": "thumos", ".boris": "boris", ".eaf": "elan"}
    form = to or forms.get(target.suffix.lower())
    if form is None:
        raise UsageError(f"the form of {target} is not known", next=f"thas convert {source} {target} --to FORM")
    if form == "cvat" and said.fps is None:
        raise UsageError("CVAT counts frames, and the videos' frame rate is not known", next="give --fps N")
    options = said.options()
    table = read_any(source, class_ids=said.class_ids, options=options)
    if isinstance(table, Annotations):
        for sentence in table.notes:
            note(sentence)
    elif replace(options, fps=None) != NOTHING_SAID:
        raise UsageError(
            f"{source} holds detections, which say everything themselves",
            next="leave --label, --where and what else is said of annotations out",
        )
    if form in ("webvtt", "srt") and not what.all_ and isinstance(table, Segments) and table.score is not None:
        from ..temporal_has.suppress import sure_segments

        table = sure_segments(table)
    if what.split:
        if not isinstance(table, Annotations):
            raise UsageError("detections have no subsets", next="leave --split out")
        table = with_split(table, what.split, what.split_by, what.seed)
    if what.subset is not None:
        if not isinstance(table, Annotations):
            raise UsageError("detections have no subsets", next="leave --subset out")
        table = table.subset(what.subset)
    if what.min_score is not None or what.top is not None:
        if not isinstance(table, Segments):
            raise UsageError("annotations have no scores to choose by", next="leave --min-score and --top out")
        table = select(table, minimum_score=what.min_score, most=what.top)
    for sentence in losses(table, form):
        note(sentence)
    files = write(table, target, form=form, fps=said.fps or LABEL_STUDIO_FPS, media=what.media, apart=not what.all_)
    if not printed.as_json({"form": form, "files": [str(file) for file in files]}):
        say(f"{plural(len(files), 'file')} written: {target}")
