"""What is shown, summed up or cut: a run, read through its own files, or a file of detections or of annotations.

The only module here that knows a run's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..annotators.annotation_files import read_any
from ..core.errors import DataError, ThasError, UsageError, suggestion
from ..core.narrowing import is_texts
from ..core.segments import Segments
from ..eval.annotations import Annotations
from ..eval.average_precision import DEFAULT_IOU
from ..eval.labels_told import LabelsTold
from ..temporal_has.suppress import sure_segments

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


@dataclass(frozen=True, eq=False)
class Moments:
    """Actions in videos, apart from each other unless they are annotations.

    Attributes:
        actions: By video and time.
        videos: All that were looked at, with actions or without.
        seconds: Lengths of videos, as far as known.
        files: Video files at hand.
    """

    actions: Segments
    videos: tuple[str, ...]
    seconds: Mapping[str, float]
    files: Mapping[str, Path]

    def chosen(self, labels: Sequence[str] = (), videos: Sequence[str] = ()) -> dict[str, Segments]:
        """Those of some actions and videos, or of all, by video.

        Raises:
            UsageError: There is none.
        """
        actions = self.actions
        for wanted, known, option in ((labels, set(actions.label), "--label"), (videos, set(actions.video), "--video")):
            unknown = [name for name in wanted if name not in known]
            if unknown:
                raise UsageError(
                    f"nothing was found of {unknown[0]!r}", why=suggestion(unknown[0], sorted(known)), next=option
                )
        by_video = {name: rows for name, rows in actions.by_video().items() if not videos or name in videos}
        if labels:
            by_video = {name: rows[[one in labels for one in rows.label]] for name, rows in by_video.items()}
        by_video = {name: rows for name, rows in by_video.items() if len(rows)}
        if not by_video:
            raise UsageError(
                "no moment was found to cut", next="thas localize; or thas clips --all for unsure ones, too"
            )
        return by_video


def read_moments(
    source: Path, *, dataset: str | None = None, data_root: Path = Path("data"), everything: bool = False
) -> Moments:
    """Read a run's folder, or a file that `thas eval` reads.

    With `everything` all candidates instead of the few that are sure and apart. `dataset` says where videos lie, if the
    source does not.

    Raises:
        ThasError: It cannot be read.
    """
    from ..core.runs import SETTINGS

    files: Mapping[str, Path] = {}
    if (source / SETTINGS).exists():
        run = read_run(source)
        table: Segments | Annotations = run.detections
        videos, files = run.videos, run.files
        seconds = {sequence.video: sequence.duration_seconds for sequence in run.sequences()}
    else:
        table = read_any(source)
        videos = table.videos if isinstance(table, Annotations) else tuple(dict.fromkeys(table.video))
        seconds = dict(table.durations) if isinstance(table, Annotations) else {}
    actions = table.segments if isinstance(table, Annotations) else table
    if actions.score is not None and not everything:
        actions = sure_segments(actions)
    if dataset is not None:
        from ..datasets.opening import open_dataset

        files = video_files(open_dataset(dataset, data_root=data_root), videos)
    return Moments(actions, videos, seconds, files)


def files_named(folder: Path, videos: tuple[str, ...]) -> dict[str, Path]:
    """The video files in a folder that bear the videos' names.

    Raises:
        UsageError: It is no folder.
        DataError: It holds none of them.
    """
    from ..features.video_files import VIDEO_SUFFIXES

    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", next="--videos FOLDER names the folder that the videos lie in")
    inside = {path.stem: path for path in sorted(folder.rglob("*")) if path.suffix.lower() in VIDEO_SUFFIXES}
    found = {video: inside[name] for video in videos for name in (video, Path(video).stem) if name in inside}
    if not found:
        raise DataError(
            f"{folder} holds none of the videos",
            why=f"{len(inside)} video files lie there; the first moment is in {videos[0] if videos else 'no video'}",
            next="a video's file bears its name",
            subject=str(folder),
        )
    return found
