"""`thas convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ..core.errors import UsageError, plural
from .console import out, print_json

_FLAG = Parameter(negative=())


def convert(
    source: Path,
    target: Path,
    /,
    *,
    to: Literal["activitynet", "csv", "thumos", "webvtt", "srt", "labels", "label-studio", "fiftyone"] | None = None,
    subset: str | None = None,
    min_score: float | None = None,
    top: int | None = None,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    fps: float = 24.0,
    media: str = "{video}.mp4",
    class_ids: Literal["official", "positions"] | None = None,
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Convert annotations and detections between formats.

    For example:

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
        videos, as labels.csv), label-studio, fiftyone. If left out, the target's ending tells: .json, .csv or .txt.
    subset
        Only the annotations of one subset.
    min_score
        Only detections with this score or more.
    top
        Only so many detections of each video, the surest.
    all_
        Of webvtt and srt: all candidates, cues that overlap, instead of the few that are sure and apart.
    fps
        For Label Studio, whose ranges are frames: the frameRate of its Video tag.
    media
        Where Label Studio and FiftyOne find a video, with {video} for its name.
    class_ids
        What class numbers in a THUMOS14 text file mean, if they can mean two things.
    json
        Print one JSON object with the files written.
    """
    from ..core.segments import Segments
    from ..eval.convert import select, write
    from ..eval.reading import read_any

    if source.exists() and target.exists() and target.samefile(source):
        raise UsageError(f"{source} would be replaced by its own conversion", next="give another TARGET")
    if top is not None and top < 1:
        raise UsageError(f"--top must be 1 or more, not {top}", next="leave --top out for all detections")
    forms = {".json": "activitynet", ".csv": "csv", ".txt": "thumos"}
    form = to or forms.get(target.suffix.lower())
    if form is None:
        raise UsageError(f"the form of {target} is not known", next=f"thas convert {source} {target} --to FORM")
    table = read_any(source, class_ids=class_ids)
    if form in ("webvtt", "srt") and not all_ and isinstance(table, Segments) and table.score is not None:
        from ..temporal_has.sure_segments import sure_segments

        table = sure_segments(table)
    if subset is not None:
        from ..eval.annotations import Annotations

        if not isinstance(table, Annotations):
            raise UsageError("detections have no subsets", next="leave --subset out")
        table = table.subset(subset)
    if min_score is not None or top is not None:
        if not isinstance(table, Segments):
            raise UsageError("annotations have no scores to choose by", next="leave --min-score and --top out")
        table = select(table, minimum_score=min_score, most=top)
    files = write(table, target, form=form, fps=fps, media=media, apart=not all_)
    if json:
        print_json({"form": form, "files": [str(file) for file in files]})
    else:
        out.print(f"{plural(len(files), 'file')} written: {target}", markup=False)
    return 0
