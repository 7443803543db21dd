"""Evaluate networks, boxes or maps on a data set's images."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True)
class _Source:
    """What gives the boxes.

    Attributes:
        named: For a person.
        boxes: Gives them for images.
        settings: How they are made and scored.
        localizer: The networks, where there are any.
        run: Whose images are scored where no others are named; its folder.
        keeps: Whether the run is scored alone, so that the scores are its own.
    """

    named: str
    boxes: Callable[[ImageTable, Localizer | None], Predictions]
    settings: ImageSettings
    localizer: Localizer | None = None
    run: Path | None = None
    keeps: bool = False


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
    images = images or ScoredImages()
    if localizer is not None:
        source = _networks(localizer, localizer.settings.network.name, stage)
    elif boxes is not None or maps is not None:
        source = _made_elsewhere(sources, boxes, maps, images, changes)
    else:
        opened = Localizer.from_run(*sources, root=images.runs, device=device, changes=changes, map_members=map_members)
        source = _of_runs(opened, stage)
    table, of = _images_of(source, images, made_elsewhere=bool(boxes or maps), many=len(sources) > 1)
    used = respelt(localizer, table.classes) if localizer is not None else source.localizer
    found = source.boxes(table, used)
    scores = score(found, iou=source.settings.eval.iou, classes=maps is None)
    own = source.keeps and not (images.dataset or images.subset or changes)
    written = _kept(source.run, found, scores) if own and source.run is not None else ()
    return Evaluation(scores, found, f"{of}; {source.named}", used, written, found.table.problems)


def _networks(localizer: Localizer, named: str, stage: Stage) -> _Source:
    settings = localizer.settings

    def boxes(table: ImageTable, used: Localizer | None) -> Predictions:
        with stage("localizing", len(table), "images") as progress:
            return predict(
                used or localizer,
                table,
                sweep=settings.eval.thresholds,
                batch_size=settings.train.batch_size,
                workers=settings.train.workers if len(table) > MANY else 0,
                progress=progress,
            )

    return _Source(named, boxes, settings, localizer)


def _of_runs(localizer: Localizer, stage: Stage) -> _Source:
    found = _networks(localizer, ", ".join(map(str, localizer.files)), stage)
    runs = [file.parent for file in localizer.files if (file.parent / SETTINGS).exists()]
    alike = len({read_settings(run, ImageSettings)[1].dataset for run in runs}) == 1
    return replace(found, run=runs[0] if alike else None, keeps=len(localizer.files) == len(runs) == 1)


def _made_elsewhere(
    sources: Sequence[Path],
    boxes: Path | None,
    maps: Path | None,
    images: ScoredImages,
    changes: Mapping[str, object] | None,
) -> _Source:
    settings = ImageSettings().updated(changes or {}, origin="option")

    def read(table: ImageTable, used: Localizer | None) -> Predictions:
        if boxes is not None:
            return read_boxes(boxes, table)
        assert maps is not None
        return read_maps(maps, table, settings=settings.localize, sweep=settings.eval.thresholds)

    run = None
    if not images.dataset:
        try:
            run = weights_files(sources, runs=images.runs)[0].parent
        except UsageError:
            if sources:
                raise
    return _Source(str(boxes or maps), read, settings, run=run)


def _images_of(source: _Source, images: ScoredImages, *, made_elsewhere: bool, many: bool) -> tuple[ImageTable, str]:
    """The images named, or those of the run, and a name for them.

    Raises:
        UsageError: Neither is there.
        DataError: The run's are no longer where they were.
    """
    data = read_settings(source.run, ImageSettings)[1] if source.run is not None else None
    dataset = images.dataset or (data.dataset if data else "")
    if not dataset:
        raise UsageError(
            "which images are these boxes of?" if made_elsewhere else "which images are to be scored?",
            why="the runs are of several data sets" if many else "no data set is named, and no run knows one",
            next="--dataset FOLDER",
        )
    if data is not None and not images.dataset and not Path(dataset).is_dir():
        raise DataError(
            f"the images of {source.run} are not at {dataset}",
            why="they were moved, or the run was copied here without them",
            next=f"say where they are now: thas image eval {source.run} --dataset FOLDER",
            subject=dataset,
        )
    subset = images.subset or (data.test_subset if data else "")
    opened = open_images(dataset, data_root=images.data_root, training=subset not in ("", "val"))
    subset = subset or opened.test_subset
    return opened.subset(subset), f"{opened.name} {subset}"


def _kept(run: Path, found: Predictions, scores: ImageScores) -> tuple[Path, ...]:
    """Boxes and scores, written into the run they are of."""
    write_boxes(run / "boxes.json", found)
    write_atomically(run / "scores.json", json.dumps(scores.to_json(), indent=2) + "\n")
    return run / "boxes.json", run / "scores.json"
