"""BORIS: tabular and aggregated events, in the layouts of version 7 and before and of version 8 and after.

Times are those of the observation: videos that are queued in one player share one clock, and the observation's offset
is added to it. Here they become times of each video. A row names the media file in which its event starts.
Source: the user guide, on observations and on exporting events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.errors import DataError
from ..core.tables import seconds, split_heading
from .boris_clock import Clock, Mark, Whole, first_player, queued, settle
from .events import Found
from .texts import Rows, sheet_rows

# What columns are called, before version 8 and since.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "observation": ("observation id",),
    "source": ("source",),
    "media": ("media file name", "media file path", "media file"),
    "lengths": ("media duration (s)",),
    "total": ("total length",),
    "offset": ("time offset (s)",),
    "subject": ("subject",),
    "behavior": ("behavior",),
    "category": ("behavioral category",),
    "kind": ("behavior type", "status"),
    "time": ("time",),
    "start": ("start (s)",),
    "stop": ("stop (s)",),
}
_NOTHING = frozenset({"", "na", "n/a", "nan", "none", "not found"})
_HEADER_LINES = 1000  # an observation's description and variables, above the table

_Events = list[tuple[dict[str, str], dict[str, str], str]]
"""The rows of an observation: cells by column, the event's fields, and the place of each."""


def is_boris(names: Sequence[str]) -> bool:
    """Whether columns, in small letters, are those of a table by BORIS."""
    held = set(names)
    tabular = "time" in held and bool(held & {"status", "behavior type"})
    return {"behavior", "subject"} <= held and (tabular or {"start (s)", "stop (s)"} <= held)


def holds_table(text: str) -> bool:
    """Whether a text holds such a table, whatever stands above it."""
    return any(is_boris(split_heading(line)[0]) for line in text.splitlines()[:_HEADER_LINES] if "ehavior" in line)


def rows_of(path: Path) -> Rows:
    """The lines of a table and of what stands above it."""
    return sheet_rows(path, is_boris, most=_HEADER_LINES)


def read(found: Found, rows: Rows) -> None:
    """Read tabular or aggregated events.

    Raises:
        DataError: It is no such table, a state has no end, or videos share a clock and their lengths are not known.
    """
    head: dict[str, str] = {}
    names: list[str] = []
    observations: dict[str, _Events] = {}
    for line, cells in rows:
        small = [cell.strip().lower() for cell in cells]
        if is_boris(small):
            names = small  # once more, where several exports were put below each other
        elif not names:
            head |= {small[0]: cells[1].strip()} if len(cells) > 1 and small and small[0] else {}
        elif any(small):
            _keep(found, observations, names, cells, head, f"{found.path}, line {line}")
    if not names:
        raise found.fail(
            "it is no table of events by BORIS",
            why="no line names the columns Subject, Behavior and Time, or Start (s) and Stop (s)",
            next="export tabular or aggregated events, as CSV, TSV or XLSX",
        )
    wanted = found.options.where.get("observation")
    for name, observation in observations.items():
        if wanted is None or name in wanted:
            _read_observation(found, name, observation, head)


def _keep(
    found: Found,
    observations: dict[str, _Events],
    names: list[str],
    cells: list[str],
    head: dict[str, str],
    place: str,
) -> None:
    """Put one row with the others of its observation."""
    if (len(cells) < len(names) and any(names[len(cells) :])) or any(cell.strip() for cell in cells[len(names) :]):
        raise found.fail(
            f"{len(cells)} cells where the heading has {len(names)}",
            why="the file is cut short, or a cell holds the separator without quotes",
            place=place,
        )
    own = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
    row = {key: next((own[name] for name in called if name in own), "") for key, called in _COLUMNS.items()}
    row = {key: "" if value.lower() in _NOTHING else value for key, value in row.items()}
    if not row["behavior"]:
        raise found.fail("the behavior is empty", place=place)
    modifiers = [
        cell for name, cell in own.items() if name.startswith("modifier") and cell and cell.lower() not in _NOTHING
    ]
    observation = row["observation"] or head.get("observation id", "")
    fields = {
        "behavior": row["behavior"],
        "modifiers": "|".join(modifiers),
        "subject": "" if row["subject"].lower() == "no focal subject" else row["subject"],
        "category": row["category"],
        "observation": observation,
    }
    observations.setdefault(observation, []).append((row, fields, place))


def _read_observation(found: Found, name: str, observation: _Events, head: Mapping[str, str]) -> None:
    """Put the events of one observation on the clocks of its videos."""
    place = f"{found.path}, observation {name!r}"
    pictures = [one for one in observation if not any(one[0][key] for key in ("time", "start", "stop"))]
    if pictures:
        raise found.fail(
            "an event has no time",
            why="observations of pictures have numbers, and no times",
            place=pictures[0][2],
            next="leave that observation out of the export",
        )
    clock = _clock(found, observation, head, place)
    if clock is None:
        found.notes.append(f"{place} was not read: a live observation is of no video; --video NAME reads it as of one")
        return
    marks: list[Mark] = []
    whole: list[Whole] = []
    for row, fields, where in observation:
        kind, about = row["kind"].upper(), (fields, where, row["media"])
        named = "start" if row["start"] else "time"
        time = seconds(row[named], place=where, name=named)
        if kind == "POINT":
            whole.append(Whole(time, None, *about))
        elif row["start"] and row["stop"]:
            whole.append(Whole(time, seconds(row["stop"], place=where, name="stop"), *about))
        elif row["start"] or kind in ("START", "STOP"):
            marks.append(Mark(time, bool(row["start"]) or kind == "START", *about))
        else:
            what = f"an event is of the kind {row['kind']!r}"
            raise found.fail(what, why="it must be START, STOP or POINT", place=where)
    settle(found, clock, whole, marks, place=place)


def _clock(found: Found, observation: _Events, head: Mapping[str, str], place: str) -> Clock | None:
    """The clock of an observation; None if it has no video."""
    first = observation[0][0]
    players = players_of(first["source"])
    if not players and not any(row["media"] for row, _, _ in observation):
        if found.options.video is None:
            return None
        players = [[found.options.video]]
    offset_text = first["offset"] or head.get("time offset (s)", "")
    offset = seconds(offset_text, place=place, name="time offset") if offset_text else 0.0
    if not offset_text:
        found.notes.append(f"{found.path.name} does not say the time offset of its observations; none was taken off")
    if players:
        media = first_player(found, players, place)
        texts = re.split(r"[|;]", first["lengths"]) if first["lengths"] else []
        lengths = [_length(text) for text in texts[: len(media)]]
        lengths += [None] * (len(media) - len(lengths))
        return queued(found, media, lengths, offset=offset, place=place)
    order = sorted(observation, key=lambda one: seconds(one[0]["start"] or one[0]["time"], place=one[2], name="time"))
    media = list(dict.fromkeys(row["media"] for row, _, _ in order if row["media"]))
    return queued(found, media, [None] * len(media), offset=offset, total=_length(first["total"]), place=place)


def _length(text: str) -> float | None:
    try:
        return seconds(text, place="", name="") if text.strip().lower() not in _NOTHING else None
    except DataError:
        return None  # NA, or the rates of another layout


def players_of(source: str) -> list[list[str]]:
    """The videos of each player, in the order in which they are played.

    >>> players_of("player #1:a.mp4;b.mp4|player #2:c.mp4")
    [['a.mp4', 'b.mp4'], ['c.mp4']]
    """
    parts = re.split(r"\|?\s*player #\d+:\s*", source)
    found = [[path.strip() for path in part.strip(" |").split(";") if path.strip()] for part in parts[1:]]
    return [player for player in found if player]
