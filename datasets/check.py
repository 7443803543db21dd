"""Look through a data set before hours are spent on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import DataError, ThasError, counted, listing, plural
from ..core.messages import Progress, silent
from ..core.near_names import near_names, near_sentence, told
from ..core.reading import refuse_pipe, said
from ..core.segments import Segments
from ..features.video_files import named
from .dataset import Dataset

if TYPE_CHECKING:
    from ..eval.annotations import Annotations

_RARE = 10  # videos of a class below which it can hardly be learned
_PAST_END_SECONDS = 1.0


@dataclass(frozen=True)
class DataReport:
    """What a data set holds and what is wrong with it.

    Attributes:
        train_subset: The subset that is trained on.
        test_subset: The subset that is scored.
        videos: Number of videos in each subset.
        class_videos: For each class the number of videos in each subset.
        duration_seconds: Length of each readable video.
        segments: Number of true segments in each subset.
        problems: What must be mended: each a line, by its name the things concerned.
        remarks: What is worth knowing.
    """

    train_subset: str
    test_subset: str
    videos: Mapping[str, int]
    class_videos: Mapping[str, Mapping[str, int]]
    duration_seconds: Mapping[str, float]
    segments: Mapping[str, int]
    problems: list[str] = field(default_factory=list[str])
    remarks: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(self).items()}


def read_duration(path: Path) -> float:
    """A video's length by its container, in seconds, without decoding it.

    Raises:
        DataError: It is not a video, or has no picture.
    """
    import av.error

    from ..features.opening import open_container

    try:
        refuse_pipe(path)
        with open_container(path) as container:
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise DataError(f"{path} has no picture", why="there is no video stream in it", next="remove it")
            if stream.duration and stream.time_base:
                return float(stream.duration * stream.time_base)
            return float(container.duration or 0) / 1e6
    except (OSError, ValueError, av.error.FFmpegError) as error:
        raise DataError(f"{path} cannot be opened", why=said(error), next="replace it") from None


class _Findings:
    """What is found while a data set is looked through."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.remarks: list[str] = []

    def problem(self, names: Iterable[str], one: str, many: str, more: str = "", *, count: int | None = None) -> None:
        """Note what must be mended, if there is any."""
        if names := list(names):
            self.problems.append(counted(names, one, many, count=count) + more)

    def remark(self, names: Iterable[str], one: str, many: str) -> None:
        """Note what is worth knowing, if there is any."""
        if names := list(names):
            self.remarks.append(counted(names, one, many))


def check_dataset(dataset: Dataset, *, progress: Progress = silent) -> DataReport:
    """Look through a data set."""
    found = _Findings()
    found.remarks += [dataset.labels_remark] if dataset.labels_remark else []
    durations = _check_files(dataset, found, progress)
    counts = dataset.class_videos()
    _check_subsets(dataset, found)
    _check_labels(dataset, counts, found)
    segments: Counter[str] = Counter()
    if dataset.annotations_path is None:
        found.remarks.append("there are no true segments: everything works but thas eval")
    else:
        truth = dataset.annotations()
        found.problems += _mismatches(dataset, truth)
        segments.update(dataset.subsets[video] for video in truth.segments.video)
        _check_segments(dataset, truth.segments, {**truth.durations, **durations}, found)
    videos = Counter(dataset.subsets.values())
    found.remarks += _numbers_published(dataset, videos, segments)
    subsets = dataset.train_subset, dataset.test_subset
    return DataReport(*subsets, videos, counts, durations, segments, found.problems, found.remarks)


def _mismatches(dataset: Dataset, truth: Annotations) -> list[str]:
    """Where annotations and the table do not meet, and whether anything is left to score."""
    from ..annotators.annotation_files import read_annotations

    assert dataset.annotations_path is not None
    whole = read_annotations(dataset.annotations_path, ignore_label=dataset.ignore_label)
    faults = dataset.mismatches(whole)
    if not len(truth.segments):
        others = f"; it has segments of {listing(whole.segments.by_video(), 3)}" if len(whole.segments) else ""
        faults.append(f"{dataset.annotations_path} holds no segment of a video of the table{others}")
    return faults


