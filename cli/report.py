"""`thas report`: a run of videos or of images as one page for the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..core.errors import UsageError
from ..core.runs import ROOTS
from .console import note, progress, say
from .options import DataRoot, Help, Printed, Run, Runs, also, options


@options
class Page:
    """What the page shows."""

    out_: Annotated[Path | None, also(Help.OUT, "By default report.html in the first run's folder.", name="--out")] = (
        None
    )
    title: str = ""
    """The page's title; the data set's name by default."""
    dataset: Annotated[
        str | None,
        also(
            Help.DATASET, "Of video runs: where it is now, if it was moved; of image runs: other images than the run's."
        ),
    ] = None
    most: int = 24
    """Of image runs: how many of the worst images are shown, and how many of the best."""
    stills: int = 0
    """Of video runs: small pictures of so many of each video's surest detections, for whom the videos do not play."""
    device: Annotated[str, also(Help.DEVICE, "Of image runs.")] = "auto"


def report(
    run: Run = None,
    run_b: Path | None = None,
    /,
    *,
    page: Page = Page(),
    runs: Runs = ROOTS["temporal"],
    data_root: DataRoot = Path("data"),
    printed: Printed = Printed(),
) -> None:
    """Write a run as one HTML page: what was found, how far to trust it, scores, errors, a timeline of each video.

    The page needs no network and no server. A click on a timeline goes there in the video, where its file is at hand.
    Detections can be marked right or wrong and moved; what was marked is saved as annotations, which `thas eval
    --annotations` takes. Of image runs it shows heat maps and boxes, the worst and the best, two runs side by side.

    For example:

        thas report

        thas report runs/my_videos/A runs/my_videos/B --out compared.html

    Parameters
    ----------
    run_b
        Another run of the same videos, shown on the same axes.
    """
    from ..core.runs import SETTINGS, find_run, kind_of

    if run is None and run_b is not None:
        raise UsageError("two runs are named by their folders", next="thas report RUN RUN_B")
    typed = [one for one in (run, run_b) if one is not None]
    if run is not None and (run / SETTINGS).exists() and kind_of(run) == "image":
        from ..report.image_page import read_image_run, write_image_page

        found = [
            read_image_run(
                find_run(one, kind="image"),
                dataset=page.dataset,
                data_root=data_root,
                device=page.device,
                stage=progress,
            )
            for one in typed
        ]
        path = write_image_page(page.out_ or run / "report.html", found, title=page.title, most=page.most)
    else:
        from ..report.content import read_run
        from ..report.page import write_page

        folders = [find_run(one, root=runs) for one in typed or [None]]
        contents = [read_run(folder, dataset=page.dataset, data_root=data_root) for folder in folders]
        target = page.out_ or folders[0] / "report.html"
        for line in dict.fromkeys(line for one in contents for line in one.notes):
            note(line)
        path = write_page(target, contents, title=page.title, stills=page.stills, stage=progress)
    if not printed.as_json({"page": str(path), "bytes": path.stat().st_size}):
        say(str(path))
        note("open it in a browser; links to videos hold as long as both stay where they are")
