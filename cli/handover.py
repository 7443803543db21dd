"""`thas clips`, `thas summary` and `thas plot`: what was found, for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..core.errors import DataError, PartialFailure, UsageError, VideoError, listing, plural
from .console import note, out, print_json, print_wide, progress, warn

if TYPE_CHECKING:
    from ..core.segments import Segments
    from ..report.sources import Moments

_FLAG = Parameter(negative=())
_MANY = Parameter(negative=(), consume_multiple=True)


def summary(
    source: Path | None = None,
    /,
    *,
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    runs: Path = Path("runs"),
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Sum up how often and how long each action happens in each video.

    Count, total, mean, longest, the time until the first one, and the share of the video's time. Of detections the few
    that are sure and apart are counted.

    For example:

        thas summary --out summary.xlsx

        thas summary annotations.json

    Parameters
    ----------
    source
        A run's folder, or a file of detections or annotations; the newest run by default.
    out_
        A .csv or .xlsx file (thas[excel]) with a row for each video and action.
    all_
        Count all candidates, overlapping or not.
    runs
        The folder that holds runs.
    json
        Print one JSON object.
    """
    from ..report.time_budget import by_label, time_budget
    from ..report.time_table import write_time_table

    moments = _moments(source, runs, everything=all_)
    rows = time_budget(moments.actions, videos=moments.videos, seconds=moments.seconds)
    known = [moments.seconds.get(video) for video in moments.videos]
    total = sum(value for value in known if value is not None) if None not in known else None
    together = by_label(rows, seconds=total)
    written = write_time_table(out_, rows) if out_ is not None else None
    if json:
        print_json({"videos": [vars(row) for row in rows], "labels": [vars(row) for row in together]})
    elif not rows:
        out.print("nothing was found")
    else:
        from rich.box import SIMPLE_HEAD
        from rich.markup import escape
        from rich.table import Table

        from ..temporal_has.results import clock

        def seconds(value: float | None) -> str:
            return "-" if value is None else f"{value:.1f} s"

        table = Table("video", "action", box=SIMPLE_HEAD, pad_edge=False)
        for name in ("count", "total", "mean", "longest", "first after", "share"):
            table.add_column(name, justify="right", no_wrap=True)
        shown = [row for row in rows if row.count] if len(moments.videos) <= 20 else []
        for row in [*shown, *together]:
            share = "-" if row.share is None else f"{100 * row.share:.1f} %"
            times = [seconds(value) for value in (row.mean_seconds, row.longest_seconds, row.latency_seconds)]
            name = escape(row.video) if row.video else "[bold]all[/]"
            table.add_row(name, escape(row.label), str(row.count), clock(row.total_seconds), *times, share)
        print_wide(table)
    if written is not None and not json:
        note(f"written: {written}")
    return 0


