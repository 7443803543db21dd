"""`thas image train`, `eval`, `localize` and `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..errors import PartialFailure, UsageError
from .console import err, note, out, print_json, progress, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..image_has.images import Problem
    from ..image_has.scores import ImageScores
    from ..image_has.train import Epoch

_SET = Parameter(name="--set", negative=(), consume_multiple=True)
_FLAG = Parameter(negative=())
_RUNS = Path("runs/image")


def _pairs(pairs: list[str] | None) -> dict[str, str]:
    """["hide.probability=0"] -> {"hide.probability": "0"}."""
    values: dict[str, str] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair} has no value", next=f"--set {pair}=VALUE")
        values[key.strip()] = value.strip()
    return values


def _finish(problems: list[Problem], what: str) -> None:
    """Warn of each kind of problem, and end with exit code 3 if inputs failed."""
    from ..image_has.images import problem_lines

    if problems:
        lines = problem_lines(problems)
        raise PartialFailure(
            f"{len(problems)} {what}", why="; ".join(lines), next="correct or remove them; the rest is done"
        )


class _TrainingBar:
    """Moves with every batch on a terminal, since an epoch of ILSVRC takes long; elsewhere with every epoch."""

    def __init__(self, advance: Callable[..., None], epochs: int) -> None:
        self.advance, self.epochs = advance, epochs
        self.images_an_epoch, self.done = 1.0, 0.0

    def start(self, epochs_done: int, images: int) -> None:
        self.images_an_epoch = max(1, images)
        self._move_to(epochs_done)

    def batch(self, images: int) -> None:
        if err.is_terminal:
            self._move_to(self.done + images / self.images_an_epoch)

    def epoch(self, line: Epoch) -> None:
        note = f"loss {line.loss:.3f}, right {line.accuracy:.0%}, {line.images_per_second:.0f} images/s"
        self._move_to(line.epoch, note)

    def _move_to(self, place: float, note: str = "") -> None:
        self.advance(place - self.done, note)
        self.done = place


def image_train(
    *,
    dataset: str,
    preset: str = "ilsvrc",
    config: Path | None = None,
    set_: Annotated[list[str] | None, _SET] = None,
    network: str | None = None,
    hide_probability: float | None = None,
    hide_size: Annotated[list[int] | None, Parameter(negative=(), consume_multiple=True)] = None,
    epochs: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    train_subset: str = "train",
    test_subset: str | None = None,
    data_root: Path = Path("data"),
    runs: Path = _RUNS,
    resume: Annotated[bool, _FLAG] = False,
    run: Path | None = None,
    print_config: Annotated[bool, _FLAG] = False,
    json: Annotated[bool, _FLAG] = False,
) -> None:
    """Train a network from image labels, with hiding.

    The defaults are the paper's AlexNet-GAP on ILSVRC with cells of mixed sizes. Boxes are never read in training. For
    several GPUs or nodes start it with torchrun (needs Lightning Fabric).

    For example:

        thas image train --dataset ilsvrc

        thas image train --dataset my_photos --preset images-128 --network resnet18 --hide-size 0 8 16

        torchrun --nproc-per-node 8 -m thas image train --dataset ilsvrc --set train.precision=bf16

    Parameters
    ----------
    dataset
        `ilsvrc` (in <data-root>/ilsvrc), or a folder with train/CLASS/IMAGE and val/CLASS/IMAGE.
    preset
        Settings by name: ilsvrc, googlenet, images-128, image-demo.
    config
        A TOML file of settings, such as a run's settings.toml.
    set_
        Any setting, as section.name=value; several after one --set.
    network
        alexnet, googlenet, vgg16, resnet50, resnet18 or small.
    hide_probability
        Probability of hiding a cell; 0 trains without hiding.
    hide_size
        Side of a cell in pixels; of several each image draws one, 0 hides nothing.
    epochs
        Passes over the training images.
    seed
        Of weights, order, crops and hiding.
    device
        cpu, cuda, cuda:1 or auto.
    train_subset
        The subset to learn from.
    test_subset
        The subset that `thas image eval` scores.
    data_root
        The folder that holds data sets called by name.
    runs
        The folder that holds runs.
    resume
        Continue the newest run of this data set, or the one named with --run.
    run
        The run to resume.
    print_config
        Print all settings and where each comes from, then stop.
    json
        Print one JSON object.
    """
    from ..image_has.settings import resolve_image_settings

    options: dict[str, Any] = {
        "network.name": network,
        "hide.probability": hide_probability,
        "hide.size": hide_size,
        "train.epochs": epochs,
        "train.seed": seed,
        "train.device": device,
    }
    given = {key: value for key, value in options.items() if value is not None}
    settings, origins = resolve_image_settings(preset=preset, config=config, options=_pairs(set_) | given)
    if print_config:
        print(settings.to_toml(origins), end="")
        return
    from ..image_has.session import train_run

    with progress(f"training on {dataset}", total=settings.train.epochs, unit="epochs") as advance:
        bar = _TrainingBar(advance, settings.train.epochs)
        result = train_run(
            dataset,
            settings=settings,
            origins=origins,
            train_subset=train_subset,
            test_subset=test_subset,
            data_root=data_root,
            runs=runs,
            resume=resume,
            run=run,
            on_start=bar.start,
            on_batch=bar.batch,
            on_epoch=bar.epoch,
            warn=warn,
        )
    if json:
        print_json(result.to_json())
    else:
        last = f", loss {result.epochs[-1].loss:.3f}" if result.epochs else ", already trained"
        out.print(f"{result.run}: {result.images} images, {result.classes} classes{last}", markup=False)
        note(f"next: thas image eval {result.run}")
    _finish(list(result.failed), "training images could not be read and were left out")


def image_eval(
    runs_or_weights: list[Path] | None = None,
    *,
    boxes: Path | None = None,
    maps: Path | None = None,
    dataset: str | None = None,
    subset: str | None = None,
    map_members: Annotated[list[int] | None, Parameter(negative=(), consume_multiple=True)] = None,
    threshold: float | None = None,
    ten_crop: Annotated[bool, _FLAG] = False,
    set_: Annotated[list[str] | None, _SET] = None,
    pictures: Path | None = None,
    device: str = "auto",
    data_root: Path = Path("data"),
    runs: Path = _RUNS,
    json: Annotated[bool, _FLAG] = False,
) -> None:
    """Score boxes: GT-known Loc, Top-1 Loc, Top-1 Clas, the best threshold's, and the boxes that see no image.

    For example:

        thas image eval

        thas image eval --dataset ilsvrc --boxes theirs.csv --json

        thas image eval runs/image/ilsvrc/A runs/image/ilsvrc/B runs/image/ilsvrc/C --map-members 0 1

    Parameters
    ----------
    runs_or_weights
        Runs' folders or files of weights; the newest run if none is named. Several are averaged, as in the paper's
        ensemble.
    boxes
        A file of boxes instead: CSV image,label,x0,y0,x1,y1,score, or JSON as `thas image localize --json` prints it.
    maps
        A folder of maps of the true class instead, one .npy an image.
    dataset
        The images; those of the run by default.
    subset
        Of the data set; val by default.
    map_members
        Which of several networks give the maps, counted from 0; all by default.
    threshold
        Fraction of a map's maximum.
    ten_crop
        Average maps and probabilities over ten crops.
    set_
        Any setting, as section.name=value.
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
    from ..image_has.evaluate import evaluate
    from ..image_has.images import problem_lines

    changes: dict[str, Any] = dict(_pairs(set_))
    if threshold is not None:
        changes["localize.threshold"] = threshold
    if ten_crop:
        changes["localize.ten_crop"] = True
    with progress("localizing", unit="images") as advance:
        result = evaluate(
            runs_or_weights or [],
            boxes=boxes,
            maps=maps,
            dataset=dataset,
            subset=subset,
            data_root=data_root,
            runs=runs,
            device=device,
            changes=changes,
            map_members=map_members,
            pictures=pictures,
            on_batch=lambda n: advance(n),
        )
    for line in problem_lines(result.problems):
        warn(line)
    if json:
        print_json(result.to_json())
    else:
        out.print(result.of, markup=False)
        out.print(_table({"": result.scores}))
    _finish(list(result.predictions.failed), "images could not be localized and count as missed")


