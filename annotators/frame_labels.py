"""A label for every frame: tables of 0 and 1 (DeepEthogram), a line a frame (Breakfast), ranges of frames (JIGSAWS).

None of them holds the frame rate; where the data set is published with one, that is taken and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from ..core.tables import whole
from .events import Found, ReadingOptions
from .texts import csv_rows, text_of

LABEL = ("label",)
BREAKFAST_FPS = 15.0
JIGSAWS_FPS = 30.0
_RANGE = re.compile(r"(\d+)(?:-|\s+)(\d+)\s+(\S.*)")


def is_deepethogram(head: str) -> bool:
    """Whether a text begins as DeepEthogram's tables: a nameless column, and one called background."""
    names = [name.strip().lower() for name in head.split("\n", 1)[0].split(",")]
    return names[:1] == [""] and "background" in names


def is_line_a_frame(head: str) -> bool:
    """Whether a text is one word a line, most of them as the line before."""
    lines = [line.strip() for line in head.split("\n")[:-1]][:2000]
    words = [line for line in lines if line]
    runs = sum(1 for _ in groupby(words))
    return len(words) >= 10 and all(len(line.split()) == 1 for line in words) and runs * 3 <= len(words)


def ranges_of(head: str) -> bool:
    """Whether every line of a text is two whole numbers and a label."""
    lines = [line for line in head.split("\n")[:-1] if line.strip()]
    return bool(lines) and all(_RANGE.fullmatch(line.strip()) for line in lines)


def is_jigsaws(head: str) -> bool:
    """Whether a text is ranges of gestures called G1 to G15."""
    return ranges_of(head) and all(
        re.fullmatch(r".*\sG\d+", line.strip()) for line in head.split("\n")[:-1] if line.strip()
    )


def read_deepethogram(path: Path, options: ReadingOptions) -> Found:
    """Read a table with a row a frame and a column a behaviour; `background` is none.

    Raises:
        DataError: It is no such table, or the frame rate is not known.
    """
    found = Found(path, options, LABEL)
    text = text_of(path)
    if not is_deepethogram(text):
        raise found.fail(
            "it is no table of DeepEthogram", why="its first line names no background", next="give another file"
        )
    fps = found.rate("a row is a frame, and it does not say how many there are in a second")
    video = found.video_of_the_file_name(path.stem.removesuffix("_labels"))
    (_, heading), *rows = csv_rows(text, str(path))
    names = [name.strip() for name in heading]
    columns: list[list[bool]] = [[] for _ in names]
    for i, (_, cells) in enumerate(rows):
        place = f"{path}, line {i + 2}"
        if not any(map(str.strip, cells)):
            continue
        if len(cells) != len(names):
            raise found.fail(
                f"{len(cells)} cells where the heading has {len(names)}", place=place, next="export it anew"
            )
        if cells[0].strip() != str(i):
            raise found.fail(
                f"the frame is {cells[0]!r}, and not {i}",
                why="rows are missing or doubled",
                place=place,
                next="export it anew",
            )
        for column, cell in zip(columns[1:], cells[1:], strict=True):
            if cell.strip() not in ("0", "1", "-1", "0.0", "1.0"):
                raise found.fail(f"{cell!r} is neither 0 nor 1", place=place, next="export it anew")
            column.append(cell.strip() in ("1", "1.0"))
    for name, column in zip(names, columns, strict=True):
        if name and name.lower() != "background":
            _runs(found, video, name, column, fps)
    found.durations[video] = len(columns[-1]) / fps if columns[-1] else 0.0
    found.durations = {one: seconds for one, seconds in found.durations.items() if seconds > 0}
    return found


def _runs(found: Found, video: str, label: str, there: list[bool], fps: float) -> None:
    start = 0
    for value, run in groupby(there):
        end = start + sum(1 for _ in run)
        if value:
            found.add(video, start / fps, end / fps, {"label": label}, place=f"{found.path}, frame {start}")
        start = end


