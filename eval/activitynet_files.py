"""Ground truth in ActivityNet's JSON, with its wrapper or without.

Here and in other files each row is checked while it is read, and named by its place where something is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from ..core.errors import DataError, suggestion
from ..core.json_files import load_json
from ..core.segments import Segments
from ..core.tables import seconds
from .annotations import Annotations
from .parsing import interval, label_name, two_times, wrong_row


class AnnotationTable:
    """Rows of a file as they are read; ambiguous ones go aside. Without `classes` there are those found."""

    def __init__(self, path: Path, classes: Sequence[str] | None, ignore_label: str) -> None:
        self.path, self.given, self.ignore_label = path, classes, ignore_label
        self.rows: list[tuple[str, str, float, float]] = []
        self.ignored: list[tuple[str, str, float, float]] = []
        self.points: list[tuple[str, str, float, float]] = []
        self.durations: dict[str, float] = {}
        self.subsets: dict[str, str] = {}

    def fail(self, what: str, *, why: str = "", next: str = "correct the row") -> DataError:
        """An error about this file."""
        return DataError(what, why=why, next=next, subject=str(self.path))

    def add(self, video: str, label: str, start: float, end: float, *, place: str, instant: bool = False) -> None:
        """One more row, or instant."""
        if not (video and label):
            raise self.fail(f"{place}: the {'label' if video else 'video'} is empty")
        if label == self.ignore_label:
            self.ignored.append((video, label, start, end))
            return
        if self.given is not None and label not in self.given:
            what, next = f"{place}: the label {label!r} is not one of the classes", "correct it, or the list of classes"
            raise self.fail(what, why=suggestion(label, self.given), next=next)
        (self.points if instant else self.rows).append((video, label, start, end))

    def put_in(self, video: str, subset: str, *, place: str) -> None:
        """The subset of a video; it has one."""
        if self.subsets.setdefault(video, subset) != subset:
            what = f"{place}: the video {video} is in two subsets, {self.subsets[video]!r} and {subset!r}"
            raise self.fail(what, next="keep it in one")

    def lasts(self, video: str, duration: object, *, place: str) -> None:
        """The length of a video."""
        lasting = seconds(duration, place=place, name="duration")
        if lasting <= 0:
            what, why = f"{place}: a duration of {lasting:g} s", "a video lasts longer than 0 s"
            raise self.fail(what, why=why, next="correct it, or leave it out")
        self.durations[video] = lasting

    def annotations(self, notes: Sequence[str] = (), *, may_be_empty: bool = False) -> Annotations:
        """What was read.

        Raises:
            DataError: Nothing was, and that may not be.
        """
        if not (may_be_empty or self.rows or self.points or self.durations or self.subsets):
            raise self.fail(f"{self.path} holds no annotations", next="give another file")
        rows, aside, instants = (
            Segments(*(list(zip(*table, strict=True)) or [(), (), (), ()]))
            for table in (self.rows, self.ignored, self.points)
        )
        found = {*rows.label, *instants.label}
        classes = tuple(self.given) if self.given is not None else tuple(sorted(found))
        return Annotations(rows, classes, self.durations, self.subsets, aside, tuple(notes), instants)


def read_activitynet(path: Path, *, classes: Sequence[str] | None, ignore_label: str) -> Annotations:
    """{"database": {video: {"subset"?, "duration"?, "annotations": [{"label", "segment"}], "points"?}}}.

    Instants, which the form itself does not know, are rows {"label", "time"} of "points".

    Raises:
        DataError: It is another file, or a row is malformed; the row is named.
    """
    loaded: object = load_json(path, next="give a JSON, CSV or THUMOS text file")
    content = cast("dict[str, object]", loaded) if isinstance(loaded, dict) else {}
    if content and all(isinstance(one, dict) and "annotations" in one for one in content.values()):
        content = {"database": content}  # without its wrapper
    table = AnnotationTable(path, classes, ignore_label)
    database = content.get("database")
    if not isinstance(database, dict):
        looks = "detections" if "results" in content else "another JSON file"
        raise table.fail(
            f"{path} is not ground truth in ActivityNet's form",
            why=f'it has no table "database"; it looks like {looks}',
            next="give the annotation file after --annotations",
        )
    for video, entry in cast("dict[str, object]", database).items():
        place = f"{path}, video {video}"
        if not isinstance(entry, dict) or not isinstance(entry.get("annotations", []), list):  # pyright: ignore[reportUnknownMemberType]
            next_ = 'give {"subset": NAME, "annotations": [{"label": NAME, "segment": [START, END]}]}'
            raise table.fail(f"{place}: not a table with a list of annotations", next=next_)
        _add_video(table, video, cast("dict[str, object]", entry), place)
    return table.annotations()


def _add_video(table: AnnotationTable, video: str, entry: dict[str, object], place: str) -> None:
    if entry.get("subset") is not None:
        table.put_in(video, str(entry["subset"]), place=place)
    if entry.get("duration") is not None:
        table.lasts(video, entry["duration"], place=place)
    elif entry.get("subset") is None:
        table.put_in(video, "all", place=place)
    for i, row in enumerate(_rows(entry, "annotations")):
        where = f"{place}, annotation {i}"
        try:
            label, (start, end) = label_name(row["label"]), two_times(row["segment"])
        except (KeyError, TypeError, ValueError) as error:
            why, form = wrong_row(error, row), 'a row is {"label": NAME, "segment": [START, END]}'
            raise table.fail(f"{where} is not a segment", why=why, next=form) from None
        table.add(video, label, *interval(start, end, place=where), place=where)
    for i, row in enumerate(_rows(entry, "points")):
        where = f"{place}, point {i}"
        try:
            label, time = label_name(row["label"]), row["time"]
        except (KeyError, TypeError) as error:
            why, form = wrong_row(error, row), 'a row is {"label": NAME, "time": SECONDS}'
            raise table.fail(f"{where} is not a point", why=why, next=form) from None
        table.add(video, label, *interval(time, time, place=where), place=where, instant=True)


def _rows(entry: dict[str, object], name: str) -> list[dict[str, object]]:
    found = entry.get(name)
    return cast("list[dict[str, object]]", found) if isinstance(found, list) else []