def _table(arms: dict[str, ImageScores]) -> Any:
    """A row a score, a column a network."""
    from rich.table import Table

    first = next(iter(arms.values()))
    table = Table(title=f"per cent of {first.images} images, IoU above {first.iou:g}", title_justify="left")
    table.add_column("")
    for arm in arms:
        table.add_column(arm, justify="right")

    def cent(value: Any) -> str:
        return "-" if value is None else f"{100 * value:.1f}"

    rows = {
        "GT-known Loc": lambda one: cent(one.gt_known_loc),
        "Top-1 Loc": lambda one: cent(one.top1_loc),
        "Top-1 Clas": lambda one: cent(one.top1_clas),
        "MaxBoxAcc (threshold chosen on these images)": lambda one: cent(one.swept.get("max_box_acc")),
        "MaxBoxAccV2": lambda one: cent(one.swept.get("max_box_acc_v2")),
        "whole image, no network": lambda one: cent(one.baselines.get("whole_image")),
        "best centred box, no network": lambda one: cent(one.baselines.get("centred_box")),
    }
    for name, value in rows.items():
        table.add_row(name, *(value(one) for one in arms.values()))
    return table


def image_localize(
    photos: list[Path],
    *,
    run: Annotated[list[Path] | None, Parameter(negative=(), consume_multiple=True)] = None,
    output: Path = Path("localized"),
    top: int = 1,
    threshold: float | None = None,
    ten_crop: Annotated[bool, _FLAG] = False,
    no_pictures: Annotated[bool, _FLAG] = False,
    device: str = "auto",
    runs: Path = _RUNS,
    json: Annotated[bool, _FLAG] = False,
) -> None:
    """Find objects in photographs: boxes as JSON, and pictures with map, box, label and score.

    For example:

        thas image localize holiday/*.jpg

        thas image localize bird.jpg --run runs/image/birds/20260101-120000 --top 3 --json

    Parameters
    ----------
    photos
        Image files, or folders of them.
    run
        A run's folder or a file of weights; the newest run by default; several are averaged.
    output
        The folder for boxes.json and the pictures.
    top
        So many of the likeliest classes are boxed.
    threshold
        Fraction of a map's maximum.
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
    from ..image_has.session import localize_photographs, open_localizer, write_photographs

    if top < 1:
        raise UsageError(f"--top must be 1 or more, but is {top}", next="--top 1")
    files: list[Path] = []
    for path in photos:
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise UsageError(f"{path} holds no images", next="name image files, or a folder of them", subject=str(path))
        files += inside
    changes: dict[str, Any] = {} if threshold is None else {"localize.threshold": threshold}
    changes |= {"localize.ten_crop": True} if ten_crop else {}
    localizer, _, _ = open_localizer(run or [], runs=runs, device=device, changes=changes)
    with progress("localizing", total=len(files), unit="photographs") as advance:
        found, failed = localize_photographs(
            files, localizer, top=top, pictures=None if no_pictures else output, on_photo=lambda: advance(1)
        )
    write_photographs(output / "boxes.json", found)
    if json:
        print_json({"images": [one.to_json() for one in found], "failed": {p.subject: p.detail for p in failed}})
    else:
        for one in found:
            for label, probability, box in one.boxes:
                corners = " ".join(f"{corner:.0f}" for corner in box)
                out.print(f"{one.path}: {label} {probability:.3f} at {corners}", markup=False)
        note(f"boxes{'' if no_pictures else ' and pictures'} are in {output}")
    _finish(failed, "photographs could not be read")


def image_demo(
    *,
    data_root: Path = Path("data"),
    runs: Path = _RUNS,
    seed: int = 0,
    images: int = 300,
    json: Annotated[bool, _FLAG] = False,
) -> None:
    """See it work on generated images, in less than three minutes.

    Draws creatures with a telling head and a plain body, trains the same small network without and with hiding on their
    labels alone, scores both and draws what each looked at.

    For example:

        thas image demo

    Parameters
    ----------
    data_root
        The images go to <data-root>/image-demo.
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
        stage=lambda title, total, unit: progress(title, total=total, unit=unit),
    )
    if json:
        print_json(result.to_json())
        return
    out.print(_table({arm: evaluation.scores for arm, evaluation in result.evaluations.items()}))
    out.print(f"pictures: {result.sheet}", markup=False)
    note(f"{result.seconds:.0f} s; next: thas image localize {data_root}/image-demo/val --top 1")
