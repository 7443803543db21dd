"""Tables of a laboratory's own, whose columns a person names: times in seconds, or ranges of frames by label."""

from __future__ import annotations

import re
from pathlib import Path

from ..core.errors import listing, suggestion
from ..core.tables import as_written, seconds, whole
from ..eval.parsing import HEADINGS
from .events import Found
from .texts import Rows, sheet_rows

_RATERS = frozenset({"rater", "experimenter", "coder", "annotator", "observer", "scorer"})
_RANGE = re.compile(r"(\d+)\s*[-:\u2013]\s*(\d+)")


def rows_of(path: Path) -> Rows:
    """The lines of a table."""
    return sheet_rows(path, any, most=None)


def read(found: Found, rows: Rows) -> None:
    """Read a table by the names of its columns; every column is a field.

    Args:
        found: Of its options `columns` says what is what; what it does not say has the usual names. `ranges` are
            columns named by their label that hold first and last frame, both included and counted from 1, as `1-17`;
            `first` and `last` are not needed then. A `-` is none.
        rows: By `rows_of`.

    Raises:
        DataError: A column is missing, or a cell is no time.
    """
    heading: list[str] | None = None
    for line, cells in rows:
        if not any(map(str.strip, cells)):
            continue
        if heading is None:
            heading = [cell.strip() for cell in cells]
            continue
        place = f"{found.path}, line {line}"
        if len(cells) < len(heading) or any(cell.strip() for cell in cells[len(heading) :]):
            raise found.fail(f"{len(cells)} cells where the heading has {len(heading)}", place=place)
        own = {name: as_written(cell.strip()) for name, cell in zip(heading, cells, strict=False)}
        _add(found, own, place)
    if heading is None:
        raise found.fail("it is empty", next="give a table with a heading and rows")
    _remark(found)


def _column(found: Found, own: dict[str, str], what: str, *, place: str, needed: bool = True) -> str | None:
    """The cell of what is asked for, by the name that a person gave it, else by one that is usual."""
    typed = found.options.columns.get(what, ())
    for name in typed or HEADINGS.get(what, ()):
        cell = next((value for key, value in own.items() if key.lower() == name), None)
        if cell is not None:
            return cell
    if not (needed or typed):
        return None
    raise found.fail(
        f"it has no column {typed[0] if typed else what!r}",
        why=f"its columns are {listing(own, 12)}" if not typed else suggestion(typed[0], [key.lower() for key in own]),
        next=f"give --columns {what}=NAME",
    )


def _add(found: Found, own: dict[str, str], place: str) -> None:
    media = _column(found, own, "video", place=place, needed=found.options.video is None)
    if media == "":
        raise found.fail("the video is empty", place=place)
    video = found.unnamed_video() if media is None else found.video(media, place=place)
    ranges = found.options.columns.get("ranges", ())
    if ranges:
        fps = found.rate("ranges are frames")
        for name in ranges:
            key = next((key for key in own if key.lower() == name), None)
            if key is None:
                raise found.fail(
                    f"it has no column {name!r}", why=f"its columns are {listing(own, 12)}", next="correct --columns"
                )
            held = _RANGE.fullmatch(own[key])
            if held is None:
                if own[key] in ("", "-", "NA"):
                    continue
                raise found.fail(f"{own[key]!r:.40} is no range of frames", why="it must be as 1-17", place=place)
            first, last = (whole(one, place=place, name="frame") for one in held.groups())
            found.add(video, (first - 1) / fps, last / fps, own | {"label": key}, place=place)
        return
    label = _column(found, own, "label", place=place, needed=not found.options.label)
    fields = own | ({"label": label} if label is not None else {})
    at = _column(found, own, "time", place=place, needed=False)
    if at is not None and "start" not in found.options.columns:
        found.add(video, seconds(at, place=place, name="time"), None, fields, place=place)
        return
    start, end = (str(_column(found, own, name, place=place)) for name in ("start", "end"))
    last = seconds(end, place=place, name="end") if end else None
    found.add(video, seconds(start, place=place, name="start"), last, fields, place=place)


def _remark(found: Found) -> None:
    """Several people who marked one video, which would count every action several times."""
    for name in dict.fromkeys(key for event in found.events for key in event.fields if key.lower() in _RATERS):
        people = sorted({event.fields.get(name, "") for event in found.events})
        if len(people) > 1 and name not in found.options.where:
            found.notes.append(
                f"{found.path.name}: several {name}s are read together: {listing(people)}; --where {name}=NAME chooses"
            )
