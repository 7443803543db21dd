"""`thas report`: a run as one page for the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..core.errors import UsageError
from .console import note, out, print_json

_FLAG = Parameter(negative=())


def report(
    run: Path | None = None,
    run_b: Path | None = None,
    /,
    *,
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    title: str = "",
    runs: Path = Path("runs"),
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Write a run as one HTML page: what was found, how far to trust it, scores, errors, a timeline of each video.

    The page needs no network and no server. A click on a timeline goes there in the video, where its file is at hand.
    Detections can be marked right or wrong and moved; what was marked is saved as annotations, which `thas eval
    --annotations` takes.

    For example:

        thas report

        thas report runs/my_videos/A runs/my_videos/B --out compared.html

    Parameters
    ----------
    run
        The run's folder; the newest by default.
    run_b
        Another run of the same videos, shown on the same axes.
    out_
        The page; report.html in the first run's folder by default.
    title
        Its title; the data set's name by default.
    runs
        The folder that holds runs.
    json
        Print one JSON object.
    """
    from ..core.runs import find_run
    from ..report.content import read_run
    from ..report.page import write_page

    if run is None and run_b is not None:
        raise UsageError("two runs are named by their folders", next="thas report RUN RUN_B")
    folders = [find_run(run, root=runs), *([find_run(run_b, root=runs)] if run_b is not None else [])]
    path = write_page(out_ or folders[0] / "report.html", [read_run(folder) for folder in folders], title=title)
    if json:
        print_json({"page": str(path), "bytes": path.stat().st_size})
    else:
        out.print(str(path), markup=False)
        note("open it in a browser; links to videos hold as long as both stay where they are")
    return 0
