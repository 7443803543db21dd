"""Readers of the files that ground truth comes in, and of files of which it is not known whether they are that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import DataError, listing, plural
from ..core.segments import Segments
from ..core.spreadsheets import is_spreadsheet, read_sheet
from ..core.tables import is_table, opened, split_heading, table_rows
from ..eval.activitynet_files import AnnotationTable, read_activitynet
from ..eval.annotations import Annotations, joined
from ..eval.detections import ClassIds, read_detections
from ..eval.parsing import HEADINGS, interval, text_lines
from .events import NOTHING_SAID, ReadingOptions
from .forms import TOOL_SUFFIXES, files_in, form_of, read_file

_SUBSETS = {"val": "validation"}
_CLASS_FILE = re.compile(r"(?P<label>.+)_(?P<subset>[A-Za-z0-9]+)")


def read_csv(path: Path, *, classes: Sequence[str] | None, ignore_label: str) -> Annotations:
    """A table with the columns video, label, start_seconds, end_seconds and perhaps subset and duration_seconds.

    A row without an end is an instant, as all are of a table with the columns video, label, time_seconds.
    """
    try:
        return _read_csv(path, classes, ignore_label)
    except DataError as error:
        if "has no column" in error.what:
            error.next += (
                f"; or say what it calls them: thas convert {path} truth.json --columns video=NAME label=NAME ..."
            )
        raise


def _read_csv(path: Path, classes: Sequence[str] | None, ignore_label: str) -> Annotations:
    table = AnnotationTable(path, classes, ignore_label)
    start, end = ("time", "time") if _of_instants(path) else ("start", "end")
    timeless = 0
    for line, row in table_rows(path, HEADINGS, needed=("video", "label", start, end)):
        place = f"{path}, line {line}"
        if "score" in row:
            what = f"{path} has a column of scores, so it holds detections"
            raise table.fail(what, next="give the annotation file after --annotations")
        video = row["video"]
        if row.get("subset"):
            table.put_in(video, row["subset"], place=place)
        if row.get("duration"):
            table.lasts(video, row["duration"], place=place)
        if not row[start] and not row[end]:  # a label alone, as a table of labels has where nobody noted the time
            timeless += 1
            continue
        instant = start == end or not row[end]
        times = interval(row[start], row[start if instant else end], place=place)
        table.add(video, row["label"], *times, place=place, instant=instant)
    count = len(table.points)
    what = "row has no end and is an instant", "rows have no end and are instants"
    notes = [f"{path.name}: {plural(count, *what)}"] if count else []
    if timeless:
        notes.append(f"{path.name}: {plural(timeless, 'row has', 'rows have')} no times, and no segment")
    return table.annotations(notes)


def _of_instants(path: Path) -> bool:
    """Whether a table has times instead of starts and ends."""
    try:
        names = _columns(path, ("video", "label", "time"))
    except DataError:
        return False
    return bool(names & set(HEADINGS["time"])) and not names & set(HEADINGS["start"])


def _columns(path: Path, needed: Sequence[str]) -> set[str]:
    """What the columns of a table are called; of a spreadsheet those of the sheet that has the needed ones."""
    if is_spreadsheet(path):
        return set(read_sheet(path, HEADINGS, needed).names)
    with opened(path) as file:
        return set(split_heading(next((line for line in file if line.strip()), ""))[0])


def read_thumos_folder(path: Path, *, classes: Sequence[str] | None, ignore_label: str) -> Annotations:
    """A folder with a text file a class, `<Class>_<subset>.txt` with rows `video start end`, at any depth.

    detclasslist.txt (rows `id name`), if present, gives the classes and their order; `durations_<subset>.csv` in the
    folder or beside it, with the columns video and duration_seconds, gives the durations and names videos without
    segments.
    """
    if classes is None:
        classes = _class_list(path)
    table, used = AnnotationTable(path, classes, ignore_label), 0
    notes: list[str] = []
    for file in sorted(path.rglob("*_*.txt")):
        found = _CLASS_FILE.fullmatch(file.stem)
        label = found["label"] if found else ""
        if not found or (classes is not None and label not in {*classes, ignore_label}):
            notes.append(f"{file.name} was not read: it is not named after a class")
            continue
        used += 1
        subset = _SUBSETS.get(found["subset"], found["subset"])
        for i, line in text_lines(file):
            place, fields = f"{file}, line {i}", line.split()
            if len(fields) != 3:
                what = f"{place}: {len(fields)} fields instead of video, start, end"
                raise DataError(what, why=line.strip()[:80], next="correct the line", subject=str(file))
            table.put_in(fields[0], subset, place=place)
            table.add(fields[0], label, *interval(fields[1], fields[2], place=place), place=place)
    if not used:
        raise table.fail(
            f"{path} holds no annotations in THUMOS14's form",
            why=f"it holds {listing(sorted(item.name for item in path.iterdir())) or 'nothing'}",
            next="give a folder with files named <Class>_<subset>.txt, or a JSON or CSV file",
        )
    for file in sorted([*path.glob("durations_*.csv"), *path.parent.glob("durations_*.csv")]):
        subset = file.stem.removeprefix("durations_")
        for line, row in table_rows(file, HEADINGS, needed=("video", "duration")):
            place = f"{file}, line {line}"
            table.put_in(row["video"], _SUBSETS.get(subset, subset), place=place)
            table.lasts(row["video"], row["duration"], place=place)
    return table.annotations(notes)


def _class_list(path: Path) -> tuple[str, ...] | None:
    lists = sorted(path.rglob("detclasslist.txt"))
    return tuple(line.split()[-1] for _, line in text_lines(lists[0])) if lists else None


def read_annotations(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    ignore_label: str = "Ambiguous",
    options: ReadingOptions = NOTHING_SAID,
) -> Annotations:
    """Read ground truth, telling its form from the file itself.

    Args:
        path: ActivityNet JSON (`{"database": {video: {"subset", "duration", "annotations"}}}`), a CSV with the columns
            video, label, start_seconds, end_seconds and perhaps subset and duration_seconds, or a folder in THUMOS14's
            form: a text file `<Class>_<subset>.txt` for each class, at any depth, with rows `video start end`; a file
            of an annotation tool (docs/annotators.md), or a folder of such; or a data set's folder, which holds
            annotations.json.
        classes: All labels there can be; by default those found, or THUMOS14's detclasslist.txt.
        ignore_label: The label of segments that are neither right nor wrong.
        options: What the files of annotation tools do not say themselves.

    Raises:
        DataError: The file is missing, empty or malformed; the file and the row are named.
    """
    path = Path(path)
    if (path / "annotations.json").is_file():
        path = path / "annotations.json"  # a data set's folder
    if path.is_dir():
        if options.form is None and any(_CLASS_FILE.fullmatch(file.stem) for file in path.rglob("*_*.txt")):
            return read_thumos_folder(path, classes=classes, ignore_label=ignore_label)
        return _read_folder(path, classes, ignore_label, options)
    if not path.exists():
        next = "give a JSON file, a CSV file or a folder in THUMOS14's form"
        raise DataError(f"the annotations {path} do not exist", next=next, subject=str(path))
    own = is_table(path) and (options.columns or options.where or options.label)
    form = options.form or form_of(path) or ("table" if own else None)
    if form is not None or path.suffix.lower() in TOOL_SUFFIXES:  # of no form that is known, it says so
        return read_file(path, options, form=form, classes=classes, ignore_label=ignore_label)
    read = read_csv if is_table(path) else read_activitynet
    return read(path, classes=classes, ignore_label=ignore_label)


def _read_folder(path: Path, classes: Sequence[str] | None, ignore_label: str, options: ReadingOptions) -> Annotations:
    """All files of annotation tools in a folder, put together."""
    parts: list[Annotations] = []
    passed: list[str] = []
    for file in files_in(path):
        if options.form or form_of(file) or is_table(file):
            parts.append(read_annotations(file, classes=classes, ignore_label=ignore_label, options=options))
        else:
            passed.append(file.name)
    if not parts:
        return read_thumos_folder(path, classes=classes, ignore_label=ignore_label)  # which says what is missing
    note = [f"not read, since they are in no form that is known: {listing(passed)}"] if passed else []
    return joined(parts, str(path), note)


def read_any(
    path: str | Path, *, class_ids: ClassIds | None = None, options: ReadingOptions = NOTHING_SAID
) -> Segments | Annotations:
    """Detections or annotations, told apart by the content.

    Args:
        path: A file in any form, a folder of THUMOS14 text files, or a run folder with detections.json.
        class_ids: See `detections.read_detections`.
        options: What the files of annotation tools do not say themselves.

    Raises:
        DataError: Missing or malformed.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist", next="give a file or a folder", subject=str(path))
    if path.is_dir():
        found = path / "detections.json"
        return read_detections(found) if found.exists() else read_annotations(path, options=options)
    if options.form is not None or options.columns or form_of(path) is not None:
        return read_annotations(path, options=options)
    if is_table(path):
        scored = _columns(path, ("video", "label", "start", "end")) & set(HEADINGS["score"])
        return read_detections(path) if scored else read_annotations(path, options=options)
    with opened(path) as file:
        head = file.read(1 << 16)
    if head.lstrip()[:1] == "{":
        truth = _holds(path, "database") or ('"annotations"' in head and '"results"' not in head)
        return read_annotations(path, options=options) if truth else read_detections(path)
    return read_detections(path, class_ids=class_ids)


def _holds(path: Path, key: str) -> bool:
    """Whether a JSON object's text has the key; a whole parse would cost what reading it costs again."""
    with opened(path) as file:
        while chunk := file.read(1 << 20):
            if f'"{key}"' in chunk:
                return True
            if '"results"' in chunk:
                return False
    return False
