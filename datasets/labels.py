"""The labels and the subset of each video of a folder: from its table, or from what its annotations name.

Or from lists that data sets bring beside their features: a video a line, as BaS-Net's and CoLA's copies of THUMOS14
have (`split_train.txt`, `split_test.txt`, `gt.json`), and classes, as the folders of frame-wise action segmentation do
(`mapping.txt`, a number and a class a line).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.errors import DataError, counted
from ..core.file_names import name_fault
from ..core.near_names import label_sentence, near_names, told
from ..core.tables import find_table, opened, table_rows
from .data_preset import DataPreset
from .dataset import TOOL_SUFFIXES

Labels = tuple[dict[str, tuple[str, ...]], dict[str, str]]
"""Of each video its labels, and its subset."""


def read_labels(path: Path) -> Labels:
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
                next=f"write {plain} there" if (plain := re.split(r"[/\\]", video)[-1]) else "correct the row",
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


def with_annotated(
    labels: dict[str, tuple[str, ...]], subsets: dict[str, str], annotations: Path | None, preset: DataPreset
) -> Labels:
    """A preset's table of training labels, completed by the annotated videos of the subsets that it does not name."""
    subsets = {video: subset or preset.train_subset or "" for video, subset in subsets.items()}
    if annotations is None:
        return labels, subsets
    more, theirs = labels_of_annotations(annotations, preset)
    named = set(subsets.values())
    new = [video for video in more if theirs[video] not in named and video not in labels]
    return labels | {video: more[video] for video in new}, subsets | {video: theirs[video] for video in new}


def annotations_path(folder: Path) -> Path | None:
    """Where a folder's true segments are; None if nowhere."""
    for name in ("annotations.json", "gt.json"):
        if (folder / name).exists():
            return folder / name
    table = find_table(folder, "annotations")
    for suffix in TOOL_SUFFIXES:
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


def labels_of_annotations(path: Path, preset: DataPreset) -> Labels:
    """Video-level labels, where a data set states them only by its annotated segments; their times are not used."""
    from ..annotators.annotation_files import read_annotations

    annotations = read_annotations(path, classes=preset.classes or None, ignore_label=preset.ignore_label)
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


_CLASS_LISTS = ("classes.txt", "classlist.txt", "class_list.txt", "detclasslist.txt", "mapping.txt")
_NUMBERED = re.compile(r"\d+[\s,;:]+(?=\S)")


def _lines(path: Path) -> list[str]:
    with opened(path) as file:
        return [line.strip() for line in file if line.strip() and not line.lstrip().startswith("#")]


def read_splits(folder: Path) -> dict[str, str]:
    """The subset of each video by the files `split_<subset>.txt` of a folder; empty if there are none.

    Raises:
        DataError: A video is in two of them.
    """
    subsets: dict[str, str] = {}
    for path in sorted(folder.glob("split_*.txt")):
        subset = path.stem.removeprefix("split_")
        for line in _lines(path):
            video = re.split(r"[,;\t]", line)[0].strip()
            if subsets.setdefault(video, subset) != subset:
                raise DataError(
                    f"video {video} is in split_{subsets[video]}.txt and in {path.name}",
                    why="a video is in one subset",
                    next="of several ways to split, keep the lists of one",
                    subject=video,
                )
    return subsets


def read_classes(folder: Path) -> tuple[str, ...]:
    """The classes in the order of a folder's list of them, each perhaps behind its number; empty if there is none."""
    for name in _CLASS_LISTS:
        path = folder / name
        if path.exists():
            return tuple(dict.fromkeys(_NUMBERED.sub("", line, count=1) for line in _lines(path)))
    return ()


def with_splits(subsets: Mapping[str, str], splits: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The subset of each video by the lists, and what does not fit, a sentence each.

    `subsets` by tables or annotations give way to the lists, `splits`. Names that differ in writing alone are taken for
    the same video.
    """
    if not splits:
        return dict(subsets), []
    near = near_names(splits, subsets)
    listed = {near.get(video, video): subset for video, subset in splits.items()}
    found = {video: listed.get(video, "") for video in subsets}
    sentences: list[str] = []
    if near:
        what = "listed video is called otherwise", "listed videos are called otherwise"
        sentences.append(counted(near, *what) + told(near))
    unlabelled = sorted(set(listed) - set(subsets))
    if unlabelled:
        what = "video of split_*.txt has no label, left out", "videos of split_*.txt have no label, left out"
        sentences.append(counted(unlabelled, *what))
    unlisted = sorted(video for video, subset in found.items() if not subset)
    if unlisted:
        what = "labelled video is in no split_*.txt", "labelled videos are in no split_*.txt"
        sentences.append(counted(unlisted, *what))
    return found, sentences


def unlisted_labels(found: Iterable[str], classes: Iterable[str]) -> list[str]:
    """A sentence about labels that the list of classes lacks; none if there is no list."""
    classes = list(classes)
    strange = sorted(set(found) - set(classes)) if classes else []
    if not strange:
        return []
    what = "label is not in the list of classes", "labels are not in the list of classes"
    return [counted(strange, *what) + label_sentence(strange, classes)]
