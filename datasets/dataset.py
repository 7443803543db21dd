"""A data set on disk: which videos there are, their labels, and where everything about them lies.

    data/<name>/
        videos/            <video>.mp4, .mkv, .mts, ..., or <video>/img_00001.jpg, ...; without such a folder, right in
                           data/<name>/
        labels.csv         video,label[,subset]; several rows for several labels; or labels.xlsx
        annotations.json   optional, ActivityNet's form, or gt.json; or annotations.csv; or annotations/, THUMOS14's
                           text files or those of annotation tools (docs/annotators.md). For evaluation only
        points.csv         optional, video,label,time_seconds: a click an action, from which training learns more
        split_<subset>.txt optional: the videos of each subset, a line each, where the table does not name subsets
        classes.txt        optional: the order of the classes, a line each
        features/          <video>.h5, made by `thas extract-features` or `thas import-features`

Training sees `labels` and nothing else; segments are read by evaluation alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import DataError, UsageError, counted, listing, plural, suggestion
from ..core.file_names import name_fault
from ..core.plugins import is_reader, not_a, read_by_plugin
from ..core.presets import preset_names, read_preset
from ..core.tables import find_table, table_rows
from .near_names import label_sentence, near_names, told
from .split_lists import read_classes, read_splits, unlisted_labels, with_splits
from .video_files import VIDEO_SUFFIXES, find_videos

if TYPE_CHECKING:
    from ..core.segments import Segments
    from ..eval.annotations import Annotations

_TOOL_SUFFIXES = (".eaf", ".boris", ".xml", ".anvil", ".annot", ".tsv")  # of annotation tools
_TRAIN_NAMES = ("training", "train", "validation", "val")
_TEST_NAMES = ("test", "testing", "validation", "val", "valid", "dev", "development", "eval", "evaluation")


@dataclass(frozen=True)
class Dataset:
    """The videos of a data set and what is known of them.

    Attributes:
        name: The folder's or the preset's name.
        folder: Where it lies.
        labels: For each video its labels, in the order of the table; () where none is known.
        subsets: For each video its subset; "" where there are none.
        classes: C names, all that occur in the labels.
        train_subset: The subset that is trained on.
        test_subset: The subset that is scored.
        annotations_path: Ground-truth segments, for evaluation; None if there are none.
        ignore_label: The label of segments that count neither way, such as THUMOS14's Ambiguous.
        bad_videos: Videos known to be faulty, each with the reason.
        note: How the data set is obtained.
        labels_from_annotations: Whether there is no table of labels, and videos have those that their segments name.
    """

    name: str
    folder: Path
    labels: Mapping[str, tuple[str, ...]]
    subsets: Mapping[str, str]
    classes: tuple[str, ...]
    train_subset: str
    test_subset: str
    annotations_path: Path | None = None
    ignore_label: str = "Ambiguous"
    bad_videos: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    labels_from_annotations: bool = False
    remarks: tuple[str, ...] = ()
    """What does not fit between the table, `split_*.txt` and the list of classes."""
    expected: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """For each subset the numbers of `videos` and `segments` it is published with, where known."""

    def _repr_html_(self) -> str:
        """What a notebook shows: how many videos each class has in each subset."""
        from ..core.table_text import table_html

        subsets = sorted(set(self.subsets.values()))
        counts = {label: dict.fromkeys(subsets, 0) for label in self.classes}
        for video, labels in self.labels.items():
            for label in labels:
                counts[label][self.subsets[video]] += 1
        rows = [[label, *(str(own[name]) for name in subsets)] for label, own in counts.items()]
        note = f"{self.name}: {plural(len(self.videos), 'video')}, {plural(len(self.classes), 'class', 'classes')}"
        return table_html(["videos of", *(name or "all" for name in subsets)], rows, note=note)

    @property
    def videos(self) -> tuple[str, ...]:
        """All videos, in the order of the table."""
        return tuple(self.labels)

    @property
    def features_folder(self) -> Path:
        """Where features are kept unless told otherwise."""
        return self.folder / "features"

    @property
    def videos_folder(self) -> Path:
        """Where the videos are: in `videos`, or where there is no such folder, right beside the table."""
        return self.folder / "videos" if (self.folder / "videos").is_dir() else self.folder

    @property
    def default_weights(self) -> Path | None:
        """Backbone weights that lie with the data set, used unless others are named."""
        path = self.folder / "backbone.safetensors"
        return path if path.exists() else None

    @cached_property
    def video_files(self) -> Mapping[str, list[Path]]:
        """All video files by stem; a folder of numbered pictures is one, by its name."""
        files: dict[str, list[Path]] = {}
        for path in self._found[0]:
            files.setdefault(path.name if path.is_dir() else path.stem, []).append(path)
        return files

    @property
    def left_out(self) -> Mapping[Path, str]:
        """Files among the videos that are none, each with the reason."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[list[Path], dict[Path, str]]:
        folder = self.videos_folder
        return find_videos(folder, opening=folder != self.folder) if folder.is_dir() else ([], {})

    def videos_of(self, subset: str) -> tuple[str, ...]:
        """The videos of one subset.

        Raises:
            UsageError: No video is in that subset.
        """
        chosen = tuple(video for video, where in self.subsets.items() if where == subset)
        if not chosen:
            names = sorted(set(self.subsets.values()))
            raise UsageError(
                f"data set {self.name} has no videos in subset {subset!r}",
                why=f"its subsets are {listing(map(repr, names), 10)}",
                next="name one of them, or add the column `subset` to labels.csv",
            )
        return chosen

    def video_path(self, video: str) -> Path:
        """The file of a video.

        Raises:
            DataError: There is none, or several files have its name.
        """
        # ActivityNet's ids lack the v_ that its files' names begin with.
        names = (video, Path(video).stem, f"v_{video}")
        files = next((self.video_files[name] for name in names if name in self.video_files), [])
        if Path(video).suffix.lower() in VIDEO_SUFFIXES:
            files = [path for path in files if path.name == video] or files
        if len(files) == 1:
            return files[0]
        if files:
            raise DataError(
                f"video {video} has {len(files)} files",
                why=listing((str(path.relative_to(self.folder)) for path in files), 3),
                next="keep one of them",
                subject=video,
            )
        raise DataError(
            f"video {video} has no file in {self.videos_folder}",
            why=plural(len(self.video_files), "video lies there", "videos lie there"),
            next=self.note or f"put {video}.mp4 there, or remove its rows from labels.csv",
            subject=video,
        )

    @property
    def labels_remark(self) -> str:
        """What to know of where labels and subsets come from; empty where a table gives them."""
        remarks = list(self.remarks)
        if self.labels_from_annotations:
            source = f"their segments in {self.annotations_path}"
            remarks.insert(0, f"there is no {self.folder / 'labels.csv'}: videos have the labels of {source}")
        return "; ".join(remarks)

    def label_matrix(self, videos: Sequence[str]) -> np.ndarray:
        """(B, C) float32, 1 where a video has a class."""
        column = {label: i for i, label in enumerate(self.classes)}
        matrix = np.zeros((len(videos), len(self.classes)), dtype=np.float32)
        for row, video in enumerate(videos):
            for label in self.labels[video]:
                matrix[row, column[label]] = 1
        return matrix

    def mismatches(self, found: Annotations) -> list[str]:
        """Where annotations and the table do not meet: labels that it lacks, videos that are called nearly as its own.

        Training learns the table's labels: a segment of another one can never be found.
        """
        if self.labels_from_annotations:
            return []
        sentences = []
        inside = found.only(set(self.labels)).segments
        strange = sorted(set(inside.label) - set(self.classes))
        if strange:
            what = "of the annotations is not in the table, so that its segments cannot be found"
            several = "of the annotations are not in the table, so that their segments cannot be found"
            count = counted(strange, f"label {what}", f"labels {several}")
            sentences.append(count + label_sentence(strange, self.classes))
        near = near_names([video for video in found.videos if video not in self.labels], self.labels)
        if near:
            what = "of the annotations is no video of the table"
            several = "of the annotations are no videos of the table"
            sentences.append(counted(near, f"video {what}", f"videos {several}") + told(near))
        return sentences

    @property
    def points_path(self) -> Path | None:
        """Where clicks on actions are, for training: points.csv, or a file of an annotation tool; None if nowhere."""
        table = find_table(self.folder, "points")
        others = (self.folder / f"points{suffix}" for suffix in _TOOL_SUFFIXES)
        return table or next((path for path in others if path.is_file()), None)

    def points(self) -> Segments:
        """The clicks, each a row that ends where it starts; of videos outside the table, too.

        Raises:
            DataError: There are none, or one has a label that the table lacks.
        """
        from ..eval.annotation_files import read_annotations

        path = self.points_path
        if path is None:
            raise DataError(f"data set {self.name} has no points", next=f"write {self.folder}/points.csv")
        found = read_annotations(path).points
        if not len(found):
            raise DataError(
                f"{path} holds no points",
                why="a point has a time and no length",
                next="video,label,time_seconds",
                subject=str(path),
            )
        strange = sorted(set(found.label) - set(self.classes))
        if strange:
            raise DataError(
                counted(strange, f"label of {path} is not in the table", f"labels of {path} are not in the table"),
                why=label_sentence(strange, self.classes).removeprefix("; "),
                next="correct the points, or labels.csv",
                subject=str(path),
            )
        if not set(found.video) & set(self.labels):
            raise DataError(
                f"{path} holds no point of a video of the table",
                why=told(near_names(found.by_video(), self.labels)).removeprefix("; "),
                next="call videos as the table does",
                subject=str(path),
            )
        return found

    def durations(self) -> dict[str, float]:
        """Seconds of each video by its annotations; empty where there are none, or they do not say."""
        if self.annotations_path is None:
            return {}
        from ..eval.annotation_files import read_annotations

        return dict(read_annotations(self.annotations_path, ignore_label=self.ignore_label).durations)

    def annotations(self, subset: str | None = None) -> Annotations:
        """The ground-truth segments of this data set's videos, or of one subset's, for evaluation.

        Which video is in which subset is for `subsets` to say, whatever the annotations hold.

        Raises:
            DataError: The data set has none.
        """
        if self.annotations_path is None:
            raise DataError(
                f"data set {self.name} has no ground-truth segments",
                why=f"neither annotations.json nor annotations/ is in {self.folder}",
                next="add one to score detections, or look at them with `thas localize`",
            )
        from ..eval.annotation_files import read_annotations

        found = read_annotations(self.annotations_path, ignore_label=self.ignore_label)
        found = replace(found, notes=(*found.notes, *self.mismatches(found)))
        # A class that is only learned, as 81 of THUMOS14's 101 are, may be detected; it has no truth to be scored by.
        found = replace(found, classes=tuple(dict.fromkeys((*found.classes, *self.classes))))
        return found.only(set(self.labels if subset is None else self.videos_of(subset)))


