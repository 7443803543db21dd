"""`thas report`: a run of videos or of images as one page for the browser."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..core.errors import UsageError
from ..core.progress import Progress
from .console import note, out, print_json, progress

_FLAG = Parameter(negative=())


def report(
    run: Path | None = None,
    run_b: Path | None = None,
    /,
    *,
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    title: str = "",
    dataset: str | None = None,
    most: int = 24,
    device: str = "auto",
    runs: Path = Path("runs"),
    data_root: Path = Path("data"),
    json: Annotated[bool, _FLAG] = False,
) -> int:
    """Write a run as one HTML page: what was found, how far to trust it, scores, errors, a timeline of each video.

    The page needs no network and no server. A click on a timeline goes there in the video, where its file is at hand.
    Detections can be marked right or wrong and moved; what was marked is saved as annotations, which `thas eval
    --annotations` takes. Of image runs it shows heat maps and boxes, the worst and the best, two runs side by side.

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
    dataset
        Of image runs: other images than the run's.
    most
        Of image runs: how many of the worst images are shown, and how many of the best.
    device
        Of image runs: cpu, cuda, cuda:1 or auto.
    runs
        The folder that holds runs.
    data_root
        The folder that holds data sets called by name.
    json
        Print one JSON object.
    """
    from ..core.runs import SETTINGS, find_run, kind_of
    from ..report.content import read_run
    from ..report.page import write_page

    if run is None and run_b is not None:
        raise UsageError("two runs are named by their folders", next="thas report RUN RUN_B")
    if run is not None and (run / SETTINGS).exists() and kind_of(run) == "image":
        path = _images([run, *([run_b] if run_b is not None else [])], out_, title, dataset, data_root, device, most)
        return _done(path, json=json)
    folders = [find_run(run, root=runs), *([find_run(run_b, root=runs)] if run_b is not None else [])]
    path = write_page(out_ or folders[0] / "report.html", [read_run(folder) for folder in folders], title=title)
    return _done(path, json=json)


def _images(
    named: list[Path], path: Path | None, title: str, dataset: str | None, data_root: Path, device: str, most: int
) -> Path:
    from ..core.runs import find_run
    from ..report.image_page import read_image_run, write_image_page

    found = []
    for folder in [find_run(one, kind="image") for one in named]:
        with ExitStack() as stack:
            bars: list[Progress] = []

            def start(images: int, stack: ExitStack = stack, bars: list[Progress] = bars) -> None:
                bars.append(stack.enter_context(progress("looking at images", images, "images")))

            def batch(images: int, bars: list[Progress] = bars) -> None:
                bars[0](images)

            run = read_image_run(
                folder, dataset=dataset, data_root=data_root, device=device, on_start=start, on_batch=batch
            )
            found.append(run)
    return write_image_page(path or named[0] / "report.html", found, title=title, most=most)


def _done(path: Path, *, json: bool) -> int:
    if json:
        print_json({"page": str(path), "bytes": path.stat().st_size})
    else:
        out.print(str(path), markup=False)
        note("open it in a browser; links to videos hold as long as both stay where they are")
    return 0