def _numbers_published(dataset: Dataset, videos: Counter[str], segments: Counter[str]) -> list[str]:
    """A published data set has so many videos and segments; another number means that a part is missing."""
    sentences: list[str] = []
    for subset, expected in dataset.expected.items():
        for what, found in (("videos", videos[subset]), ("segments", segments[subset])):
            if what in expected:
                same, have = found == expected[what], plural(found, what[:-1])
                other = f"{subset} has {have}, but is published with {expected[what]}"
                sentences.append(f"{subset} has its {have}" if same else other)
    return sentences


def _check_files(dataset: Dataset, found: _Findings, progress: Progress) -> dict[str, float]:
    missing: list[str] = []
    unreadable: list[str] = []
    durations: dict[str, float] = {}

    def examine(video: str) -> tuple[str, float | None, str]:
        try:
            path = dataset.video_path(video)
        except DataError as error:
            return video, None, "missing" if "no file" in error.what else error.what
        if path.is_dir():  # pictures, whose rate extraction is told
            return video, None, ""
        try:
            return video, read_duration(path), ""
        except ThasError as error:
            return video, None, f"{video} ({error.why})"

    with ThreadPoolExecutor(8) as pool:
        for video, seconds, fault in pool.map(examine, dataset.videos):
            if seconds is not None:
                durations[video] = seconds
            elif fault == "missing":
                missing.append(video)
            elif fault:
                unreadable.append(fault)
            progress(1)
    ready = _with_features(dataset)
    if ready:
        lacking = [video for video in dataset.videos if video not in ready]
        count, whole = len(dataset.videos) - len(lacking), f"of {plural(len(dataset.videos), 'video')}"
        found.remarks.append(
            plural(count, f"{whole} has features", f"{whole} have features")
            + (f"; not: {listing(lacking)}" if lacking else "")
        )
        if near := told(near_names(ready - set(dataset.videos), dataset.videos)):
            found.remarks.append(f"features lie there under names that the table does not have{near}")
        if covered := [video for video in missing if video in ready]:
            have = plural(len(covered), "video has", "videos have")
            found.remarks.append(f"{have} no file, but features: nothing needs the file")
            missing = [video for video in missing if video in set(lacking)]
    place = "neither a file nor features" if ready else f"no file in {dataset.videos_folder}"
    near = near_sentence(missing, dataset.video_files)
    found.problem(missing, f"video of the table has {place}", f"videos of the table have {place}", near)
    found.problem(unreadable, "video cannot be used", "videos cannot be used")
    known = {Path(video).stem for video in dataset.videos} | {f"v_{video}" for video in dataset.videos}
    what = "no row in the table (left alone)"
    found.remark(sorted(set(dataset.video_files) - known), f"video has {what}", f"videos have {what}")
    if dataset.left_out:
        found.remarks.append(named(dataset.left_out))
    short = [video for video, seconds in durations.items() if seconds < 1]
    found.remark(short, "video is shorter than a second", "videos are shorter than a second")
    return durations


def _with_features(dataset: Dataset) -> set[str]:
    """The videos whose features lie with the data set."""
    from ..features.cache_writer import video_name

    folder = dataset.features_folder
    return {video_name(path.name) for path in folder.glob("[!.]*.h5")} if folder.is_dir() else set()


def _check_subsets(dataset: Dataset, found: _Findings) -> None:
    """Videos that would be left lying, because their subset is spelt otherwise than the one meant."""
    used = {dataset.train_subset, dataset.test_subset}
    if len(used) == 1:
        found.remarks.append(
            "there is one subset: training and scoring would use the same videos (add a column `subset`)"
        )
    for name in sorted(set(dataset.subsets.values()) - used):
        what = f"of subset {name!r}" if name else "without a subset"
        left = plural(len(dataset.videos_of(name)), f"video {what} is", f"videos {what} are")
        found.remarks.append(f"{left} neither trained on nor scored")
    found.problems += _alike("subsets", dataset.subsets.values())