def read_labels(path: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Read a table `video,label[,subset]`, of any kind that `table_rows` reads.

    Returns:
        Labels and subset of each video, in the order of the table. A blank label stands for none.

    Raises:
        DataError: The table is empty, lacks a column or contradicts itself; the row is named.
    """
    labels: dict[str, list[str]] = {}
    subsets: dict[str, str] = {}
    for line, row in table_rows(path, ("video", "label", "subset"), needed=("video", "label")):
        video, label, subset = row["video"], row["label"], row.get("subset", "")
        if fault := name_fault(video):
            raise DataError(
                f"{path}, line {line}: {video!r:.80} is not the name of a video",
                why=fault,
                next="correct the row",
                subject=video,
            )
        if subsets.setdefault(video, subset) != subset:
            raise DataError(
                f"{path}, line {line}: video {video} is in subset {subset!r} here and in {subsets[video]!r} above",
                next="a video is in one subset; correct the row",
                subject=video,
            )
        known = labels.setdefault(video, [])
        if label and label not in known:
            known.append(label)
    if not labels:
        raise DataError(
            f"{path} names no video",
            why="it has a heading and no rows",
            next="below `video,label,subset` write a row a label",
            subject=str(path),
        )
    return {video: tuple(found) for video, found in labels.items()}, subsets


def _pick_subset(names: set[str], wanted: str | None, order: tuple[str, ...], *, taken: str | None = None) -> str:
    """The subset meant: the preset's, else the first usual name there is that is not taken, however it is capitalised.

    Empty if that is unclear.
    """
    if wanted is not None and wanted in names:
        return wanted
    folded = {name.casefold(): name for name in sorted(names, reverse=True) if name != taken}
    found = next((folded[name] for name in order if name in folded), None)
    return found if found is not None else (next(iter(names)) if len(names) == 1 else "")


def _pick_subsets(
    names: set[str], typed: tuple[str | None, str | None], preset: Mapping[str, Any], subject: str
) -> tuple[str, str]:
    """The subsets to train on and to score.

    Raises:
        UsageError: One was typed that is not there, or none is known by its name.
    """
    known = listing(map(repr, sorted(names)), 10)
    for option, name in zip(("--train-subset", "--test-subset"), typed, strict=True):
        if name is not None and name not in names:
            raise UsageError(
                f"data set {subject} has no subset {name!r}", why=f"its subsets are {known}", next=f"{option} NAME"
            )
    train, test = typed
    if train is None:
        train = _pick_subset(names, preset.get("train_subset"), _TRAIN_NAMES)
    if test is None:
        test = _pick_subset(names, preset.get("test_subset"), _TEST_NAMES, taken=train)
    for option, name, what in (("--train-subset", train, "trained on"), ("--test-subset", test, "scored")):
        if name not in names:
            raise UsageError(
                f"it is not clear which subset of {subject} is {what}",
                why=f"its subsets are {known}; no name says plainly which is {what}",
                next=f"{option} NAME, or call them training and test in labels.csv",
            )
    return train, test


def dataset_presets() -> list[str]:
    """The names `--dataset` knows without a folder."""
    return [name for name in preset_names() if "data" in read_preset(name).tables]


def open_dataset(
    name_or_folder: str | Path,
    *,
    data_root: str | Path = "data",
    train_subset: str | None = None,
    test_subset: str | None = None,
) -> Dataset:
    """Open a data set by a preset's name or by its folder.

    Args:
        name_or_folder: `thumos14`, a folder laid out as this module says, or a reader from outside (docs/plugins.md),
            which is given the folder of its name below `data_root`.
        data_root: The folder in which presets look for their data: `<data_root>/<name>`.
        train_subset: Instead of the preset's, or of the first there is of training, train, validation, val.
        test_subset: Instead of the preset's, or of the first other one of test, testing, validation, val, dev, eval.

    Raises:
        UsageError: It is neither a preset nor a folder, or it is not clear which subset is which.
        DataError: It has neither labels nor annotations, or they are malformed.
    """
    presets = dataset_presets()
    preset: Mapping[str, Any] = {}
    folder = Path(name_or_folder)
    if str(name_or_folder) in presets:
        preset = read_preset(str(name_or_folder)).tables["data"]
        folder = Path(data_root) / preset.get("folder", str(name_or_folder))
    elif is_reader(str(name_or_folder)):
        return _opened_by_plugin(str(name_or_folder), data_root, (train_subset, test_subset))
    elif not folder.is_dir():
        raise UsageError(
            f"there is no data set {str(name_or_folder)!r}",
            why=f"it is neither a folder nor a known data set: {suggestion(str(name_or_folder), presets)}",
            next="thas list datasets; or name a folder with labels.csv and videos/",
            subject=str(name_or_folder),
        )
    note = str(preset.get("note", "")).format(folder=folder)
    annotations_path = _annotations_path(folder)
    table = folder / preset.get("labels", "labels.csv")
    if "labels" not in preset:
        table = find_table(folder, "labels") or table
    if table.exists():
        labels, subsets = read_labels(table)
        if "labels" in preset:
            labels, subsets = _with_annotated(labels, subsets, annotations_path, preset)
    elif annotations_path is not None and "labels" not in preset:
        labels, subsets = _labels_of_annotations(annotations_path, preset)
    else:
        raise DataError(
            f"data set {name_or_folder} has no labels",
            why=f"{folder} has neither {table.name} nor annotations"
            if "labels" not in preset
            else f"there is no {table}",
            next=note or f"write {folder}/labels.csv with the columns video,label,subset",
            subject=str(folder),
        )
    found = {label for known in labels.values() for label in known}
    remarks: list[str] = []
    listed = preset.get("classes", ())
    if "labels" not in preset:
        subsets, remarks = with_splits(subsets, read_splits(folder))
        listed = listed or read_classes(folder)
        remarks += [] if preset else unlisted_labels(found, listed)
    train, test = _pick_subsets(set(subsets.values()), (train_subset, test_subset), preset, str(name_or_folder))
    order = [label for label in listed if label in found]
    return Dataset(
        name=str(name_or_folder) if preset else folder.resolve().name,
        folder=folder,
        labels=labels,
        subsets=subsets,
        classes=(*order, *sorted(found - set(order))),
        train_subset=train,
        test_subset=test,
        annotations_path=annotations_path,
        ignore_label=preset.get("ignore_label", "Ambiguous"),
        bad_videos=preset.get("bad_videos", {}),
        note=note,
        labels_from_annotations=not table.exists(),
        remarks=tuple(remarks),
        expected=preset.get("expected", {}),
    )


def _opened_by_plugin(name: str, data_root: str | Path, typed: tuple[str | None, str | None]) -> Dataset:
    """A data set of a reader from outside, which gives a `Dataset`, or the labels and the subset of each video."""
    found, folder = read_by_plugin(name, data_root)
    if isinstance(found, Dataset):
        train, test = typed
        return replace(found, train_subset=train or found.train_subset, test_subset=test or found.test_subset)
    if not isinstance(found, tuple) or len(found) != 2 or not all(isinstance(one, Mapping) for one in found):
        raise not_a("reader of data sets", name, "it must give a Dataset, or labels and subsets by video")
    labels = {str(video): tuple(map(str, known)) for video, known in found[0].items()}
    subsets = {video: str(found[1].get(video, "")) for video in labels}
    train, test = _pick_subsets(set(subsets.values()), typed, {}, name)
    classes = tuple(sorted({label for known in labels.values() for label in known}))
    return Dataset(folder.name, folder, labels, subsets, classes, train, test, _annotations_path(folder))


def kept_name(dataset: str) -> str:
    """A data set as a run keeps it: by the name it is known by, or as a whole path."""
    return dataset if dataset in dataset_presets() or is_reader(dataset) else str(Path(dataset).resolve())


def _with_annotated(
    labels: dict[str, tuple[str, ...]], subsets: dict[str, str], annotations: Path | None, preset: Mapping[str, Any]
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """A preset's table of training labels, completed by the annotated videos of the subsets that it does not name."""
    subsets = {video: subset or preset["train_subset"] for video, subset in subsets.items()}
    if annotations is None:
        return labels, subsets
    more, theirs = _labels_of_annotations(annotations, preset)
    named = set(subsets.values())
    new = [video for video in more if theirs[video] not in named and video not in labels]
    return labels | {video: more[video] for video in new}, subsets | {video: theirs[video] for video in new}


def _annotations_path(folder: Path) -> Path | None:
    for name in ("annotations.json", "gt.json"):
        if (folder / name).exists():
            return folder / name
    table = find_table(folder, "annotations")
    for suffix in _TOOL_SUFFIXES:
        table = table or (path if (path := folder / f"annotations{suffix}").is_file() else None)
    table = table or (folder / "annotations" if (folder / "annotations").exists() else None)
    labels = None if table else find_table(folder, "labels")
    return labels if labels is not None and _has_times(labels) else table


def _has_times(labels: Path) -> bool:
    """Whether a table of labels says when each happens, too: true segments, which training does not read."""
    from ..eval.parsing import HEADINGS

    try:
        next(table_rows(labels, HEADINGS, needed=("video", "label", "start", "end")), None)
    except DataError as error:
        return "has no column" not in error.what and "with the columns" not in error.what
    return True


def _labels_of_annotations(path: Path, preset: Mapping[str, Any]) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Video-level labels, where a data set states them only by its annotated segments; their times are not used."""
    from ..eval.annotation_files import read_annotations

    annotations = read_annotations(
        path, classes=preset.get("classes"), ignore_label=preset.get("ignore_label", "Ambiguous")
    )
    # Tables of durations name more videos than were annotated; those have no labels to learn or to be scored by.
    annotated = {*annotations.segments.video, *annotations.ignored.video}
    for video in sorted(annotated):
        if fault := name_fault(video):
            raise DataError(
                f"{path}: {video!r:.80} is not the name of a video", why=fault, next="rename it", subject=video
            )
    labels = {video: known for video, known in sorted(annotations.video_labels().items()) if video in annotated}
    labels = dict(sorted((dict.fromkeys(annotated, ()) | labels).items()))
    return labels, {video: annotations.subsets.get(video, "") for video in labels}
