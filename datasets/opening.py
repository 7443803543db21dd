"""Opening a data set: by the name of a preset, by its folder, or by a reader from outside, and its files."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from ..core.errors import DataError, Failure, UsageError, listing, suggestion
from ..core.plugins import is_reader, not_a, read_by_plugin
from ..core.tables import find_table, tables_in
from .data_preset import DataPreset, data_preset, dataset_presets
from .dataset import Dataset
from .labels import (
    annotations_path,
    labels_of_annotations,
    read_classes,
    read_labels,
    read_splits,
    unlisted_labels,
    with_annotated,
    with_splits,
)

_TRAIN_NAMES = ("training", "train", "validation", "val")
_TEST_NAMES = ("test", "testing", "validation", "val", "valid", "dev", "development", "eval", "evaluation")


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
    preset, published = DataPreset(), str(name_or_folder) in presets
    folder = Path(name_or_folder)
    if published:
        preset = data_preset(str(name_or_folder))
        folder = Path(data_root) / (preset.folder or str(name_or_folder))
    elif is_reader(str(name_or_folder)):
        return _opened_by_plugin(str(name_or_folder), data_root, (train_subset, test_subset))
    elif not folder.is_dir():
        raise UsageError(
            f"there is no data set {str(name_or_folder)!r}",
            why=f"it is neither a folder nor a known data set: {suggestion(str(name_or_folder), presets)}",
            next="thas list datasets; or name a folder with labels.csv and videos/",
            subject=str(name_or_folder),
        )
    note = preset.note.format(folder=folder)
    annotated = annotations_path(folder)
    table = folder / (preset.labels or "labels.csv")
    if not preset.labels:
        table = find_table(folder, "labels") or table
    if table.exists():
        labels, subsets = read_labels(table)
        if preset.labels:
            labels, subsets = with_annotated(labels, subsets, annotated, preset)
    elif annotated is not None and not preset.labels:
        labels, subsets = labels_of_annotations(annotated, preset)
    else:
        other = next((path for path in tables_in(folder) if not path.name.startswith(("~", ".", "intervals."))), None)
        raise DataError(
            f"data set {name_or_folder} has no labels",
            why=f"{folder} has neither {table.name} nor annotations" if not preset.labels else f"there is no {table}",
            next=note
            or (_renamed(other) if other else f"write {folder}/labels.csv with the columns video,label,subset"),
            subject=str(folder),
        )
    found = {label for known in labels.values() for label in known}
    remarks: list[str] = []
    listed = preset.classes
    if not preset.labels:
        subsets, remarks = with_splits(subsets, read_splits(folder))
        listed = listed or read_classes(folder)
        remarks += [] if published else unlisted_labels(found, listed)
    train, test = _pick_subsets(set(subsets.values()), (train_subset, test_subset), preset, str(name_or_folder))
    order = [label for label in listed if label in found]
    return Dataset(
        name=str(name_or_folder) if published else folder.resolve().name,
        folder=folder,
        labels=labels,
        subsets=subsets,
        classes=(*order, *sorted(found - set(order))),
        train_subset=train,
        test_subset=test,
        annotations_path=annotated,
        ignore_label=preset.ignore_label,
        bad_videos=preset.bad_videos,
        note=note,
        labels_from_annotations=not table.exists(),
        remarks=tuple(remarks),
        expected=preset.expected,
    )


def _renamed(table: Path) -> str:
    move = f"mv {shlex.quote(str(table))} {shlex.quote(str(table.with_name('labels' + table.suffix)))}"
    return f"if {table.name} is the table of labels: {move}"


def _opened_by_plugin(name: str, data_root: str | Path, typed: tuple[str | None, str | None]) -> Dataset:
    """A data set of a reader from outside, which gives a `Dataset`, or the labels and the subset of each video."""
    found, folder = read_by_plugin(name, data_root)
    if isinstance(found, Dataset):
        train, test = typed
        return replace(found, train_subset=train or found.train_subset, test_subset=test or found.test_subset)
    both = cast("tuple[object, ...]", found) if isinstance(found, tuple) else ()
    if len(both) != 2 or not all(isinstance(one, Mapping) for one in both):
        raise not_a("reader of data sets", name, "it must give a Dataset, or labels and subsets by video")
    told, where = cast("tuple[Mapping[str, Iterable[object]], Mapping[str, object]]", both)
    labels = {str(video): tuple(map(str, known)) for video, known in told.items()}
    subsets = {video: str(where.get(video, "")) for video in labels}
    train, test = _pick_subsets(set(subsets.values()), typed, DataPreset(), name)
    classes = tuple(sorted({label for known in labels.values() for label in known}))
    return Dataset(folder.name, folder, labels, subsets, classes, train, test, annotations_path(folder))


def kept_name(dataset: str) -> str:
    """A data set as a run keeps it: by the name it is known by, or as a whole path."""
    return dataset if dataset in dataset_presets() or is_reader(dataset) else str(Path(dataset).resolve())


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
    names: set[str], typed: tuple[str | None, str | None], preset: DataPreset, subject: str
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
        train = _pick_subset(names, preset.train_subset, _TRAIN_NAMES)
    if test is None:
        test = _pick_subset(names, preset.test_subset, _TEST_NAMES, taken=train)
    for option, name, what in (("--train-subset", train, "trained on"), ("--test-subset", test, "scored")):
        if name not in names:
            raise UsageError(
                f"it is not clear which subset of {subject} is {what}",
                why=f"its subsets are {known}; no name says plainly which is {what}",
                next=f"{option} NAME, or call them training and test in labels.csv",
            )
    return train, test


def present_videos(dataset: Dataset, videos: Sequence[str]) -> tuple[dict[str, Path], list[Failure]]:
    """The files of a data set's videos, and those videos that have none.

    Raises:
        DataError: Not one has a file.
    """
    files: dict[str, Path] = {}
    missing: list[Failure] = []
    first: DataError | None = None
    for video in videos:
        try:
            files[video] = dataset.video_path(video)
        except DataError as error:
            first = first or error
            missing.append(Failure(video, "find", error.why or error.what))
    if not files and first is not None:
        raise first
    return files, missing
