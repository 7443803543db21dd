"""`thas image localize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..core.errors import UsageError, listing
from ..core.runs import ROOTS, WEIGHTS
from .console import note, out, print_json, progress, warn
from .image_network import LOCALIZING, untrained
from .image_output import account_for
from .temporal import SET, SEVERAL
from .typed_settings import parse_localizing

if TYPE_CHECKING:
    from ..image_has.photographs import Photograph


def image_localize(
    photos: list[Path] | None = None,
    *,
    run: Annotated[list[Path] | None, SEVERAL] = None,
    map_members: Annotated[list[int] | None, SEVERAL] = None,
    network: str | None = None,
    weights: str | None = None,
    classes: Annotated[list[str] | None, SEVERAL] = None,
    output: Path = Path("localized"),
    top: int = 1,
    threshold: float | None = None,
    set_: Annotated[list[str] | None, SET] = None,
    ten_crop: bool = False,
    no_pictures: bool = False,
    device: str = "auto",
    runs: Path = ROOTS["image"],
    json: bool = False,
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
    run
        A run's folder or a file of weights; the newest run by default; several are averaged.
    map_members
        Which of several networks give the maps, counted from 0; all by default.
    network
        A network of ImageNet's classes instead of a run: timm:NAME or torchvision:NAME; nothing needs training.
    weights
        Its weights: a file, or a name of `thas weights list`, which says the network too.
    classes
        Only these of its classes, by name or number; all thousand by default.
    output
        The folder for boxes.json and the pictures.
    top
        So many of the likeliest classes are boxed.
    threshold
        Fraction of a map's maximum.
    set_
        Settings that differ from the run's, as localize.NAME=VALUE.
    ten_crop
        Average maps and probabilities over ten crops.
    no_pictures
        Write boxes only.
    device
        cpu, cuda, cuda:1 or auto.
    runs
        The folder that holds runs.
    json
        Print one JSON object.
    """
    from ..image_has.images import IMAGE_SUFFIXES
    from ..image_has.localizer import open_localizer
    from ..image_has.photographs import localize_photographs, other_photographs, write_photographs
    from ..image_has.settings import ImageSettings

    if top < 1:
        raise UsageError(f"--top must be 1 or more, but is {top}", next="--top 1")
    # Photographs typed behind --run, which takes all that follows.
    behind = [one for one in run or [] if one.suffix.lower() in IMAGE_SUFFIXES and not one.is_dir()]
    sources = [one for one in run or [] if one not in behind]
    if not photos and not behind:
        raise UsageError(
            "no photograph is named", next="name image files, or folders of them: thas image localize PHOTO..."
        )
    files: list[Path] = []
    for path in [*(photos or []), *behind]:
        everything = sorted(p for p in path.rglob("[!.]*") if p.is_file()) if path.is_dir() else [path]
        inside = [p for p in everything if p.suffix.lower() in IMAGE_SUFFIXES] if path.is_dir() else [path]
        if path.is_dir() and path.resolve() != output.resolve():  # pictures made here before are no photographs
            inside = [p for p in inside if output.resolve() not in p.resolve().parents]
        if len(inside) < len(everything):
            others = [p.name for p in everything if p.suffix.lower() not in IMAGE_SUFFIXES]
            warn(f"in {path}, no images by their names: {listing(others)}")
        if not inside:
            raise UsageError(f"{path} holds no images", next="name image files, or a folder of them", subject=str(path))
        files += inside
    allowed = (*LOCALIZING, "input.size") if network or weights else LOCALIZING
    changes: dict[str, Any] = dict(parse_localizing(set_, ImageSettings(), allowed=allowed))
    changes |= {} if threshold is None else {"localize.threshold": threshold}
    changes |= {"localize.ten_crop": True} if ten_crop else {}
    localizer = untrained(network, weights, classes, changes=changes, device=device, other=sources)
    if localizer is not None:
        by = localizer.settings.network.name
    else:
        localizer, _, held = open_localizer(sources, runs=runs, device=device, changes=changes, map_members=map_members)
        by = listing([str(file.parent if file.name == WEIGHTS else file) for file in held])
    others = other_photographs(output / "boxes.json", files)
    taken = {Path(one["overlay"]).name for one in others if one.get("overlay")}
    kept: list[Photograph] = []
    with progress("localizing", total=len(files), unit="photographs") as advance:

        def keep(photograph: Photograph | None) -> None:
            kept.extend([photograph] if photograph else [])
            advance(1)

        try:
            found, failed = localize_photographs(
                files, localizer, top=top, pictures=None if no_pictures else output, taken=taken, on_photo=keep
            )
        finally:  # of what is interrupted, too, the finished part is kept
            if kept:
                write_photographs(output / "boxes.json", kept, others)
    if json:
        from ..core.failures import reasons

        print_json({"images": [one.to_json() for one in found], "failed": reasons(failed)})
    else:
        for one in found:
            for label, probability, box in one.boxes:
                corners = " ".join(f"{corner:.0f}" for corner in box)
                title = localizer.title(label)
                name = label if title == label else f"{label} ({title})"
                out.print(f"{one.path}: {name} {probability:.3f} at {corners}", markup=False)
        if found:
            note(f"x0 y0 x1 y1 in pixels, by {by}; boxes{'' if no_pictures else ' and pictures'} are in {output}")
    account_for(failed, "photograph could not be read", "photographs could not be read", rest=bool(found))
