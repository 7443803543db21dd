"""`thas image localize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..core.errors import UsageError, listing, reasons
from ..core.runs import WEIGHTS
from .console import note, print_json, progress, say
from .image_output import account_for, image_changes, untrained
from .options import OUT, SET, Boxing, Device, ImageRuns, Library, Members, Printed, Set, also, options

if TYPE_CHECKING:
    from ..image_has.localizer import Localizer
    from ..image_has.photographs import Photograph


@options
class Photographs:
    """What is written of photographs."""

    out: Annotated[
        Path, Parameter(name=("--out", "--output")), also(OUT, "The folder for boxes.json and the pictures.")
    ] = Path("localized")
    top: int = 1
    """So many of the likeliest classes are boxed."""
    pictures: Annotated[bool, Parameter(negative="--no-pictures")] = True
    """Draw a picture of each result: by default of files, not of a data set's videos."""
    set_: Annotated[
        Set, also(SET, "Of localizing, where it differs from the run's, as localize.NAME=VALUE or input.size=VALUE.")
    ] = None


def image_localize(
    photos: list[Path] | None = None,
    *,
    networks: Members = Members(),
    library: Library = Library(),
    how: Boxing = Boxing(),
    written: Photographs = Photographs(),
    device: Device = Device(),
    runs: ImageRuns = ImageRuns(),
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
    localizer = untrained(library, changes=changes, device=device.device, other=networks.run or ())
    if localizer is not None:
        by = localizer.settings.network.name
    else:
        localizer = Localizer.from_run(
            *(networks.run or []),
            root=runs.runs,
            device=device.device,
            changes=changes,
            map_members=networks.map_members,
        )
        by = listing([str(file.parent if file.name == WEIGHTS else file) for file in localizer.files])
    with progress("localizing", len(files), "photographs") as advance:
        found, failed = box_photographs(
            files, localizer, written.out, top=written.top, pictures=written.pictures, progress=advance
        )
    if printed.json:
        print_json({"images": [one.to_json() for one in found], "failed": reasons(failed)})
    else:
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