def _alike(what: str, names: Iterable[str]) -> list[str]:
    """Names that a person would take for one, a sentence each."""
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        alike.setdefault(" ".join(name.casefold().replace("_", " ").split()), []).append(name)
    several = (listing(map(repr, own)) for own in alike.values() if len(own) > 1)
    return [f"these {what} differ only in writing: {own}" for own in several]


def _is_several(label: str, classes: Sequence[str]) -> bool:
    """Whether a label is a list of labels: by what no label holds, or because its parts are labels themselves."""
    parts = [part.strip() for part in re.split(r"[,/+&]", label)]
    return bool(re.search(r"\S\s*[;|\n]\s*\S", label)) or (len(parts) > 1 and set(parts) <= set(classes))


def _check_labels(dataset: Dataset, counts: Mapping[str, Counter[str]], found: _Findings) -> None:
    train, classes = dataset.train_subset, dataset.classes
    bare = [video for video, labels in dataset.labels.items() if not labels and dataset.subsets[video] == train]
    what = "training video has no label and teaches nothing", "training videos have no label and teach nothing"
    found.remark(bare, *what)
    if len(classes) < 2:
        found.problems.append(f"there is {'one class' if classes else 'no class'}; a network tells two or more apart")
    untaught = [label for label, own in counts.items() if not own[train]]
    found.problem(untaught, "class has no training video", "classes have no training video")
    rare = [label for label, own in counts.items() if 0 < own[train] < _RARE]
    few = f"fewer than {_RARE} training videos"
    found.remark(rare, f"class has {few}", f"classes have {few}")
    sizes = [own[train] for own in counts.values() if own[train]]
    if sizes and max(sizes) > 10 * min(sizes):
        found.remarks.append(f"classes are uneven: from {min(sizes)} to {max(sizes)} training videos")
    found.problems += _alike("labels", classes)
    several = [repr(label) for label in classes if _is_several(label, classes)]
    what = "label looks like several in one cell", "labels look like several in one cell"
    found.problem(several, *what, ": write a row for each")
    known = [(video, reason) for video, reason in dataset.bad_videos.items() if video in dataset.labels]
    found.remarks += [f"{video} is known to be faulty: {reason}" for video, reason in known]


def _check_segments(dataset: Dataset, truth: Segments, durations: Mapping[str, float], found: _Findings) -> None:
    def problem(rows: Segments, one: str, many: str) -> None:
        found.problem(dict.fromkeys(rows.video), one, many, count=len(rows))

    end = np.array([durations.get(video, np.inf) for video in truth.video])
    late = truth[truth.end_seconds > end + _PAST_END_SECONDS]
    problem(late, "true segment ends after its video", "true segments end after their video")
    problem(truth[truth.duration_seconds == 0], "true segment has no length", "true segments have no length")
    seen = Counter(truth)
    doubled = sum(times - 1 for times in seen.values())
    videos = dict.fromkeys(row[0] for row in seen if seen[row] > 1)
    found.problem(videos, "true segment is repeated", "true segments are repeated", count=doubled)
    what = "overlapping segments of one class"
    found.remark(_overlapping(truth), f"video has {what}", f"videos have {what}")
    pairs = zip(truth.video, truth.label, strict=True)
    unlabelled = {v for v, label in pairs if label not in dataset.labels[v] and label in dataset.classes}
    what = "segments of a label that the table does not give"
    found.problem(sorted(unlabelled), f"video has {what} it", f"videos have {what} them")


def _overlapping(truth: Segments) -> list[str]:
    """The videos in which two segments of one class overlap."""
    order = np.lexsort((truth.start_seconds, truth.label.astype(str), truth.video.astype(str)))
    rows = truth[order]
    same = (rows.video[1:] == rows.video[:-1]) & (rows.label[1:] == rows.label[:-1])
    meets = same & (rows.start_seconds[1:] < rows.end_seconds[:-1]) & (rows.start_seconds[1:] > rows.start_seconds[:-1])
    return list(dict.fromkeys(rows.video[1:][meets]))
