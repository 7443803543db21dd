"""`thas demo` and `thas image demo`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..core.runs import ROOTS
from .console import note, out, progress, say
from .image_output import score_table
from .options import DataRoot, Help, Printed, Runs, also

if TYPE_CHECKING:
    from ..demo.run import DemoResult


def demo(
    *,
    short: bool = False,
    workers: int | None = None,
    data_root: DataRoot = Path("data"),
    runs: Runs = ROOTS["temporal"],
    printed: Printed = Printed(),
) -> None:
    """See Hide-and-Seek work on generated videos, from video files to mAP, in minutes.

    Makes a small data set of real video files, trains a small C3D on their labels, extracts features, trains the
    paper's network without and with hiding, localizes, scores, and draws what each network saw. The videos and
    features go to `<data-root>/demo`, some 200 MB at most.

    For example:

        thas demo

        thas demo --short

    Parameters
    ----------
    short
        A fifth of the videos and one seed: shows that everything works, not which arm is better.
    workers
        Processes; one a core by default.
    """
    from ..demo.run import run_demo

    if not short and not printed.json:
        out.print("First a fifth of it, to show that everything works; then the whole.")
    for part in (short,) if short or printed.json else (True, False):
        result = run_demo(data_root=data_root, runs=runs, short=part, workers=workers, stage=progress)
        if not printed.as_json(result.to_json()):
            _print(result, short=part, data_root=data_root, runs=runs)


def _print(result: DemoResult, *, short: bool, data_root: Path, runs: Path) -> None:
    from rich.table import Table

    from ..demo.run import ARMS
    from ..sweep.report import cell

    seeds = len(next(iter(result.scores.values())))
    spread = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else "one seed"
    table = Table(
        title=f"mAP (%) at temporal IoU, test videos, predicted labels, {spread}", title_justify="left", box=None
    )
    table.add_column("temporal IoU")
    for arm in result.scores:
        table.add_column(f"{arm}\nhide.probability {ARMS[arm]:g}", justify="right")
    rows = [f"{threshold:g}" for threshold in result.iou]
    for k, name in enumerate([*rows, "mean"]):
        cells = [scores[:, k] if k < len(rows) else scores.mean(axis=1) for scores in result.scores.values()]
        table.add_row(name, *(cell(one.mean(), one.std(ddof=1) if seeds > 1 else math.nan) for one in cells))
    out.print(table)
    if short:
        out.print("A short demo shows that everything works; it is too small to tell the arms apart.")
    profile, *timelines = result.pictures
    say(f"what each network responds to: {profile}")
    say(f"timelines, one a class: {timelines[0]} and {len(timelines) - 1} more beside it")
    note("seconds: " + ", ".join(f"{name} {value:g}" for name, value in result.seconds.items()))
    root = data_root / "short" if short else data_root
    at = "" if root == Path("data") else f" --data-root {root}"
    run = result.runs["Video-HaS"][0]
    newest = "" if runs == Path("runs") else f" {run}"
    out.print("try next (. .venv/bin/activate first, if thas is not on your path):")
    for command in (
        f"thas eval{newest} --iou 0.1 0.3 0.5 --diagnose",
        f"thas localize {root / 'demo' / 'videos' / 'video_test_0000001.mp4'}" + (f" --run {run}" if newest else ""),
        f"thas train --dataset demo{at} --hide-probability 0.25",
        "thas train --help",
    ):
        say(f"  {command}")


def image_demo(
    *,
    seed: Annotated[int, also(Help.SEED, "Of the images and both networks.")] = 0,
    images: int = 300,
    data_root: DataRoot = Path("data"),
    runs: Runs = ROOTS["image"],
    printed: Printed = Printed(),
) -> None:
    """See it work on generated images, in less than three minutes.

    Draws creatures with a telling head and a plain body, trains the same small network without and with hiding on their
    labels alone, scores both and draws what each looked at.

    For example:

        thas image demo

    Parameters
    ----------
    images
        To train on, a class.
    """
    from ..image_has.demo import run_demo

    result = run_demo(data_root=data_root, runs=runs, seed=seed, images=images, stage=progress)
    if printed.as_json(result.to_json()):
        return
    out.print(score_table({arm: evaluation.scores for arm, evaluation in result.evaluations.items()}))
    say(f"pictures: {result.sheet}")
    found = result.sheet.parent
    note(f"{result.seconds:.0f} s; next: thas image localize {data_root}/image-demo/val --run {found}")
