"""Readers of the files ground truth comes in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..annotators.events import NOTHING_SAID, ReadingOptions
from ..annotators.forms import TOOL_SUFFIXES, files_in, form_of, read_file
from ..core.errors import DataError, listing, plural, suggestion
from ..core.json_files import load_json
from ..core.segments import Segments
from ..core.spreadsheets import is_spreadsheet, read_sheet
from ..core.tables import is_table, opened, seconds, split_heading, table_rows
from .annotations import Annotations, joined
from .parsing import HEADINGS, interval, label_name, text_lines, two_times

_SUBSETS = {"val": "validation"}
_CLASS_FILE = re.compile(r"(?P<label>.+)_(?P<subset>[A-Za-z0-9]+)")


class _Table:
    """Rows as they are read; ambiguous ones go aside."""

    def __init__(self, path: Path, classes: Sequence[str] | None, ignore_label: str) -> None:
        self.path, self.given, self.ignore_label = path, classes, ignore_label
        self.rows: list[tuple[str, str, float, float]] = []
        self.ignored: list[tuple[str, str, float, float]] = []
        self.points: list[tuple[str, str, float, float]] = []
        self.durations: dict[str, float] = {}
        self.subsets: dict[str, str] = {}

    def add(self, video: str, label: str, start: float, end: float, *, place: str, instant: bool = False) -> None:
        if not (video and label):
            raise DataError(
                f"{place}: the {'label' if video else 'video'} is empty", next="correct the row", subject=str(self.path)
            )
        if label == self.ignore_label:
            self.ignored.append((video, label, start, end))
            return
        if self.given is not None and label not in self.given:
            raise DataError(
                f"{place}: the label {label!r} is not one of the classes",
                why=suggestion(label, self.given),
                next="correct the row, or the list of classes",
                subject=str(self.path),
            )
        (self.points if instant else self.rows).append((video, label, start, end))

    def put_in(self, video: str, subset: str, *, place: str) -> None:
        if self.subsets.setdefault(video, subset) != subset:
            raise DataError(
                f"{place}: the video {video} is in two subsets, {self.subsets[video]!r} and {subset!r}",
                next="keep it in one",
                subject=str(self.path),
            )

    def lasts(self, video: str, duration: Any, *, place: str) -> None:
        lasting = seconds(duration, place=place, name="duration")
        if lasting <= 0:
            raise DataError(
                f"{place}: a duration of {lasting:g} s",
                why="a video lasts longer than 0 s",
                next="correct it, or leave it out",
                subject=str(self.path),
            )
        self.durations[video] = lasting

    def annotations(self, notes: Sequence[str] = ()) -> Annotations:
        if not (self.rows or self.points or self.durations or self.subsets):
            raise DataError(f"{self.path} holds no annotations", next="give another file", subject=str(self.path))
        rows, aside, instants = (
            Segments(*(list(zip(*table, strict=True)) or [(), (), (), ()]))
            for table in (self.rows, self.ignored, self.points)
        )
        found = {*rows.label, *instants.label}
        classes = tuple(self.given) if self.given is not None else tuple(sorted(found))
        return Annotations(rows, classes, self.durations, self.subsets, aside, tuple(notes), instants)


def read_activitynet(path: Path, *, classes: Sequence[str] | None, ignore_label: str) -> Annotations:
    """ActivityNet's JSON: {"database": {video: {"subset", "duration"?, "annotations": [{"label", "segment"}]}}}."""
    content = load_json(path, next="give a JSON, CSV or THUMOS text file")
    if (
        isinstance(content, dict)
        and content
        and all(isinstance(one, dict) and "annotations" in one for one in content.values())
    ):
        content = {"database": content}  # without its wrapper
    if not isinstance(content, dict) or not isinstance(content.get("database"), dict):
        looks = "detections" if isinstance(content, dict) and "results" in content else "another JSON file"
        raise DataError(
            f"{path} is not ground truth in ActivityNet's form",
            why=f'it has no table "database"; it looks like {looks}',
            next="give the annotation file after --annotations",
            subject=str(path),
        )
    table = _Table(path, classes, ignore_label)
    for video, entry in content["database"].items():
        place = f"{path}, video {video}"
        if not isinstance(entry, dict) or not isinstance(entry.get("annotations", []), list):
            raise DataError(
                f"{place}: not a table with a list of annotations",
                next='give {"subset": NAME, "annotations": [{"label": NAME, "segment": [START, END]}]}',
                subject=str(path),
            )
        if entry.get("subset") is not None:
            table.put_in(video, str(entry["subset"]), place=place)
        if entry.get("duration") is not None:
            table.lasts(video, entry["duration"], place=place)
        elif entry.get("subset") is None:
            table.put_in(video, "all", place=place)
        for i, row in enumerate(entry.get("annotations", [])):
            where = f"{place}, annotation {i}"
            try:
                label, (start, end) = label_name(row["label"]), two_times(row["segment"])
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(
                    f"{where} is not a segment",
                    why=f"{type(error).__name__}: {error} in {str(row)[:80]}",
                    next='a row is {"label": NAME, "segment": [START, END]}',
                    subject=str(path),
                ) from None
            table.add(video, label, *interval(start, end, place=where), place=where)
        points = entry.get("points", [])
        for i, row in enumerate(points if isinstance(points, list) else []):
            where = f"{place}, point {i}"
            try:
                label, time = label_name(row["label"]), row["time"]
            except (KeyError, TypeError) as error:
                raise DataError(
                    f"{where} is not a point",
                    why=str(error),
                    next='a point is {"label": NAME, "time": SECONDS}',
                    subject=str(path),
                ) from None
            table.add(video, label, *interval(time, time, place=where), place=where, instant=True)
    return table.annotations()


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
    table = _Table(path, classes, ignore_label)
    start, end = ("time", "time") if _of_instants(path) else ("start", "end")
    timeless = 0
    for line, row in table_rows(path, HEADINGS, needed=("video", "label", start, end)):
        place = f"{path}, line {line}"
        if "score" in row:
            raise DataError(
                f"{path} has a column of scores, so it holds detections",
                next="give the annotation file after --annotations",
                subject=str(path),
            )
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
    if is_spreadsheet(path):
        try:
            return "start_seconds" not in read_sheet(path, HEADINGS, ("video", "label", "time")).names
        except DataError:
            return False
    with opened(path) as file:
        names = set(split_heading(next((line for line in file if line.strip()), ""))[0])
    return bool(names & set(HEADINGS["time"])) and not names & set(HEADINGS["start"])


