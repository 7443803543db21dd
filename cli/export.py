"""`thas export`: a run as files that need no thas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ..core.errors import UsageError
from ..core.runs import ROOTS
from .console import note, out, progress
from .options import Checkpoint, Help, Printed, Run, Runs, Weights, also


def export(
    run: Run = None,
    /,
    *,
    out_: Annotated[
        Path | None, also(Help.OUT, "The folder for the files; `export` in the run's folder by default.", name="--out")
    ] = None,
    format: tuple[Literal["onnx", "torch"], ...] = ("onnx", "torch"),
    backbone: bool = False,
    weights: Weights = None,
    checkpoint: Checkpoint = "best",
    runs: Runs = ROOTS["temporal"],
    printed: Printed = Printed(),
) -> None:
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
    format
        onnx (needs pip install 'thas[onnx]'), torch, or both.
    backbone
        Also the network that makes the features: alone (backbone.*), and with the head behind it (whole.*).
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
    files = [{**vars(one), "path": str(one.path), "bytes": one.path.stat().st_size} for one in written]
    if printed.as_json({"folder": str(folder), "files": files}):
        return
    for one in written:
        size = one.path.stat().st_size / 1e6
        text = f"{one.path}  {size:.1f} MB, at most {one.largest_difference:.1e} from thas's own output"
        out.print(f"{text} (which reaches {one.largest_output:.3g}), {one.tried} inputs", markup=False, soft_wrap=True)
    note(f"what goes in and comes out: {folder / ABOUT}")
