"""Evaluate networks, boxes or maps on a data set's images, and draw what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.errors import DataError, UsageError
from ..core.failures import Failure
from ..core.files import write_atomically
from ..core.progress import Stage, unseen
from ..core.run_settings import read_settings
from ..core.runs import ROOTS, SETTINGS
from .datasets import open_images
from .decode import read_image
from .images import ImageTable
from .loading import squashed
from .localizer import Localizer, open_localizer, weights_files
from .pictures import SIDES, overlay, save_picture
from .predict import MANY, Predictions, predict, read_boxes, read_maps, write_boxes
from .scores import ImageScores, score
from .settings import ImageSettings
from .untrained import respelt


@dataclass(frozen=True)
class Evaluation:
    """Scores, and what they are of.

    Attributes:
        scores: Fractions.
        predictions: Their boxes.
        of: A line for a person: data set, subset, networks or files.
        written: Files written.
        problems: What was wrong with annotations and images.
    """

    scores: ImageScores
    predictions: Predictions
    of: str
    written: tuple[Path, ...] = ()
    problems: tuple[Failure, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        failed = {one.subject: f"{one.what}: {one.why}" for one in self.predictions.failed}
        return self.scores.to_json() | {"of": self.of, "failed": failed, "problems": len(self.problems)}


def evaluate(
    sources: Sequence[Path] = (),
    *,
    localizer: Localizer | None = None,
    boxes: Path | None = None,
    maps: Path | None = None,
    dataset: str | None = None,
    subset: str | None = None,
    data_root: Path = Path("data"),
    runs: Path = ROOTS["image"],
    device: str = "auto",
    changes: Mapping[str, Any] | None = None,
    map_members: Sequence[int] | None = None,
    pictures: Path | None = None,
    most_pictures: int = 24,
    stage: Stage = unseen,
) -> Evaluation:
    """Score runs (the newest if none is named; several are averaged), or boxes or maps made elsewhere.

    Args:
        sources: Runs' folders or files of weights.
        localizer: Networks instead that no run holds, such as a library's; its classes may be spelt otherwise.
        boxes: A file of boxes instead.
        maps: A folder of maps instead.
        dataset: The images; those of the run if None.
        subset: Of the data set; the run's own test subset if None.
        data_root: Where data sets called by name lie.
        runs: Where runs lie.
        device: Where networks run.
        changes: Settings that differ from the run's, by dotted key.
        map_members: Which of several networks give maps; all if None.
        pictures: A folder for overlays of the first images.
        most_pictures: How many, spread over the classes.
        stage: Shows how far the networks are.

    Raises:
        UsageError: Boxes or maps are given without a data set.
        DataError: The images, the boxes or the maps do not fit together.
    """
    folder: Path | None = None
    settings = ImageSettings().updated(changes or {}, origin="option")
    data = {"dataset": dataset or "", "test_subset": subset or ""}
    untrained = localizer is not None
    if localizer is not None:
        settings, named = localizer.settings, localizer.settings.network.name
    elif boxes is None and maps is None:
        localizer, settings, files = open_localizer(
            sources, runs=runs, device=device, changes=changes, map_members=map_members
        )
        named = ", ".join(str(file) for file in files)
        trained_on = [_data_in(file.parent) for file in files if (file.parent / SETTINGS).exists()]
        folder = files[0].parent if len(files) == len(trained_on) == 1 else None
        if trained_on and all(one["dataset"] == trained_on[0]["dataset"] for one in trained_on):
            data = trained_on[0] | {key: value for key, value in data.items() if value}
    else:
        named = str(boxes or maps)
        if not dataset:
            data = _data_of(sources, runs) | {key: value for key, value in data.items() if value}
    if not data["dataset"]:
        raise UsageError(
            "which images are these boxes of?" if boxes or maps else "which images are to be scored?",
            why="no data set is named, and no run knows one"
            if len(sources) < 2
            else "the runs are of several data sets",
            next="--dataset FOLDER",
        )
    if "run" in data and not dataset and not Path(data["dataset"]).is_dir():
        raise DataError(
            f"the images of {data['run']} are not at {data['dataset']}",
            why="they were moved, or the run was copied here without them",
            next=f"say where they are now: thas image eval {data['run']} --dataset FOLDER",
            subject=data["dataset"],
        )
    opened = open_images(data["dataset"], data_root=data_root, training=data["test_subset"] not in ("", "val"))
    name = data["test_subset"] or opened.test_subset
    table = opened.subset(name)
    if localizer is not None and untrained:
        localizer = respelt(localizer, table.classes)
    if localizer is not None:
        with stage("localizing", len(table), "images") as progress:
            found = predict(
                localizer,
                table,
                sweep=settings.eval.thresholds,
                batch_size=settings.train.batch_size,
                workers=settings.train.workers if len(table) > MANY else 0,
                progress=progress,
            )
    elif boxes is not None:
        found = read_boxes(boxes, table)
    else:
        assert maps is not None
        found = read_maps(maps, table, settings=settings.localize, sweep=settings.eval.thresholds)
    result = score(found, iou=settings.eval.iou, classes=maps is None)
    written: list[Path] = []
    own = folder is not None and not dataset and not subset and not changes
    if own and folder is not None:
        write_boxes(folder / "boxes.json", found)
        write_atomically(folder / "scores.json", json.dumps(result.to_json(), indent=2) + "\n")
        written += [folder / "boxes.json", folder / "scores.json"]
    if pictures is not None:
        written += draw_predictions(found, localizer, pictures, most=most_pictures)
    return Evaluation(result, found, f"{opened.name} {name}; {named}", tuple(written), found.table.problems)


def _data_of(sources: Sequence[Path], runs: Path) -> dict[str, str]:
    """The images of a run, or of the newest, if there is one."""
    try:
        return _data_in(weights_files(sources, runs=runs)[0].parent)
    except UsageError:
        if sources:
            raise
        return {"dataset": "", "test_subset": ""}


def _data_in(run: Path) -> dict[str, str]:
    """The images of a run.

    Raises:
        DataError: They are no longer where they were.
    """
    data = read_settings(run, ImageSettings)[1]
    return {"dataset": data.dataset, "test_subset": data.test_subset, "run": str(run)}


def spread_rows(table: ImageTable, most: int) -> list[int]:
    """Up to `most` images with boxes, of all classes in turn."""
    by_class: dict[int, list[int]] = {}
    for i, name in enumerate(table.paths):
        if name in table.boxes:
            by_class.setdefault(int(table.labels[i]), []).append(i)
    turns = [rows[turn] for turn in range(most) for rows in by_class.values() if turn < len(rows)]
    return sorted(turns[:most])


def draw_predictions(found: Predictions, localizer: Localizer | None, folder: Path, *, most: int) -> list[Path]:
    """Draw some images with the true class's map (where there is a network), its box and the annotated boxes."""
    written = []
    for i in spread_rows(found.table, most):
        picture = picture_of(found, localizer, i)
        if picture is not None:
            name = found.table.paths[i].replace("/", "_").rsplit(".", 1)[0]
            written.append(save_picture(picture, folder / f"{name}.png"))
    return written


def picture_of(
    found: Predictions, localizer: Localizer | None, i: int, *, title: bool = True, sides: tuple[int, int] = SIDES
) -> Any:
    """One image with map and boxes, its long side between `sides`; None for a broken image."""
    table = found.table
    if not found.sizes[i].any():
        return None
    image = read_image(table.path(i), upright=table.upright)
    activation: np.ndarray | None = None
    if localizer is not None:
        pixels = squashed(image, side=localizer.side)[None]
        activation = localizer.maps(pixels, torch.tensor([table.labels[i]])).maps[0, 1].cpu().numpy()
    name = table.name_of(i)
    text = f"{table.titles.get(name, name)} {found.probabilities[i, 1]:.2f}" if title else ""
    boxes = [found.known_boxes[i]] if found.known_boxes[i].any() else []
    true = table.boxes.get(table.paths[i], np.zeros((0, 4))).tolist()
    return overlay(image, activation, boxes=boxes, true_boxes=true, title=text, sides=sides)
