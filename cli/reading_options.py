"""What is typed about files that do not say everything themselves: rates, names, lengths; and how videos are split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ..annotators.events import ReadingOptions
from ..core.errors import DataError, UsageError, suggestion
from ..core.tables import is_table, number, seconds, table_rows
from ..eval.annotations import Annotations
from ..eval.parsing import HEADINGS
from .options import options

_COLUMNS = ("video", "label", "start", "end", "time", "ranges")


def _pairs(option: str, texts: Sequence[str], form: str) -> list[tuple[str, str]]:
    """NAME=VALUE, as often as typed."""
    found: list[tuple[str, str]] = []
    for text in texts:
        name, mark, value = text.partition("=")
        if not (mark and name and value):
            raise UsageError(f"{option} {text!r} is not of the form {form}", next=f"give {option} {form}")
        found.append((name, value))
    return found


def grouped(option: str, texts: Sequence[str], form: str) -> dict[str, tuple[str, ...]]:
    """NAME=VALUE with one name several times: all its values."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in _pairs(option, texts, form):
        found[name] = (*found.get(name, ()), value)
    return found


def column_names(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`--columns video=ID label=type`."""
    found = grouped("--columns", texts, "video=NAME")
    for name in found:
        if name not in _COLUMNS:
            raise UsageError(
                f"--columns {name}= names nothing that is read",
                why=suggestion(name, _COLUMNS),
                next="give --columns video=NAME label=NAME start=NAME end=NAME",
            )
    return {name: tuple(one.strip().lower() for one in values) for name, values in found.items()}


def lengths(texts: Sequence[str]) -> dict[str, float]:
    """`--seconds NAME=SECONDS`, a folder of videos, or a table with the columns video and duration_seconds."""
    found: dict[str, float] = {}
    for text in texts:
        path = Path(text)
        if path.is_dir():
            from ..datasets.check import read_duration
            from ..features.video_files import find_videos

            for file in find_videos(path)[0]:
                if file.is_file():
                    found[file.stem] = read_duration(file)
        elif is_table(path):
            for line, row in table_rows(path, HEADINGS, needed=("video", "duration")):
                found[row["video"]] = seconds(row["duration"], place=f"{path}, line {line}", name="duration")
        else:
            ((name, value),) = _pairs("--seconds", [text], "NAME=SECONDS")
            found[name] = _number("--seconds", value, above=0.0)
    return found


def _number(option: str, text: str, *, above: float) -> float:
    try:
        value = number(text, place=option, name="number")
    except DataError as error:
        raise UsageError(f"{option} {text!r} is no number", next=error.next) from None
    if not value > above:
        raise UsageError(f"{option} must be above {above:g}, not {text}", next=f"give another {option}")
    return value


@options
class Said:
    """What the source does not say itself."""

    from_: Annotated[str | None, Parameter(name="--from")] = None
    """The form of the source, where its content does not tell."""
    fps: float | None = None
    """Frames a second: of annotations that count frames; and of the videos, for CVAT, Label Studio (24 unless given, as
    its Video tag then says) and BORIS."""
    video: str | None = None
    """The video's name, where annotations do not say it; {file} stands for the file's own name."""
    label: list[str] | None = None
    """What the label is made of: a field of the form, such as tier, or several."""
    where: list[str] | None = None
    """Only annotations with this field and value, as tier=Hands or subject=mouse1; of one field several values."""
    leave_out: list[str] | None = None
    """Labels that are none, such as SIL or background."""
    seconds: list[str] | None = None
    """How long videos last, where several share one clock: NAME=SECONDS, a folder of the videos, or a table with the
    columns video,duration_seconds."""
    offset: float = 0.0
    """Seconds to add to every time of the annotations."""
    columns: list[str] | None = None
    """How a table of your own calls its columns: video=ID label=type start=from end=to."""
    skip_unpaired: bool = False
    """Leave out states that have no start or no stop."""
    class_ids: Literal["official", "positions"] | None = None
    """What class numbers in a THUMOS14 text file mean, if they can mean two things."""

    def options(self) -> ReadingOptions:
        """The same as the readers take it."""
        return ReadingOptions(
            form=self.from_,
            fps=self.fps,
            video=self.video,
            label=tuple(self.label or ()),
            where=grouped("--where", self.where or (), "FIELD=VALUE"),
            leave_out=tuple(self.leave_out or ()),
            seconds=lengths(self.seconds or ()),
            offset=self.offset,
            columns=column_names(self.columns or ()),
            skip_unpaired=self.skip_unpaired,
        )


def with_split(table: Annotations, shares: Sequence[str], by: str | None, seed: int) -> Annotations:
    """Annotations whose videos are put in subsets, as `--split` says.

    Args:
        table: The annotations.
        shares: `test=0.2` (the rest is training), or all subsets with their shares.
        by: A regular expression that finds in a video's name what must stay together, such as its person; or a table
            with the columns video and subject.
        seed: Of the draws.
    """
    from dataclasses import replace

    from ..eval.splits import split

    parts = {name: _number("--split", value, above=0.0) for name, value in _pairs("--split", shares, "test=0.2")}
    if len(parts) == 1 and "training" not in parts:
        ((name, share),) = parts.items()
        if not share < 1:
            raise UsageError(f"--split {name}={share:g} leaves nothing to train on", next=f"give --split {name}=0.2")
        parts = {"training": 1 - share, name: share}
    labels = table.video_labels()
    return replace(table, subsets=split(labels, parts, groups=_groups(labels, by), seed=seed))


def _groups(videos: Sequence[str] | dict[str, tuple[str, ...]], by: str | None) -> dict[str, str] | None:
    if by is None:
        return None
    if is_table(Path(by)):
        rows = table_rows(
            Path(by), {"video": (*HEADINGS["video"], "id"), "subject": ("subject", "person", "participant", "group")}
        )
        known = {row["video"]: row["subject"] for _, row in rows}
        missing = [video for video in videos if video not in known]
        if missing:
            raise DataError(f"{by} does not name the video {missing[0]}", next="add its row", subject=by)
        return {video: known[video] for video in videos}
    try:
        pattern = re.compile(by)
    except re.error as error:
        raise UsageError(
            f"--split-by {by!r} is no regular expression", why=str(error), next="give for instance --split-by 'P[0-9]+'"
        ) from None
    found: dict[str, str] = {}
    for video in videos:
        match = pattern.search(video)
        if match is None:
            raise UsageError(
                f"--split-by {by!r} finds nothing in the video's name {video!r}",
                why="each video must be told to belong to someone",
                next="give an expression that fits all names, or a table with the columns video,subject",
            )
        found[video] = match.group(1) if pattern.groups and match.group(1) is not None else match.group()
    return found
