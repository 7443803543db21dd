"""`thas convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ..core.errors import UsageError, plural
from .console import note, out, print_json

_FLAG = Parameter(negative=())
Form = Literal[
    "activitynet",
    "csv",
    "thumos",
    "webvtt",
    "srt",
    "labels",
    "points",
    "boris",
    "elan",
    "label-studio",
    "cvat",
    "fiftyone",
]


def convert(
    source: Path,
    target: Path,
    /,
    *,
    to: Form | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    fps: float | None = None,
    video: str | None = None,
    label: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    where: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    leave_out: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    seconds: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    offset: float = 0.0,
    columns: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    skip_unpaired: Annotated[bool, _FLAG] = False,
    split: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    split_by: str | None = None,
    seed: int = 0,
    subset: str | None = None,
    min_score: float | None = None,
    top: int | None = None,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    media: str = "{video}.mp4",
    class_ids: Literal["official", "positions"] | None = None,
    json: Annotated[bool, _FLAG] = False,
) -> int:
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
        label-studio (with its labelling configuration), fiftyone. If left out, the target's ending tells: .json, .csv,
        .txt, .boris or .eaf.
    from_
        The form of the source, where its content does not tell.
    fps
        Frames a second: of annotations that count frames; and for Label Studio, whose ranges are frames, of its Video
        tag (24 unless given).
    video
        The video's name, where annotations do not say it; {file} stands for the file's own name.
    label
        What the label is made of: a field of the form, such as tier, or several.
    where
        Only annotations with this field and value, as tier=Hands or subject=mouse1; of one field several values.
    leave_out
        Labels that are none, such as SIL or background.
    seconds
        How long videos last, where several share one clock: NAME=SECONDS, a folder of the videos, or a table with the
        columns video,duration_seconds.
    offset
        Seconds to add to every time of the annotations.
    columns
        How a table of your own calls its columns: video=ID label=type start=from end=to.
    skip_unpaired
        Leave out states that have no start or no stop.
    split
        Put the videos into subsets, each label shared out alike: test=0.2, or training=0.7 validation=0.1 test=0.2.
    split_by
        What must stay in one subset: an expression that finds the person in a video's name, such as P[0-9]+, or a
        table with the columns video,subject.
    seed
        Of the split.
    subset
        Only the annotations of one subset.
    min_score
        Only detections with this score or more.
    top
        Only so many detections of each video, the surest.
    all_
        Of webvtt and srt: all candidates, cues that overlap, instead of the few that are sure and apart.
    media
        Where annotation tools and FiftyOne find a video, with {video} for its name.
    class_ids
        What class numbers in a THUMOS14 text file mean, if they can mean two things.
    json
        Print one JSON object with the files written.
    """
    from dataclasses import replace

    from ..annotators.events import NOTHING_SAID
    from ..core.segments import Segments
    from ..eval.annotations import Annotations
    from ..eval.convert import LABEL_STUDIO_FPS, losses, select, write
    from ..eval.reading import read_any
    from .reading_options import reading_options, with_split

    if source.exists() and target.exists() and target.samefile(source):
        raise UsageError(f"{source} would be replaced by its own conversion", next="give another TARGET")
    if top is not None and top < 1:
        raise UsageError(f"--top must be 1 or more, not {top}", next="leave --top out for all detections")
    forms = {".json": "activitynet", ".csv": "csv", ".txt": "thumos", ".boris": "boris", ".eaf": "elan"}
    form = to or forms.get(target.suffix.lower())
    if form is None:
        raise UsageError(f"the form of {target} is not known", next=f"thas convert {source} {target} --to FORM")
    options = reading_options(
        form=from_,
        fps=fps,
        video=video,
        label=label or (),
        where=where or (),
        leave_out=leave_out or (),
        typed_seconds=seconds or (),
        offset=offset,
        columns=columns or (),
        skip_unpaired=skip_unpaired,
    )
    table = read_any(source, class_ids=class_ids, options=options)
    if isinstance(table, Annotations):
        for sentence in table.notes:
            note(sentence)
    elif replace(options, fps=None) != NOTHING_SAID:
        raise UsageError(
            f"{source} holds detections, which say everything themselves",
            next="leave --label, --where and what else is said of annotations out",
        )
    if form in ("webvtt", "srt") and not all_ and isinstance(table, Segments) and table.score is not None:
        from ..temporal_has.sure_segments import sure_segments

        table = sure_segments(table)
    if split:
        if not isinstance(table, Annotations):
            raise UsageError("detections have no subsets", next="leave --split out")
        table = with_split(table, split, split_by, seed)
    if subset is not None:
        if not isinstance(table, Annotations):
            raise UsageError("detections have no subsets", next="leave --subset out")
        table = table.subset(subset)
    if min_score is not None or top is not None:
        if not isinstance(table, Segments):
            raise UsageError("annotations have no scores to choose by", next="leave --min-score and --top out")
        table = select(table, minimum_score=min_score, most=top)
    for sentence in losses(table, form):
        note(sentence)
    files = write(table, target, form=form, fps=fps or LABEL_STUDIO_FPS, media=media, apart=not all_)
    if json:
        print_json({"form": form, "files": [str(file) for file in files]})
    else:
        out.print(f"{plural(len(files), 'file')} written: {target}", markup=False)
    return 0
