"""A label for every frame: tables of 0 and 1 (DeepEthogram), a line a frame (Breakfast), ranges of frames (JIGSAWS).

None of them holds the frame rate; where the data set is published with one, that is taken and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from ..core.tables import whole
from .events import Found
from .texts import csv_rows

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
    lines = (line.strip() for line in head.split("\n")[:-1])
    return ranges_of(head) and all(re.fullmatch(r".*\sG\d+", line) for line in lines if line)


def read_deepethogram(found: Found, text: str) -> None:
    """Read a table with a row a frame and a column a behaviour; `background` is none.

    Raises:
        DataError: A row is another, or the frame rate is not known.
    """
    fps = found.rate("a row is a frame, and it does not say how many there are in a second")
    video = found.video_of_the_file_name(found.path.stem.removesuffix("_labels"))
    (_, heading), *rows = csv_rows(text, str(found.path))
    names = [name.strip() for name in heading]
    columns: list[list[bool]] = [[] for _ in names]
    for i, (_, cells) in enumerate(rows):
        place = f"{found.path}, line {i + 2}"
        if not any(map(str.strip, cells)):
            continue
        if len(cells) != len(names):
            raise found.fail(f"{len(cells)} cells where the heading has {len(names)}", place=place)
        if cells[0].strip() != str(i):
            what = f"the frame is {cells[0]!r}, and not {i}"
            raise found.fail(what, why="rows are missing or doubled", place=place)
        for column, cell in zip(columns[1:], cells[1:], strict=True):
            if cell.strip() not in ("0", "1", "-1", "0.0", "1.0"):
                raise found.fail(f"{cell!r} is neither 0 nor 1", place=place)
            column.append(cell.strip() in ("1", "1.0"))
    for name, column in zip(names, columns, strict=True):
        if name and name.lower() != "background":
            _add_runs(found, video, [name if there else "" for there in column], fps, "frame", first=0)
    if columns[-1]:
        found.durations[video] = len(columns[-1]) / fps


def _add_runs(found: Found, video: str, labels: Iterable[str], fps: float, what: str, *, first: int) -> None:
    """Add an event for each run of frames of one label; frames of none have an empty one."""
    start = 0
    for label, run in groupby(labels):
        end = start + sum(1 for _ in run)
        if label:
            place = f"{found.path}, {what} {start + first}"
            found.add(video, start / fps, end / fps, {"label": label}, place=place)
        start = end


def read_breakfast(found: Found, text: str) -> None:
    """Read Breakfast's labels, a line a frame or ranges `1-30 SIL`, at its 15 frames a second."""
    _read_lines(found, text, BREAKFAST_FPS)


def read_lines(found: Found, text: str) -> None:
    """Read a label a line, a line a frame, of any data set; the rate must be given."""
    _read_lines(found, text, None)


def _read_lines(found: Found, text: str, fps: float | None) -> None:
    path, lines = found.path, text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise found.fail("it is empty", next="give a file with a label for each frame")
    if _RANGE.fullmatch(lines[0].strip()):
        return _read_ranges(found, text, fps or 0.0, "Breakfast")
    rate = found.known_rate(fps, "Breakfast is published") if fps is not None else found.rate("a line is a frame")
    video = found.video_of_the_file_name(path.stem)
    _add_runs(found, video, (line.strip() for line in lines), rate, "line", first=1)
    found.durations[video] = len(lines) / rate
    background = sorted({event.fields["label"] for event in found.events} & {"SIL", "background", "Background", "BG"})
    if background and not found.options.leave_out:
        found.notes.append(
            f"{path.name}: {background[0]} looks like a background; --leave-out {background[0]} leaves it out"
        )


def _ranges(found: Found, content: str, other: str, why: str) -> Iterator[tuple[str, int, int, str]]:
    """The lines `FIRST LAST LABEL` of a file, each with its place; `other` and `why` tell of one that is another."""
    for i, line in enumerate(content.split("\n"), 1):
        text, place = line.strip(), f"{found.path}, line {i}"
        if not text:
            continue
        held = _RANGE.fullmatch(text)
        if held is None:
            raise found.fail(f"{text[:60]!r} {other}", why=why, place=place)
        first, last = (whole(held[k], place=place, name=name) for k, name in ((1, "start"), (2, "end")))
        yield place, first, last, held[3]


def read_jigsaws(found: Found, text: str) -> None:
    """Read lines `FIRST LAST LABEL` of frames that count from 1, both included, at JIGSAWS' 30 frames a second.

    Raises:
        DataError: A line is another.
    """
    _read_ranges(found, text, JIGSAWS_FPS, "JIGSAWS")


def _read_ranges(found: Found, text: str, fps: float, name: str) -> None:
    rate = found.known_rate(fps, f"{name} is published") if fps else found.rate()
    video = found.video_of_the_file_name(found.path.stem)
    said = "is no range of frames with a label", "the file is cut short, or of another data set"
    for place, first, last, label in _ranges(found, text, *said):
        if first < 1:
            raise found.fail("a frame 0, where frames count from 1", place=place)
        found.add(video, (first - 1) / rate, last / rate, {"label": label}, place=place)


def read_salads(found: Found, text: str) -> None:
    """Read 50 Salads' activities: microseconds; fields are `label`, `activity` and `phase` (prep, core, post).

    Activities lie within each other: those without a phase hold the others.

    Raises:
        DataError: A line is another.
    """
    path = found.path
    named = re.search(r"(\d+-\d+)-activityAnnotation", path.stem)
    video = found.video_of_the_file_name(named[1] if named else path.stem)
    for place, first, last, label in _ranges(found, text, "is no line of 50 Salads", "it must be START END LABEL"):
        activity, _, phase = label.rpartition("_")
        if phase not in ("prep", "core", "post"):
            activity, phase = label, "whole"
        fields = {"label": label, "activity": activity, "phase": phase}
        found.add(video, first / 1e6, last / 1e6, fields, place=place)
    found.notes.append(f"{path.name}: activities lie within each other; --where phase=whole, or phase=core, chooses")
