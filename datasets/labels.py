"""The labels and the subset of each video of a folder: from its table, or from what its annotations name."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import DataError
from ..core.file_names import name_fault
from ..core.tables import find_table, table_rows
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