def read_breakfast(path: Path, options: ReadingOptions) -> Found:
    """Read Breakfast's labels, a line a frame or ranges `1-30 SIL`, at its 15 frames a second."""
    return _read_lines(path, options, BREAKFAST_FPS)


def read_lines(path: Path, options: ReadingOptions) -> Found:
    """Read a label a line, a line a frame, of any data set; the rate must be given."""
    return _read_lines(path, options, None)


def _read_lines(path: Path, options: ReadingOptions, fps: float | None) -> Found:
    found = Found(path, options, LABEL)
    text = text_of(path)
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise found.fail("it is empty", next="give a file with a label for each frame")
    if _RANGE.fullmatch(lines[0].strip()):
        return read_jigsaws(path, options, fps=fps or 0.0, name="Breakfast")
    rate = found.known_rate(fps, "Breakfast is published") if fps is not None else found.rate("a line is a frame")
    video = found.video_of_the_file_name(path.stem)
    start = 0
    for label, run in groupby(line.strip() for line in lines):
        end = start + sum(1 for _ in run)
        if label:
            found.add(video, start / rate, end / rate, {"label": label}, place=f"{path}, line {start + 1}")
        start = end
    found.durations[video] = len(lines) / rate
    background = sorted({event.fields["label"] for event in found.events} & {"SIL", "background", "Background", "BG"})
    if background and not options.leave_out:
        found.notes.append(
            f"{path.name}: {background[0]} looks like a background; --leave-out {background[0]} leaves it out"
        )
    return found


def _ranges(found: Found, other: str, why: str) -> Iterator[tuple[str, int, int, str]]:
    """The lines `FIRST LAST LABEL` of a file, each with its place; `other` and `why` tell of one that is another."""
    for i, line in enumerate(text_of(found.path).split("\n"), 1):
        text, place = line.strip(), f"{found.path}, line {i}"
        if not text:
            continue
        held = _RANGE.fullmatch(text)
        if held is None:
            raise found.fail(f"{text[:60]!r} {other}", why=why, place=place, next="correct the line")
        first, last = (whole(held[k], place=place, name=name) for k, name in ((1, "start"), (2, "end")))
        yield place, first, last, held[3]


def read_jigsaws(path: Path, options: ReadingOptions, *, fps: float = JIGSAWS_FPS, name: str = "JIGSAWS") -> Found:
    """Read lines `FIRST LAST LABEL` of frames that count from 1, both included, at JIGSAWS' 30 frames a second.

    Raises:
        DataError: A line is another.
    """
    found = Found(path, options, LABEL)
    rate = found.known_rate(fps, f"{name} is published") if fps else found.rate()
    video = found.video_of_the_file_name(path.stem)
    said = "is no range of frames with a label", "the file is cut short, or of another data set"
    for place, first, last, label in _ranges(found, *said):
        if first < 1:
            raise found.fail("a frame 0, where frames count from 1", place=place, next="correct the line")
        found.add(video, (first - 1) / rate, last / rate, {"label": label}, place=place)
    return found


def read_salads(path: Path, options: ReadingOptions) -> Found:
    """Read 50 Salads' activities: microseconds; fields are `label`, `activity` and `phase` (prep, core, post).

    Activities lie within each other: those without a phase hold the others.

    Raises:
        DataError: A line is another.
    """
    found = Found(path, options, LABEL)
    named = re.search(r"(\d+-\d+)-activityAnnotation", path.stem)
    video = found.video_of_the_file_name(named[1] if named else path.stem)
    for place, first, last, label in _ranges(found, "is no line of 50 Salads", "it must be START END LABEL"):
        activity, _, phase = label.rpartition("_")
        if phase not in ("prep", "core", "post"):
            activity, phase = label, "whole"
        fields = {"label": label, "activity": activity, "phase": phase}
        found.add(video, first / 1e6, last / 1e6, fields, place=place)
    found.notes.append(f"{path.name}: activities lie within each other; --where phase=whole, or phase=core, chooses")
    return found
