"""`thas image eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..core.errors import failure_lines, listing
from .console import note, out, print_json, progress, say, warn
from .image_output import account_for, against_centred, image_changes, score_table, untrained
from .options import (
    DATASET,
    SET,
    SUBSET,
    Boxing,
    DataRoot,
    Device,
    ImageRuns,
    Library,
    Members,
    Printed,
    Set,
    also,
    options,
)


@options
class Scored:
    """What is scored, besides a run."""

    boxes: Path | None = None
    """A file of boxes instead: CSV image,label,x0,y0,x1,y1,score, or JSON as `thas image localize` writes it."""
    maps: Path | None = None
    """A folder of maps of the true class instead, one .npy an image, named as the image: val/cat/1.npy."""
    dataset: Annotated[
        str | None, also(DATASET, "Those of the run by default, for boxes and maps those of the newest run.")
    ] = None
    subset: Annotated[str | None, also(SUBSET, "val by default.")] = None
    set_: Annotated[
        Set, also(SET, "Where it differs from the run's: localize.NAME=VALUE, input.size=VALUE or eval.NAME=VALUE.")
    ] = None
    pictures: Path | None = None
    """A folder for overlays of some images."""


def image_eval(
    runs_or_weights: list[Path] | None = None,
    *,
    networks: Members = Members(),
    library: Library = Library(),
    scored: Scored = Scored(),
    how: Boxing = Boxing(),
    device: Device = Device(),
    data: DataRoot = DataRoot(),
    runs: ImageRuns = ImageRuns(),
    printed: Printed = Printed(),
) -> None:
    """Score boxes: GT-known Loc, Top-1 Loc, Top-1 Clas, the best threshold's, and the boxes that see no image.

    For example:

        thas image eval

        thas image eval --dataset ilsvrc --boxes theirs.csv --json

        thas image eval --weights efficientnet_lite0 --dataset my_photos

        thas image eval runs/image/ilsvrc/A runs/image/ilsvrc/B runs/image/ilsvrc/C --map-members 0 1

    Parameters
    ----------
    runs_or_weights
        The same as --run: several are averaged, as in the paper's ensemble.
    """
    from ..image_has.evaluate import ScoredImages, evaluate
    from ..image_has.pictures import draw_predictions

    changes = image_changes(scored.set_, how, also=("eval.",))
    sources = [*(runs_or_weights or []), *(networks.run or [])]
    others = [*sources, *(path for path in (scored.boxes, scored.maps) if path)]
    result = evaluate(
        sources,
        localizer=untrained(library, changes=changes, device=device.device, other=others),
        boxes=scored.boxes,
        maps=scored.maps,
        images=ScoredImages(dataset=scored.dataset, subset=scored.subset, data_root=data.data_root, runs=runs.runs),
        device=device.device,
        changes=changes,
        map_members=networks.map_members,
        stage=progress,
    )
    written = list(result.written)
    if scored.pictures is not None:
        written += draw_predictions(result.predictions, result.localizer, scored.pictures)
    for line in failure_lines(result.problems):
        warn(line)
    if printed.json:
        print_json(result.to_json())
    else:
        say(result.of)
        if changes:
            say("with " + " ".join(f"{key}={value}" for key, value in changes.items()))
        out.print(score_table({"": result.scores}))
        if line := against_centred(result.scores):
            note(line)
        if written:
            note("written: " + listing([str(path) for path in written]))
        if result.scores.known_hits is None:
            of = result.of.split(";")[0]
            note(f"none of the images of {of} has annotated boxes, so nothing but classes could be scored")
        if (changes or scored.subset or scored.dataset) and not (scored.boxes or scored.maps):
            note("a run keeps only the scores of its own settings, data set and subset")
    account_for(
        list(result.predictions.failed),
        "image could not be localized and counts as missed",
        "images could not be localized and count as missed",
    )