def clips(
    source: Path | None = None,
    /,
    *,
    out_: Annotated[Path, Parameter(name="--out")] = Path("clips"),
    label: Annotated[list[str] | None, _MANY] = None,
    video: Annotated[list[str] | None, _MANY] = None,
    videos: Path | None = None,
    dataset: str | None = None,
    pad: float = 0.0,
    film: Annotated[bool, _FLAG] = False,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    quality: int = 20,
    runs: Path = Path("runs"),
    data_root: Path = Path("data"),
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Cut the moments found out of their videos, to the frame, one file each or one film of all.

    Of detections the few that are sure and apart are cut. Files are H.264 with AAC, which every browser plays, and
    their names sort by video and time.

    For example:

        thas clips --label Diving --pad 1

        thas clips detections/match.json --videos incoming --film --out best.mp4

    Parameters
    ----------
    source
        A run's folder, or a file of detections or annotations; the newest run by default.
    out_
        The folder; with --film the file.
    label
        Only these actions.
    video
        Only these videos.
    videos
        The folder that the video files lie in; a run knows its own.
    dataset
        The data set whose videos they are, instead.
    pad
        Seconds shown before and after each moment.
    film
        One film of all moments instead of a file each.
    all_
        All candidates.
    quality
        x264's constant rate factor, 0 to 51; lower is better and larger.
    runs
        The folder that holds runs.
    data_root
        The folder that holds data sets called by name.
    json
        Print one JSON object.
    """
    from ..features.video import scan_video
    from ..report.clips import Clip, cut_clips, join_clips, plan_clips
    from ..report.sources import files_named

    if pad < 0 or not 0 <= quality <= 51:
        raise UsageError("--pad is 0 or more, --quality from 0 to 51", next="thas clips --help")
    if film and out_.suffix.lower() != ".mp4":
        raise UsageError("a film is one file", next="thas clips --film --out film.mp4")
    moments = _moments(source, runs, everything=all_, dataset=dataset, data_root=data_root)
    files = files_named(videos, moments.videos) if videos is not None else moments.files
    by_video = _chosen(moments.actions, label, video)
    missing = [name for name in by_video if name not in files]
    if by_video and len(missing) == len(by_video):
        raise DataError(
            "none of the videos is at hand",
            why=f"no file of {listing(missing)} is known",
            next="--videos FOLDER names the folder that they lie in",
        )
    failed = dict.fromkeys(missing, "its file is not at hand")
    plans: list[tuple[Path, list[Clip]]] = []
    written: list[Path] = []
    with progress("cutting", total=sum(map(len, by_video.values())), unit="clips") as advance:
        for name in sorted(by_video, key=str):
            if name in failed:
                continue
            try:
                table = scan_video(files[name])
                found: Segments = by_video[name]
                plan, remarks = plan_clips(name, found, duration_seconds=table.duration_seconds, pad_seconds=pad)
                for remark in remarks:
                    warn(remark)
                if film:
                    plans.append((files[name], plan))
                else:
                    written += cut_clips(files[name], plan, out_, table=table, quality=quality, progress=advance)
            except VideoError as error:
                failed[name] = error.why or error.what
        if film:
            written = [join_clips(plans, out_, quality=quality, progress=advance)]
    if json:
        print_json({"files": [str(path) for path in written], "failed": failed})
    else:
        out.print(f"{plural(len(written), 'file')} written: {out_}", markup=False)
    if failed:
        raise PartialFailure(
            f"{plural(len(failed), 'video')} could not be cut: {listing(failed)}",
            why=next(iter(failed.values())),
            next="correct that and run the same command again",
        )
    return 0


def plot(
    run: Path | None = None,
    run_b: Path | None = None,
    /,
    *,
    video: str,
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    label: Annotated[list[str] | None, _MANY] = None,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    runs: Path = Path("runs"),
) -> int:
    """Draw one video's timeline as SVG, PNG or PDF: truth, class activation, detections.

    For example:

        thas plot --video match1 --out match1.svg

    Parameters
    ----------
    run
        The run's folder; the newest by default.
    run_b
        Another run of the same videos, drawn below.
    video
        The video's name.
    out_
        The picture; VIDEO.svg by default.
    label
        These actions; the true ones by default, else those found.
    all_
        Draw all candidates instead of the few that are sure and apart.
    runs
        The folder that holds runs.
    """
    from ..core.errors import suggestion
    from ..core.runs import find_run
    from ..report.content import read_run
    from ..temporal_has.sure_segments import sure_segments
    from ..temporal_has.timeline import draw_timeline

    path = out_ or Path(f"{video.replace('/', '_')}.svg")
    if path.suffix.lower() not in {".svg", ".png", ".pdf"}:
        raise UsageError(f"{path} is no kind of picture that is drawn here", next="--out FILE.svg, .png or .pdf")
    folders = [find_run(run, root=runs), *([find_run(run_b, root=runs)] if run_b is not None else [])]
    contents = {folder.name: read_run(folder) for folder in folders}
    sequences, detections = {}, {}
    for name, content in contents.items():
        sequence = next((one for one in content.sequences() if one.video == video), None)
        if sequence is None:
            raise UsageError(
                f"{name} has no video {video!r}", why=suggestion(video, content.videos), next="thas plot --video NAME"
            )
        shown = name if len(contents) > 1 else ""
        found = content.detections[content.detections.video == video]
        sequences[shown], detections[shown] = sequence, found if all_ else sure_segments(found)
    first = next(iter(contents.values()))
    truth: Segments | None = None
    if first.truth is not None:
        truth = first.truth.segments[first.truth.segments.video == video]
    draw_timeline(
        path,
        sequences,
        detections,
        truth=truth,
        labels=tuple(label) if label else None,
        threshold=first.settings.get("threshold", (0.5,)),
        threshold_rule=first.settings.get("threshold_rule", "max"),
    )
    out.print(str(path), markup=False)
    return 0


def _moments(
    source: Path | None, runs: Path, *, everything: bool, dataset: str | None = None, data_root: Path = Path("data")
) -> Moments:
    from ..core.runs import find_run
    from ..report.sources import read_moments

    found = source if source is not None else find_run(None, root=runs)
    return read_moments(found, dataset=dataset, data_root=data_root, everything=everything)


def _chosen(actions: Segments, labels: list[str] | None, videos: list[str] | None) -> dict[str, Segments]:
    """The moments asked for, by video.

    Raises:
        UsageError: There is none.
    """
    from ..core.errors import suggestion

    for wanted, known, option in ((labels, set(actions.label), "--label"), (videos, set(actions.video), "--video")):
        unknown = [name for name in wanted or [] if name not in known]
        if unknown:
            raise UsageError(
                f"nothing was found of {unknown[0]!r}", why=suggestion(unknown[0], sorted(known)), next=option
            )
    by_video = {name: rows for name, rows in actions.by_video().items() if not videos or name in videos}
    if labels:
        by_video = {name: rows[[one in labels for one in rows.label]] for name, rows in by_video.items()}
    by_video = {name: rows for name, rows in by_video.items() if len(rows)}
    if not by_video:
        raise UsageError("no moment was found to cut", next="thas localize; or thas clips --all for unsure ones, too")
    return by_video
