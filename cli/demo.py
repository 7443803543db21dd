"""`thas demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .console import note, out, print_json
from .datasets import stage

if TYPE_CHECKING:
    from ..demo import DemoResult


def demo(
    *,
    data_root: Path = Path("data"),
    runs: Path = Path("runs"),
    short: bool = False,
    workers: int | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """See Hide-and-Seek work on generated videos, from video files to mAP, in minutes.

    Makes a small data set of real video files, trains a small C3D on their labels, extracts features, trains the
    paper's network without and with hiding, localizes, scores, and draws what each network saw.

    For example:

        thas demo

        thas demo --short

    Parameters
    ----------
    data_root
        The videos and features go to `<data-root>/demo`, some 200 MB at most.
    runs
        The folder that holds runs.
    short
        A fifth of the videos and one seed: shows that everything works, not which arm is better.
    workers
        Processes; one a core by default.
    json
        Print one JSON object.
    """
    from ..demo import run_demo

    result = run_demo(
        data_root=data_root,
        runs=runs,
        short=short,
        workers=workers,
        stage=stage,
    )
    if json:
        print_json(result.to_json())
    else:
        _print(result, short=short)


def _print(result: DemoResult, *, short: bool) -> None:
    from rich.table import Table

    from ..demo import ARMS

    seeds = len(next(iter(result.scores.values())))
    spread = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else "one seed"
    table = Table(title=f"mAP (%) at temporal IoU, test videos, predicted labels, {spread}", title_justify="left")
    table.add_column("hide.probability")
    for threshold in result.iou:
        table.add_column(f"{threshold:g}", justify="right")
    table.add_column("mean", justify="right")
    for arm, scores in result.scores.items():
        cells = [*(scores.T), scores.mean(axis=1)]
        shown = [
            f"{100 * cell.mean():.1f} ± {100 * cell.std(ddof=1):.1f}" if seeds > 1 else f"{100 * cell.mean():.1f}"
            for cell in cells
        ]
        table.add_row(f"{ARMS[arm]:g}  ({arm})", *shown)
    out.print(table)
    if short:
        out.print("A short demo shows that everything works; it is too small to tell the arms apart.")
    profile, *timelines = result.pictures
    out.print(f"what each network responds to: {profile}", markup=False)
    out.print(f"timelines, one a class: {timelines[0]} and {len(timelines) - 1} more beside it", markup=False)
    note("seconds: " + ", ".join(f"{name} {value:g}" for name, value in result.seconds.items()))
    out.print("try next:")
    for command in (
        "thas eval --iou 0.1 0.3 0.5 --diagnose",
        "thas localize data/demo/videos/video_test_0000001.mp4",
        "thas train --dataset demo --hide-probability 0.25",
        "thas train --help",
    ):
        out.print(f"  {command}", markup=False)
