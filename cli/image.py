"""`thas image localize` and `thas image eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..core.errors import UsageError, failure_lines, listing, reasons
from ..core.runs import ROOTS, WEIGHTS
from .console import note, out, progress, say, warn
from .image_output import account_for, against_centred, image_changes, score_table, untrained
from .options import Boxing, DataRoot, Device, Help, Library, Members, Printed, Runs, Set, also, options

if TYPE_CHECKING:
    from ..image_has.localizer import Localizer
    from ..image_has.photographs import Photograph


@options
class Photographs:
    """What is written of photographs."""

    out: Annotated[
        Path, Parameter(name=("--out", "--output")), also(Help.OUT, "The folder for boxes.json and the pictures.")
    ] = Path("localized")
    top: int = 1
    """So many of the likeliest classes are boxed."""
    pictures: Annotated[bool, Parameter(negative="--no-pictures")] = True
    """Draw a picture of each result: by default of files, not of a data set's videos."""
    set_: Annotated[
        Set,
        also(Help.SET, "Of localizing, where it differs from the run's, as localize.NAME=VALUE or input.size=VALUE."),
    ] = None


def image_localize(
    photos: list[Path] | None = None,
    *,
    networks: Members = Members(),
    library: Library = Library(),
    how: Boxing = Boxing(),
    written: Photographs = Photographs(),
    device: Device = "auto",
    runs: Runs = ROOTS["image"],
    printed: Printed = Printed(),
) -> None:
    """Find objects in photographs: boxes as JSON, and pictures with map, box, label and score.

    Boxes are x0 y0 x1 y1 in pixels of the photograph as it is shown; x1 and y1 are the first column and row outside.
    What boxes.json says of other photographs stays there.

    For example:

        thas image localize holiday/*.jpg

        thas image localize photo.jpg --weights efficientnet_lite0    # fetched once by: thas weights fetch ...

        thas image localize photo.jpg --network timm:resnet50 --weights resnet50.pth --classes tench "golf ball"

        thas image localize bird.jpg --run runs/image/birds/20260101-120000 --top 3 --json

        thas image localize bird.jpg --set localize.refine=20 localize.scale=otsu localize.mirror=true

    Parameters
    ----------
    photos
        Image files, or folders of them.
    """
    from ..image_has.localizer import Localizer
    from ..image_has.photographs import box_photographs, find_photographs

    if written.top < 1:
        raise UsageError(f"--top must be 1 or more, but is {written.top}", next="--top 1")
    if not photos:
        raise UsageError(
            "no photograph is named", next="name image files, or folders of them: thas image localize PHOTO..."
        )
    files = find_photographs(photos, but_below=written.out)
    changes = image_changes(written.set_, how)
    localizer = untrained(library, changes=changes, device=device, other=networks.run or ())
    if localizer is not None:
        by = localizer.settings.network.name
    else:
        localizer = Localizer.from_run(
            *(networks.run or []),
            root=runs,
            device=device,
            changes=changes,
            map_members=networks.map_members,
        )
        by = listing([str(file.parent if file.name == WEIGHTS else file) for file in localizer.files])
    with progress("localizing", len(files), "photographs") as advance:
        found, failed = box_photographs(
            files, localizer, written.out, top=written.top, pictures=written.pictures, progress=advance
        )
    if not printed.as_json({"images": [one.to_json() for one in found], "failed": reasons(failed)}):
        _print(found, localizer)
        if found:
            what = "boxes and pictures" if written.pictures else "boxes"
            note(f"x0 y0 x1 y1 in pixels, by {by}; {what} are in {written.out}")
    account_for(failed, "photograph could not be read", "photographs could not be read", rest=bool(found))


def _print(found: list[Photograph], localizer: Localizer) -> None:
    for one in found:
        for label, probability, box in one.boxes:
            corners = " ".join(f"{corner:.0f}" for corner in box)
            title = localizer.title(label)
            name = label if title == label else f"{label} ({title})"
            say(f"{one.path}: {name} {probability:.3f} at {corners}")


@options
class Scored:
    """What is scored, besides a run."""

    boxes: Path | None = None
    """A file of boxes instead: CSV image,label,x0,y0,x1,y1,score, or JSON as `thas image localize` writes it."""
    maps: Path | None = None
    """A folder of maps of the true class instead, one .npy an image, named as the image: val/cat/1.npy."""
    dataset: Annotated[
        str | None, also(Help.DATASET, "Those of the run by default, for boxes and maps those of the newest run.")
    ] = None
    subset: Annotated[str | None, also(Help.SUBSET, "val by default.")] = None
    set_: Annotated[
        Set,
        also(Help.SET, "Where it differs from the run's: localize.NAME=VALUE, input.size=VALUE or eval.NAME=VALUE."),
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
    device: Device = "auto",
    data_root: DataRoot = Path("data"),
    runs: Runs = ROOTS["image"],
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
        localizer=untrained(library, changes=changes, device=device, other=others),
        boxes=scored.boxes,
        maps=scored.maps,
        images=ScoredImages(dataset=scored.dataset, subset=scored.subset, data_root=data_root, runs=runs),
        device=device,
        changes=changes,
        map_members=networks.map_members,
        stage=progress,
    )
    written = list(result.written)
    if scored.pictures is not None:
        written += draw_predictions(result.predictions, result.localizer, scored.pictures)
    for line in failure_lines(result.problems):
        warn(line)
    if not printed.as_json(result.to_json()):
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
