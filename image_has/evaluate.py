"""Evaluate networks, boxes or maps on a data set's images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import DataError, Failure, UsageError
from ..core.files import write_atomically
from ..core.messages import Stage, unseen
from ..core.run_settings import read_settings
from ..core.runs import ROOTS, SETTINGS
from .box_files import read_boxes, read_maps, write_boxes
from .datasets import open_images
from .images import ImageTable
from .localizer import Localizer
from .predict import MANY, Predictions, predict
from .scores import ImageScores, score
from .settings import ImageSettings
from .trained_runs import weights_files
from .untrained import respelt


@dataclass(frozen=True)
class Evaluation:
    """Scores, and what they are of.

    Attributes:
        scores: Fractions.
        predictions: Their boxes.
        of: A line for a person: data set, subset, networks or files.
        localizer: The networks, where there are any.
        written: Files written.
        problems: What was wrong with annotations and images.
    """

    scores: ImageScores
    predictions: Predictions
    of: str
    localizer: Localizer | None = None
    written: tuple[Path, ...] = ()
    problems: tuple[Failure, ...] = field(default=())

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        failed = {one.subject: f"{one.what}: {one.why}" for one in self.predictions.failed}
        return {**self.scores.to_json(), "of": self.of, "failed": failed, "problems": len(self.problems)}


@dataclass(frozen=True, kw_only=True)
class ScoredImages:
    """Which images are scored.

    Attributes:
        dataset: The data set; that of the run if None, and for boxes and maps that of the newest run.
        subset: Of it; the run's own test subset if None.
        data_root: The folder that holds data sets called by name.
        runs: The folder that holds runs.
    """

    dataset: str | None = None
    subset: str | None = None
    data_root: Path = Path("data")
    runs: Path = ROOTS["image"]


def evaluate(
    sources: Sequence[Path] = (),
    *,
    localizer: Localizer | None = None,
    boxes: Path | None = None,
    maps: Path | None = None,
    images: ScoredImages | None = None,
    device: str = "auto",
    changes: Mapping[str, object] | None = None,
    map_members: Sequence[int] | None = None,
    stage: Stage = unseen,
) -> Evaluation:
    """Score runs (the newest if none is named; several are averaged), or boxes or maps made elsewhere.

    Args:
        sources: Runs' folders or files of weights.
        localizer: Networks instead that no run holds, such as a library's; its classes may be spelt otherwise.
        boxes: A file of boxes instead.
        maps: A folder of maps instead.
        images: Which are scored; those of the run if None.
        device: Where networks run.
        changes: Settings that differ from the run's, by dotted key.
        map_members: Which of several networks give maps; all if None.
        stage: Shows how far the networks are.

    Raises:
        UsageError: Boxes or maps are given without a data set.
        DataError: The images, the boxes or the maps do not fit together.
    """
    images, elsewhere = images or ScoredImages(), boxes or maps
    if localizer is None and elsewhere is not None:
        settings, named = ImageSettings().updated(changes or {}, origin="option"), str(elsewhere)
        runs = [] if images.dataset else _run_of_boxes(sources, images.runs)
        table, of = _images_of(runs, images, "which images are these boxes of?")
        found = (
            read_boxes(boxes, table)
            if boxes is not None
            else read_maps(elsewhere, table, settings=settings.localize, sweep=settings.eval.thresholds)
        )
    else:
        library = localizer is not None
        used = localizer or Localizer.from_run(
            *sources, root=images.runs, device=device, changes=changes, map_members=map_members
        )
        settings = used.settings
        named = settings.network.name if library else ", ".join(map(str, used.files))
        runs = [file.parent for file in used.files if (file.parent / SETTINGS).exists()]
        table, of = _images_of(runs, images, "which images are to be scored?")
        localizer = respelt(used, table.classes) if library else used
        with stage("localizing", len(table), "images") as progress:
            found = predict(
                localizer,
                table,
                sweep=settings.eval.thresholds,
                batch_size=settings.train.batch_size,
                workers=settings.train.workers if len(table) > MANY else 0,
                progress=progress,
            )
    scores = score(found, iou=settings.eval.iou, classes=maps is None)
    alone = localizer is not None and len(localizer.files) == len(runs) == 1
    written: tuple[Path, ...] = ()
    if alone and not (images.dataset or images.subset or changes):  # a run keeps the scores that are its own
        written = (runs[0] / "boxes.json", runs[0] / "scores.json")
        write_boxes(written[0], found)
        write_atomically(written[1], json.dumps(scores.to_json(), indent=2) + "\n")
    return Evaluation(scores, found, f"{of}; {named}", localizer, written, found.table.problems)


def _run_of_boxes(sources: Sequence[Path], runs: Path) -> list[Path]:
    """The run whose images boxes or maps are of, where no data set is named: the newest unless one is."""
    try:
        return [weights_files(sources, runs=runs)[0].parent]
    except UsageError:
        if sources:
            raise
        return []


def _images_of(runs: Sequence[Path], images: ScoredImages, what: str) -> tuple[ImageTable, str]:
    """The images named, or those of the runs, and a name for them; `what` is asked where neither tells.

    Raises:
        UsageError: Neither is there, or the runs are of several data sets.
        DataError: The runs' are no longer where they were.
    """
    known = [read_settings(run, ImageSettings)[1] for run in runs]
    data = known[0] if len({one.dataset for one in known}) == 1 else None
    dataset = images.dataset or (data.dataset if data else "")
    if not dataset:
        raise UsageError(
            what,
            why="the runs are of several data sets" if known else "no data set is named, and no run knows one",
            next="--dataset FOLDER",
        )
    if data is not None and not images.dataset and not Path(dataset).is_dir():
        raise DataError(
            f"the images of {runs[0]} are not at {dataset}",
            why="they were moved, or the run was copied here without them",
            next=f"say where they are now: thas image eval {runs[0]} --dataset FOLDER",
            subject=dataset,
        )
    subset = images.subset or (data.test_subset if data else "")
    opened = open_images(dataset, data_root=images.data_root, training=subset not in ("", "val"))
    subset = subset or opened.test_subset
    return opened.subset(subset), f"{opened.name} {subset}"
