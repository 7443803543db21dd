"""Data sets' own tables: EPIC-Kitchens, Charades, MultiTHUMOS."""

from __future__ import annotations

import re
from pathlib import Path

from ..core.errors import plural
from ..core.tables import number, seconds, table_rows
from ..eval.parsing import interval
from .events import Found, ReadingOptions
from .texts import json_of, list_in, table_in

_EPIC = ("participant_id", "video_id", "start_timestamp", "stop_timestamp", "narration", "verb", "noun")
_CHARADES = ("id", "subject", "scene", "actions", "length")


def is_epic(names: list[str]) -> bool:
    """Whether columns are those of EPIC-Kitchens' tables."""
    return {"video_id", "start_timestamp", "stop_timestamp"} <= set(names)


def is_charades(names: list[str]) -> bool:
    """Whether columns are those of Charades' tables."""
    return {"id", "actions", "length"} <= set(names)


def is_multithumos(content: object) -> bool:
    """Whether JSON is videos with `actions`, rows of class, start and end."""
    if not isinstance(content, dict) or not content:
        return False
    return all(isinstance(one, dict) and "actions" in one for one in content.values())  # pyright: ignore[reportUnknownVariableType]


def read_epic(path: Path, options: ReadingOptions) -> Found:
    """Read EPIC-Kitchens by its time stamps, not frames; fields are `narration`, `verb`, `noun` and `participant`.

    Raises:
        DataError: It lacks a column, as the tables of test videos do.
    """
    found = Found(path, options, ("narration",))
    needed = ("video_id", "start_timestamp", "stop_timestamp", "narration", "verb", "noun")
    for line, row in table_rows(path, _EPIC, needed=needed):
        place = f"{path}, line {line}"
        start, end = (seconds(row[f"{name}_timestamp"], place=place, name=name) for name in ("start", "stop"))
        fields = {name: row[name] for name in ("narration", "verb", "noun")} | {
            "participant": row.get("participant_id", "")
        }
        found.add(found.video(row["video_id"], place=place), start, end, fields, place=place)
    if not options.label:
        found.notes.append(
            f"{path.name}: labels are the narrations; --label verb, or --label verb noun, takes the classes"
        )
    return found


def read_charades(path: Path, options: ReadingOptions) -> Found:
    """Read Charades; fields are `label` (c000 to c156), `subject` and `scene`. Ends past the video are cut to it.

    Raises:
        DataError: A row's actions are no list of class, start and end.
    """
    found = Found(path, options, ("label",))
    cut = 0
    for line, row in table_rows(path, _CHARADES, needed=("id", "actions", "length")):
        place = f"{path}, line {line}"
        video = found.video(row["id"], place=place)
        length = number(row["length"], place=place, name="length")
        found.durations[video] = length
        for action in filter(None, map(str.strip, row["actions"].split(";"))):
            cells = action.split()
            if len(cells) != 3:
                raise found.fail(
                    f"{action!r:.60} is no action",
                    why="it must be CLASS START END",
                    place=place,
                    next="correct the row",
                )
            start, end = (
                number(cell, place=place, name=name) for cell, name in zip(cells[1:], ("start", "end"), strict=True)
            )
            cut += end > length
            fields = {"label": cells[0], "subject": row.get("subject", ""), "scene": row.get("scene", "")}
            found.add(video, start, max(min(end, length), start), fields, place=place)
    if cut:
        found.notes.append(f"{path.name}: {plural(cut, 'end')} past the video's length cut to it")
    return found


def read_multithumos(path: Path, options: ReadingOptions) -> Found:
    """Read MultiTHUMOS; labels are its class numbers, since the file holds no names.

    Raises:
        DataError: It is no such file.
    """
    found = Found(path, options, ("label",))
    content = json_of(path)
    if not is_multithumos(content):
        raise found.fail("it holds no videos with actions", next="give a multithumos.json")
    for name, entry in table_in(content, str(path)).items():
        place = f"{path}, video {name}"
        row = table_in(entry, place)
        video = found.video(name, place=place)
        if row.get("duration") is not None:
            found.durations[video] = number(row["duration"], place=place, name="duration")
        if row.get("subset"):
            found.subsets[video] = re.sub("ing$", "", str(row["subset"])).replace("train", "training")
        for i, item in enumerate(list_in(row["actions"], place), 1):
            where = f"{place}, action {i}"
            action = list_in(item, where)
            if len(action) != 3:
                raise found.fail(
                    f"{action!r:.60} is no action", why="it must be CLASS, START, END", place=where, next="correct it"
                )
            found.add(video, *interval(*action[1:], place=where), {"label": str(action[0])}, place=where)
    if not options.label:
        found.notes.append(f"{path.name}: labels are numbers of classes; the file holds no names")
    return found
