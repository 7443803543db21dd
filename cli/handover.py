"""`thas clips`, `thas summary` and `thas plot`: what was found, for others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..core.errors import PartialFailure, listing, plural
from ..core.runs import ROOTS, find_run
from .console import note, out, print_wide, progress, say
from .options import All, DataRoot, Help, Printed, Run, Runs, Source, also, options

if TYPE_CHECKING:
    from ..report.time_table import TimeSpent


def summary(
    source: Source = None,
    /,
    *,
    out_: Annotated[
        Path | None,
        also(Help.OUT, "A .csv or .xlsx file (thas[excel]) with a row for each video and action.", name="--out"),
    ] = None,
    all_: All = False,
    runs: Runs = ROOTS["temporal"],
    printed: Printed = Printed(),
) -> None:
    """Sum up how often and how long each action happens in each video.

    Count, total, mean, longest, the time until the first one, and the share of the video's time. Of detections the few
    that are sure and apart are counted.

    For example:

        thas summary --out summary.xlsx

        thas summary annotations.json
    """
    from ..report.content import read_moments
    from ..report.time_table import by_label, time_budget, write_time_table

    moments = read_moments(source or find_run(None, root=runs), everything=all_)
    rows = time_budget(moments.actions, videos=moments.videos, seconds=moments.seconds)
    known = [moments.seconds.get(video) for video in moments.videos]
    total = sum(value for value in known if value is not None) if None not in known else None
    together = by_label(rows, seconds=total)
    written = write_time_table(out_, rows) if out_ is not None else None
    if printed.as_json({"videos": [vars(row) for row in rows], "labels": [vars(row) for row in together]}):
        return
    if rows:
        shown = [row for row in rows if row.count] if len(moments.videos) <= 20 else []
        _print_times([*shown, *together])
    else:
        out.print("nothing was found")
    if written is not None:
        note(f"written: {written}")


def _print_times(rows: Sequence[TimeSpent]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from ..temporal_has.results import clock

    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f} s"

    table = Table("video", "action", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("count", "total", "mean", "longest", "first after", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        share = "-" if row.share is None else f"{100 * row.share:.1f} %"
        times = [seconds(value) for value in (row.mean_seconds, row.longest_seconds, row.latency_seconds)]
        name = escape(row.video) if row.video else "[bold]all[/]"
        table.add_row(name, escape(row.label), str(row.count), clock(row.total_seconds), *times, share)
    print_wide(table)


@options
class Cut:
    """What is cut, and how."""

    out_: Annotated[Path, also(Help.OUT, "The folder; with --film the file.", name="--out")] = Path("clips")
    label: list[str] | None = None
    """Only these actions."""
    video: list[str] | None = None
    """Only these videos."""
    videos: Path | None = None
    """The folder that the video files lie in; a run knows its own."""
    dataset: Annotated[str | None, also(Help.DATASET, "The videos are its, where the source does not know them.")] = (
        None
    )
    pad: float = 0.0
    """Seconds shown before and after each moment."""
    film: bool = False
    """One film of all moments instead of a file each."""
    all_: All = False
    quality: int = 20
    """x264's constant rate factor, 0 to 51; lower is better and larger."""


def clips(
    source: Source = None,
    /,
    *,
    cut: Cut = Cut(),
    runs: Runs = ROOTS["temporal"],
    data_root: DataRoot = Path("data"),
    printed: Printed = Printed(),
) -> None:
    """Cut the moments found out of their videos, to the frame, one file each or one film of all.

    Of detections the few that are sure and apart are cut. Files are H.264 with AAC, which every browser plays, and
    their names sort by video and time.

    For example:

        thas clips --label Diving --pad 1

        thas clips detections/match.json --videos incoming --film --out best.mp4
    """
    from ..report.clips import cut_moments
    from ..report.content import files_named, read_moments

    found = source or find_run(None, root=runs)
    moments = read_moments(found, dataset=cut.dataset, data_root=data_root, everything=cut.all_)
    by_video = moments.chosen(cut.label or (), cut.video or ())
    files = files_named(cut.videos, moments.videos) if cut.videos is not None else moments.files
    with progress("cutting", sum(map(len, by_video.values())), "clips") as advance:
        done = cut_moments(
            by_video,
            files,
            cut.out_,
            film=cut.film,
            pad_seconds=cut.pad,
            quality=cut.quality,
            progress=advance,
        )
    files_told = {"files": [str(path) for path in done.written], "replaced": [str(path) for path in done.replaced]}
    if not printed.as_json(files_told | {"failed": dict(done.failed)}):
        say(f"{plural(len(done.written), 'file')} written: {cut.out_}")
    if done.replaced:
        note(f"{plural(len(done.replaced), 'was', 'were')} there before, and replaced; --out names another place")
    if done.left:
        note(f"{cut.out_} also holds {plural(len(done.left), 'clip')} from before, such as {done.left[0].name}")
    if done.failed:
        raise PartialFailure(
            f"{plural(len(done.failed), 'video')} could not be cut: {listing(done.failed)}",
            why=next(iter(done.failed.values())),
            next="correct that and run the same command again",
        )


def plot(
    run: Run = None,
    run_b: Path | None = None,
    /,
    *,
    video: str,
    out_: Annotated[Path | None, also(Help.OUT, "The picture; VIDEO.svg by default.", name="--out")] = None,
    label: list[str] | None = None,
    dataset: Annotated[str | None, also(Help.DATASET, "Where it is now, if it was moved.")] = None,
    all_: All = False,
    runs: Runs = ROOTS["temporal"],
    data_root: DataRoot = Path("data"),
) -> None:
    """Draw one video's timeline as SVG, PNG or PDF: truth, class activation, detections.

    For example:

        thas plot --video match1 --out match1.svg

    Parameters
    ----------
    run_b
        Another run of the same videos, drawn below.
    video
        The video's name.
    label
        Only these actions. The true ones by default, else those found.
    """
    from ..report.video_page import plot_video

    path = out_ or Path(f"{video.replace('/', '_')}.svg")
    folders = [find_run(run, root=runs), *([find_run(run_b, root=runs)] if run_b is not None else [])]
    notes = plot_video(path, folders, video, labels=label or (), everything=all_, dataset=dataset, data_root=data_root)
    say(str(path))
    for line in notes:
        note(line)
