"""`thas data check` and `thas doctor`: what a data set and this machine have, and what stands in the way."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ..core.data_options import DataOptions
from ..core.errors import plural
from .console import out, progress, say
from .options import Help, Printed


def data_check(
    dataset: Annotated[str, Parameter(help=Help.DATASET)],
    /,
    *,
    data: Annotated[DataOptions, Parameter(name="*")] = DataOptions(),
    printed: Printed = Printed(),
) -> int:
    """Look through a data set before hours are spent on it: files, labels, segments.

    The exit code is 3 if something must be mended.

    For example:

        thas data check my_videos
    """
    from ..datasets.check import check_dataset
    from ..datasets.opening import open_dataset

    opened = open_dataset(
        dataset, data_root=data.data_root, train_subset=data.train_subset, test_subset=data.test_subset
    )
    with progress("looking at videos", total=len(opened.videos), unit="videos") as advance:
        report = check_dataset(opened, progress=advance)
    if printed.as_json(report.to_json()):
        return 3 if report.problems else 0
    from rich.markup import escape
    from rich.table import Table

    from ..features.extraction_job import duration
    from ..temporal_has.results import clock

    say(
        f"{opened.name}: {plural(len(opened.videos), 'video')}, {duration(sum(report.duration_seconds.values()))}, "
        + plural(len(opened.classes), "class", "classes")
    )
    seconds = sorted(report.duration_seconds.values())
    if seconds:
        median = seconds[len(seconds) // 2]
        out.print(f"a video lasts {clock(seconds[0])} to {clock(seconds[-1])}, half of them {clock(median)} or more")
    subsets = sorted(report.videos)
    table = Table("videos of", *(name or "all" for name in subsets))
    for label, counts in report.class_videos.items():
        table.add_row(escape(label), *(str(counts[name]) for name in subsets))
    table.add_section()
    table.add_row("all", *(str(report.videos[name]) for name in subsets))
    table.add_row("true segments", *(str(report.segments[name]) for name in subsets))
    out.print(table)
    train, test = (repr(name) if name else "all videos" for name in (report.train_subset, report.test_subset))
    say(f"trained on {train}, scored on {test}")
    for remark in report.remarks:
        say(f"note: {remark}")
    for problem in report.problems:
        say(f"mend: {problem}")
    if not report.problems:
        out.print("nothing to mend")
    return 3 if report.problems else 0


def doctor(*, printed: Printed = Printed()) -> int:
    """Say what this machine has and what stands in the way, each with its remedy.

    For example:

        thas doctor
    """
    from ..core.doctor import examine

    findings = examine()
    for finding in () if printed.as_json([vars(finding) for finding in findings]) else findings:
        mark = {"ok": "[green]ok[/]  ", "note": "[yellow]note[/]", "bad": "[red]bad[/] "}[finding.state]
        out.print(f"{mark} {finding.name}: ", end="")
        say(finding.text)
        if finding.remedy:
            say(f"     do: {finding.remedy}")
    return 1 if any(finding.state == "bad" for finding in findings) else 0
