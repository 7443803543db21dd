"""`thas export`: a run as files that need no thas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ..core.errors import UsageError
from .console import note, out, print_json, progress


def export(
    run: Path | None = None,
    /,
    *,
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    format: Annotated[tuple[Literal["onnx", "torch"], ...], Parameter(consume_multiple=True)] = ("onnx", "torch"),
    backbone: bool = False,
    weights: str | None = None,
    checkpoint: Literal["best", "last"] = "best",
    runs: Path = Path("runs"),
    json: bool = False,
) -> int:
    """Write a run's network as ONNX and as torch.export files, each checked against thas's own output.

    head.onnx and head.pt2 take the features of a video, of any length, and give its class activation sequence and
    probabilities. export.json beside them says what goes in and comes out, how features are made, and by how much each
    file differs from thas. Of a run of images, classifier.* takes pictures and gives probabilities and class activation
    maps.

    For example:

        thas export runs/latest

        thas export runs/latest --backbone --format onnx --out deployed

        thas export runs/image/latest

    Parameters
    ----------
    run
        The run's folder; the newest by default.
    out_
        Where the result is written. The folder for the files; `export` in the run's folder by default.
    format
        onnx (needs pip install 'thas[onnx]'), torch, or both.
    backbone
        Also the network that makes the features: alone (backbone.*), and with the head behind it (whole.*).
    weights
        A network's weights: a file, or a name of `thas weights list`. The backbone's, if they no longer lie where the
        run found them.
    checkpoint
        The best epoch's network, if the run held out videos to choose it by, or the last one's.
    runs
        The folder that holds runs.
    json
        Print one JSON object.
    """
    from ..core.runs import SETTINGS, find_run, kind_of
    from ..deploy.parts import ABOUT

    if run is not None and (run / SETTINGS).exists() and kind_of(run) == "image":
        from ..deploy.image_exporting import export_image_run

        if backbone or weights is not None or checkpoint != "best":
            raise UsageError(
                "--backbone, --weights and --checkpoint are of runs of videos",
                why=f"{run} is a run of images, whose one network is exported whole",
                next=f"thas export {run}",
            )
        with progress("exporting"):
            folder, written = export_image_run(find_run(run, kind="image"), out_, formats=format)
    else:
        from ..deploy.exporting import export_run

        with progress("exporting"):
            folder, written = export_run(
                find_run(run, root=runs),
                out_,
                formats=format,
                backbone=backbone,
                weights=weights,
                checkpoint=checkpoint,
            )
    if json:
        files = [{**vars(one), "path": str(one.path), "bytes": one.path.stat().st_size} for one in written]
        print_json({"folder": str(folder), "files": files})
        return 0
    for one in written:
        size = one.path.stat().st_size / 1e6
        text = f"{one.path}  {size:.1f} MB, at most {one.largest_difference:.1e} from thas's own output"
        out.print(f"{text} (which reaches {one.largest_output:.3g}), {one.tried} inputs", markup=False, soft_wrap=True)
    note(f"what goes in and comes out: {folder / ABOUT}")
    return 0