def read_thumos_folder(path: Path, *, classes: Sequence[str] | None, ignore_label: str) -> Annotations:
    """A folder with a text file a class, `<Class>_<subset>.txt` with rows `video start end`, at any depth.

    detclasslist.txt (rows `id name`), if present, gives the classes and their order; `durations_<subset>.csv` in the
    folder or beside it, with the columns video and duration_seconds, gives the durations and names videos without
    segments.
    """
    if classes is None:
        classes = _class_list(path)
    table, notes, used = _Table(path, classes, ignore_label), [], 0
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
                raise DataError(
                    f"{place}: {len(fields)} fields instead of video, start, end",
                    why=line.strip()[:80],
                    next="correct the line",
                    subject=str(file),
                )
            table.put_in(fields[0], subset, place=place)
            table.add(fields[0], label, *interval(fields[1], fields[2], place=place), place=place)
    if not used:
        raise DataError(
            f"{path} holds no annotations in THUMOS14's form",
            why=f"it holds {listing(sorted(item.name for item in path.iterdir())) or 'nothing'}",
            next="give a folder with files named <Class>_<subset>.txt, or a JSON or CSV file",
            subject=str(path),
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
        raise DataError(
            f"the annotations {path} do not exist",
            next="give a JSON file, a CSV file or a folder in THUMOS14's form",
            subject=str(path),
        )
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
