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

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import DataError, UsageError, counted, listing, plural
from ..core.near_names import label_sentence, near_names, told
from ..core.tables import find_table
from ..features.video_files import VIDEO_SUFFIXES, find_videos

if TYPE_CHECKING:
    from ..core.segments import Segments
    from ..eval.annotations import Annotations

TOOL_SUFFIXES = (".eaf", ".boris", ".xml", ".anvil", ".annot", ".tsv")  # of annotation tools


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
    bad_videos: Mapping[str, str] = field(default_factory=dict[str, str])
    note: str = ""
    labels_from_annotations: bool = False
    remarks: tuple[str, ...] = ()
    """What does not fit between the table, `split_*.txt` and the list of classes."""
    expected: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    """For each subset the numbers of `videos` and `segments` it is published with, where known."""

    def _repr_html_(self) -> str:
        """What a notebook shows: how many videos each class has in each subset."""
        from ..core.table_text import table_html

        subsets = sorted(set(self.subsets.values()))
        rows = [[label, *(str(own[name]) for name in subsets)] for label, own in self.class_videos().items()]
        note = f"{self.name}: {plural(len(self.videos), 'video')}, {plural(len(self.classes), 'class', 'classes')}"
        return table_html(["videos of", *(name or "all" for name in subsets)], rows, note=note)

    def class_videos(self) -> dict[str, Counter[str]]:
        """For each class how many videos it has in each subset."""
        counts = {label: Counter[str]() for label in self.classes}
        for video, labels in self.labels.items():
            for label in labels:
                counts[label][self.subsets[video]] += 1
        return counts

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
        files = next((self.video_files[name] for name in names if name in self.video_files), list[Path]())
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

    def mismatches(self, found: Annotations) -> list[str]:
        """Where annotations and the table do not meet: labels that it lacks, videos that are called nearly as its own.

        Training learns the table's labels: a segment of another one can never be found.
        """
        if self.labels_from_annotations:
            return []
        sentences: list[str] = []
        inside = found.only(set(self.labels)).segments
        strange = sorted(set(inside.label) - set(self.classes))
        if strange:
            one = "label of the annotations is not in the table, so that its segments cannot be found"
            many = "labels of the annotations are not in the table, so that their segments cannot be found"
            sentences.append(counted(strange, one, many) + label_sentence(strange, self.classes))
        near = near_names([video for video in found.videos if video not in self.labels], self.labels)
        if near:
            one = "video of the annotations is no video of the table"
            many = "videos of the annotations are no videos of the table"
            sentences.append(counted(near, one, many) + told(near))
        return sentences

    @property
    def points_path(self) -> Path | None:
        """Where clicks on actions are, for training: points.csv, or a file of an annotation tool; None if nowhere."""
        table = find_table(self.folder, "points")
        others = (self.folder / f"points{suffix}" for suffix in TOOL_SUFFIXES)
        return table or next((path for path in others if path.is_file()), None)

    def points(self) -> Segments:
        """The clicks, each a row that ends where it starts; of videos outside the table, too.

        Raises:
            DataError: There are none, or one has a label that the table lacks.
        """
        from ..annotators.annotation_files import read_annotations

        path = self.points_path
        if path is None:
            raise DataError(f"data set {self.name} has no points", next=f"write {self.folder}/points.csv")
        found, failed = read_annotations(path).points, partial(DataError, subject=str(path))
        if not len(found):
            why, next = "a point has a time and no length", "video,label,time_seconds"
            raise failed(f"{path} holds no points", why=why, next=next)
        strange = sorted(set(found.label) - set(self.classes))
        if strange:
            what = counted(strange, f"label of {path} is not in the table", f"labels of {path} are not in the table")
            why = label_sentence(strange, self.classes).removeprefix("; ")
            raise failed(what, why=why, next="correct the points, or labels.csv")
        if not set(found.video) & set(self.labels):
            why = told(near_names(found.by_video(), self.labels)).removeprefix("; ")
            raise failed(
                f"{path} holds no point of a video of the table", why=why, next="call videos as the table does"
            )
        return found

    def durations(self) -> dict[str, float]:
        """Seconds of each video by its annotations; empty where there are none, or they do not say."""
        if self.annotations_path is None:
            return {}
        from ..annotators.annotation_files import read_annotations

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
                why=f"neither annotations.json, .csv or .xlsx nor annotations/ is in {self.folder}",
                next="add true segments to score detections, or look at them: thas report",
            )
        from ..annotators.annotation_files import read_annotations

        found = read_annotations(self.annotations_path, ignore_label=self.ignore_label)
        found = replace(found, notes=(*found.notes, *self.mismatches(found)))
        # A class that is only learned, as 81 of THUMOS14's 101 are, may be detected; it has no truth to be scored by.
        found = replace(found, classes=tuple(dict.fromkeys((*found.classes, *self.classes))))
        return found.only(set(self.labels if subset is None else self.videos_of(subset)))
