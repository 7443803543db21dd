"""`thas image eval` and `thas image demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..core.errors import listing
from ..core.runs import ROOTS
from .console import note, out, print_json, progress, warn
from .image_network import LOCALIZING, untrained
from .image_output import account_for, against_centred, score_table
from .temporal import SET, SEVERAL
from .typed_settings import parse_localizing

if TYPE_CHECKING:
    pass


def image_eval(
    runs_or_weights: list[Path] | None = None,
    *,
    run: Annotated[list[Path] | None, SEVERAL] = None,
    network: str | None = None,
    weights: str | None = None,
    classes: Annotated[list[str] | None, SEVERAL] = None,
    boxes: Path | None = None,
    maps: Path | None = None,
    dataset: str | None = None,
    subset: str | None = None,
    map_members: Annotated[list[int] | None, SEVERAL] = None,
    threshold: float | None = None,
    ten_crop: bool = False,
    set_: Annotated[list[str] | None, SET] = None,
    pictures: Path | None = None,
    device: str = "auto",
    data_root: Path = Path("data"),
    runs: Path = ROOTS["image"],
    json: bool = False,
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
        Runs' folders or files of weights; the newest run if none is named. Several are averaged, as in the paper's
        ensemble.
    run
        The same as naming them without --run.
    network
        A network of ImageNet's classes instead of a run: timm:NAME or torchvision:NAME; nothing needs training.
    weights
        Its weights: a file, or a name of `thas weights list`, which says the network too.
    classes
        Only these of its classes, by name or number; all thousand by default.
    boxes
        A file of boxes instead: CSV image,label,x0,y0,x1,y1,score, or JSON as `thas image localize` writes it.
    maps
        A folder of maps of the true class instead, one .npy an image, named as the image: val/cat/1.npy.
    dataset
        The images; those of the run by default, for boxes and maps those of the newest run.
    subset
        Of the data set; val by default.
    map_members
        Which of several networks give the maps, counted from 0; all by default.
    threshold
        Fraction of a map's maximum.
    ten_crop
        Average maps and probabilities over ten crops.
    set_
        Settings that differ from the run's, as localize.NAME=VALUE or eval.NAME=VALUE.
    pictures
        A folder for overlays of some images.
    device
        cpu, cuda, cuda:1 or auto.
    data_root
        The folder that holds data sets called by name.
    runs
        The folder that holds runs.
    json
        Print one JSON object.
    """
    from ..core.failures import failure_lines
    from ..image_has.evaluate import ScoredImages, evaluate
    from ..image_has.evaluation_pictures import draw_predictions
    from ..image_has.settings import ImageSettings

    allowed = (*LOCALIZING, "eval.", *(["input.size"] if network or weights else []))
    changes: dict[str, Any] = dict(parse_localizing(set_, ImageSettings(), allowed=allowed))
    if threshold is not None:
        changes["localize.threshold"] = threshold
    if ten_crop:
        changes["localize.ten_crop"] = True
    sources = [*(runs_or_weights or []), *(run or [])]
    others = [*sources, *(path for path in (boxes, maps) if path)]
    localizer = untrained(network, weights, classes, changes=changes, device=device, other=others)
    result = evaluate(
        sources,
        localizer=localizer,
        boxes=boxes,
        maps=maps,
        images=ScoredImages(dataset=dataset, subset=subset, data_root=data_root, runs=runs),
        device=device,
        changes=changes,
        map_members=map_members,
        stage=progress,
    )
    written = list(result.written)
    if pictures is not None:
        written += draw_predictions(result.predictions, result.localizer, pictures)
    for line in failure_lines(result.problems):
        warn(line)
    if json:
        print_json(result.to_json())
    else:
        out.print(result.of, markup=False)
        if changes:
            out.print("with " + " ".join(f"{key}={value}" for key, value in changes.items()), markup=False)
        out.print(score_table({"": result.scores}))
        if line := against_centred(result.scores):
            note(line)
        if written:
            note("written: " + listing([str(path) for path in written]))
        if result.scores.known_hits is None:
            of = result.of.split(";")[0]
            note(f"none of the images of {of} has annotated boxes, so nothing but classes could be scored")
        if (changes or subset or dataset) and not (boxes or maps):
            note("a run keeps only the scores of its own settings, data set and subset")
    account_for(
        list(result.predictions.failed),
        "image could not be localized and counts as missed",
        "images could not be localized and count as missed",
    )


def image_demo(
    *,
    data_root: Path = Path("data"),
    runs: Path = ROOTS["image"],
    seed: int = 0,
    images: int = 300,
    json: bool = False,
) -> None:
    """See it work on generated images, in less than three minutes.

    Draws creatures with a telling head and a plain body, trains the same small network without and with hiding on their
    labels alone, scores both and draws what each looked at.

    For example:

        thas image demo

    Parameters
    ----------
    data_root
        The images go to `<data-root>/image-demo`.
    runs
        The folder that holds runs.
    seed
        Of the images and both networks.
    images
        To train on, a class.
    json
        Print one JSON object.
    """
    from ..image_has.demo import run_demo

    result = run_demo(
        data_root=data_root,
        runs=runs,
        seed=seed,
        images=images,
        stage=progress,
    )
    if json:
        print_json(result.to_json())
        return
    out.print(score_table({arm: evaluation.scores for arm, evaluation in result.evaluations.items()}))
    out.print(f"pictures: {result.sheet}", markup=False)
    found = result.sheet.parent
    note(f"{result.seconds:.0f} s; next: thas image localize {data_root}/image-demo/val --run {found}")
