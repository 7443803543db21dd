"""What a page shows of a run, read once through the run's own files; the only module here that knows a run's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import DataError, ThasError
from ..core.narrowing import is_texts
from ..core.segments import Segments
from ..eval.average_precision import DEFAULT_IOU
from ..eval.labels_told import LabelsTold

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset
    from ..eval.annotations import Annotations
    from ..temporal_has.activation import ClassActivationSequence
    from ..temporal_has.localize import ThresholdRule


@dataclass(frozen=True, eq=False)
class RunContent:
    """Detections with all that may be known beside them; whatever is not known is left out of the page.

    Attributes:
        name: What the run is called on the page.
        detections: All candidates.
        sequences: Gives the class activation sequences, one video after the other; may be called again.
        videos: Names of the videos localized, with detections or without.
        threshold: The thresholds they were found with; () where they are not told.
        threshold_rule: What these are fractions of.
        labels: The known labels of videos.
        files: The video files that are at hand.
        truth: Of these videos; None where there is none.
        iou: Thresholds of the scores.
        protocol: Of the scores.
        told: How many of the videos' labels are told right.
        facts: Of the run, for a person.
        notes: What is missing, a sentence each.
    """

    name: str
    detections: Segments
    sequences: Callable[[], Iterator[ClassActivationSequence]]
    videos: tuple[str, ...]
    threshold: tuple[float, ...] = ()
    threshold_rule: ThresholdRule = "max"
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])
    truth: Annotations | None = None
    iou: Sequence[float] = DEFAULT_IOU
    protocol: str = "activitynet"
    told: LabelsTold | None = None
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()

    @property
    def verdict_iou(self) -> float:
        """The overlap from which a detection counts as right on the page: 0.5 if that is scored, else the highest."""
        return 0.5 if 0.5 in self.iou else max(self.iou, default=0.5)


def read_run(
    folder: Path, *, found: Path | None = None, dataset: str | None = None, data_root: Path = Path("data")
) -> RunContent:
    """What a run found in its test videos, and what its data set knows of them.

    A run that was not localized yet is localized first. Where the data set has gone, the page does without.

    Args:
        folder: The run's, as `find_run` gives it.
        found: The folder of what it found in other videos of its data set, to be read instead.
        dataset: Where the run's data set is now, if it was moved: a folder, or a name.
        data_root: The folder that holds data sets called by name.

    Raises:
        ThasError: The run cannot be read, or localized, or there is no such data set.
    """
    from ..core.data_options import ChosenVideos
    from ..core.run_settings import read_settings
    from ..datasets.opening import open_dataset
    from ..temporal_has.results import (
        DETECTIONS,
        SEQUENCES,
        iterate_sequences,
        read_detections,
        told_threshold,
        write_result,
    )
    from ..temporal_has.runs import localize_dataset, open_data
    from ..temporal_has.settings import Settings

    settings, data = read_settings(folder, Settings)
    place = found or folder
    if found is None and not ((folder / DETECTIONS).exists() and (folder / SEQUENCES).exists()):
        of = ChosenVideos(dataset=dataset, data_root=data_root)
        write_result(folder, localize_dataset(folder, settings=settings.localize, of=of))
    detections, facts = read_detections(place / DETECTIONS)
    named = facts.get("videos")
    videos = tuple(named if is_texts(named) and named else dict.fromkeys(detections.video))
    threshold, rule = told_threshold(facts.get("settings") or vars(settings.localize))
    subset = str(facts.get("subset", data.test_subset))
    now = None if dataset is None else open_dataset(dataset, data_root=data_root)
    opened, truth, notes = _known(lambda: now or open_data(folder, data), subset, set(videos))
    shown = {"labels": "labels", "dataset": "data set", "subset": "subset"}
    return RunContent(
        name=folder.name,
        detections=detections,
        sequences=lambda: iterate_sequences(place / SEQUENCES),
        videos=videos,
        threshold=threshold,
        threshold_rule=rule,
        labels={video: opened.labels.get(video, ()) for video in videos} if opened else {},
        files=video_files(opened, videos) if opened else {},
        truth=truth,
        iou=settings.eval.iou,
        protocol=settings.eval.protocol,
        told=LabelsTold.from_json(facts["labels_told"]) if facts.get("labels_told") else None,
        facts={title: str(facts[name]) for name, title in shown.items() if facts.get(name)}
        | {"hidden in training": _hidden(settings.hide.probability)},
        notes=notes,
    )


def _hidden(probability: float) -> str:
    return f"{100 * probability:g} % of the segments" if probability else "nothing"


def _known(
    open_dataset: Callable[[], Dataset], subset: str, videos: set[str]
) -> tuple[Dataset | None, Annotations | None, tuple[str, ...]]:
    """The data set and the truth of the videos, as far as they are there, and what is not."""
    try:
        dataset = open_dataset()
    except ThasError as error:
        told = f"The data set is not at hand, so no truth and no videos: {error.what}."
        return None, None, (f"{told} If it was moved: --dataset FOLDER.",)
    if dataset.annotations_path is None:
        return dataset, None, ("No true segments are known, so nothing here is scored; timelines show what was found.",)
    try:
        found = dataset.annotations().only(videos)
    except DataError as error:
        return dataset, None, (f"The true segments could not be read: {error.what}.",)
    if not len(found.segments):
        return dataset, None, (f"None of the {subset} videos has a true segment, so nothing here is scored.",)
    return dataset, found, ()


def video_files(dataset: Dataset, videos: Sequence[str]) -> dict[str, Path]:
    """The files of those videos that have exactly one."""
    files: dict[str, Path] = {}
    if dataset.video_files:
        for video in videos:
            try:
                files[video] = dataset.video_path(video)
            except DataError:
                continue
    return files
